"""The panel on a database of a test, and people who are signed in to it; pages are in English."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import create_app
from itm_admin.ledger import alert_raising, verification_jobs
from tests import signed_in
from tests.conftest import Database, settings_for
from tests.factories import Factory, Somebody

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Browser:
    """One signed-in person's browser."""

    client: FlaskClient
    token: str = ""

    def get(self, path: str) -> TestResponse:
        return self._noted(self.client.get(path))

    def words(self, path: str) -> str:
        """The page's words, without marks and with single spaces; the page must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.get_data(as_text=True)[-2000:])
        return words_of(answer)

    def post(self, path: str, **values: str) -> TestResponse:
        return self._noted(self.client.post(path, data={"csrf_token": self.token, **values}))

    def _noted(self, answer: TestResponse) -> TestResponse:
        found = _TOKEN.search(answer.get_data(as_text=True)) if answer.mimetype == "text/html" else None
        self.token = found[1] if found else self.token
        return answer


def words_of(answer: TestResponse) -> str:
    plain = re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True))
    return " ".join(html.unescape(plain).split())


class PanelWorld:
    """The application, its factory of people and records, and the scheduler's engine."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.app: Flask = create_app(settings_for(database, home))
        self.make = Factory(database, self.app.extensions["itm_keyring"])
        self.signer = database.engine("signer")

    def browser(self, somebody: Somebody) -> Browser:
        with self.make.superuser() as connection:
            connection.execute(text("update account set language = 'en' where id = :id"), {"id": somebody.id})
        browser = Browser(self.app.test_client())
        signed_in.enter(browser.client, self.database, somebody.username)
        browser.get("/")
        return browser

    def run(self, statement: str, **values: object):  # type: ignore[no-untyped-def]
        """Rows, past row-level security."""
        with self.make.superuser() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def scalar(self, statement: str, **values: object):  # type: ignore[no-untyped-def]
        return self.run(statement, **values)[0][0]

    def verify(self, level: str = "full") -> None:
        """A round, as the scheduler's process does it."""
        {"full": verification_jobs.full, "incremental": verification_jobs.incremental}[level](
            self.signer, lambda: False
        )

    def close_alerts(self) -> None:
        """As the signer closes what is over, with an entry for each."""
        with self.signer.begin() as connection:
            for alert in connection.execute(
                text("select kind, subject from alert where acknowledged_at is null")
            ).all():
                assert alert_raising.resolve(connection, alert.kind, alert.subject)

    def ledger(self, code: str):  # type: ignore[no-untyped-def]
        return self.scalar("select id from audit.ledger where code = :code", code=code)

    def looks(self, actor: Somebody):  # type: ignore[no-untyped-def]
        """A person's acts in the ledger, in order: action, kind, target, outcome, detail."""
        return self.run(
            "select action, target_kind as kind, target_id as target, outcome, content::jsonb -> 'detail' as detail"
            " from audit.entry where actor_id = :id order by recorded_at, seq",
            id=str(actor.id),
        )
