"""Beside an erasure: two sessions at once, words about cases, holds on others, and what comes after it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from itm_admin.cases import erasure, holds, lookup, person_services
from itm_admin.cases.erasure import Answer
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.foundation import form_answers
from tests.factories import Factory, Somebody
from tests.panel.erasing import NAME, erased, stored
from tests.panel.panel_app import RunningPanel

WAITS = (
    "select count(*) from pg_stat_activity where datname = current_database()"
    " and cardinality(pg_blocking_pids(pid)) > 0"
)
WORDS = {"purpose": "COURT", "words": "Kanarya istendi"}
NOTE = (
    "insert into access_note (institution_id, account_id, kind, record, purpose, words)"
    " values (:i, :account, :kind, :record, 'COURT', 'Kanarya')"
)
LINK = (
    "insert into case_person (institution_id, unit_id, case_id, person_id, role)"
    " values (:i, :u, :case, :person, 'WITNESS')"
)


@pytest.fixture
def focal_point(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture
def case(make: Factory, focal_point: Somebody) -> Case:
    return make.case(focal_point, narrative="Kanarya anlattı")


@pytest.fixture
def link(make: Factory, focal_point: Somebody, case: Case) -> CasePerson:
    return make.person(focal_point, case, **NAME)


@contextmanager
def erasing(make: Factory, by: Somebody, link: CasePerson) -> Iterator[Session]:
    """An erasure that is done and not committed yet; committed at the end of the block."""
    with make.working(by) as session:
        person = lookup.get_person(session, link.person_id, or_deleted=True)
        answers = {case.id: Answer("shredded", case.row_version) for case in erasure.narratives_of(session, person)}
        values = {"ground": "PERSON_REQUEST", "pseudonym": person.pseudonym}
        erasure.destroy(session, person.id, values, answers, person.row_version)
        yield session


def beside(panel: RunningPanel, act: Callable[[], Any]) -> Callable[[], Any]:
    """Starts the act in a session of its own, until it waits for a lock or is over. Its result is asked for later."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(act())
        except DBAPIError as error:
            found.append(str(error.orig).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive() and not panel.value(WAITS):
        pass

    def result() -> Any:
        thread.join()
        return found[0]

    return result


def said(make: Factory, who: Somebody, statement: str, **values: Any) -> str:
    """Why the database refused it; "" if it was done."""
    try:
        with make.working(who) as session:
            session.execute(text(statement), values)
    except DBAPIError as error:
        return str(error.orig).splitlines()[0]
    return ""


def words_of(panel: RunningPanel, *records: uuid.UUID) -> list[str]:
    found = panel.rows(
        "select words from access_note where record = any (:ids) and words is not null", ids=list(records)
    )
    return [row[0] for row in found]


@pytest.mark.parametrize("kind", ["person", "case", "profile"])
def test_a_reveal_beside_an_erasure_shows_nothing_and_leaves_no_words(
    panel: RunningPanel,
    make: Factory,
    focal_point: Somebody,
    manager: Somebody,
    case: Case,
    link: CasePerson,
    kind: str,
) -> None:
    profile = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "CANARY"}
    with make.working(focal_point) as session:
        made = person_services.set_profile(session, make.keyring, link.id, profile).id
    path = {"person": f"persons/{link.person_id}", "case": f"cases/{case.id}", "profile": f"profiles/{link.id}"}[kind]
    browser = panel.browser(focal_point)
    with erasing(make, manager, link):
        answer = beside(panel, lambda: browser.send("POST", f"/api/v1/{path}/reveal", WORDS))
    told = answer()
    assert told.status_code == 423, told.text
    assert "anarya" not in told.text
    assert words_of(panel, link.person_id, case.id, made) == []
    record = {"person": link.person_id, "case": case.id, "profile": made}[kind]
    values = {"i": focal_point.tenant.id, "account": focal_point.id, "record": record}
    name = "victim_profile" if kind == "profile" else kind
    assert said(make, focal_point, NOTE, kind=name, **values) != ""
    assert words_of(panel, link.person_id, case.id, made) == []


def test_two_erasures_that_shred_one_narrative_both_succeed(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case
) -> None:
    """The second waits, and finds the narrative gone. Either of the two persons may have the lower id."""
    other = make.person(focal_point, case)

    def erase(one: CasePerson) -> Callable[[], None]:
        def work() -> None:
            with make.working(manager) as session:
                person = lookup.get_person(session, one.person_id)
                values = {"ground": "PERSON_REQUEST", "pseudonym": person.pseudonym}
                answers = {case.id: Answer("shredded", case.row_version)}
                erasure.destroy(session, person.id, values, answers, person.row_version)

        return work

    with erasing(make, manager, link):
        second = beside(panel, erase(other))
    assert second() is None
    assert stored(make, "case_file", case.id)["narrative_enc"] is None
    for one in (link, other):
        assert stored(make, "person", one.person_id)["erased_at"] is not None
    details = panel.rows("select content::jsonb -> 'detail' ->> 'shredded', content::jsonb -> 'detail' ->> 'reviewed'"
                         " from audit.entry where action = 'person.erase' and target_id = any (:ids) order by seq",
                         ids=[str(link.person_id), str(other.person_id)])  # fmt: skip
    assert [tuple(each) for each in details] == [("1", "0"), ("0", "0")]


