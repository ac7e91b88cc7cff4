"""All pages that a role reaches by links and filters, visited once: each rule of this file judges the same visits.

Before, every form and button was used by each role that may and by one that may not, so that the histories hold an
entry of each kind, refusals included.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from itm_admin.cases import lookup, services
from itm_admin.cases.persons import PERSONS
from itm_admin.foundation import vocabulary
from itm_admin.foundation.roles import ROLES
from tests.factories import CASE
from tests.house.empty_forms import faults_of_empty_forms
from tests.house.expectations import FOCAL, MANAGER, NATIONAL, WORKER
from tests.house.ids_told import Told, ask_everything
from tests.house.shown_names import Names
from tests.house.visiting import Visit, english, kind_of, visits
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

CHANGES = ("POST", "PATCH", "PUT", "DELETE")
_CLASSES = re.compile(r'class="([^"]*)"')


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


@pytest.fixture(scope="module")
def untold_by_changes(world: World) -> list[str]:
    return list(ask_everything(world, *CHANGES))


@pytest.fixture
def wide_world(database: Database, tmp_path: Path) -> World:
    return World(RunningPanel(database, tmp_path / "home"))


def _put_away(world: World) -> dict[str, list[str]]:
    """Pages of records that are no longer at work, by role: a closed and a deleted case, and a deleted person."""
    make, worker = world.panel.make, world.ours.caseworker
    manager = world.walkers[MANAGER].somebody
    closed, deleted, alone = (make.case(worker) for _ in range(3))
    people_in = [make.person(worker, case, role="VICTIM").person_id for case in (closed, deleted, alone)]
    with make.working(manager) as session:
        reason = {"reason": vocabulary.codes("case_closure_reason")[0]}
        services.close_case(session, make.keyring, closed.id, reason, lookup.get_case(session, closed.id).row_version)
        services.CASES.delete(session, deleted.id, {"reason": "DUPLICATE"})
        PERSONS.delete(session, people_in[2], {"reason": "DUPLICATE"})
    pages = {
        "closed": [f"/cases/{closed.id}", f"/persons/{people_in[0]}"],
        "deleted": [f"/cases/{deleted.id}", f"/persons/{people_in[2]}"],
    }
    return {WORKER: pages["closed"], FOCAL: pages["closed"], MANAGER: [*pages["deleted"], *pages["closed"]]}


def _entries(world: World, role: str) -> list[str]:
    """Pages of one entry of each kind of act, record, outcome and page, the newest, for those who read ledgers."""
    if role not in (NATIONAL, MANAGER):
        return []
    rows = world.panel.rows(
        "select distinct on (e.action, e.target_kind, e.outcome, e.page, e.changed) e.ledger_id::text, e.seq from ("
        " select *, content::jsonb -> 'detail' ->> 'page' as page, (select array_agg(k order by k) from"
        " jsonb_object_keys(coalesce(nullif(content::jsonb -> 'changes', 'null'), '{}')) k) as changed"
        " from audit.entry) e where :code in ('', e.code)"
        " order by e.action, e.target_kind, e.outcome, e.page, e.changed, e.ledger_id, e.seq desc",
        code=world.walkers[role].somebody.tenant.code if role == MANAGER else "",
    )
    pages = "/institution-history" if role == MANAGER else "/ledgers"
    return [f"{pages}/{id}/{seq}" for id, seq in rows]


class Walks:
    """Each role's visits, made when they are first asked for."""

    def __init__(self, world: World) -> None:
        self.world, self._put_away = world, _put_away(world)
        self._done: dict[str, list[Visit]] = {}

    def in_language(self, role: str, language: str) -> None:
        with self.world.panel.make.superuser() as connection:
            connection.execute(
                text("update public.account set language = :to, active = true where id = :id"),
                {"to": language, "id": self.world.walkers[role].somebody.id},
            )

    def of(self, role: str) -> list[Visit]:
        if role not in self._done:
            self.in_language(role, "tr")
            more = [*self._put_away.get(role, []), *_entries(self.world, role)]
            self._done[role] = list(visits(self.world, self.world.walkers[role], more))
            assert len({visit.endpoint for visit in self._done[role]}) > 8, f"{role} came nowhere"
        return self._done[role]


