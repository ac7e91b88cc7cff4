"""While the ledger cannot be written nothing is shown and nothing stored, and everybody who should know is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape

import pytest
from werkzeug.test import TestResponse

from itm_admin.foundation.ledger_outage import ledger_works
from tests.conftest import Database
from tests.factories import PASSWORD, Somebody, grow_older
from tests.faults import breaking
from tests.faults.breaking import FAULTS, STOPPING_WRITES, Fault
from tests.faults.panel_at_work import Browser, Panel, Records
from tests.house.expectations import expectations
from tests.new_case import open_case

NOWHERE = "00000000-0000-4000-8000-000000000000"
SECRETS = ("Ayşe", "Yılmaz", "Anlatı", "Sağlık", "ITM-JGK-2026", "TR-06", "GENDARMERIE")
Ask = Callable[[Browser, Records], TestResponse]


@dataclass
class World:
    panel: Panel
    person: Somebody
    browser: Browser
    records: Records


@pytest.fixture(scope="module")
def world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> World:
    panel = Panel(shared_database, tmp_path_factory.mktemp("home"))
    person = panel.make.focal_point()
    records = panel.records(person)
    return World(panel, person, panel.browser(person), records)


@pytest.fixture(autouse=True)
def mended(world: World) -> Iterator[None]:
    """Each test leaves the trouble behind it told and over, and nobody throttled."""
    yield
    world.panel.rows("delete from login_throttle")
    with world.panel.app.app_context():
        ledger_works()


def _looks() -> dict[str, Ask]:
    return {
        "the home page": lambda b, _: b.get("/"),
        "a list": lambda b, _: b.get("/cases/"),
        "a case": lambda b, r: b.get(f"/cases/{r.case}"),
        "an edit form": lambda b, r: b.get(f"/cases/{r.case}/edit"),
        "a form for a new case": lambda b, _: b.get("/cases/new"),
        "persons": lambda b, _: b.get("/persons/"),
        "a person": lambda b, r: b.get(f"/persons/{r.person}"),
        "a profile": lambda b, r: b.get(f"/profiles/{r.link}"),
        "a search": lambda b, _: b.post("/persons/search", name="yilmaz"),
        "a person revealed": lambda b, r: b.post(f"/persons/{r.person}/reveal", purpose="CASE_WORK"),
        "a case revealed": lambda b, r: b.post(f"/cases/{r.case}/reveal", purpose="CASE_WORK"),
        "a profile revealed": lambda b, r: b.post(f"/profiles/{r.link}/reveal", purpose="CASE_WORK"),
        "a CSV export": lambda b, _: b.post("/cases/export", purpose="STATISTICS", format="csv"),
        "an XLSX export": lambda b, _: b.post("/persons/export", purpose="STATISTICS", format="xlsx"),
        "a history": lambda b, r: b.get(f"/history/case/{r.case}"),
        "the API's list": lambda b, _: b.get("/api/v1/cases/"),
        "the API's case": lambda b, r: b.get(f"/api/v1/cases/{r.case}"),
        "the API's person": lambda b, r: b.get(f"/api/v1/persons/{r.person}"),
        "the API's search": lambda b, _: b.call("POST", "/api/v1/persons/search", {"name": "yilmaz"}),
        "the API's reveal": lambda b, r: b.call("POST", f"/api/v1/persons/{r.person}/reveal", {"purpose": "CASE_WORK"}),
        "a refusal": lambda b, _: b.get(f"/cases/{NOWHERE}"),
        "the API's refusal": lambda b, _: b.get(f"/api/v1/cases/{NOWHERE}"),
        "a page of another role": lambda b, _: b.get("/ledgers/"),
        "a rejected form": lambda b, r: b.post(f"/cases/{r.case}/edit", version="1", opened_on="gestern"),
        "a conflict": lambda b, r: b.post(
            f"/cases/{r.case}/edit", version="7", opened_on="01.03.2026", province="TR-34", referral_source="POLICE"
        ),
    }


def _writes() -> dict[str, Ask]:
    case = {"opened_on": "2026-03-01", "province": "TR-34", "referral_source": "POLICE"}
    return {
        "a new case's draft": lambda b, _: b.post("/cases/new", **case, confidentiality="INTERNAL"),
        "a changed case": lambda b, r: b.post(f"/cases/{r.case}/edit", version="1", **case, confidentiality="INTERNAL"),
        "a closed case": lambda b, r: b.post(f"/cases/{r.case}/close", version="1", reason="OTHER"),
        "a new person": lambda b, r: b.post(f"/persons/new/{r.case}", role="WITNESS", gender="Feminine"),
        "the API's new case": lambda b, _: b.call("POST", "/api/v1/cases/", case),
        "the API's change": lambda b, r: b.call(
            "PATCH", f"/api/v1/cases/{r.case}", {"row_version": 1, "province": "TR-35"}
        ),
        "the API's new person": lambda b, r: b.call(
            "POST", f"/api/v1/cases/{r.case}/people", {"role": "WITNESS", "gender": "Feminine"}
        ),
    }


def _comings_and_goings() -> dict[str, Ask]:
    """By a browser of their own where a session would begin."""
    return {
        "signing out": lambda b, _: b.post("/profile/sign-out"),
        "the API's signing out": lambda b, _: b.call("DELETE", "/api/v1/session/"),
        "a wrong current password": lambda b, _: b.post(
            "/profile/password", current="wrong", password="another long phrase", again="another long phrase"
        ),
    }


def refused(answer: TestResponse) -> None:
    assert answer.status_code == 503, (answer.status, answer.text[:300])
    assert "Set-Cookie" not in answer.headers
    assert "Content-Disposition" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"]
    assert answer.mimetype in ("text/html", "application/problem+json")
    assert not [secret for secret in SECRETS if secret in answer.text]


SOME = (
    *("the home page", "a list", "a case revealed", "the API's case", "the API's refusal", "a rejected form"),
    *("signing out", "a changed case", "the API's new case"),
)
"""One of each way in which an answer comes about."""
_WHOLE = (breaking.append_is_revoked, breaking.disk_is_full_at_commit)
"""One fault at an answer's own entry and one at the commit: they meet each of what people ask for."""


