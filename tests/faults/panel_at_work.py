"""The panel at work on a test's database: people who are signed in, with records of every kind before them.

`Records` is what a focal point has open; a fault may then strike, and `stored` tells whether anything moved.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import create_app
from tests import signed_in
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD, Factory, Somebody

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Browser:
    """One person's browser. Forms and API calls carry the session's anti-forgery token."""

    client: FlaskClient
    token: str = ""

    def sign_in(self, username: str, password: str = PASSWORD) -> TestResponse:
        found = _TOKEN.search(self.get("/sign-in").text)
        assert found is not None
        return self.client.post("/sign-in", data={"csrf_token": found[1], "username": username, "password": password})

    def learn_token(self) -> Browser:
        self.token = self.client.get("/api/v1/session/").json["csrf_token"]  # type: ignore[index]
        return self

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def post(self, path: str, **values: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token, **values})

    def call(self, method: str, path: str, body: Any = None) -> TestResponse:
        return self.client.open(path, method=method, json=body, headers={"X-CSRFToken": self.token})


@dataclass(frozen=True)
class Records:
    """Ids of a case, a person in it, their link and its version, all of one institution."""

    case: str
    person: str
    link: str


class Panel:
    """The application on one database, and the factory of people and records that share its keys."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database, self.home = database, home
        self.app: Flask = create_app(settings_for(database, home))
        self.make = Factory(database, self.app.extensions["itm_keyring"])
        self.make.institution()

    def browser(self, somebody: Somebody) -> Browser:
        browser = Browser(self.app.test_client())
        signed_in.enter(browser.client, self.database, somebody.username)
        return browser.learn_token()

    def records(self, by: Somebody, **personal: Any) -> Records:
        """A case with a victim and a profile."""
        case = self.make.case(by, narrative=personal.pop("narrative", "Anlatı"))
        link = self.make.person(by, case, given_name="Ayşe", family_name="Yılmaz", **personal)
        browser = self.browser(by)
        profile = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "Sağlık"}
        assert browser.call("PATCH", f"/api/v1/profiles/{link.id}", profile).status_code == 200
        return Records(str(case.id), str(link.person_id), str(link.id))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """As superuser, past row-level security. It takes no lock that a fault's own session could hold."""
        with self.database.engine("superuser").begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def scalar(self, statement: str, **values: Any) -> Any:
        return self.rows(statement, **values)[0][0]

    def stored(self) -> str:
        """A digest of every row, but those that count tries, open the tests' own work and tell who has a form open."""
        tables = self.rows(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname in ('public', 'audit', 'itm') and tablename not in"
            " ('login_throttle', 'counted_try', 'command_door', 'editing')"
            " order by 1"
        )
        whole = hashlib.sha256()
        for (table,) in tables:
            rows = self.scalar(f"select md5(string_agg(t::text, chr(10) order by t::text)) from {table} t")
            whole.update(f"{table}={rows}".encode())
        return whole.hexdigest()

    def ready(self) -> dict[str, Any]:
        """The checks that the health page tells."""
        checks: dict[str, Any] = Browser(self.app.test_client()).get("/readyz").json["checks"]  # type: ignore[index]
        return checks

    def alerts_in_ledger(self) -> int:
        """The number of entries in the Presidency's ledger about a ledger that could not be written."""
        found: int = self.scalar(
            "select count(*) from audit.entry e join audit.ledger l on l.id = e.ledger_id where l.presidency"
            " and e.action = 'alert.raise' and e.content::jsonb -> 'detail' ->> 'kind' = 'ledger.unavailable'"
        )
        return found
