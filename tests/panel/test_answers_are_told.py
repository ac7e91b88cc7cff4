"""The ledger names each record that an answer names, and a refusal what was asked for; no page leaves more."""

from __future__ import annotations

import gzip
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from itm_admin.cases import lookup, services
from itm_admin.cases.persons import PERSONS
from itm_admin.record import draft_views
from tests.factories import CASE, Somebody
from tests.panel.panel_app import Browser, Records, RunningPanel

API = "/api/v1"


@dataclass
class Office:
    panel: RunningPanel
    own: Records
    theirs: Records
    worker: Somebody
    focal: Browser
    manager: Browser
    chief: Somebody

    def told(self, answer: TestResponse) -> set[str]:
        return {id for event in self.panel.shown(answer) for id in (event.target, *event.subjects)}

    def close(self, case: uuid.UUID) -> None:
        with self.panel.make.working(self.worker) as session:
            version = lookup.get_case(session, case).row_version
            services.close_case(session, self.panel.make.keyring, case, {"reason": "OTHER"}, version)


@pytest.fixture(scope="module")
def office(panel: RunningPanel) -> Office:
    make = panel.make
    own, theirs = panel.records(make.institution()), panel.records(make.other_institution())
    worker, chief = make.focal_point(own.tenant), make.manager(own.tenant)
    return Office(panel, own, theirs, worker, panel.browser(worker), panel.browser(chief), chief)


def forms() -> list[str]:
    """Every form that keeps drafts of a record."""
    return sorted(kind for kind, form in draft_views._FORMS.items() if form.find is not None and form.id)


def _ids(office: Office, records: Records) -> dict[str, uuid.UUID]:
    return {"id": records.case, "case": records.case, "parent": records.case, "link": records.link}


def test_a_form_that_is_refused_leaves_no_note_that_it_is_open(office: Office) -> None:
    """Colleagues of the record's people would read on their own form who asked for it."""
    asked = 0
    with office.panel.app.test_request_context():
        paths = {
            draft_views._FORMS[kind].endpoint: [
                office.panel.app.url_map.bind("localhost").build(
                    draft_views._FORMS[kind].endpoint, draft_views._FORMS[kind].address_of(id), method="GET"
                )
                for id in (uuid.uuid4(), office.theirs.case, office.theirs.person, office.theirs.link)
            ]
            for kind in forms()
            if draft_views._FORMS[kind].endpoint in office.panel.app.view_functions
        }
    for addresses in paths.values():
        for path in addresses:
            answer = office.focal.get(path)
            assert answer.status_code in (403, 404), (path, answer.status_code)
            asked += 1
    assert asked >= 16
    noted = "select count(*) from editing where account_id = :id"
    assert office.panel.value(noted, id=office.worker.id) == 0
    assert office.focal.get(f"/cases/{office.own.case}/edit").status_code == 200
    assert office.panel.value(noted, id=office.worker.id) == 1


def test_a_draft_of_a_record_that_nobody_can_save_is_refused(office: Office) -> None:
    make, panel = office.panel.make, office.panel
    case = make.case(office.worker)
    link = make.person(office.worker, case, role="VICTIM")
    person = link.person_id
    kept = {"case": case.id, "person": person, "profile": link.id, "new-person": case.id}
    for kind, id in kept.items():
        assert office.focal.post(f"/drafts/{kind}/{id}", gender="Feminine").status_code == 200, kind
    count = "select count(*) from draft"
    before = panel.value(count)
    office.close(case.id)
    for kind, id in kept.items():
        assert office.focal.post(f"/drafts/{kind}/{id}", gender="Masculine").status_code == 423, kind
    invisible = {"case": office.theirs.case, "person": office.theirs.person, "profile": office.theirs.link}
    for kind, id in invisible.items():
        assert office.focal.post(f"/drafts/{kind}/{id}", gender="Masculine").status_code == 404, kind
    erased = make.person(office.worker, make.case(office.worker), role="VICTIM")
    answer = office.manager.send("POST", f"{API}/persons/{erased.person_id}/erase", {"ground": "PERSON_REQUEST"})
    with make.superuser() as connection:
        if answer.status_code != 200:
            connection.execute(text("set session_replication_role = replica"))
            connection.execute(
                text("update person set erased_at = now(), erasure_ground = 'PERSON_REQUEST', data_key = null,"
                     " index_terms = '{}', given_name_enc = null, family_name_enc = null, birth_date_enc = null,"
                     " tckn_enc = null, ykn_enc = null, passport_enc = null, phone_enc = null, email_enc = null,"
                     " address_enc = null, guardian_enc = null where id = :id"), {"id": erased.person_id})  # fmt: skip
    for kind, id in {"person": erased.person_id, "profile": erased.id}.items():
        assert office.focal.post(f"/drafts/{kind}/{id}", gender="Masculine").status_code == 423, kind
    gone = make.case(office.worker).id
    with make.working(office.chief) as session:
        services.CASES.delete(session, gone, {"reason": "DUPLICATE"})
    for kind in ("case", "new-person"):
        assert office.focal.post(f"/drafts/{kind}/{gone}", gender="Masculine").status_code == 404, kind
    assert panel.value(count) == before


