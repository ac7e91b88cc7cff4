"""Several cases at once, and the header's box: all or nothing, an event for each, and nothing that is not theirs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.factories import Somebody
from tests.panel.panel_app import Browser, Records, RunningPanel

NEXT = "/cases/?sort=opened"


@dataclass
class Desk:
    panel: RunningPanel
    own: Records
    theirs: Records
    worker: Somebody
    manager: Somebody
    focal: Browser
    chief: Browser

    def cases(self, count: int = 3) -> list[uuid.UUID]:
        return [self.panel.make.case(self.worker, opened_on="2026-02-01").id for _ in range(count)]

    def boxes(self, cases: list[uuid.UUID]) -> list[str]:
        rows = self.panel.rows("select id, row_version from case_file where id = any(:ids)", ids=cases)
        return sorted(f"{row.id}:{row.row_version}" for row in rows)

    def closed(self, cases: list[uuid.UUID]) -> int:
        return int(
            self.panel.value("select count(*) from case_file where id = any(:ids) and closed_on is not null", ids=cases)
        )


@pytest.fixture(scope="module")
def desk(panel: RunningPanel) -> Desk:
    make = panel.make
    own, theirs = panel.records(make.institution()), panel.records(make.other_institution())
    worker, manager = make.focal_point(own.tenant), make.manager(own.tenant)
    return Desk(panel, own, theirs, worker, manager, panel.browser(worker), panel.browser(manager))


def close(browser: Browser, boxes: list[str], **fields: Any) -> Any:
    return browser.post("/cases/together/close", chosen=boxes, next=NEXT, **{"reason": "OTHER", **fields})


def test_the_page_asks_first_and_names_each_case(desk: Desk) -> None:
    cases = desk.cases()
    answer = close(desk.focal, desk.boxes(cases))
    assert answer.status_code == 200
    references = [
        row.reference for row in desk.panel.rows("select reference from case_file where id = any(:i)", i=cases)
    ]
    assert all(reference in answer.text for reference in references)
    assert desk.closed(cases) == 0
    (look,) = desk.panel.events(answer)
    assert set(look.subjects) == {str(case) for case in cases}


def test_confirmed_each_case_is_closed_with_an_event_of_its_own(desk: Desk) -> None:
    cases = desk.cases()
    answer = close(desk.focal, desk.boxes(cases), confirmed="yes")
    assert (answer.status_code, answer.headers["Location"]) == (303, NEXT)
    assert desk.closed(cases) == 3
    events = desk.panel.events(answer)
    assert {event.target for event in events} == {str(case) for case in cases}
    assert len(events) == 3


def test_one_that_was_changed_meanwhile_stops_all_and_is_named(desk: Desk) -> None:
    cases = desk.cases()
    boxes = desk.boxes(cases)
    with desk.panel.make.superuser() as connection:
        connection.exec_driver_sql("update case_file set province = 'TR-35' where id = %s", (cases[1],))
    answer = close(desk.focal, boxes, confirmed="yes")
    assert answer.status_code == 409
    assert desk.closed(cases) == 0
    assert answer.text.count('class="field-error"') == 1
    again = desk.boxes(cases)
    assert all(f'value="{box}"' in answer.text for box in again), "the newest versions are offered"
    assert close(desk.focal, again, confirmed="yes").status_code == 303


def test_one_that_is_closed_already_stops_all(desk: Desk) -> None:
    cases = desk.cases()
    close(desk.focal, desk.boxes(cases[:1]), confirmed="yes")
    assert close(desk.focal, desk.boxes(cases), confirmed="yes").status_code == 409
    assert desk.closed(cases) == 1


def test_without_a_reason_nothing_happens(desk: Desk) -> None:
    cases = desk.cases(1)
    answer = close(desk.focal, desk.boxes(cases), confirmed="yes", reason="")
    assert answer.status_code == 422
    assert desk.closed(cases) == 0


def test_another_institutions_case_is_not_found_and_nothing_is_done_to_ones_own(desk: Desk) -> None:
    cases = desk.cases(1)
    boxes = desk.boxes(cases)
    for foreign in (desk.theirs.case, uuid.uuid4()):
        for confirmed in ("", "yes"):
            answer = close(desk.focal, [*boxes, f"{foreign}:1"], confirmed=confirmed)
            assert answer.status_code == 404
            assert desk.theirs.reference not in answer.text
    assert desk.closed([*cases, desk.theirs.case]) == 0


@pytest.mark.parametrize("boxes", [["x"], ["x:1"], [f"{uuid.uuid4()}"], [f"{uuid.uuid4()}:-1"]])
def test_what_no_box_would_send_is_refused(desk: Desk, boxes: list[str]) -> None:
    assert close(desk.focal, boxes).status_code == 400


def test_more_than_a_page_at_once_is_refused(desk: Desk) -> None:
    assert close(desk.focal, [f"{uuid.uuid4()}:1" for _ in range(101)]).status_code == 400


def test_a_colleague_is_assigned_to_all_or_to_none(desk: Desk) -> None:
    cases = desk.cases()
    colleague = desk.panel.make.focal_point(desk.own.tenant)
    fields = {"account_id": str(colleague.id), "confirmed": "yes", "next": NEXT}
    done = desk.focal.post("/cases/together/assign", chosen=desk.boxes(cases[:2]), **fields)
    assert done.status_code == 303
    again = desk.focal.post("/cases/together/assign", chosen=desk.boxes(cases), **fields)
    assert again.status_code == 409
    assigned = "select count(*) from case_assignment where account_id = :id and ended_at is null"
    assert desk.panel.value(assigned, id=colleague.id) == 2


def test_nobody_is_assigned_to_a_case_that_changed_since_it_was_seen(desk: Desk) -> None:
    cases = desk.cases(1)
    boxes = desk.boxes(cases)
    with desk.panel.make.superuser() as connection:
        connection.exec_driver_sql("update case_file set province = 'TR-35' where id = %s", (cases[0],))
    colleague = desk.panel.make.focal_point(desk.own.tenant)
    answer = desk.focal.post("/cases/together/assign", chosen=boxes, account_id=str(colleague.id), confirmed="yes")
    assert answer.status_code == 409
    assert desk.panel.value("select count(*) from case_assignment where account_id = :id", id=colleague.id) == 0


def test_a_manager_deletes_several_and_nobody_else_does(desk: Desk) -> None:
    cases = desk.cases()
    fields = {"reason": "DUPLICATE", "confirmed": "yes", "next": NEXT}
    assert desk.focal.post("/cases/together/delete", chosen=desk.boxes(cases), **fields).status_code == 403
    assert desk.chief.post("/cases/together/delete", chosen=desk.boxes(cases), **fields).status_code == 303
    gone = "select count(*) from case_file where id = any(:ids) and deletion_reason = 'DUPLICATE'"
    assert desk.panel.value(gone, ids=cases) == 3


def test_the_list_offers_what_the_role_may_do(desk: Desk) -> None:
    assert "/cases/together/delete" not in desk.focal.get("/cases/").text
    assert "/cases/together/delete" in desk.chief.get("/cases/").text
    assert "/cases/together/" not in desk.chief.get("/cases/deleted").text


def find(browser: Browser, typed: str, path: str = "/find") -> str:
    answer = browser.post(path, q=typed)
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def test_a_reference_or_a_pseudonym_leads_straight_to_the_record(desk: Desk) -> None:
    typed = desk.own.reference.lower().replace("i", "ı", 1)
    assert find(desk.focal, f" {typed} ") == f"/cases/{desk.own.case}"
    answer = desk.focal.post("/find", q=desk.own.pseudonym)
    assert answer.headers["Location"] == f"/persons/{desk.own.person}"
    (look,) = desk.panel.events(answer)
    assert (look.action, look.subjects) == ("record.list", [str(desk.own.person)])


def test_a_part_of_one_leads_to_the_list_and_a_foreign_one_to_an_empty_one(desk: Desk) -> None:
    assert find(desk.focal, "ITM-2026").startswith("/cases/?")
    assert find(desk.focal, desk.theirs.reference) == f"/cases/?q={desk.theirs.reference}&sort=-opened"
    assert find(desk.focal, desk.theirs.pseudonym).startswith("/cases/?")


def test_a_name_or_a_number_leads_to_the_search_for_persons_with_the_text_kept_and_in_no_address(desk: Desk) -> None:
    numbers = ("10000000146", "0532-1234567", "+90 532 123 45 67", "U12345678", "10000000146 Ayşe")
    for typed in ("Gülizar Uğurlu", "ayşe", "a" * 41, *numbers):
        where = find(desk.focal, typed)
        assert where.startswith("/persons/search?typed="), typed
        parts = (part for part in typed.split() if len(part) > 3)  # two digits may stand in any token
        assert not any(part in where for part in parts), typed
        assert f'value="{typed}"' in desk.focal.get(where).text, typed
    assert find(desk.focal, "") == "/cases/?sort=-opened"
    assert find(desk.chief, "ayşe") == "/cases/?sort=-opened", "a manager searches no persons"


def test_a_lists_own_search_is_posted_and_comes_back_to_the_list_with_its_filters(desk: Desk) -> None:
    for path in ("/cases/?status=Active", "/persons/?child=yes"):
        page = desk.focal.get(path).text
        form = page[page.index('class="tools-form"') :]
        assert 'method="post" action="/find"' in form[:100], path
    kept = "/cases/?status=Active&sort=-opened"
    answer = desk.focal.post("/find", q="ITM-2026", next=kept)
    assert answer.headers["Location"] == f"{kept}&q=ITM-2026"
    assert desk.focal.post("/find", q="Şule", next=kept).headers["Location"].startswith("/persons/search?typed=")


def test_overseers_find_shared_cases_by_reference_and_by_pseudonym(desk: Desk) -> None:
    overseer = desk.panel.browser(desk.panel.make.supervisor())
    for typed in (desk.theirs.reference, desk.theirs.pseudonym):
        assert find(overseer, typed, "/oversight/find") == f"/oversight/cases/{desk.theirs.case}"
    assert find(overseer, "Ayşe", "/oversight/find") == "/oversight/cases/?sort=-opened"
