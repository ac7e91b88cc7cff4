"""Forged hosts and forwarded headers: refused, or not read, wherever they come from but from a named proxy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from app import create_app
from itm_admin.foundation.headers import ALWAYS, HTTPS_ONLY
from itm_admin.foundation.proxies import Proxies, network
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD
from tests.panel.panel_app import RunningPanel

HOST = "panel.example"
PROXY, STRANGER = "10.1.2.3", "203.0.113.9"
FORGED = {
    "X-Forwarded-For": "198.51.100.66",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "1337",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "198.51.100.67",
    "Forwarded": "for=198.51.100.68;host=evil.example",
}


@pytest.fixture(scope="module")
def behind(panel: RunningPanel, shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The panel under HTTPS behind a proxy and a second one in front of that."""
    settings = settings_for(shared_database, tmp_path_factory.mktemp("behind"))
    proxies = (PROXY, "10.9.0.0/24")
    key = Path(panel.app.config["ITM_HOME"]) / "master_key"
    return create_app(
        replace(settings, https=True, trusted_hosts=(HOST,), trusted_proxies=proxies, master_key_file=key)
    )


def ask(app: Flask, path: str = "/sign-in", peer: str = STRANGER, host: str = HOST, **headers: str) -> TestResponse:
    return app.test_client().get(
        path, headers={"Host": host, **headers}, environ_overrides={"REMOTE_ADDR": peer, "REMOTE_HOST": peer}
    )


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.panel.example", "panel.example.evil.example", "panel.example:1337", "panel.example:8080",
     "panel.example@evil.example", "panel.example, evil.example", "panel.example/..", "panel.example\t", "localhost",
     "[::1]", "panel.example:443@evil.example", "panel.example:", "panel.example.", ""],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/sign-in", "/cases", "/no/such/page", "/api/v1/cases/", "/static/app.css"])
def test_a_forged_host_is_refused_and_repeated_nowhere(behind: Flask, host: str, path: str) -> None:
    answer = ask(behind, path, host=host)
    assert answer.status_code == 400
    assert "evil" not in answer.text + str(answer.headers)
    assert not answer.headers.get("Location")
    assert answer.headers["Content-Security-Policy"] == ALWAYS["Content-Security-Policy"]


def test_a_redirect_leads_to_the_named_host_alone(behind: Flask) -> None:
    for headers in ({}, FORGED):
        answer = ask(behind, "/cases", peer=STRANGER, **headers)
        assert answer.status_code in (302, 308)
        assert "evil" not in answer.headers["Location"]
    forged = ask(behind, "/cases", peer=PROXY, **{"X-Forwarded-Host": "evil.example"})
    assert (forged.status_code, "evil" in forged.text) == (400, False)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (STRANGER, "198.51.100.66", STRANGER),
        (PROXY, "", PROXY),
        (PROXY, "198.51.100.66", "198.51.100.66"),
        (PROXY, "1.2.3.4, 198.51.100.66", "198.51.100.66"),
        (PROXY, "1.2.3.4, 198.51.100.66, 10.9.0.7", "198.51.100.66"),
        (PROXY, "10.9.0.7, 198.51.100.66", "198.51.100.66"),
        (PROXY, "198.51.100.66, nonsense", PROXY),
        (PROXY, "10.9.0.8, 10.9.0.7", "10.9.0.8"),
        (PROXY, "[2001:db8::7]:443", "2001:db8::7"),
        (PROXY, "198.51.100.66:1234", "198.51.100.66"),
        (PROXY, "::ffff:198.51.100.66", "198.51.100.66"),
        (f"::ffff:{PROXY}", "198.51.100.66", "198.51.100.66"),
        ("10.9.1.1", "198.51.100.66", "10.9.1.1"),
        ("", "198.51.100.66", ""),
    ],
)
def test_the_client_is_the_right_most_address_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    assert Proxies((PROXY, "10.9.0.0/24")).client(peer, forwarded) == client


@pytest.mark.parametrize("written", ["1", "all", "*", "0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", ""])
def test_a_number_a_name_and_everybody_are_no_proxies(written: str) -> None:
    with pytest.raises(ValueError, match="proxies|proxy"):
        network(written)


def test_forged_headers_reach_no_entry_of_the_ledger_unless_a_named_proxy_sends_them(
    panel: RunningPanel, behind: Flask
) -> None:
    somebody = panel.make.focal_point()
    assert signed_in_from(panel, behind, somebody.username, STRANGER) == {STRANGER}
    assert signed_in_from(panel, behind, somebody.username, "10.9.1.1") == {"10.9.1.1"}
    named = {**FORGED, "X-Forwarded-Host": HOST, "X-Forwarded-For": "9.9.9.9, 192.0.2.55, 10.9.0.7"}
    assert signed_in_from(panel, behind, somebody.username, PROXY, named) == {"192.0.2.55"}


def signed_in_from(
    panel: RunningPanel, app: Flask, username: str, peer: str, headers: dict[str, str] | None = None
) -> set[str]:
    """Signs in and looks at a page; gives the addresses in the new entries."""
    client = Client(app, TestResponse)
    given: dict[str, Any] = {
        "headers": {"Host": HOST, **(headers or FORGED)},
        "environ_overrides": {"REMOTE_ADDR": peer},
    }
    code = panel.make.code(username)
    known = {row.id for row in panel.rows("select id from audit.event")}
    given["base_url"] = f"https://{HOST}"
    token = client.get("/api/v1/session/", **given).json
    assert token is not None
    given["headers"] = {**given["headers"], "X-CSRFToken": token["csrf_token"]}
    answer = client.post("/api/v1/session/", json={"username": username, "password": PASSWORD, "code": code}, **given)
    assert answer.status_code == 200, answer.text
    assert client.get("/cases/", **given).status_code == 200
    written = [row for row in panel.rows("select * from audit.event") if row.id not in known]
    assert len(written) >= 2
    everything = " ".join(str(row) for row in written)
    assert not [value for value in ("198.51.100.6", "evil") if value in everything]
    return {json.loads(row.content)["request"]["address"] for row in written}


def test_headers_for_https_are_sent_under_https_alone(panel: RunningPanel, behind: Flask) -> None:
    name, value = HTTPS_ONLY
    assert ask(behind).headers[name] == value
    assert ask(panel.app, host="localhost").headers.get(name) is None
    assert ask(panel.app, host="localhost", **FORGED).headers.get(name) is None
    assert "max-age=63072000" in value


def test_an_answer_of_a_broken_hook_has_its_headers_too(panel: RunningPanel, tmp_path: Path) -> None:
    app = create_app(replace(settings_for(panel.database, tmp_path), https=True, trusted_hosts=(HOST,)))
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(_response: Any) -> Any:
        raise RuntimeError

    app.after_request(broken)
    answer = ask(app)
    assert answer.status_code == 500
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert answer.headers[HTTPS_ONLY[0]]
