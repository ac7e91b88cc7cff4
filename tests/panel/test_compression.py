"""Responses that are compressed, those that never are, and the time that a browser may keep a file."""

from __future__ import annotations

import gzip
import re

import pytest
from werkzeug.test import TestResponse

from tests.panel.panel_app import Browser, Records, RunningPanel

ZIPPED = {"Accept-Encoding": "gzip, deflate, br"}
FILES = ("/static/panel.css", "/static/panel.js", "/static/icons.svg", "/vendor/bootstrap.min.css")


@pytest.fixture(scope="module")
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture(scope="module")
def focal(panel: RunningPanel, own: Records) -> Browser:
    return panel.browser(panel.make.focal_point(own.tenant))


def ask(browser: Browser, path: str, **options: str) -> TestResponse:
    return browser.client.get(path, headers={**ZIPPED, **options})


def test_a_page_is_compressed_for_whoever_can_read_it(focal: Browser) -> None:
    answer = ask(focal, "/cases/new")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Accept-Encoding" in answer.headers["Vary"]
    page = gzip.decompress(answer.data).decode()
    assert page.startswith("<!doctype html>")
    assert int(answer.headers["Content-Length"]) == len(answer.data) < len(page.encode()) / 2
    assert "Content-Encoding" not in focal.get("/cases/new").headers
    assert "Content-Encoding" not in ask(focal, "/cases/new", **{"Accept-Encoding": "gzip;q=0"}).headers


def test_where_somebody_else_could_put_a_guess_nothing_is_compressed(focal: Browser, own: Records) -> None:
    for path in ("/cases/?q=ITM", "/cases/?status=Active", "/cases/?page=2", "/no-such-page", "/cases/?x=1"):
        assert "Content-Encoding" not in ask(focal, path).headers, path
    fields = {"csrf_token": focal.token, "purpose": "CASE_WORK"}
    revealed = focal.client.post(f"/persons/{own.person}/reveal", data=fields, headers=ZIPPED)
    assert (revealed.status_code, revealed.headers.get("Content-Encoding")) == (200, None)
    assert f"Ad{own.tenant.code}" in revealed.text


def test_a_page_names_its_files_by_their_content_and_they_are_kept_for_ever(focal: Browser) -> None:
    page = focal.get("/cases/new").text
    for path in FILES:
        (address,) = set(re.findall(rf"{re.escape(path)}\?v=[0-9a-f]{{12}}", page))
        answer = ask(focal, address)
        assert "immutable" in answer.headers["Cache-Control"], path
        assert gzip.decompress(answer.data) == focal.get(path).data
        assert answer.headers["ETag"].endswith('-gzip"')
        assert path not in re.sub(r"\?v=[0-9a-f]{12}", "?", page).replace(f"{path}?", ""), "no file without its version"


def test_a_file_under_another_version_is_not_kept_for_ever(focal: Browser) -> None:
    for query in ("", "?v=000000000000", "?v="):
        assert "immutable" not in ask(focal, f"/static/panel.css{query}").headers["Cache-Control"]
    assert ask(focal, "/static/nothing.css?v=1").status_code == 404
    assert ask(focal, "/vendor/nothing.css?v=1").status_code == 404


def test_what_is_small_or_compressed_already_is_sent_as_it_is(focal: Browser) -> None:
    assert "Content-Encoding" not in ask(focal, "/healthz").headers
    assert "Content-Encoding" not in ask(focal, "/api/v1/session/").headers
