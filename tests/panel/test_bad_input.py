"""Broken addresses, bodies and forms: a clear refusal, never a fault, never a trace, never every row."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from werkzeug.test import TestResponse

from itm_admin.record.api import RecordApi
from itm_admin.record.pages import RecordPage
from tests.factories import CASE, PERSON
from tests.panel.panel_app import Browser, Records, RunningPanel

FORM = {**CASE, "confidentiality": "INTERNAL"}
API = "/api/v1"
KIND = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture(scope="module")
def people(panel: RunningPanel, own: Records) -> dict[str, Browser]:
    make = panel.make
    found = {
        "focal": make.focal_point(),
        "manager": make.manager(),
        "auditor": make.auditor(),
        "supervisor": make.supervisor(),
        "administrator": make.administrator(),
    }
    return {name: panel.browser(somebody) for name, somebody in found.items()}


def refused(answer: TestResponse, *statuses: int) -> TestResponse:
    """A refusal that says so: as a page, or as a problem document."""
    assert answer.status_code in (statuses or (400,)), (answer.status_code, answer.text[-1500:])
    assert "Traceback" not in answer.text
    assert "psycopg" not in answer.text
    if answer.mimetype == "application/problem+json":
        problem = json.loads(answer.text)
        assert problem["status"] == answer.status_code
        assert problem["request_id"] == answer.headers["X-Request-Id"]
        assert problem["title"]
    else:
        assert "<h1>" in answer.text
        kept = answer.request.path.startswith("/answers/")  # shown by a request of its own
        assert kept or answer.headers["X-Request-Id"] in answer.text
    return answer


# Addresses

STRICT = (
    ("focal", "/cases/"), ("focal", "/persons/"), ("focal", f"{API}/cases/"), ("focal", f"{API}/persons/"),
    ("focal", "/cases/export"), ("focal", "/persons/export"), ("focal", "/institution-history/"),
    ("focal", "/my-history/"),
    ("manager", "/cases/deleted"), ("manager", "/persons/deleted"), ("manager", "/accounts/"),
    ("administrator", "/accounts/"), ("auditor", "/audit/accounts/"), ("auditor", "/ledgers/entries"),
    ("auditor", "/oversight/cases/"), ("supervisor", "/oversight/cases/"), ("supervisor", "/institutions/"),
)  # fmt: skip
READ_WHOLE = {
    "/units/": "a tree, whose order is its shape",
    f"{API}/units/": "choices of a form",
    f"{API}/institutions/": "choices of a form",
}
"""Lists that take no filter, order or page, with the reason."""
BAD_QUERIES = (
    "size=1000000", "size=0", "size=-1", "size=abc", "size=1e3", "size=%D9%A3", "size=25&size=50", "sort=bogus",
    "from=yesterday", "from=2026-02-30", "from=99999-01-01", "nonsense=1", "page_X=abc", "_flt_0_name=a", "_oc_X=name",
    "status=bogus%27--", "q=" + "x" * 101, "%00=1", "%ff=1", "status=%00",
)  # fmt: skip
PAGES = ("page=abc", "page=0", "page=-1", "page=99999999999999999999", "page=1.5")


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.wide)], ids=["some", "all"])
@pytest.mark.parametrize(("who", "path"), STRICT)
def test_a_list_refuses_what_it_does_not_know(
    people: dict[str, Browser], own: Records, who: str, path: str, every: bool
) -> None:
    """All are read by the same code. Each list has another third of what it must refuse; each is tried by several."""
    assert people[who].get(path).status_code == 200
    queries = (*BAD_QUERIES, *PAGES)
    for query in queries if every else queries[STRICT.index((who, path)) % 3 :: 3]:
        answer = refused(people[who].get(f"{path}?{query}"))
        assert own.reference not in answer.text, query


def test_so_does_every_list_of_a_kind(panel: RunningPanel, people: dict[str, Browser]) -> None:
    """From the address map, with its exports: those that are not named above."""
    views = {type(view).__name__: view for view in panel.app.extensions["appbuilder"].baseviews}
    named, tried = {path for _who, path in STRICT} | set(READ_WHOLE), list[str]()
    for rule in panel.app.url_map.iter_rules():
        view, _dot, method = rule.endpoint.partition(".")
        of_a_kind = isinstance(views.get(view), RecordPage | RecordApi) and method in ("list", "deleted", "export")
        if of_a_kind and not rule.arguments and "GET" in (rule.methods or ()) and rule.rule not in named:
            reading = [each for each in people.values() if each.get(rule.rule).status_code == 200]
            for query in (*BAD_QUERIES, *PAGES)[len(tried) % 3 :: 3] if reading else ():
                refused(reading[0].get(f"{rule.rule}?{query}"))
            tried += [rule.rule for _each in reading[:1]]
    assert "/api-keys/" in tried


def test_a_page_beyond_the_last_is_empty(people: dict[str, Browser], own: Records) -> None:
    answer = people["focal"].get("/cases/?page=1000000")
    assert answer.status_code == 200
    assert own.reference not in answer.text


@pytest.mark.parametrize("tail", ["not-an-id", "1", "%00", "00000000-0000-0000-0000-00000000000G", "-", "a" * 5000])
def test_a_malformed_id_is_not_found(people: dict[str, Browser], tail: str) -> None:
    for path in ("/cases/", "/persons/", "/profiles/", f"{API}/cases/", f"{API}/persons/", "/history/case/"):
        refused(people["focal"].get(path + tail), 404)
    for path in ("/ledgers/", "/audit/acts/", "/verification/"):
        refused(people["auditor"].get(path + tail), 404)


def test_an_unknown_action_is_not_found(people: dict[str, Browser], own: Records) -> None:
    for path in (f"/cases/{own.case}/explode", "/cases/action/explode/1", f"{API}/cases/{own.case}/explode"):
        refused(people["focal"].ask("POST", path, {}), 404)
    for seq in ("-1", "99999999999999999999999", "abc"):
        refused(people["auditor"].get(f"/ledgers/{own.ledger}/{seq}"), 404)


def test_a_method_that_a_route_does_not_serve_is_refused_and_named(people: dict[str, Browser], own: Records) -> None:
    focal = people["focal"]
    for path in (f"/cases/{own.case}/reopen", f"/cases/{own.case}/restore", "/profile/sign-out", "/language"):
        assert "POST" in refused(focal.get(path), 405).headers["Allow"]
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        refused(focal.client.open(f"/cases/{own.case}", method=method), 400, 405)
    refused(focal.send("PUT", f"{API}/cases/{own.case}", {}), 405)
    assert focal.get("/cases/").status_code == 200, "nobody was signed out"


def test_options_tells_methods_and_no_data(people: dict[str, Browser], own: Records) -> None:
    answer = people["focal"].ask("OPTIONS", f"/cases/{own.case}")
    assert answer.text == ""


# Bodies


NO_OBJECT = ("", "{", "[1, 2]", "null", '"text"', "NaN", '{"a": 1}}', b"\xff\xfe", "[" * 100_000, "1" * 5000)


@pytest.mark.parametrize("raw", NO_OBJECT, ids=lambda raw: ascii(raw)[:12])
def test_malformed_json_is_refused(people: dict[str, Browser], own: Records, raw: bytes | str) -> None:
    refused(people["focal"].send("PATCH", f"{API}/cases/{own.case}", raw=raw))
    for path in (f"{API}/cases/", f"{API}/persons/search"):
        refused(people["focal"].send("POST", path, raw=raw))
    refused(people["focal"].send("POST", f"{API}/session/", raw=raw))


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "nonsense"])
def test_a_body_that_is_not_json_is_refused(people: dict[str, Browser], kind: str) -> None:
    focal = people["focal"]
    answer = focal.client.post(
        f"{API}/cases/", data=json.dumps(CASE), headers={"X-CSRFToken": focal.token}, content_type=kind
    )
    refused(answer, 400, 415)


def test_twenty_megabytes_are_too_large(panel: RunningPanel, people: dict[str, Browser], own: Records) -> None:
    rows, much = panel.state(), "x" * 20_000_000
    for browser in (people["focal"], panel.browser()):
        refused(browser.post("/sign-in", username=much, password="x"), 413)
        refused(browser.send("POST", f"{API}/session/", {"username": much}), 413)
    refused(people["focal"].post("/cases/new", **FORM, narrative=much), 413)
    refused(people["focal"].send("POST", f"{API}/cases/", {**CASE, "narrative": much}), 413)
    refused(people["focal"].client.post("/cases/new", data={"file": (io.BytesIO(much.encode()), "a.txt")}), 413)
    fields = {f"f{number}": "x" for number in range(2000)}
    refused(people["focal"].client.post("/cases/new", data=fields, content_type="multipart/form-data"), 413)
    assert panel.state() == rows


BROKEN = (
    "\x00", "a\x00b", "\ud800", "a\udfffb", "\x1b[2J", "\u202egnp.exe", "x" * 30_000,
    7, ["a"], {"a": 1}, True, 1e400,
)  # fmt: skip


@pytest.mark.parametrize("value", BROKEN, ids=lambda value: ascii(value)[:20])
def test_broken_text_in_json_is_refused_wherever_it_stands(
    panel: RunningPanel, people: dict[str, Browser], own: Records, value: Any
) -> None:
    rows, focal = panel.state(), people["focal"]
    for at, name in enumerate(("narrative", "province", "opened_on", "unit_id", "exploitation_types", "shared")):
        if (name, value) == ("shared", True):
            continue
        if at % 2:  # the other half with the change; both are read by the same schema
            refused(focal.send("POST", f"{API}/cases/", {**CASE, name: value}), 400)
            continue
        refused(focal.send("PATCH", f"{API}/cases/{own.case}", {"row_version": 1, name: value}), 400, 409)
    for name in ("given_name", "tckn", "birth_date", "email", "gender", "citizenships", "role"):
        refused(focal.send("POST", f"{API}/cases/{own.case}/people", {**PERSON, name: value}), 400)
    refused(focal.send("PATCH", f"{API}/cases/{own.case}", {"row_version": value, "province": "TR-34"}), 400, 409)
    refused(focal.send("POST", f"{API}/persons/search", {"number": value}), 400)
    refused(focal.send("POST", f"{API}/cases/{own.case}/reveal", {"purpose": value}), 400)
    if isinstance(value, str):
        refused(focal.send("POST", f"{API}/cases/", {**CASE, value: "x"}), 400)
    for name in ("username", "password"):
        signing = {"username": "jgk.nobody.here", "password": "x", name: value}
        refused(panel.browser().send("POST", f"{API}/session/", signing), 400, 401)
    assert panel.state() == rows


@pytest.mark.parametrize("value", ["a%00b", "%ED%A0%80", "%ff", "%E2%80%AEgnp.exe"])
def test_broken_text_in_a_form_is_refused(panel: RunningPanel, people: dict[str, Browser], value: str) -> None:
    rows, focal = panel.state(), people["focal"]
    token = f"csrf_token={focal.token}"
    for path, name in (("/cases/new", "narrative"), ("/persons/search", "name"), ("/cases/new", "province")):
        answer = focal.client.post(path, data=f"{token}&{name}={value}", content_type=KIND)
        # What is no UTF-8 arrives as U+FFFD, a letter that may be searched for; NUL goes no further than the gate.
        assert answer.status_code in ((400,) if "%00" in value else (200, 422)), (path, answer.status_code)
    stranger = panel.browser()
    signing = f"csrf_token={stranger.token}&username={value}&password={value}"
    answer = stranger.client.post("/sign-in", data=signing, content_type=KIND)
    assert answer.status_code in (400, 401)
    assert panel.state() == rows


MARKUP = 'a < b & "c" <script>alert(1)</script>'
WELCOME = ("شيماء محمد", "אברהם כהן", "Ж. Иванова", "李小龙", "𠮷野家 𝒜", "👩", "Iğdırlı Şükrü Öz", MARKUP)


@pytest.mark.parametrize("name", WELCOME)
def test_right_to_left_and_four_byte_text_is_kept_and_shown_back(
    people: dict[str, Browser], own: Records, name: str
) -> None:
    focal = people["focal"]
    made = focal.post(f"/persons/new/{own.case}", **PERSON, given_name=name)
    assert made.status_code == 303, made.text[-800:]
    added = json.loads(focal.send("POST", f"{API}/cases/{own.case}/people", {**PERSON, "given_name": name}).text)
    told = focal.send("POST", f"{API}/persons/{added['person_id']}/reveal", {"purpose": "CASE_WORK"})
    assert json.loads(told.text)["given_name"] == name
    page = focal.post(f"/persons/{added['person_id']}/reveal", purpose="CASE_WORK")
    assert page.status_code == 200
    assert name.split()[0] in page.text
    assert "<script>alert" not in page.text
    sought = focal.post("/persons/search", name=name)
    assert sought.status_code in (200, 422)
    assert "<script>alert" not in sought.text


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", "＝"])
def test_no_cell_of_an_export_is_a_formula(
    panel: RunningPanel, people: dict[str, Browser], own: Records, sign: str
) -> None:
    formula = f'{sign}HYPERLINK("http://x")'
    with panel.make.superuser() as connection:
        connection.exec_driver_sql("update unit set name = %s where id = %s", (formula, own.unit))
    case = panel.make.case(own.caseworker, unit_id=str(own.unit)).reference
    csv = people["focal"].post("/cases/export", purpose="STATISTICS", format="csv")
    assert csv.status_code == 200
    assert case in csv.text
    cells = [cell.strip('"') for line in csv.text.lstrip("\ufeff").splitlines() for cell in line.split(";")]
    assert f"'{sign.strip()}HYPERLINK" in csv.text, "a name is stored without what stands around it"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "＝")) for cell in cells)
    xlsx = people["focal"].post("/cases/export", purpose="STATISTICS", format="xlsx")
    sheet = zipfile.ZipFile(io.BytesIO(xlsx.data)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet


# Tokens


def test_a_change_without_its_token_is_refused(panel: RunningPanel, people: dict[str, Browser], own: Records) -> None:
    rows = panel.state()
    for token in ("", "wrong", people["manager"].token):
        other = Browser(people["focal"].client)
        other.token = token
        refused(other.post("/cases/new", **FORM))
        refused(other.post(f"/cases/{own.case}/close", version="1", reason="OTHER"))
        refused(other.post("/profile/sign-out"))
        refused(other.send("POST", f"{API}/cases/", CASE))
        refused(other.send("DELETE", f"{API}/session/"))
        refused(other.send("PATCH", f"{API}/cases/{own.case}", {"row_version": 1, "province": "TR-34"}))
    assert panel.state() == rows
    assert people["focal"].get("/cases/").status_code == 200, "nobody was signed out"
