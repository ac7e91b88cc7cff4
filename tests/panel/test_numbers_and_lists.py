"""A number on a home page is the number of rows behind its link, and a case tells whose work on it ended."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import text

from itm_admin.cases import handover, services
from itm_admin.cases.models import Case
from itm_admin.foundation.identity_numbers import seems_mistyped
from tests.factories import Factory, Somebody
from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="module")
def leaver(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def handed(make: Factory, manager: Somebody, leaver: Somebody) -> Case:
    """A case whose worker left; a manager gave it to a colleague."""
    case, colleague = make.case(leaver), make.caseworker()
    with make.working(manager) as session:
        services.assign(session, case.id, {"account_id": str(colleague.id)})
        handover._hand_over(session, leaver.id, colleague.id)
    return case


def rows(panel: RunningPanel, who: Somebody, address: str) -> int:
    page = panel.browser(who).get(html.unescape(address))
    assert page.status_code == 200, address
    body = re.search(r"<tbody.*?</tbody>", page.text, re.S)
    return body[0].count("<tr") if body else 0


def test_each_number_that_waits_is_the_number_of_rows_behind_its_link(panel: RunningPanel, make: Factory) -> None:
    worker = make.focal_point()
    without_profile, closed = make.case(worker), make.case(worker)
    make.case(worker)
    make.person(worker, without_profile)
    make.person(worker, closed)
    with make.working(worker) as session:
        services.close_case(session, make.keyring, closed.id, {"reason": "OTHER", "closed_on": "2026-04-01"}, 1)
    home = panel.browser(worker).get("/").text
    links = re.findall(r'href="(/cases/\?[^"]*mine=yes[^"]*)"[^>]*>([^<]*)', home)
    waiting = [(link, int(found[0])) for link, words in links if (found := re.findall(r"([0-9]+) dosya", words))]
    assert len(waiting) == 2, links
    for link, number in waiting:
        assert number == 1
        assert rows(panel, worker, link) == number, link


def test_the_tile_of_accounts_counts_those_that_its_list_shows(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    suspended = make.caseworker()
    with make.superuser() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("update account set active = false where id = :id"), {"id": suspended.id})
    home = panel.browser(manager).get("/").text
    tiles = re.findall(r'href="(/accounts/[^"]*)"[^>]*>(.*?)</a>', home, re.S)
    numbers = [int(found[0]) for _link, words in tiles if (found := re.findall(r">\s*([0-9]+)\s*<", f">{words}<"))]
    listed = panel.browser(manager).get("/accounts/?size=100").text
    assert suspended.username in listed
    with make.superuser() as connection:
        there = connection.scalar(
            text("select count(*) from account where institution_id = :id"), {"id": manager.tenant.id}
        )
    assert numbers == [there], tiles


def test_cases_are_found_by_the_assigned_person_and_the_unit(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    worker = make.caseworker()
    case, other = make.case(make.focal_point()), make.case(make.focal_point())
    with make.working(manager) as session:
        services.assign(session, case.id, {"account_id": str(worker.id)})
    browser = panel.browser(manager)
    found = browser.get(f"/cases/?worker={worker.id}&open=yes").text
    assert case.reference in found
    assert other.reference not in found
    assert worker.actor.full_name in found
    unit = make.unit("Bolu")
    there = make.case(make.focal_point(unit=unit))
    assert rows(panel, manager, f"/cases/?unit={unit}") == 1
    assert there.reference in browser.get(f"/cases/?unit={unit}").text


def test_the_course_of_a_case_keeps_those_who_left(
    panel: RunningPanel, manager: Somebody, leaver: Somebody, handed: Case
) -> None:
    page = panel.browser(manager).get(f"/cases/{handed.id}").text
    course = page[page.index('id="course"') :]
    assert f"{leaver.actor.full_name} görevlendirildi" in course
    assert f"Görevi sona erdi: {leaver.actor.full_name}" in course


def test_the_ledger_says_whose_assignment_ended(
    panel: RunningPanel, make: Factory, manager: Somebody, leaver: Somebody, handed: Case
) -> None:
    ended = f"{handed.reference} · {leaver.actor.full_name}"
    for who, address in (
        (manager, f"/history/case/{handed.id}"),
        (make.auditor(), f"/audit/history/case/{handed.id}"),
    ):
        words = " ".join(re.sub(r"<[^>]*>", " ", panel.browser(who).get(address).text).split())
        assert f"Görevlendirmenin sona ermesi : Görevlendirme {ended}" in words, words[:3000]


def test_a_case_is_reopened_after_a_question(panel: RunningPanel, make: Factory) -> None:
    worker = make.focal_point()
    case = make.case(worker)
    with make.working(worker) as session:
        services.close_case(session, make.keyring, case.id, {"reason": "OTHER", "closed_on": "2026-04-01"}, 1)
    page = panel.browser(worker).get(f"/cases/{case.id}").text
    form = re.search(rf'<form[^>]*action="/cases/{case.id}/reopen"[^>]*>', page)
    assert form is not None
    assert "data-confirm=" in form[0]


@pytest.mark.parametrize(
    ("number", "mistyped"),
    [("10000000147", True), ("1000000014", True), ("100 000 001 46", False), ("05321234567", False),
     ("5321234567", False), ("U1234567", False)],
)  # fmt: skip
def test_a_mistyped_identity_number_is_told_apart(number: str, mistyped: bool) -> None:
    assert seems_mistyped(number) is mistyped


def test_the_search_for_persons_tells_of_check_digits(panel: RunningPanel, make: Factory) -> None:
    browser = panel.browser(make.focal_point())
    assert "denetim basamakları" in browser.post("/persons/search", number="10000000147").text
    assert "denetim basamakları" not in browser.post("/persons/search", number="05321234567").text