@pytest.mark.parametrize(
    ("fault", "every"),
    [
        pytest.param(
            fault, every, id=f"{fault.__name__}-{'all' if every else 'some'}",
            marks=pytest.mark.wide if every != (fault in _WHOLE) else (),
        )
        for fault in FAULTS for every in (True, False)
    ],
)  # fmt: skip
def test_nothing_is_shown_and_nothing_stored(
    world: World, fault: Fault, every: bool, capfd: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    asks = {**_looks(), **_comings_and_goings(), **(_writes() if fault in STOPPING_WRITES else {})}
    asks = asks if every else {name: asks[name] for name in SOME if name in asks}
    before, told_before = world.panel.stored(), world.panel.alerts_in_ledger()
    with fault(world.panel.database):
        for name, ask in asks.items():
            with subtests.test(name):
                refused(ask(world.browser, world.records))
                assert "ALERT: the ledger cannot be written" in capfd.readouterr().err
        assert world.panel.ready()["ledger"]["ok"] is False
        assert world.panel.stored() == before
    assert world.panel.alerts_in_ledger() == told_before
    assert world.browser.get("/cases/").status_code == 200
    assert world.panel.alerts_in_ledger() == told_before + 1
    assert world.panel.ready()["ledger"] == {"ok": True}


def test_a_request_waits_once_for_a_head_that_somebody_keeps(
    world: World, capfd: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    """Each wait takes ten seconds: two of them are longer than anybody stays."""
    with breaking.heads_are_held_by_a_superuser(world.panel.database):
        asks = {**_looks(), **_writes()}
        for name, ask in {name: asks[name] for name in SOME if name in asks}.items():
            with subtests.test(name):
                refused(ask(world.browser, world.records))
                assert capfd.readouterr().err.count("the ledger cannot be written (LockNotAvailable)") == 1


def test_while_it_works_each_of_them_is_answered(world: World, subtests: pytest.Subtests) -> None:
    """Else a 503 above would say nothing."""
    expected = {
        "a refusal": 404,
        "the API's refusal": 404,
        "a page of another role": 403,
        "a rejected form": 422,
        "a conflict": 409,
    }
    for name, ask in _looks().items():
        with subtests.test(name):
            answer = ask(world.browser, world.records)
            assert answer.status_code == expected.get(name, 200), answer.text[:300]


def test_a_form_waits_on_its_page_and_is_carried_out_once_when_it_is_sent_again(world: World) -> None:
    path = f"/cases/{world.records.case}/edit"
    shown = inputs(world.browser.get(path).text)
    typed = {"narrative": 'Uzun bir metin, "tırnaklı"\nve iki satır', "province": "TR-35"}
    form = {"opened_on": "01.03.2026", "referral_source": "POLICE", "confidentiality": "INTERNAL"}
    kept = {name: shown[name] for name in ("version", "form_key", "unit_id") if name in shown}
    with next(iter(STOPPING_WRITES))(world.panel.database):
        answer = world.browser.post(path, **form, **typed, **kept)
        refused(answer)
        waiting = inputs(answer.text)
        assert {name: waiting[name] for name in typed} == typed
        assert f'action="{path}' in answer.text
        refused(world.browser.client.post(path, data=waiting))
    numbers = "select row_version, province from case_file where id = :id"
    [before] = world.panel.rows(numbers, id=world.records.case)
    for _time in range(2):
        assert world.browser.client.post(path, data=waiting).status_code == 303
    [after] = world.panel.rows(numbers, id=world.records.case)
    assert (before.province, after.province, after.row_version) == ("TR-06", "TR-35", before.row_version + 1)


def test_no_password_waits_on_a_page(world: World) -> None:
    new = "another long phrase"
    with next(iter(STOPPING_WRITES))(world.panel.database):
        answer = world.browser.post("/profile/password", current=PASSWORD, password=new, again=new)
    refused(answer)
    assert (PASSWORD in answer.text, new in answer.text) == (False, False)
    assert "Yeniden gönder" not in answer.text


def inputs(page: str) -> dict[str, str]:
    """The hidden inputs of a page's own form."""
    tags = [tag for tag in re.findall(r"<input[^>]*>", page.partition("<main")[2]) if 'type="hidden"' in tag]
    pairs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags]
    return {pair["name"]: unescape(pair.get("value", "")) for pair in pairs}


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[3], FAULTS[-1]], ids=lambda fault: fault.__name__)
def test_nobody_comes_in(world: World, fault: Fault, subtests: pytest.Subtests) -> None:
    before = world.panel.stored()
    with fault(world.panel.database):
        for name, password in (
            (world.person.username, PASSWORD),
            (world.person.username, "wrong"),
            ("nobody.at_all", "wrong"),
        ):
            with subtests.test(f"{name} {password}"):
                browser = Browser(world.panel.app.test_client())
                refused(browser.sign_in(name, password))
                assert browser.get("/cases/").status_code == 302
                answer = browser.learn_token().call(
                    "POST", "/api/v1/session/", {"username": name, "password": password}
                )
                refused(answer)
                assert browser.get("/api/v1/cases/").status_code == 401
        assert world.panel.stored() == before


