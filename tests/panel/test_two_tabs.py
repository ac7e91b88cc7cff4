"""Two people, or two tabs, save the same record: the second is told, sees both versions and loses nothing typed."""

from __future__ import annotations

import html
import json
import re

import pytest

from tests.factories import CASE, PERSON
from tests.panel.panel_app import Browser, Records, RunningPanel

FORM = {**CASE, "confidentiality": "INTERNAL", "shared": "y"}


@pytest.fixture
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture(scope="module")
def focal(panel: RunningPanel) -> Browser:
    return panel.browser(panel.make.focal_point())


def version_in(page: str) -> str:
    field = re.search(r'<input[^>]*name="version"[^>]*>', page)
    assert field
    value = re.search(r'value="(\d*)"', field[0])
    assert value
    return value[1]


def test_the_second_tab_sees_both_versions_and_then_saves(panel: RunningPanel, focal: Browser, own: Records) -> None:
    path = f"/cases/{own.case}/edit"
    first, second = version_in(focal.get(path).text), version_in(focal.get(path).text)
    assert focal.post(path, **{**FORM, "version": first, "province": "TR-34"}).status_code == 303
    typed = {**FORM, "version": second, "province": "TR-35", "narrative": "ikinci sekmede yazılan"}
    answer = focal.post(path, **typed)
    assert answer.status_code == 409
    page = html.unescape(answer.text)
    assert "ikinci sekmede yazılan" in page, "what was typed is kept"
    assert "İstanbul" in page, "what the first tab saved is shown"
    assert "İzmir" in page, "what the second typed is shown"
    assert re.search(r'<option[^>]*(selected[^>]*value="TR-35"|value="TR-35"[^>]*selected)', answer.text)
    stored = "select province, row_version, narrative_enc is null from case_file where id = :id"
    assert tuple(panel.rows(stored, id=own.case)[0]) == ("TR-34", 2, True)
    assert focal.post(path, **{**typed, "version": version_in(answer.text)}).status_code == 303
    assert tuple(panel.rows(stored, id=own.case)[0]) == ("TR-35", 3, False)


def test_a_person_and_a_profile_are_kept_from_silent_overwriting_too(focal: Browser, own: Records) -> None:
    person, profile = f"/persons/{own.person}/edit", f"/profiles/{own.link}/edit"
    status = {"trafficking_status": "PossibleVictimOfTrafficking"}
    for path, fields, note in (
        (person, {"gender": PERSON["gender"]}, "given_name"),
        (profile, status, "health"),
    ):
        assert focal.post(path, **fields, version=version_in(focal.get(path).text)).status_code in (303, 422)
        seen = version_in(focal.get(path).text)
        assert focal.post(path, **fields, version=seen, **{note: "birinci"}).status_code == 303
        answer = focal.post(path, **fields, version=seen, **{note: "ikinci"})
        assert answer.status_code == 409, path
        assert "ikinci" in answer.text, path
        differs = re.findall(r'<tr class="differs">.*?</tr>', answer.text, re.S)
        assert len(differs) == 1, f"{path}: a protected field that nobody touched is no difference"
        assert "ikinci" in differs[0]
        again = focal.post(path, **fields, version=version_in(answer.text), **{note: "ikinci"})
        assert again.status_code == 303, path


def test_a_lost_or_invented_version_saves_nothing(panel: RunningPanel, focal: Browser, own: Records) -> None:
    rows = panel.state()
    for version in ("", "0", "999", "-1", "abc", "9" * 40, "١"):
        answer = focal.post(f"/cases/{own.case}/edit", **{**FORM, "version": version, "province": "TR-01"})
        assert answer.status_code == 409, version
        answer = focal.post(f"/cases/{own.case}/close", version=version, reason="OTHER")
        assert answer.status_code == 409, version
    assert panel.state() == rows


def test_the_api_tells_the_newer_version(focal: Browser, own: Records) -> None:
    path = f"/api/v1/cases/{own.case}"
    assert focal.send("PATCH", path, {"row_version": 1, "province": "TR-34"}).status_code == 200
    answer = focal.send("PATCH", path, {"row_version": 1, "province": "TR-35"})
    assert (answer.status_code, json.loads(answer.text)["current_version"]) == (409, 2)
    assert focal.send("PATCH", path, {"row_version": 2, "province": "TR-35"}).status_code == 200
    assert json.loads(focal.get(path).text)["province"] == "TR-35"
