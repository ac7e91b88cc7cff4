"""Sessions of people who have signed in, without the pages: a row as their sign-in writes it, and its cookie.

Tests about signing in go through the pages (tests/second_factors.py has the codes); all others begin here.
"""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine, text

from itm_admin.accounts import sessions
from itm_admin.foundation import forgery, tenancy
from itm_admin.foundation.i18n import SESSION_KEY

COOKIE = "itm"
_BEGIN = text("insert into account_session (id, institution_id, account_id) values (:session, :institution, :account)")
_PERSON = text("select id, institution_id, language from account where username = :name")


class Database(Protocol):
    def engine(self, role: str) -> Engine: ...


def enter(client: FlaskClient, database: Database, username: str) -> None:
    """The client's cookie is that of this person's new session. Its former content is gone, as after a sign-in."""
    content = _content(client.application, database, username)
    with client.session_transaction() as cookie:
        cookie.clear()
        cookie.update(content)


def cookie_of(secret_key: str | None, database: Database, username: str) -> str:
    """The cookie of a new session, for a server that runs elsewhere with this secret."""
    app = Flask("cookie")
    app.secret_key = secret_key
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    cookie: str = signer.dumps(_content(app, database, username))  # type: ignore[assignment]
    return cookie


def _content(app: Flask, database: Database, username: str) -> dict[str, Any]:
    with database.engine("superuser").connect() as connection:
        person = connection.execute(_PERSON, {"name": username}).one()
    claim = sessions.new(person.id, person.institution_id, uuid.uuid4())
    with database.engine("app").begin() as connection:
        _begin(connection, claim)
    content: dict[str, Any] = {}
    with app.app_context():
        sessions.begin(content, claim, forgery.of_account(claim.account))
    content[SESSION_KEY] = person.language
    return content


def _begin(connection: Connection, claim: sessions.Claim) -> None:
    own = tenancy.Context(scope="login", account=claim.account, institution=claim.institution)
    tenancy.apply(connection, own)
    row = {"session": claim.session, "account": claim.account, "institution": claim.institution}
    connection.execute(_BEGIN, row)
