"""Second factors of people in tests about signing in: an authenticator app for an account, and its codes."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from html import unescape
from typing import Any, Protocol

import pyotp
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from itm_admin.accounts import bootstrap, factors, totp
from itm_admin.accounts.factors import FactorOwner
from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import Keyring

_PERSON = text("select id, institution_id, username from account where username = :name")
_RENEW = text("update second_factor set last_step = :step where account_id = :id and kind = 'totp'")
_HIDDEN = re.compile(r'<input[^>]*name="(next|held)"[^>]*value="([^"]*)"')


class Database(Protocol):
    def engine(self, role: str) -> Engine: ...


def person(database: Database, username: str) -> FactorOwner:
    with database.engine("superuser").connect() as connection:
        row = connection.execute(_PERSON, {"name": username}).one()
    return FactorOwner(row.id, row.institution_id, row.username)


def own_context(who: FactorOwner) -> tenancy.Context:
    """The context in which this person signs in."""
    return tenancy.Context(scope="login", account=who.id, institution=who.institution, account_name=who.username)


def secret_of(database: Database, keyring: Keyring, username: str) -> str:
    """The secret of the account's app, which is set up if there is none."""
    who = person(database, username)
    with bootstrap.making_sessions(database.engine("app"))() as session, tenancy.acting(own_context(who), session):
        secret = _stored(session, keyring, who) or _set_up(session, keyring, who)
        session.commit()
    return secret


def code_of(database: Database, keyring: Keyring, username: str) -> str:
    """A code that is accepted now, whichever ones were accepted before."""
    secret = secret_of(database, keyring, username)
    with database.engine("superuser").begin() as connection:
        who = person(database, username)
        connection.execute(_RENEW, {"step": int(time.time()) // totp.STEP - 2, "id": who.id})
    return pyotp.TOTP(secret).now()


def show(
    client: FlaskClient, answer: TestResponse, code: str, headers: Mapping[str, str] | None = None, **fields: Any
) -> TestResponse:
    """After a right password: the answer to this code, with what waits behind the page."""
    if answer.status_code == 303:
        assert answer.headers["Location"].startswith("/sign-in/factor"), answer.headers["Location"]
        answer = client.get(answer.headers["Location"])
    waiting = {name: unescape(value) for name, value in _HIDDEN.findall(_main(answer))}
    token = re.search(r'name="csrf_token" value="([^"]+)"', _main(answer))
    assert token, answer.text
    sent = {"csrf_token": token[1], "code": code, **waiting, **fields}
    return client.post("/sign-in/factor", data=sent, headers=dict(headers or {}))


def _main(answer: TestResponse) -> str:
    return answer.text.partition("<main")[2].partition("</main>")[0]


def _stored(session: Session, keyring: Keyring, who: FactorOwner) -> str | None:
    apps = [each for each in factors.standing(session, who.id) if each.kind == "totp"]
    return totp.opened(keyring.of_institution(session), apps[0]) if apps else None


def _set_up(session: Session, keyring: Keyring, who: FactorOwner) -> str:
    """Its first code is that of the step before: the present one can still be shown."""
    secret = totp.new_secret()
    factors.begin_app(session, keyring, who, "Telefon", secret)
    before = pyotp.TOTP(secret).generate_otp(int(time.time()) // totp.STEP - 1)
    factors.confirm_app(session, keyring, who, before)
    return secret
