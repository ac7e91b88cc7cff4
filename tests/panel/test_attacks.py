"""Attacks on the whole panel, each tried on every route that the address map has, where there is such a route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from tests.conftest import settings_for
from tests.factories import PASSWORD
from tests.panel.panel_app import Browser, Records, RunningPanel

OUTSIDE = (
    "//evil.example", "///evil.example", "https://evil.example", "https:evil.example", "http:/evil.example",
    "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example", " //evil.example",
    "/%0d%0aLocation:%20//evil.example", "/\r\nSet-Cookie: evil=1", "javascript:alert(1)", "data:text/html,x",
    "//localhost@evil.example", "/\u2028/evil.example", "/../\\evil.example", "//evil.example/%2e%2e", "",
)  # fmt: skip
NAMES = ("next", "back", "url", "to", "return", "redirect")
SCRIPT = "\"'><script>alert(1)</script>{{7*7}}${7*7}"


@pytest.fixture(scope="module")
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture(scope="module")
def focal(panel: RunningPanel, own: Records) -> Browser:
    return panel.browser(panel.make.focal_point())


@pytest.fixture(scope="module")
def secure(panel: RunningPanel, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The panel as people reach it by HTTPS."""
    settings = settings_for(panel.database, tmp_path_factory.mktemp("secure"))
    return create_app(replace(settings, https=True, master_key_file=Path(panel.app.config["ITM_HOME"]) / "master_key"))


def plain_pages(panel: RunningPanel, method: str = "GET") -> Iterator[str]:
    """The addresses of routes that need no id."""
    adapter = panel.app.url_map.bind("localhost")
    for rule in panel.app.url_map.iter_rules():
        if method in (rule.methods or ()) and not rule.arguments:
            yield adapter.build(rule.endpoint, method=method)


def stays(answer: TestResponse, sent: str) -> None:
    """A redirect leads to this panel, as every browser reads it; no header was broken into two."""
    assert "evil" not in answer.headers, sent
    for name, value in answer.headers:
        assert "\r" not in value + name, sent
        assert "\n" not in value + name, sent
    where = answer.headers.get("Location")
    if where is not None:
        read = urlsplit(re.sub(r"[\t\r\n]", "", where.replace("\\", "/")).strip())
        assert (read.scheme, read.netloc) in (("", ""), ("http", "localhost")), (sent, where)
        assert not read.path.startswith("//"), (sent, where)


def test_no_redirect_leads_out_of_the_panel(panel: RunningPanel, focal: Browser) -> None:
    """By any parameter of any page, by any form field that names a way back, by the referrer."""
    tried = 0
    for path in sorted({*plain_pages(panel), "/cases", "/persons"}):
        query = "&".join(f"{name}={quote(OUTSIDE[tried % len(OUTSIDE)])}" for name in NAMES)
        stays(focal.client.get(f"{path}?{query}", headers={"Referer": "https://evil.example/cases/"}), query)
        tried += 1
    assert tried > 30
    who = panel.make.focal_point()
    for outside in OUTSIDE:
        fields = dict.fromkeys(NAMES, outside)
        for path in ("/cases/together", "/find", "/preferences/language", *_ways_back(panel)):
            headers = {"Referer": f"https://evil.example{path}"}
            stays(focal.client.post(path, data={"csrf_token": focal.token, **fields}, headers=headers), outside)
        for path, field in (("/preferences/rows", {"rows": "compact"}), ("/preferences/keys", {"keys": "on"})):
            told = focal.client.post(path, data={"csrf_token": focal.token, **field, **fields})
            assert told.status_code == 303, path
            stays(told, outside)
        somebody = panel.browser()
        data = {"csrf_token": somebody.token, "username": who.username, "password": PASSWORD, **fields}
        told = somebody.client.post("/sign-in", data=data)
        assert told.status_code == 303, outside
        stays(told, outside)
        new = panel.browser()
        page = new.post("/sign-in", username="nobody", password="x", **fields)
        stays(page, outside)
        stays(somebody.client.get(f"/sign-in?next={quote(outside)}"), outside)