def test_a_message_that_waits_for_the_next_page_is_not_on_the_refusal_and_not_lost(world: World) -> None:
    browser = world.panel.browser(world.person)
    case = {"opened_on": "2026-03-01", "province": "TR-34", "referral_source": "POLICE", "confidentiality": "INTERNAL"}
    answer = open_case(browser, **case)
    assert answer.status_code == 303
    with breaking.append_is_revoked(world.panel.database):
        refused(browser.get(answer.headers["Location"]))
    assert 'role="status"' in browser.get(answer.headers["Location"]).text


@pytest.mark.parametrize("path", ["/cases/", "/api/v1/cases/", f"/cases/{NOWHERE}", "/sign-in"])
def test_a_refusal_does_not_keep_a_session_alive(world: World, path: str) -> None:
    browser = world.panel.browser(world.person)
    grow_older(world.panel.database.engine("superuser"), world.person, idle=120, begun=0)
    seen = "select max(seen_at) from account_session where account_id = :id"
    before = world.panel.scalar(seen, id=world.person.id)
    with breaking.heads_are_held_by_a_superuser(world.panel.database):
        answer = browser.get(path)
        assert answer.status_code == 503 or path == "/sign-in"
    assert world.panel.scalar(seen, id=world.person.id) == before
    assert browser.get("/cases/").status_code == 200
    assert world.panel.scalar(seen, id=world.person.id) > before


