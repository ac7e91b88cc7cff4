"""Every link that a page offers is followed and every filter submitted, as each role: nothing answers 4xx or 5xx.

A link that is refused is a dead end for whoever was offered it, and an entry in the auditors' list of refusals.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import app as composition
import itm_admin
from itm_admin.cases import lookup, person_services, services
from itm_admin.foundation import vocabulary
from itm_admin.foundation.roles import ROLES
from tests.house.expectations import FOCAL, MANAGER, WORKER
from tests.house.visiting import visits
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


@pytest.fixture(scope="module")
def put_away(world: World) -> dict[str, list[str]]:
    """Pages of records that are no longer at work, by role: a closed and a deleted case, and a deleted person."""
    make, worker = world.panel.make, world.ours.caseworker
    manager = world.walkers[MANAGER].somebody
    closed, deleted, alone = (make.case(worker) for _ in range(3))
    people_in = [make.person(worker, case, role="VICTIM").person_id for case in (closed, deleted, alone)]
    with make.working(manager) as session:
        reason = {"reason": vocabulary.codes("case_closure_reason")[0]}
        services.close_case(session, make.keyring, closed.id, reason, lookup.get_case(session, closed.id).row_version)
        services.CASES.delete(session, deleted.id, {"reason": "DUPLICATE"})
        person_services.delete_person(session, people_in[2], {"reason": "DUPLICATE"})
    pages = {
        "closed": [f"/cases/{closed.id}", f"/persons/{people_in[0]}"],
        "deleted": [f"/cases/{deleted.id}", f"/persons/{people_in[2]}"],
    }
    return {WORKER: pages["closed"], FOCAL: pages["closed"], MANAGER: [*pages["deleted"], *pages["closed"]]}


@pytest.mark.parametrize("role", ROLES)
def test_no_link_and_no_filter_that_a_role_is_offered_is_refused_or_fails(
    role: str, world: World, put_away: dict[str, list[str]]
) -> None:
    faults = [
        f"{visit.answer.status_code} {visit.address}, offered at {visit.source}"
        for visit in visits(world, world.walkers[role], put_away.get(role, []))
        if visit.answer.status_code >= 400
    ]
    assert faults == []


def test_no_page_overwrites_what_the_frame_around_it_needs() -> None:
    """A page's own `links` once took the language switch, the search box and the way to sign out away."""
    source = ast.parse(Path(composition.__file__).read_text())
    values = next(one for one in ast.walk(source) if getattr(one, "name", "") == "_page_values")
    frame = {
        key.value
        for one in ast.walk(values)
        if isinstance(one, ast.Dict)
        for key in one.keys
        if isinstance(key, ast.Constant)
    }
    assert {"links", "navigation", "alerts"} <= frame
    for path in Path(itm_admin.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in (
                "render",
                "render_template",
            ):
                taken = frame & {keyword.arg for keyword in call.keywords}
                assert not taken, f"{path}:{call.lineno} gives the page {taken}"