def test_a_draft_of_a_closed_record_can_still_be_thrown_away(office: Office) -> None:
    case = office.panel.make.case(office.worker)
    assert office.focal.post(f"/drafts/case/{case.id}", province="TR-06").status_code == 200
    office.close(case.id)
    assert office.focal.post(f"/drafts/case/{case.id}/discard").status_code == 303
    name = f"case:{case.id}"
    assert office.panel.value("select count(*) from draft where form = :form", form=name) == 0


def test_a_person_who_is_linked_and_a_case_that_is_left_are_told(office: Office) -> None:
    make = office.panel.make
    case, other = make.case(office.worker), make.case(office.worker)
    person = make.person(office.worker, other).person_id
    answer = office.focal.send("POST", f"{API}/cases/{case.id}/people", {"person_id": str(person), "role": "WITNESS"})
    assert answer.status_code == 201, answer.text
    assert str(person) in office.told(answer)
    colleague = office.own.colleague.id
    office.focal.send("POST", f"{API}/cases/{case.id}/assignments", {"account_id": str(colleague)})
    ended = office.focal.send("DELETE", f"{API}/cases/{case.id}/assignments/{colleague}")
    assert (ended.status_code, json.loads(ended.text)["id"]) == (200, str(case.id))
    assert str(case.id) in office.told(ended)


def test_a_list_tells_the_records_that_its_columns_name_and_no_others(office: Office) -> None:
    own, told = office.own, office.told
    whole = office.focal.get("/persons/")
    assert own.reference in whole.text
    assert {str(own.person), str(own.case)} <= told(whole)
    less = office.focal.get("/persons/?cols=gender")
    assert own.reference not in less.text
    assert str(own.case) not in told(less)
    assert str(own.case) not in told(office.focal.get(f"{API}/persons/"))
    make = office.panel.make
    left = make.person(office.worker, case := make.case(office.worker))
    with make.working(office.chief) as session:
        PERSONS.delete(session, left.person_id, {"reason": "DUPLICATE"})
    deleted = office.manager.get("/persons/deleted")
    assert case.reference in deleted.text
    assert {str(left.person_id), str(case.id)} <= told(deleted)


def test_a_history_tells_the_records_that_its_lines_name(office: Office) -> None:
    own = office.own
    office.manager.get(f"/persons/unlink/{own.link}")
    for path in ("/institution-history/?kind=case_person", f"/history/case_person/{own.link}"):
        page = office.manager.get(path)
        assert page.status_code == 200, path
        assert own.reference in page.text, path
        assert {str(own.link), str(own.case), str(own.person)} <= office.told(page), path


def test_the_page_that_takes_somebody_out_of_a_case_tells_the_person(office: Office) -> None:
    page = office.manager.get(f"/persons/unlink/{office.own.link}")
    assert office.own.pseudonym in page.text
    assert {str(office.own.person), str(office.own.case), str(office.own.link)} <= office.told(page)