def _ways_back(panel: RunningPanel) -> list[str]:
    """Forms of the person's preferences, which lead back to where they were sent from."""
    return [path for path in plain_pages(panel, "POST") if path.startswith(("/preferences", "/language", "/profile/"))
            and "sign-out" not in path]  # fmt: skip


def test_a_broken_line_in_an_address_makes_no_second_header(panel: RunningPanel, focal: Browser) -> None:
    for tail in (
        "%0d%0aSet-Cookie:%20evil=1",
        "%0aevil:1",
        "%E5%98%8A%E5%98%8Devil:1",
        "%00evil",
        "%c4%8d%c4%8aevil:1",
    ):
        for path in ("/cases", "/cases/", "/persons/", "/vendor/", "/static/", "/api/v1/cases"):
            for address in (f"{path}{tail}", f"{path}?q={tail}", f"{path}?next={tail}", f"{path}/{tail}/"):
                answer = focal.get(address)
                assert answer.status_code != 500, address
                stays(answer, address)


def test_no_path_leaves_the_folders_of_files(panel: RunningPanel, focal: Browser) -> None:
    ways = (
        "../app.py", "..%2fapp.py", "%2e%2e/app.py", "..%5capp.py", "....//app.py", "%252e%252e/app.py", "/etc/passwd",
        "%2fetc%2fpasswd", "../../../../../../etc/passwd", "..%00/app.py", "panel.css/../../../app.py", ".git/config",
        "", ".", "..", "../translations/tr/LC_MESSAGES/messages.po", "~root/.bashrc", "file:///etc/passwd",
    )  # fmt: skip
    for folder in ("/static/", "/vendor/"):
        for way in ways:
            answer = focal.get(folder + way)
            assert answer.status_code in (308, 400, 404), (folder + way, answer.status_code)
            assert b"root:" not in answer.data
            assert b"create_app" not in answer.data
    for path in ("/.git/config", "/app.py", "/pyproject.toml", "/.env", "/secrets/web/master_key", "/server-status"):
        assert focal.get(path).status_code == 404


BOMBS = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a long number": b'{"row_version": ' + b"9" * 100_000 + b"}",
    "a huge exponent": b'{"row_version": 1e999999999}',
    "a name a hundred thousand times": b"{" + b",".join(b'"a":1' for _ in range(100_000)) + b"}",
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>',
    "laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_bomb_and_no_entity_does_anything(panel: RunningPanel, focal: Browser, own: Records, bomb: str) -> None:
    rows = panel.state()
    for kind in ("application/json", "application/xml", "text/xml", "application/x-www-form-urlencoded"):
        for path in ("/api/v1/cases/", f"/api/v1/cases/{own.case}/people"):
            headers = {"X-CSRFToken": focal.token}
            answer = focal.client.post(path, data=BOMBS[bomb], headers=headers, content_type=kind)
            assert 400 <= answer.status_code < 500, (bomb, kind, answer.status_code)
            assert b"root:" not in answer.data
    assert panel.state() == rows


def test_a_compressed_body_is_not_unpacked(panel: RunningPanel, focal: Browser) -> None:
    import gzip

    packed = gzip.compress(b" " * 100_000_000, 9)
    headers = {"X-CSRFToken": focal.token, "Content-Encoding": "gzip"}
    answer = focal.client.post("/api/v1/cases/", data=packed, headers=headers, content_type="application/json")
    assert answer.status_code == 400


