"""The programming interface is what its description says: bodies, answers, versions, languages, bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.factories import CASE, PERSON
from tests.panel.panel_app import Browser, Records, RunningPanel

API = "/api/v1"


@pytest.fixture(scope="module")
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture(scope="module")
def focal(panel: RunningPanel, own: Records) -> Browser:
    return panel.browser(panel.make.focal_point(own.tenant))


@pytest.fixture(scope="module")
def description(focal: Browser) -> dict[str, Any]:
    return json.loads(focal.get(f"{API}/openapi.json").text)  # type: ignore[no-any-return]


def operations(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{method} {path}", each) for path, item in description["paths"].items() for method, each in item.items()]


def shape(description: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    reference = content["content"]["application/json"]["schema"]["$ref"]
    return description["components"]["schemas"][reference.rpartition("/")[2]]  # type: ignore[no-any-return]


def test_every_operation_says_what_it_answers_and_how_one_signs_in(description: dict[str, Any]) -> None:
    schemes = description["components"]["securitySchemes"]
    found = operations(description)
    assert len(found) > 20
    for name, operation in found:
        done = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
        assert shape(description, done)["type"] == "object", name
        assert all(set(each) <= set(schemes) for each in operation["security"]), name
    assert set(description["components"]["schemas"]["Problem"]["properties"]) >= {"type", "title", "status", "fields"}


def test_a_change_asks_for_no_field_and_knows_its_version(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert "province" in schemas["CaseInput"]["required"]
    assert "row_version" not in schemas["CaseInput"]["properties"]
    assert not schemas["CaseChange"].get("required")
    assert "row_version" in schemas["CaseChange"]["properties"]
    assert "default" not in schemas["CaseChange"]["properties"]["confidentiality"]
    assert "TR-06" in schemas["CaseInput"]["properties"]["province"]["enum"]


def test_an_answer_has_the_fields_that_are_described_and_no_others(
    description: dict[str, Any], focal: Browser, own: Records
) -> None:
    for path, name in ((f"cases/{own.case}", "CaseWithPeople"), (f"persons/{own.person}", "PersonAnswer")):
        answer = json.loads(focal.get(f"{API}/{path}").text)
        assert set(answer) == set(description["components"]["schemas"][name]["properties"])
        assert not {"institution_id", "data_key", "index_terms"} & set(answer)


def test_a_change_names_its_version_in_the_body_or_in_the_header(focal: Browser) -> None:
    made = json.loads(focal.send("POST", f"{API}/cases/", CASE).text)
    path = f"{API}/cases/{made['id']}"
    tag = focal.get(path).headers["ETag"]
    assert tag == '"1"'

    def change(header: str | None, **content: Any) -> tuple[int, dict[str, Any]]:
        more = {"If-Match": header} if header else {}
        answer = focal.client.patch(path, json=content, headers={"X-CSRFToken": focal.token, **more})
        return answer.status_code, json.loads(answer.text)

    assert change(None, province="TR-34")[0] == 428
    assert change(tag, province="TR-34") == (200, {"id": made["id"], "row_version": 2})
    assert change(tag, province="TR-35")[0] == 412
    assert change('W/"2"', province="TR-35")[0] == 412
    assert change("*", province="TR-35")[0] == 412
    assert change(None, province="TR-35", row_version=1)[0] == 409
    assert change('"2"', province="TR-35", row_version=1)[0] == 400
    assert change(None, province="TR-35", row_version=2)[0] == 200


@pytest.mark.parametrize(
    "content",
    [
        '{"province": "TR-06", "province": "TR-34"}', '{"a": {"b": 1, "b": 2}}', '{"opened_on": NaN}',
        '{"opened_on": Infinity}', '{"opened_on": -Infinity}', '{"industry": "\\ud800"}', '{"\\udc00": 1}',
        '{"row_version": 9223372036854775808}', '{"row_version": 1e400}', '{"row_version": ' + "9" * 5000 + "}",
        "[]", "1", "", "{", "\ufeff{}",
    ],
)  # fmt: skip
def test_a_body_that_can_be_read_in_two_ways_is_refused(focal: Browser, own: Records, content: str) -> None:
    for method, path in (("PATCH", f"cases/{own.case}"), ("POST", "cases/"), ("POST", "session/")):
        if method == "PATCH" and not content:
            continue
        answer = focal.client.open(
            f"{API}/{path}", method=method, data=content.encode(), content_type="application/json",
            headers={"X-CSRFToken": focal.token},
        )  # fmt: skip
        assert answer.status_code == 400, (path, answer.text)
        assert answer.mimetype == "application/problem+json"


def test_a_page_beyond_the_bound_is_refused_and_not_empty(focal: Browser) -> None:
    for name in ("cases", "persons"):
        assert focal.get(f"{API}/{name}/?size=100&page=100").status_code == 200
        refused = focal.get(f"{API}/{name}/?size=100&page=101")
        assert (refused.status_code, list(json.loads(refused.text)["fields"])) == (400, ["page"])


def test_an_answer_is_in_the_language_that_is_asked_for(focal: Browser) -> None:
    for asked, said, title in (
        ("en", "en", "Not found"),
        ("tr", "tr", "Bulunamadı"),
        ("de, en;q=0.5", "en", "Not found"),
    ):
        answer = focal.client.get(f"{API}/cases/nowhere", headers={"Accept-Language": asked})
        assert answer.headers["Content-Language"] == said
        assert json.loads(answer.text)["title"] == title
        assert "Accept-Language" in answer.headers["Vary"]


def test_codes_units_and_institutions_can_be_learnt(focal: Browser, own: Records, panel: RunningPanel) -> None:
    lists = {each["name"]: each["codes"] for each in json.loads(focal.get(f"{API}/vocabularies/").text)["items"]}
    assert {"code": "TR-06", "tr": "Ankara", "en": "Ankara"} in lists["province"]
    one = json.loads(focal.get(f"{API}/vocabularies/?name=gender").text)["items"]
    assert [each["name"] for each in one] == ["gender"]
    assert focal.get(f"{API}/vocabularies/?name=nothing").status_code == 400
    other = panel.records(panel.make.other_institution())
    units = json.loads(focal.get(f"{API}/units/").text)["items"]
    assert str(own.unit) in {unit["id"] for unit in units}
    assert {unit["institution_id"] for unit in units} == {str(own.tenant.id)}
    known = {each["id"] for each in json.loads(focal.get(f"{API}/institutions/").text)["items"]}
    assert {str(own.tenant.id), str(other.tenant.id)} <= known


def test_a_case_a_person_and_a_reveal_go_through_the_described_shapes(focal: Browser) -> None:
    case = json.loads(focal.send("POST", f"{API}/cases/", CASE).text)
    link = json.loads(focal.send("POST", f"{API}/cases/{case['id']}/people", PERSON).text)
    assert set(link) == {"id", "person_id", "row_version"}
    revealed = json.loads(
        focal.send("POST", f"{API}/persons/{link['person_id']}/reveal", {"purpose": "CASE_WORK"}).text
    )
    assert revealed["id"] == link["person_id"]
