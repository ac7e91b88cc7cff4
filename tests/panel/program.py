"""API keys as people make them, and programs that send them: each step goes through its own page."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from itm_admin.accounts import api_key_text
from tests.factories import Somebody
from tests.panel.panel_app import Browser, RunningPanel

LOOK = ("Case.list", "Case.show")
ADDRESS = "127.0.0.1"


@dataclass
class Program:
    """A program with a key's secret, at an address."""

    client: FlaskClient
    secret: str
    address: str = ADDRESS

    def send(self, method: str, path: str, content: Any = None, **headers: str) -> TestResponse:
        return self.client.open(
            path, method=method, data=None if content is None else json.dumps(content),
            content_type="application/json" if content is not None else None,
            headers={"Authorization": f"Bearer {self.secret}", **headers},
            environ_base={"REMOTE_ADDR": self.address},
        )  # fmt: skip

    def get(self, path: str) -> TestResponse:
        return self.send("GET", path)


def make_key(
    browser: Browser, person: Somebody, scopes: Sequence[str] = LOOK, networks: str = ADDRESS, **fields: Any
) -> uuid.UUID:
    """A manager's browser makes a key for this person."""
    sent = {
        "name": "Aktarım", "account_id": str(person.id), "scopes": list(scopes), "networks": networks, "days": "30",
        **fields,
    }  # fmt: skip
    answer = browser.post("/api-keys/new", **sent)
    assert answer.status_code == 303, answer.text.partition("error-summary")[2][:600] or answer.text[-600:]
    return uuid.UUID(answer.headers["Location"].rpartition("/")[2])


def version_of(panel: RunningPanel, key: uuid.UUID) -> int:
    return int(panel.value("select row_version from api_key where id = :id", id=key))


def take(panel: RunningPanel, browser: Browser, key: uuid.UUID, overlap: str = "24") -> str:
    """The responsible person's browser takes a secret."""
    answer = browser.post(f"/profile/api-keys/secret?key={key}", overlap=overlap, version=str(version_of(panel, key)))
    assert answer.status_code == 200, answer.text
    found = re.search(r'id="secret" readonly value="([^"]+)"', answer.text)
    assert found, answer.text
    assert api_key_text.PATTERN.fullmatch(found[1])
    return found[1]


def program(
    panel: RunningPanel, manager: Somebody, person: Somebody, scopes: Sequence[str] = LOOK, **fields: Any
) -> tuple[Program, uuid.UUID]:
    """A program at work by a new key of this person."""
    key = make_key(panel.browser(manager), person, scopes, **fields)
    return Program(panel.app.test_client(), take(panel, panel.browser(person), key)), key
