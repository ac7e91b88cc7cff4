"""The whole panel on a test's database, and people who sign in to it as a browser would.

Requests go through Flask's test client: the same gate, ledger and error pages as over the network. What a
request left behind is read as superuser, past row-level security.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import create_app
from itm_admin.foundation.database import db
from tests import signed_in
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD, Factory, Somebody, Tenant, grow_older, without_rules

_REQUEST = re.compile(r"\b[0-9a-f]{32}\b")
_TOKEN = re.compile(r'(name="(?:csrf_token|form_key)" value=)"[^"]+"')
_NOT_COMPARED = "array['last_login', 'row_version', 'updated_at', 'updated_by', 'epoch', 'last_step', 'last_used_at']"
"""Columns that signing in and the database's stamps change."""


class Browser:
    """One person's cookies and anti-forgery token. Follows a form to its kept answer, and no other redirect."""

    def __init__(self, client: FlaskClient) -> None:
        self.client, self.token = client, ""

    def renew_token(self) -> None:
        self.token = json.loads(self.client.get("/api/v1/session/").text)["csrf_token"]

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def post(self, path: str, **fields: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token, **fields})

    def send(self, method: str, path: str, content: Any = None, raw: bytes | str | None = None) -> TestResponse:
        """A JSON request to the API, with the token in its header."""
        body = json.dumps(content) if raw is None else raw
        headers = {"X-CSRFToken": self.token}
        return self.client.open(path, method=method, data=body, headers=headers, content_type="application/json")

    def ask(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> TestResponse:
        """Sends JSON to the API, a form to a page, with the token on every change."""
        if method in ("GET", "HEAD", "OPTIONS"):
            return self.client.open(path, method=method)
        if path.startswith("/api/"):
            return self.send(method, path, dict(fields or {}))
        return self.client.open(path, method=method, data={"csrf_token": self.token, **(fields or {})})


@dataclass(frozen=True)
class Records:
    """One institution's rows to ask for, each of which its own people may open."""

    tenant: Tenant
    caseworker: Somebody
    case: uuid.UUID
    reference: str
    person: uuid.UUID
    pseudonym: str
    link: uuid.UUID
    unit: uuid.UUID
    unit_name: str
    colleague: Somebody
    grant: uuid.UUID
    ledger: uuid.UUID
    entry: int

    @property
    def marks(self) -> tuple[str, ...]:
        """Texts that would betray these rows in an answer to somebody else."""
        named = (self.reference, self.pseudonym, self.unit_name, self.colleague.username, self.caseworker.username)
        ids = (self.case, self.person, self.link, self.unit, self.colleague.id, self.caseworker.id, self.grant)
        return (*named, *map(str, ids), str(self.tenant.root), str(self.ledger))


class RunningPanel:
    """The application, a factory for its rows, and the superuser's eyes."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.app: Flask = create_app(settings_for(database, home))
        self.make = Factory(database, self.app.extensions["itm_keyring"])
        self._superuser = database.engine("superuser")

    def close(self) -> None:
        """Lets go of the database."""
        with self.app.app_context():
            db.engine.dispose()
        self.make.close()

    def browser(self, somebody: Somebody | None = None) -> Browser:
        """A new browser; of somebody who has signed in, if one is named."""
        browser = Browser(self.app.test_client())
        if somebody is not None:
            signed_in.enter(browser.client, self.database, somebody.username)
        browser.renew_token()
        return browser

    def sign_in(self, browser: Browser, somebody: Somebody) -> Browser:
        """Signs in with this browser's cookies, by password and code."""
        told = {"username": somebody.username, "password": PASSWORD, "code": self.make.code(somebody.username)}
        answer = browser.send("POST", "/api/v1/session/", told)
        assert answer.status_code == 200, answer.text
        browser.token = json.loads(answer.text)["csrf_token"]
        return browser

    def age(self, somebody: Somebody, *, idle: float = 0, begun: float = 0) -> None:
        """Makes the person's open sessions older by so many seconds: since the last act, and since their begin."""
        grow_older(self._superuser, somebody, idle=idle, begun=begun)

    def show_factors(self) -> None:
        """Every open session has shown its second factor just now: for walks that take longer than it stays fresh."""
        with self._superuser.begin() as connection, without_rules(connection, "account_session"):
            connection.execute(text("update account_session set factor_at = now() where ended_at is null"))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self._superuser.connect() as connection:
            return list(connection.execute(text(statement), values))

    def value(self, statement: str, **values: Any) -> Any:
        return self.rows(statement, **values)[0][0]

    def records(self, tenant: Tenant) -> Records:
        """A case with a person, a unit and a colleague, made by a caseworker and open to everybody above."""
        code = tenant.code
        role = "presidency_operator" if tenant.kind == "presidency" else "caseworker"
        worker = self.make.somebody(role, tenant)
        case = self.make.case(worker, opened_on="2026-02-01")
        link = self.make.person(worker, case, given_name=f"Ad{code}", family_name=f"Soyad{code}")
        unit_name = f"{code} gizli birimi"
        unit = self.make.unit(unit_name, tenant)
        colleague = self.make.somebody("focal_point" if role == "caseworker" else role, tenant, unit)
        grant = self.value("select id from role_grant where account_id = :id", id=colleague.id)
        ledger = self.value("select id from audit.ledger where code = :code", code=code)
        return Records(
            tenant, worker, case.id, case.reference, link.person_id, link.person.pseudonym, link.id, unit, unit_name,
            colleague, grant, ledger, 1,
        )  # fmt: skip

    def state(self, tenant: Tenant | None = None) -> list[tuple[str, str]]:
        """Every business row of an institution, or of all, as text: to see that nothing changed.

        Alerts are not compared: the panel raises one by itself when something waits too long.
        """
        tables = self.rows(
            "select c.relname, exists (select from pg_attribute a where a.attrelid = c.oid"
            " and a.attname = 'institution_id') as owned from pg_class c where c.relkind = 'r'"
            " and c.relnamespace = 'public'::regnamespace"
            " and c.relname not in"
            " ('login_throttle', 'account_session', 'code_tries', 'passkey_challenge', 'mail', 'account_address',"
            " 'former_password', 'known_device', 'sign_in_tally', 'editing', 'draft', 'form_answer', 'alembic_version',"
            " 'alert')"
        )
        parts = []
        for each in tables:
            table, owned = each[0], each[1]
            column = "institution_id" if owned else "id" if table == "institution" else None
            where = f" where t.{column} = :tenant" if tenant and column else ""
            parts.append(f"select '{table}', (to_jsonb(t) - {_NOT_COMPARED})::text from {table} t{where}")
        values = {"tenant": tenant.id} if tenant else {}
        return sorted((row[0], row[1]) for row in self.rows(" union all ".join(parts), **values))

    def size(self, tenant: Tenant) -> int:
        """The number of entries in its ledger."""
        return int(self.value("select size from audit.ledger where code = :code", code=tenant.code))

    def events(self, answer: TestResponse) -> list[Any]:
        """One request's entries: ledger's code, action, outcome, target. For a form, those of the POST."""
        return self.shown(answer.__dict__.get("sent", answer))

    def shown(self, answer: TestResponse) -> list[Any]:
        """As `events`; of a form's answer, of the request that showed it."""
        return self.rows(
            "select l.code, e.action, e.outcome, e.target_kind as kind, e.target_id as target, e.subjects,"
            " e.actor_id as actor from audit.event e join audit.ledger l on l.id = e.ledger_id"
            " where e.request_id = :id",
            id=answer.headers["X-Request-Id"],
        )


def body_of(answer: TestResponse, *asked: object) -> str:
    """The body without what differs between any two requests: numbers, tokens and the ids that were asked for."""
    body = _TOKEN.sub(r"\1", answer.text)
    for each in sorted(map(str, asked), key=len, reverse=True):
        body = body.replace(each, "ASKED").replace(each[:8] if len(each) == 36 else each, "ASKED")
    return _REQUEST.sub("NUMBER", body)
