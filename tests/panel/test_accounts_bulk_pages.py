"""Several accounts suspended at once: all of them or none, and none that is out of reach."""

from __future__ import annotations

import uuid

import pytest

from tests.factories import Somebody, Tenant
from tests.panel.panel_app import Browser, RunningPanel

NOTED = "select reason from access_change where kind = 'suspend' and account_id = any (:ids)"
PATH = "/accounts/together/suspend"


@pytest.fixture(scope="module")
def tenant(panel: RunningPanel) -> Tenant:
    return panel.make.institution()


@pytest.fixture(scope="module")
def manager(panel: RunningPanel, tenant: Tenant) -> Browser:
    return panel.browser(panel.make.manager(tenant))


def boxes(panel: RunningPanel, people: list[Somebody]) -> list[str]:
    rows = panel.rows("select id, row_version from account where id = any(:ids)", ids=[each.id for each in people])
    return [f"{row.id}:{row.row_version}" for row in rows]


def suspended(panel: RunningPanel, people: list[Somebody]) -> int:
    ids = [each.id for each in people]
    return int(panel.value("select count(*) from account where id = any(:ids) and not active", ids=ids))


def test_the_page_asks_and_then_suspends_each_with_an_event(
    panel: RunningPanel, tenant: Tenant, manager: Browser
) -> None:
    people = [panel.make.focal_point(tenant) for _ in range(2)]
    chosen = boxes(panel, people)
    asked = manager.post(PATH, chosen=chosen)
    assert asked.status_code == 200
    assert all(each.username in asked.text for each in people)
    assert suspended(panel, people) == 0
    done = manager.post(PATH, chosen=chosen, confirmed="yes", reason="LEFT", next="/accounts/?sort=name")
    assert (done.status_code, done.headers["Location"]) == (303, "/accounts/?sort=name")
    assert suspended(panel, people) == 2
    targets = {event.target for event in panel.events(done)}
    assert {str(each.id) for each in people} <= targets
    assert {row[0] for row in panel.rows(NOTED, ids=[each.id for each in people])} == {"LEFT"}
    assert len(targets) == 4, "each account, and its change of access"


def test_one_that_may_not_be_suspended_from_here_stops_all(
    panel: RunningPanel, tenant: Tenant, manager: Browser
) -> None:
    able, above = panel.make.focal_point(tenant), panel.make.manager(tenant)
    answer = manager.post(PATH, chosen=boxes(panel, [able, above]), confirmed="yes", reason="LEFT")
    assert (answer.status_code, answer.text.count('class="field-error"')) == (409, 1)
    assert suspended(panel, [able, above]) == 0


def test_another_institutions_account_is_not_found(panel: RunningPanel, tenant: Tenant, manager: Browser) -> None:
    able, foreign = panel.make.focal_point(tenant), panel.make.focal_point(panel.make.other_institution())
    for confirmed in ("", "yes"):
        answer = manager.post(PATH, chosen=boxes(panel, [able, foreign]), confirmed=confirmed, reason="LEFT")
        assert answer.status_code == 404
        assert foreign.username not in answer.text
    assert suspended(panel, [able, foreign]) == 0


def test_the_own_account_and_a_suspended_one_cannot_be_chosen(panel: RunningPanel, tenant: Tenant) -> None:
    me, able, shut = panel.make.manager(tenant), panel.make.focal_point(tenant), panel.make.focal_point(tenant)
    manager = panel.browser(me)
    manager.post(PATH, chosen=boxes(panel, [shut]), confirmed="yes", reason="LEFT")
    page = manager.get("/accounts/?size=100").text
    offered = [each.id for each in (me, able, shut) if f'name="chosen" value="{each.id}:' in page]
    assert offered == [able.id]
    assert all(each.actor.full_name in page for each in (me, able, shut))


def test_an_accounts_history_has_the_role_that_was_given(panel: RunningPanel, tenant: Tenant) -> None:
    who = panel.make.focal_point(tenant)
    page = panel.browser(panel.make.manager(tenant)).get(f"/accounts/{who.id}").text
    assert "Rol verildi: Odak noktası" in page or "Role given: Focal point" in page


def leavers(panel: RunningPanel, tenant: Tenant) -> tuple[list[Somebody], Somebody, list[uuid.UUID]]:
    """Two people with an open case each, somebody without, and a colleague; the cases' ids."""
    colleague = panel.make.focal_point(tenant)
    people = [panel.make.caseworker(tenant) for _ in range(3)]
    cases = [panel.make.case(colleague).id for _ in range(2)]
    for person, case in zip(people, cases, strict=False):
        browser = panel.browser(colleague)
        assert browser.post(f"/cases/{case}/assign", account_id=str(person.id)).status_code == 303
    return people, colleague, cases


def assigned(panel: RunningPanel, case: uuid.UUID) -> set[uuid.UUID]:
    rows = panel.rows("select account_id from case_assignment where case_id = :id and ended_at is null", id=case)
    return {row.account_id for row in rows}


def test_each_person_with_open_cases_has_a_question_of_their_own(
    panel: RunningPanel, tenant: Tenant, manager: Browser
) -> None:
    people, colleague, cases = leavers(panel, tenant)
    chosen = boxes(panel, people)
    asked = manager.post(PATH, chosen=chosen).text
    fields = [f"successor_{each.id.hex}" for each in people]
    assert [f'name="{each}"' in asked for each in fields] == [True, True, False]
    assert all(
        reference in asked
        for reference in [panel.value("select reference from case_file where id = :id", id=each) for each in cases]
    )
    sent = {"chosen": chosen, "offered": chosen, "confirmed": "yes", "reason": "LEFT"}
    refused = manager.post(PATH, **sent, **{fields[0]: str(colleague.id)})
    assert refused.status_code == 409
    assert "devralacak kişiyi seçin" in refused.text
    assert suspended(panel, people) == 0, "all or none"
    for wrong in (people[2], panel.make.focal_point(panel.make.other_institution()), people[1]):
        answers = {fields[0]: str(wrong.id), fields[1]: "nobody"}
        assert manager.post(PATH, **sent, **answers).status_code in (409, 422), wrong.username
        assert suspended(panel, people) == 0
    done = manager.post(PATH, **sent, **{fields[0]: str(colleague.id), fields[1]: "nobody"})
    assert done.status_code == 303
    assert suspended(panel, people) == 3
    assert [assigned(panel, case) - {colleague.id} for case in cases] == [set(), set()]
    assert colleague.id in assigned(panel, cases[0])