def test_two_erasures_at_the_same_moment_wait_for_each_other_in_one_order(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, case: Case
) -> None:
    """Each has locked nothing of the other's when it waits: neither is ended as a deadlock."""
    links = [make.person(focal_point, case) for _ in range(2)]
    lock = text("select itm.lock_for_erasure(:id, array[cast(:case as uuid)])")

    def locking(one: CasePerson) -> str:
        with make.working(manager) as session:
            session.execute(lock, {"id": one.person_id, "case": case.id})
        return "done"

    for first, second in (links, links[::-1]):
        with make.working(manager) as session:
            session.execute(lock, {"id": first.person_id, "case": case.id})
            result = beside(panel, lambda second=second: locking(second))  # type: ignore[misc]
        assert result() == "done"


def test_the_page_of_a_reveal_that_ends_beside_an_erasure_is_not_kept(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The erasure comes between the entry of the reveal and the page that is kept for Back."""
    browser, keep = panel.browser(focal_point), form_answers._store

    def beside_an_erasure(*args: Any) -> None:
        with erasing(make, manager, link):
            pass
        keep(*args)

    monkeypatch.setattr(form_answers, "_store", beside_an_erasure)
    answer = browser.post(f"/persons/{link.person_id}/reveal", purpose="CASE_WORK")
    assert (answer.status_code, "Refresh" in answer.headers) == (200, True)
    assert panel.value("select count(*) from form_answer where account_id = :id", id=focal_point.id) == 0


def test_who_erases_beside_a_reveal_waits_and_takes_its_words(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case
) -> None:
    def erase() -> None:
        with erasing(make, manager, link):
            pass

    with make.working(focal_point) as session:
        values = {"i": focal_point.tenant.id, "account": focal_point.id, "kind": "person", "record": link.person_id}
        session.execute(text(NOTE), values)
        done = beside(panel, erase)
    assert done() is None
    assert words_of(panel, link.person_id) == []


def test_a_profile_that_is_written_first_beside_an_erasure_is_refused(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    browser = panel.browser(focal_point)
    profile = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "CANARY"}
    with erasing(make, manager, link):
        answer = beside(panel, lambda: browser.send("PATCH", f"/api/v1/profiles/{link.id}", profile))
    assert answer().status_code == 423, answer().text
    assert panel.rows("select id from victim_profile where case_person_id = :id", id=link.id) == []
    insert = (
        "insert into victim_profile (institution_id, unit_id, case_person_id, trafficking_status)"
        " values (:i, :u, :link, 'PossibleVictimOfTrafficking')"
    )
    place = {"i": focal_point.tenant.id, "u": focal_point.tenant.root, "link": link.id}
    assert "the person was erased" in said(make, focal_point, insert, **place)


def test_an_erased_person_gets_no_other_case_and_no_draft(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    second = make.case(focal_point)
    drafted = panel.browser(focal_point)
    with erasing(make, manager, link):
        kept = beside(panel, lambda: drafted.post(f"/drafts/person/{link.person_id}", given_name="Kanarya"))
    assert kept().status_code == 423, kept().text
    move = {"reason": "DUPLICATE", "then": "MOVE", "case_id": str(second.id)}
    moved = panel.browser(manager).send("POST", f"/api/v1/persons/links/{link.id}/deletion", move)
    assert moved.status_code == 423, moved.text
    for form in (f"person/{link.person_id}", f"profile/{link.id}"):
        assert drafted.post(f"/drafts/{form}", given_name="Kanarya").status_code == 423, form
    assert panel.rows("select form from draft where form like :id", id=f"%{link.person_id}") == []
    place = {"i": focal_point.tenant.id, "u": focal_point.tenant.root, "case": second.id, "person": link.person_id}
    assert "the person was erased" in said(make, focal_point, LINK, **place)
    assert panel.rows("select id from case_person where person_id = :id", id=link.person_id) == [(link.id,)]


def test_a_person_enters_no_case_beside_an_erasure(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    second, browser = make.case(focal_point), panel.browser(focal_point)
    content = {"person_id": str(link.person_id), "role": "WITNESS"}
    with erasing(make, manager, link):
        answer = beside(panel, lambda: browser.send("POST", f"/api/v1/cases/{second.id}/people", content))
    assert answer().status_code == 423, answer().text
    assert panel.rows("select id from case_person where person_id = :id", id=link.person_id) == [(link.id,)]


def test_reasons_in_words_about_a_case_are_asked_about_and_go_with_its_narrative(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case
) -> None:
    told = panel.browser(focal_point).send("POST", f"/api/v1/cases/{case.id}/reveal", WORDS)
    assert told.status_code == 200, told.text
    assert words_of(panel, case.id) == ["Kanarya istendi"]
    with panel.make.superuser() as connection:
        connection.execute(text("update case_file set narrative_enc = null where id = :id"), {"id": case.id})
    assert case.reference in panel.browser(manager).get(f"/erasures/{link.person_id}").text
    erased(make, manager, link)
    assert words_of(panel, case.id) == []
    assert stored(make, "case_file", case.id)["data_key"] is None


def test_a_hold_on_another_person_keeps_the_narrative(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case
) -> None:
    other = make.person(focal_point, case)
    with make.working(manager) as session:
        holds.hold(session, Person, other.person_id, {"reason": "COURT_ORDER"}, 1)
        version = lookup.get_case(session, case.id).row_version
    fields = {"version": "1", "ground": "PERSON_REQUEST", "pseudonym": link.person.pseudonym}
    answers = {f"case_{case.id}": "shredded", f"seen_{case.id}": str(version)}
    refused = panel.browser(manager).post(f"/erasures/{link.person_id}", **fields, **answers)
    assert refused.status_code == 422
    assert "başka bir kişi hakkında hukuki saklama var" in refused.text
    erase = "select itm.erase_person(:person, 'PERSON_REQUEST', array[cast(:case as uuid)])"
    assert "another person of this narrative" in said(make, manager, erase, person=link.person_id, case=case.id)
    assert stored(make, "case_file", case.id)["narrative_enc"] is not None
    done = panel.browser(manager).post(
        f"/erasures/{link.person_id}", **fields, **{**answers, f"case_{case.id}": "reviewed"}
    )
    assert done.status_code == 303, done.text
    assert stored(make, "case_file", case.id)["narrative_enc"] is not None


@pytest.mark.parametrize("held", ["other", "case"])
def test_a_hold_beside_a_shredding_comes_after_it_or_keeps_the_narrative(
    panel: RunningPanel,
    make: Factory,
    focal_point: Somebody,
    manager: Somebody,
    link: CasePerson,
    case: Case,
    held: str,
) -> None:
    other = make.person(focal_point, case)
    kind, id = (Person, other.person_id) if held == "other" else (Case, case.id)
    table = kind.__tablename__
    hold = text(f"update {table} set hold_reason = 'COURT_ORDER' where id = :id")
    shredded = ":case" if held == "other" else "nullif(:case, :case)"
    erase = f"select itm.erase_person(:person, 'PERSON_REQUEST', array_remove(array[cast({shredded} as uuid)], null))"
    with make.working(manager) as session:
        session.execute(hold, {"id": id})
        answer = beside(panel, lambda: said(make, manager, erase, person=link.person_id, case=case.id))
    assert "a legal hold keeps" in answer()
    assert stored(make, "case_file", case.id)["narrative_enc"] is not None
    with make.superuser() as connection:
        connection.execute(text(f"update {table} set hold_reason = null where id = :id"), {"id": id})
    with make.working(manager) as session:
        session.execute(text(erase), {"person": link.person_id, "case": case.id})
        answer = beside(panel, lambda: said(make, manager, str(hold), id=id))
        assert panel.value(WAITS) == 1
    assert answer() == ""


def test_a_ground_is_one_of_the_list_and_the_ledger_names_who_erased(
    panel: RunningPanel, make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    erase = "select itm.erase_person(:person, :ground)"
    for ground in ("NONSENSE", "", "Ayşe, 0532", None):
        assert "legal ground" in said(make, manager, erase, person=link.person_id, ground=ground), ground
    other = focal_point.id
    forged = (
        "select set_config('audit.context', jsonb_set(current_setting('audit.context')::jsonb, '{actor,user}',"
        " to_jsonb(cast(:other as text)))::text, true)"
    )
    with make.working(manager) as session:
        session.execute(text(forged), {"other": str(other)})
        assert session.scalar(text("select audit.context() -> 'actor' ->> 'user'")) == str(manager.id)
        session.rollback()
    assert stored(make, "person", link.person_id)["erased_at"] is None
    assert said(make, manager, erase, person=link.person_id, ground="COURT_DECISION") == ""
    told = [each for each in make.ledger() if '"person.erase"' in each and str(link.person_id) in each]
    assert len(told) == 1
    assert str(manager.id) in told[0]