def test_a_form_of_very_many_fields_is_refused_or_ignored(panel: RunningPanel, focal: Browser) -> None:
    rows = panel.state()
    many = "&".join(f"a{number}=1" for number in range(100_000))
    body = f"csrf_token={quote(focal.token)}&{many}"
    answer = focal.client.post("/cases/new", data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code < 500
    parts = (
        "".join(f'--x\r\nContent-Disposition: form-data; name="a{n}"\r\n\r\n1\r\n' for n in range(2000)) + "--x--\r\n"
    )
    answer = focal.client.post("/cases/new", data=parts, content_type="multipart/form-data; boundary=x",
                               headers={"X-CSRFToken": focal.token})  # fmt: skip
    assert answer.status_code in (400, 413)
    assert panel.state() == rows


EXTRA: dict[str, Any] = {
    "id": "00000000-0000-0000-0000-000000000001", "institution_id": "00000000-0000-0000-0000-000000000002",
    "unit": "00000000-0000-0000-0000-000000000003", "created_by": "00000000-0000-0000-0000-000000000004",
    "created_at": "2001-01-01T00:00:00Z", "erased_at": "2001-01-01T00:00:00Z", "deleted_at": "2001-01-01T00:00:00Z",
    "hold_reason": "COURT_ORDER", "reference": "JGK-2001-0001", "pseudonym": "JGK-K-AAAAAA", "data_key": "AAAA",
    "role_grants": ["institution_manager"], "is_admin": True, "__class__": "x", "index_terms": ["AAAA"], "epoch": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", EXTRA)
def test_no_field_that_was_not_offered_is_written(panel: RunningPanel, focal: Browser, own: Records, name: str) -> None:
    """By the interface it is refused; a form that has it beside its own fields stores it nowhere."""
    case = {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"}
    tries = (
        ("POST", "/api/v1/cases/", case),
        ("PATCH", f"/api/v1/cases/{own.case}", {"row_version": 1, "province": "TR-06"}),
        ("POST", f"/api/v1/cases/{own.case}/people", {"gender": "Feminine", "role": "VICTIM"}),
        ("PATCH", f"/api/v1/persons/{own.person}", {"row_version": 1, "citizenships": ["TR"]}),
    )
    rows = panel.state()
    for method, path, fields in tries:
        answer = focal.send(method, path, {**fields, name: EXTRA[name]})
        assert answer.status_code in (400, 422), (name, path, answer.status_code)
    assert panel.state() == rows
    form = focal.post(f"/persons/{own.person}/edit", version="1", gender="Feminine", **{name: str(EXTRA[name])})
    assert form.status_code < 500
    value = EXTRA[name] if isinstance(EXTRA[name], str) else None
    if value and len(value) > 4:
        assert not [row for row in panel.state() if row not in rows and value in row[1]], name


def test_no_value_breaks_out_of_the_page(panel: RunningPanel, focal: Browser, own: Records) -> None:
    """Stored in what people name freely, or typed into a search: it is shown as text."""
    with panel.make.superuser() as connection:
        connection.exec_driver_sql("update unit set name = %s where id = %s", (SCRIPT, own.unit))
        connection.exec_driver_sql("update account set title = %s", (SCRIPT,))
    panel.make.case(own.caseworker, unit_id=str(own.unit))
    shown = 0
    for path in sorted(plain_pages(panel)):
        answer = focal.get(path)
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            continue  # nosniff, and read by programs alone
        assert b"<script>alert" not in answer.data, path
        assert b"}49" not in answer.data, path
        shown += b"&lt;script&gt;alert" in answer.data
    assert shown
    for answer in (focal.post("/persons/search", name=SCRIPT), focal.get("/cases/?q=" + quote(SCRIPT))):
        assert b"<script>alert" not in answer.data


def test_no_answer_allows_another_origin(panel: RunningPanel, focal: Browser) -> None:
    for path in plain_pages(panel):
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            answer = focal.client.open(path, method=method, headers=headers)
            assert not [name for name, _value in answer.headers if name.lower().startswith("access-control")], path


def test_every_text_says_its_charset(panel: RunningPanel, focal: Browser) -> None:
    for path in (*plain_pages(panel), "/static/panel.css", "/static/panel.js", "/no/such/page"):
        answer = focal.get(path)
        kind = answer.headers.get("Content-Type", "")
        assert not kind.startswith("text/") or "charset=utf-8" in kind.lower(), (path, kind)
        assert kind or not answer.data, path


def test_files_are_attachments_with_names_of_our_own(panel: RunningPanel, focal: Browser) -> None:
    for path in ("/cases/export", "/persons/export"):
        for kind in ("csv", "xlsx"):
            answer = focal.post(path, purpose="STATISTICS", format=kind, filename="evil.html", name="evil.html")
            disposition = answer.headers["Content-Disposition"]
            assert disposition.startswith("attachment")
            assert "evil" not in disposition
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_trace_and_other_methods_are_refused(panel: RunningPanel, focal: Browser) -> None:
    for path in ("/", "/cases/", "/sign-in", "/api/v1/cases/", "/static/panel.css"):
        for method in ("TRACE", "CONNECT", "PROPFIND", "TRACK", "DEBUG", "EVIL"):
            answer = focal.client.open(path, method=method, headers={"X-CSRFToken": focal.token})
            assert answer.status_code in (400, 405), (method, path, answer.status_code)
        over = focal.client.get(path, headers={"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"})
        assert over.status_code in (200, 302), path


def test_no_fault_shows_a_trace(panel: RunningPanel, tmp_path: Path) -> None:
    settings = settings_for(panel.database, tmp_path / "fault")
    app = create_app(settings)
    assert not app.debug
    assert not app.testing

    def broken() -> None:
        raise RuntimeError("SECRETTEXT of a fault")

    app.before_request_funcs.setdefault(None, []).insert(0, broken)
    for path in ("/sign-in", "/api/v1/session/"):
        answer = app.test_client().get(path)
        assert answer.status_code == 500
        for inner in ("SECRETTEXT", "Traceback", "RuntimeError", ".py", "site-packages", "werkzeug"):
            assert inner not in answer.text, inner


def test_cookies_under_https_are_bound_to_the_host(panel: RunningPanel, secure: Flask) -> None:
    client, base = secure.test_client(), "https://localhost"
    token = json.loads(client.get("/api/v1/session/", base_url=base).text)["csrf_token"]
    headers = {"X-CSRFToken": token}
    who = panel.make.focal_point().username
    somebody = {"username": who, "password": PASSWORD, "code": panel.make.code(who)}
    answers = [client.post("/api/v1/session/", json=somebody, headers=headers, base_url=base)]
    assert answers[0].status_code == 200, answers[0].text
    told = {"csrf_token": json.loads(answers[0].text)["csrf_token"], "next": "/cases/"}
    answers += [client.post(path, data=told, base_url=base) for path in _ways_back(panel)]
    for path, chosen in (("rows", "compact"), ("keys", "off")):
        answers.append(client.post(f"/preferences/{path}", data={**told, path: chosen}, base_url=base))
        assert answers[-1].status_code == 303
    lines = [line for answer in answers for line in answer.headers.getlist("Set-Cookie")]
    assert {line.partition("=")[0] for line in lines} >= {"__Host-itm", "__Host-itm-rows", "__Host-itm-keys"}
    assert "rows-compact" in client.get("/cases/", base_url=base).text
    for line in lines:
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
            assert part in line, line
        assert "Domain" not in line, line
        assert line.startswith("__Host-"), line


def test_passwords_are_masked_and_managers_may_fill_them(panel: RunningPanel, focal: Browser) -> None:
    for browser, path in ((panel.browser(), "/sign-in"), (focal, "/profile/password")):
        page = browser.get(path).text
        fields = re.findall(r"<input[^>]*name=\"(?:password|current|again)\"[^>]*>", page)
        assert fields
        for field in fields:
            assert 'type="password"' in field
            assert re.search(r'autocomplete="(?:current|new)-password"', field), field
        assert "onpaste" not in page