@pytest.mark.parametrize("which", ["foreign", "missing", "wrong"])
def test_a_refused_act_on_several_records_names_what_was_chosen(office: Office, which: str) -> None:
    own, other = office.own.case, {"foreign": office.theirs.case}.get(which, uuid.uuid4())
    boxes = [f"{own}:1", f"{other}:1" if which != "wrong" else "no-number:1"]
    answer = office.manager.post("/cases/together/delete", chosen=boxes, confirmed="yes", reason="DUPLICATE")
    assert answer.status_code == (400 if which == "wrong" else 404)
    (entry,) = office.panel.events(answer)
    assert (entry.action, entry.kind) == ("record.delete", "case")
    assert set(entry.subjects) == ({str(own)} if which == "wrong" else {str(own), str(other)})


def test_a_reveal_where_there_is_nothing_yet_has_its_purpose_checked_and_told(office: Office) -> None:
    make = office.panel.make
    link = make.person(office.worker, make.case(office.worker), role="VICTIM").id
    for send in (
        lambda purpose: office.focal.send("POST", f"{API}/profiles/{link}/reveal", {"purpose": purpose}),
        lambda purpose: office.focal.post(f"/profiles/{link}/reveal", purpose=purpose),
    ):
        _reveals(office, str(link), send)


def _reveals(office: Office, link: str, send: Callable[[str], TestResponse]) -> None:
    refused = send("SUPERVISION")
    assert refused.status_code in (400, 422)
    assert {event.kind for event in office.panel.events(refused)} <= {"victim_profile"}
    answer = send("CASE_WORK")
    assert answer.status_code == 200
    found = office.panel.rows(
        "select action, outcome, target_kind, target_id, purpose from audit.event where request_id = :id"
        " and action = 'record.reveal'",
        id=answer.__dict__.get("sent", answer).headers["X-Request-Id"],
    )
    assert [tuple(row) for row in found] == [("record.reveal", "success", "victim_profile", link, "CASE_WORK")]


def test_a_case_begins_in_the_first_state_and_the_description_offers_no_other(office: Office) -> None:
    answer = office.focal.send("POST", f"{API}/cases/", {**CASE, "status": "FollowUp"})
    assert answer.status_code == 400, answer.text
    assert "status" in json.loads(answer.text)["fields"]
    assert office.focal.send("POST", f"{API}/cases/", {**CASE, "status": "Active"}).status_code == 201
    shapes = json.loads(office.focal.get(f"{API}/openapi.json").text)["components"]["schemas"]
    assert shapes["CaseInput"]["properties"]["status"]["enum"] == ["Active"]
    assert set(shapes["CaseChange"]["properties"]["status"]["enum"]) == {"Active", "FollowUp"}


def test_who_adds_a_person_while_a_case_is_being_closed_is_told_that_it_is_closed(office: Office) -> None:
    case = office.panel.make.case(office.worker)
    answers: list[int] = []

    def add() -> None:
        sent = {"role": "WITNESS", "gender": "Feminine"}
        answers.append(office.focal.send("POST", f"{API}/cases/{case.id}/people", sent).status_code)

    with office.panel.make.working(office.worker) as session:
        services.close_case(session, office.panel.make.keyring, case.id, {"reason": "OTHER"}, case.row_version)
        adding = threading.Thread(target=add)
        adding.start()
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid <> pg_backend_pid()"
        while adding.is_alive() and not office.panel.value(waiting):
            adding.join(0.05)
    adding.join()
    assert answers == [423]


def test_the_version_that_a_compressed_answer_tells_is_taken_back(office: Office) -> None:
    make = office.panel.make
    opened = make.case(office.worker)
    make.person(office.worker, opened)
    case = opened.id
    headers = {"Accept-Encoding": "gzip", "X-CSRFToken": office.focal.token}
    answer = office.focal.client.get(f"{API}/cases/{case}", headers=headers)
    tag = answer.headers["ETag"]
    assert answer.headers.get("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(answer.data))["row_version"] == 1
    for sent, status in ((f"W/{tag}", 412), ('"1-br"', 412), ('"1-gzip-gzip"', 412), (tag, 200)):
        changed = office.focal.client.patch(
            f"{API}/cases/{case}", json={"province": "TR-35"}, headers={**headers, "If-Match": sent}
        )
        assert changed.status_code == status, (sent, changed.text)
