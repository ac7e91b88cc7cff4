"""Several accounts suspended at once: all of them or none, and none that is out of reach."""

from __future__ import annotations

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