@pytest.fixture(scope="module")
def walks(world: World, untold_by_changes: list[str]) -> Walks:
    return Walks(world)


@pytest.fixture(scope="module")
def names(walks: Walks) -> Names:
    for role in ROLES:
        walks.of(role)
    return Names(walks.world)


def test_every_id_in_an_answer_is_target_or_subject_of_an_entry_of_its_request(
    world: World, untold_by_changes: list[str]
) -> None:
    faults = [*untold_by_changes, *ask_everything(world, "GET")]
    assert not faults, "\n".join(faults[:30])


@pytest.mark.wide  # as each role, in a world of its own: what was changed above is not changed again
def test_nor_is_any_id_untold_to_another_role(wide_world: World) -> None:
    faults = [*ask_everything(wide_world, *CHANGES, every=True), *ask_everything(wide_world, "GET", every=True)]
    assert not faults, "\n".join(faults[:30])


def test_a_conflict_and_a_change_of_nothing_leave_an_entry_with_the_record(world: World) -> None:
    who = world.walkers["focal_point"]
    worker, case = who.browser, str(world.panel.make.case(who.somebody).id)
    path = f"/api/v1/cases/{case}"
    version = worker.send("GET", path).json["row_version"]  # type: ignore[index]
    for data, status in (
        ({"province": "TR-01", "row_version": version + 7}, 409),
        ({"province": CASE["province"], "row_version": version}, 200),
    ):
        answer = worker.send("PATCH", path, data)
        assert answer.status_code == status, answer.text
        assert [event.target for event in world.panel.events(answer)] == [case], status
        assert not Told(world).untold(answer, who)


@pytest.mark.parametrize("role", ROLES)
def test_every_record_that_a_page_on_the_way_names_is_in_an_entry_of_the_visit(role: str, walks: Walks) -> None:
    told, register = Told(walks.world), walks.world.panel.app.extensions["itm_access"]
    faults = [
        f"{visit.endpoint} {visit.address}: {sorted(missing)[:3]}"
        for visit in walks.of(role)
        if visit.answer.status_code < 300 and not register[visit.endpoint].quiet
        if (missing := told.untold(visit.answer, walks.world.walkers[role]))
    ]
    assert not faults, "\n".join(faults[:40])


@pytest.mark.parametrize("role", ROLES)
def test_no_link_and_no_filter_that_a_role_is_offered_is_refused_or_fails(role: str, walks: Walks) -> None:
    """A link that is refused is a dead end, and an entry in the auditors' list of refusals."""
    faults = [
        f"{visit.answer.status_code} {visit.address}, offered at {visit.source}"
        for visit in walks.of(role)
        if visit.answer.status_code >= 400
    ]
    assert faults == []


@pytest.mark.parametrize("role", ROLES)
def test_no_page_shows_an_id_a_code_or_a_user_name_where_a_name_belongs(role: str, walks: Walks, names: Names) -> None:
    faults = [fault for visit in walks.of(role) for fault in names.faults(visit, "tr")]
    assert not faults, "\n".join(list(dict.fromkeys(faults))[:80])


def test_nor_does_any_english_page(walks: Walks, names: Names) -> None:
    """Pages of one route that are built of the same parts are asked for once."""
    faults, known = list[str](), set[tuple[str, frozenset[str]]]()
    for role in ROLES:
        walks.in_language(role, "en")
        for visit in walks.of(role):
            parts = visit.answer.text if visit.answer.mimetype == "text/html" else ""
            kind = kind_of(walks.world, visit.address)[1], frozenset(_CLASSES.findall(parts))
            if parts and kind not in known:
                known.add(kind)
                faults += names.faults(english(walks.world.walkers[role], visit), "en")
        walks.in_language(role, "tr")
    assert not faults, "\n".join(list(dict.fromkeys(faults))[:80])


@pytest.mark.parametrize("role", ROLES)
def test_an_empty_form_says_what_to_do_in_each_field_that_it_had_marked_as_required(role: str, walks: Walks) -> None:
    faults, told = faults_of_empty_forms(walks.world.walkers[role], walks.of(role))
    assert faults == []
    assert told