def _of_every_role(panel: Panel) -> dict[str, Somebody]:
    make = panel.make
    return {
        "manager": make.manager(),
        "caseworker": make.caseworker(),
        "national auditor": make.auditor(),
        "institution's auditor": make.auditor(make.institution()),
        "operator": make.operator(),
        "supervisor": make.supervisor(),
        "administrator": make.administrator(),
    }


def test_no_page_of_any_role_is_shown(world: World, subtests: pytest.Subtests) -> None:
    """Every address without parts to fill in that answers while the ledger works."""
    rules = [
        rule for rule in world.panel.app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments
    ]
    access = world.panel.app.extensions["itm_access"]
    allowed, shown = expectations(world.panel.app), list[tuple[str, str]]()
    roles = _of_every_role(world.panel)
    people = {name: world.panel.browser(person) for name, person in roles.items()}
    for at, rule in enumerate(each for each in rules if not access[each.endpoint].quiet):
        may = [name for name, who in roles.items() if who.actor.roles & allowed[f"GET {rule.endpoint}"].may]
        first = at % len(may) if may else 0
        asking = [*may[first:], *may[:first]][:2]  # other two for the next one
        shown += [(name, rule.rule) for name in asking if people[name].get(rule.rule).status_code == 200]
    assert len(shown) > 40
    with breaking.disk_is_full_at_commit(world.panel.database):
        for name, path in shown:
            with subtests.test(f"{name} {path}"):
                refused(people[name].get(path))


def test_a_write_has_its_triggers_entries_in_its_own_transaction_and_nothing_after_it(
    world: World, subtests: pytest.Subtests
) -> None:
    panel, browser = world.panel, world.browser
    for name, ask in _writes().items():
        with subtests.test(name):
            records = panel.records(world.person)
            size = panel.scalar("select sum(size) from audit.ledger")
            answer = ask(browser, records)
            assert answer.status_code in (200, 201, 303), answer.text[:300]
            entries = panel.rows(
                "select via, content::jsonb -> 'actor' ->> 'transaction' from audit.event where request_id = :request",
                request=answer.headers["X-Request-Id"],
            )
            written = [transaction for via, transaction in entries if via == "trigger"]
            assert written, "and what the answer shows beside it may be a look"
            assert len(set(written)) == 1
            assert panel.scalar("select sum(size) from audit.ledger") == size + len(entries)


def test_the_alert_is_told_once_however_many_people_come_back_at_once(world: World) -> None:
    browsers = [world.panel.browser(world.person).client for _ in range(6)]
    before = world.panel.alerts_in_ledger()
    with breaking.append_is_revoked(world.panel.database):
        refused(world.browser.get("/cases/"))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.get("/cases/").status_code, browsers))
    assert answers == [200] * 6
    assert world.panel.alerts_in_ledger() == before + 1


def test_while_only_the_presidencys_ledger_is_held_institutions_work_on(world: World) -> None:
    """The alert about an earlier fault waits, and nobody waits for it but its own attempt."""
    before = world.panel.alerts_in_ledger()
    with breaking.append_is_revoked(world.panel.database):
        refused(world.browser.get("/cases/"))
    with breaking.presidencys_head_is_held(world.panel.database):
        assert world.browser.get("/cases/").status_code == 200
        assert world.panel.ready()["ledger"]["ok"] is False
    assert world.browser.get("/cases/").status_code == 200
    assert world.panel.ready()["ledger"]["ok"] is True
    assert world.panel.alerts_in_ledger() == before + 1
