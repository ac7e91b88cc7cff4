"""Sessions of people who have signed in, without the pages: a row as their sign-in makes it, and its cookie.

Tests about signing in go through the pages (tests/second_factors.py has the codes); all others begin here. The factor
of these sessions stays fresh: a module's people are at work longer than a step-up lasts.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Protocol

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from itm_admin.accounts import sessions
from itm_admin.foundation import forgery, tenancy
from itm_admin.foundation.i18n import SESSION_KEY

COOKIE = "itm"
_BEGIN = text(
    "select itm.open_session(:digest, array['password', 'totp'], interval '-12 hours', interval '30 minutes',"
    " interval '12 hours', null, null)"
)
_SIGNED_IN = text("update account set last_login = now() where id = :account")
_PERSON = text("select id, institution_id, language from account where username = :name")


class Database(Protocol):
    def engine(self, role: str) -> Engine: ...


def enter(client: FlaskClient, database: Database, username: str) -> None:
    """The client's cookie is that of this person's new session. Its former content is gone, as after a sign-in."""
    content = _content(client.application, database, username)
    with client.session_transaction() as cookie:
        cookie.clear()
        cookie.update(content)


def cookie_of(secret_key: str | bytes | None, database: Database, username: str) -> str:
    """The cookie of a new session, for a server that runs elsewhere with this secret."""
    app = Flask("cookie")
    app.secret_key = secret_key
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    cookie: str = signer.dumps(_content(app, database, username))
    return cookie


def begin(database: Database, username: str) -> tuple[Any, bytes]:
    """A new session of this person: the account's row, and the secret."""
    with database.engine("superuser").connect() as connection:
        person = connection.execute(_PERSON, {"name": username}).one()
    secret = secrets.token_bytes(sessions.SECRET_BYTES)
    own = tenancy.Context(scope="login", account=person.id, institution=person.institution_id)
    with database.engine("app").begin() as connection:
        tenancy.apply(connection, own)
        connection.execute(_BEGIN, {"digest": hashlib.sha256(secret).digest()})
        connection.execute(_SIGNED_IN, {"account": person.id})
    return person, secret


def _content(app: Flask, database: Database, username: str) -> dict[str, Any]:
    person, secret = begin(database, username)
    content: dict[str, Any] = {}
    with app.app_context():
        sessions.begin(content, secret, forgery.of_account(person.id))
    content[SESSION_KEY] = person.language
    return content
