"""Rules of cases, persons and profiles that hold in the pages, the API and the database alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from itm_admin.cases import lookup, person_services, services, upkeep, upkeep_calls
from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation import purposes, vocabulary
from itm_admin.foundation.errors import Denied, Invalid, Locked
from itm_admin.foundation.identity_numbers import with_check_digits
from itm_admin.foundation.name_folding import clean_name, readings
from itm_admin.record.birth_date import BirthDate, estimated, is_child
from tests.conftest import settings_for
from tests.factories import Factory, Somebody
from tests.panel.panel_app import Browser, RunningPanel

if TYPE_CHECKING:
    pass

CHILD = {"birth_date": "2012-05-12", "given_name": "Ayşe Nur", "family_name": "Al-Hassan"}
TCKN = with_check_digits("123456789")


@pytest.fixture(scope="module")
def author(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def colleague(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture
def case(make: Factory, author: Somebody) -> Case:
    return make.case(author, confidentiality="OPEN")


@pytest.fixture
def child(make: Factory, author: Somebody, case: Case) -> CasePerson:
    return make.person(author, case, **CHILD)


def refused(make: Factory, who: Somebody, statement: str, **values: Any) -> bool:
    try:
        with make.working(who) as session:
            return not session.execute(text(statement), values).rowcount  # type: ignore[attr-defined]
    except DBAPIError:
        return True


def reveals(browser: Browser, link: CasePerson, purpose: str = "CASE_WORK", **more: Any) -> int:
    path = f"/api/v1/persons/{link.person_id}/reveal"
    return browser.send("POST", path, {"purpose": purpose, **more}).status_code


# The circle


def test_a_child_in_an_open_case_is_revealed_to_those_assigned_and_managers_alone(
    panel: RunningPanel, author: Somebody, colleague: Somebody, manager: Somebody, child: CasePerson
) -> None:
    assert [reveals(panel.browser(who), child) for who in (author, manager, colleague)] == [200, 200, 403]
    form = panel.browser(colleague).post(f"/persons/{child.person_id}/reveal", purpose="CASE_WORK")
    assert form.status_code == 403


def test_nobody_lets_themselves_in_by_another_case_or_an_assignment(
    make: Factory, colleague: Somebody, child: CasePerson
) -> None:
    own = make.case(colleague)
    with make.working(colleague) as session, pytest.raises(Denied):
        person_services.link_person(
            session, make.keyring, own.id, {"person_id": str(child.person_id), "role": "WITNESS"}
        )
    link = (
        "insert into case_person (institution_id, unit_id, case_id, person_id, role)"
        " values (:institution, :unit, :case, :person, 'WITNESS')"
    )
    place = {"institution": colleague.tenant.id, "unit": colleague.tenant.root}
    assert refused(make, colleague, link, **place, case=own.id, person=child.person_id)
    assign = "insert into case_assignment (institution_id, case_id, account_id) values (:institution, :case, :account)"
    values = {"institution": colleague.tenant.id, "case": child.case_id, "account": colleague.id}
    assert refused(make, colleague, assign, **values)


def test_an_account_does_not_insert_itself_into_a_special_case(
    make: Factory, author: Somebody, colleague: Somebody, manager: Somebody
) -> None:
    special = make.case(author, confidentiality="SPECIAL")
    assign = "insert into case_assignment (institution_id, case_id, account_id) values (:institution, :case, :account)"
    worker = make.caseworker()
    for who in (worker, colleague):
        assert refused(make, who, assign, institution=who.tenant.id, case=special.id, account=who.id)
    with make.working(manager) as session:
        services.assign(session, special.id, {"account_id": str(worker.id)})
    with make.working(worker) as session:
        assert lookup.get_case(session, special.id)
    assert refused(make, worker, "update case_assignment set ended_at = now() where case_id = :case", case=special.id)


def test_a_manager_alone_lowers_the_confidentiality_and_says_why(
    panel: RunningPanel, make: Factory, author: Somebody, manager: Somebody
) -> None:
    special = make.case(author, confidentiality="SPECIAL")
    by_author = panel.browser(author).send(
        "PATCH", f"/api/v1/cases/{special.id}", {"confidentiality": "OPEN", "row_version": 1}
    )
    assert by_author.status_code == 400
    lower = "update case_file set confidentiality = 'OPEN', lowering_reason = 'HANDOVER' where id = :id"
    assert refused(make, author, lower, id=special.id)
    assert refused(make, manager, "update case_file set confidentiality = 'OPEN' where id = :id", id=special.id)
    path, browser = f"/api/v1/cases/{special.id}/confidentiality", panel.browser(manager)
    assert browser.send("POST", path, {"confidentiality": "INTERNAL", "row_version": 1}).status_code == 400
    data = {"confidentiality": "INTERNAL", "reason": "HANDOVER", "row_version": 1}
    assert browser.send("POST", path, data).status_code == 200
    assert any("HANDOVER" in content for content in make.ledger(manager.tenant))
    page = browser.get(f"/cases/{special.id}/confidentiality")
    assert page.status_code == 200


# Reveals and searches


def test_purposes_of_a_reveal_are_the_databases_too(make: Factory, author: Somebody, manager: Somebody) -> None:
    for who in (author, manager):
        with make.working(who) as session:
            for code in vocabulary.codes(purposes.LIST):
                allowed = session.scalar(text("select itm.reveals_for(:code)"), {"code": code})
                assert allowed == (code in purposes.offered("reveal", who.context().roles)), code


def test_statistics_and_audit_reveal_nobody_and_an_emergency_asks_for_words(
    panel: RunningPanel, make: Factory, author: Somebody, colleague: Somebody, manager: Somebody, child: CasePerson
) -> None:
    browser = panel.browser(author)
    assert [reveals(browser, child, purpose) for purpose in ("STATISTICS", "AUDIT", "EMERGENCY")] == [400, 400, 400]
    assert reveals(browser, child, "EMERGENCY", words="Ayşe için acil tedavi") == 200
    read = text("select words from access_note where record = :id")
    for who, wanted in ((manager, 1), (author, 1), (colleague, 0), (make.auditor(), 1)):
        with make.working(who) as session:
            assert len(session.scalars(read, {"id": child.person_id}).all()) == wanted, who.username
    assert not any("tedavi" in content for content in make.ledger())
    where = (
        "select '/institution-history/' || ledger_id || '/' || seq from audit.entry"
        " where action = 'record.reveal' and purpose = 'EMERGENCY' and target_id = :id"
    )
    path = panel.value(where, id=str(child.person_id))
    assert "acil tedavi" in panel.browser(manager).get(path).text
    assert "acil tedavi" not in panel.browser(colleague).get(path).text


@pytest.fixture
def few(make: Factory) -> Iterator[None]:
    make.presidency()  # whose ledger tells of a change of the limits
    with make.superuser() as connection:
        connection.execute(text("insert into itm.access_limit values ('record.reveal', 3), ('record.search', 2)"))
    yield
    with make.superuser() as connection:
        connection.execute(text("delete from itm.access_limit"))


def test_beyond_the_hours_limit_the_answer_is_429_and_an_alert(panel: RunningPanel, make: Factory, few: None) -> None:
    greedy = make.focal_point()
    case = make.case(greedy)
    link, browser = make.person(greedy, case), panel.browser(greedy)
    assert [reveals(browser, link) for _ in range(4)] == [200, 200, 200, 429]
    again = browser.post(f"/persons/{link.person_id}/reveal", purpose="CASE_WORK")
    assert (again.status_code, 0 < int(again.headers["Retry-After"]) <= 3600) == (429, True)
    search = [browser.send("POST", "/api/v1/persons/search", {"number": TCKN}).status_code for _ in range(3)]
    assert search == [200, 200, 429]
    assert (
        panel.value("select count(*) from alert where kind = 'access.limit' and subject = :who", who=greedy.username)
        == 1
    )
    other = make.focal_point()
    assert panel.browser(other).send("POST", "/api/v1/persons/search", {"number": TCKN}).status_code == 200


# Ages


def test_the_age_follows_the_case_the_link_and_the_birth_date(make: Factory, author: Somebody) -> None:
    late, early = make.case(author, opened_on="2026-11-20"), make.case(author, opened_on="2024-06-01")
    link = make.person(author, late, birth_date="2008-01-15")
    assert (link.is_child, link.age_band, link.person.is_child) == (False, "18-20", False)
    with make.working(author) as session:
        second = person_services.link_person(
            session, make.keyring, early.id, {"person_id": str(link.person_id), "role": "WITNESS"}
        )
        assert (second.is_child, second.person.is_child, second.person.sensitivity) == (True, True, 3)
        session.refresh(case := lookup.get_case(session, early.id))
        services.change_case(session, make.keyring, early.id, {"opened_on": "2026-11-01"}, case.row_version)
        session.refresh(second)
        assert (second.is_child, lookup.get_person(session, link.person_id).is_child) == (False, False)
        services.change_case(session, make.keyring, late.id, {"opened_on": "2025-01-01"}, 1)
        assert lookup.get_person(session, link.person_id).is_child is True


def test_an_estimated_age_is_kept_with_its_day() -> None:
    on = date(2026, 11, 20)
    assert estimated("yaklaşık 17", on) == estimated("about 17", on) == estimated("~17", on) == "~17@2026-11-20"
    assert estimated("about 17 (01.03.2024)", on) == "~17@2024-03-01"
    born = BirthDate.read("~17@2024-03-01")
    assert (born.precision, str(born)) == ("estimate", "~17@2024-03-01")
    assert (is_child(born, date(2024, 3, 1)), is_child(born, date(2026, 11, 20))) == (True, False)


def test_an_estimate_can_be_entered(panel: RunningPanel, author: Somebody, case: Case) -> None:
    data = {"role": "VICTIM", "gender": "Feminine", "birth_date": "yaklaşık 17"}
    made = panel.browser(author).send("POST", f"/api/v1/cases/{case.id}/people", data)
    assert made.status_code == 201
    person = panel.browser(author).get(f"/api/v1/persons/{made.get_json()['person_id']}").get_json()
    assert (person["birth_precision"], person["is_child"]) == ("estimate", True)


def test_the_night_puts_right_what_was_left_behind(make: Factory, author: Somebody, case: Case) -> None:
    link = make.person(author, case, birth_date="2008-01-15", given_name="Ayşe Nur")
    with make.superuser() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(
            text("update person set index_terms = '{}', age_band = 'UNK' where id = :id"), {"id": link.person_id}
        )
        connection.execute(text("update case_person set age_band = 'UNK' where id = :id"), {"id": link.id})
        connection.execute(text("delete from itm.indexed"))
    engine = make.database.engine("app")
    first = upkeep.keep_up(engine, make.keyring, all_ages=False)
    assert (first.indexed >= 1, first.ages >= 1) == (True, True)
    with make.working(author) as session:
        assert lookup.find_persons(session, make.keyring, {"name": "Ayşenur"}).persons
        mended = lookup.get_link(session, link.id)
        assert mended.is_child is not None
        assert mended.person.is_child is not None
    assert upkeep.keep_up(engine, make.keyring, all_ages=True) == upkeep.Upkeep(unreadable=first.unreadable)


def test_the_scheduler_calls_and_the_process_with_the_master_key_does_it(
    panel: RunningPanel, make: Factory, author: Somebody, case: Case
) -> None:
    link = make.person(author, case, birth_date="2008-01-15")
    settings = settings_for(panel.database, Path(panel.app.config["ITM_HOME"]))
    with make.superuser() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("update case_person set age_band = 'UNK' where id = :id"), {"id": link.id})
    ended = threading.Event()
    ours = threading.Thread(target=upkeep_calls.serve, args=(settings, ended.is_set))
    ours.start()
    try:
        assert upkeep_calls.work(make.database.engine("signer"), ended.is_set)["ages"] == 1
    finally:
        ended.set()
        ours.join()
    with make.working(author) as session:
        assert lookup.get_link(session, link.id).is_child is not None


def test_a_call_that_nobody_with_the_master_key_hears_is_a_failed_job(make: Factory) -> None:
    with pytest.raises(upkeep_calls.NobodyAnswered):
        upkeep_calls.work(make.database.engine("signer"), lambda: False, patience=1.0)


# Nobody is lost, and what is closed is closed


def test_the_last_unlinking_asks_where_to(
    panel: RunningPanel, make: Factory, author: Somebody, manager: Somebody, case: Case, child: CasePerson
) -> None:
    path, browser = f"/api/v1/persons/links/{child.id}", panel.browser(manager)
    assert browser.send("DELETE", path, {"reason": "WRONG_CASE"}).status_code == 400
    gone = "update case_person set deleted_at = now(), deletion_reason = 'WRONG_CASE' where id = :id"
    assert refused(make, manager, gone, id=child.id)
    target = make.case(author)
    data = {"reason": "WRONG_CASE", "then": "MOVE", "case_id": str(target.id)}
    assert browser.send("DELETE", path, data).status_code == 200
    with make.working(author) as session:
        [moved] = lookup.people_of(session, target)
        assert moved.person_id == child.person_id
        assert not lookup.people_of(session, case)


def test_a_deleted_cases_persons_are_closed_but_a_manager_finds_them(
    panel: RunningPanel, make: Factory, author: Somebody, manager: Somebody, case: Case, child: CasePerson
) -> None:
    with make.working(manager) as session:
        services.CASES.delete(session, case.id, {"reason": "ENTERED_IN_ERROR"})
    browser = panel.browser(author)
    assert reveals(browser, child) == 404
    assert browser.get(f"/persons/{child.person_id}").status_code == 404
    found = panel.browser(manager).send("POST", "/api/v1/persons/search", {"name": "Ayşe Nur Al-Hassan"}).get_json()
    assert str(child.person_id) in [item["id"] for item in found["items"]]


def test_a_person_of_closed_cases_is_locked(
    panel: RunningPanel, make: Factory, author: Somebody, case: Case, child: CasePerson
) -> None:
    with make.working(author) as session:
        services.close_case(
            session, make.keyring, case.id, {"reason": "OTHER"}, lookup.get_case(session, case.id).row_version
        )
    answer = panel.browser(author).send(
        "PATCH", f"/api/v1/persons/{child.person_id}", {"language": "ar", "row_version": 1}
    )
    assert answer.status_code == 423
    assert refused(make, author, "update person set language = 'ar' where id = :id", id=child.person_id)
    with make.working(author) as session, pytest.raises(Locked):
        person_services.set_profile(session, make.keyring, child.id, {"trafficking_status": "NotAVictimOfTrafficking"})


def test_the_presidency_alone_identifies(make: Factory, author: Somebody, child: CasePerson) -> None:
    identified = {"trafficking_status": "ActualVictimOfTrafficking"}
    with make.working(author) as session, pytest.raises(Invalid):
        person_services.set_profile(session, make.keyring, child.id, identified)
    with make.working(author) as session:
        opinion = {"trafficking_status": "InstitutionConsidersVictim"}
        profile = person_services.set_profile(session, make.keyring, child.id, opinion)
    statement = "update victim_profile set trafficking_status = 'ActualVictimOfTrafficking' where id = :id"
    assert refused(make, author, statement, id=profile.id)
    operator = make.operator()
    own = make.person(operator, make.case(operator))
    with make.working(operator) as session:
        person_services.set_profile(session, make.keyring, own.id, identified)


# Names


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("D´Angelo", "D'Angelo"), ("Şu\u00adle", "Şule"), ("Meh\u200bmet", "Mehmet"), ("Ayşe Nur", "Ayşenur"),
        ("Ayşenur", "Ayşe Nur"), ("Al-Hassan", "AlHassan"), ("AlHassan", "Al Hassan"), ("O’Neil", "ONeil"),
        ("علی\u200cرضا", "علیرضا"), ("علیرضا", "علی\u200cرضا"), ("علی\u200cرضا", "علی\u200cرضا"),
    ],
)  # fmt: skip
def test_a_name_is_found_however_it_looks(make: Factory, author: Somebody, case: Case, stored: str, typed: str) -> None:
    link = make.person(author, case, given_name=stored)
    with make.working(author) as session:
        found = lookup.find_persons(session, make.keyring, {"name": typed})
        assert link.person_id in [person.id for person in found.persons]


def test_the_database_cleans_names_as_the_panel_does(make: Factory) -> None:
    samples = [
        "ok",
        " a\u00a0 b\t",
        "x\u202ey\x01z",
        "D´A`B’C",
        "A\u2013B\u2010C",
        "Şu\u00adle\ufeff",
        "İ\u200dı\u2066",
        "\U000e0041a",
        "علی\u200cرضا",
        "a\u200cb",
        "\u200c\u200cمی\u200b\u200c\u200cخ\u200c",
        "مَ\u200cخ",
    ]
    assert clean_name("علی\u200cرضا") == "علی\u200cرضا"
    assert [clean_name(text) for text in samples[-3:-1]] == ["ab", "می\u200cخ"]
    with make.superuser() as connection:
        for name in samples:
            assert connection.scalar(text("select itm.clean_name(:name)"), {"name": name}) == clean_name(name)


def test_units_that_look_alike_are_one_name(panel: RunningPanel, make: Factory, manager: Somebody) -> None:
    browser, root = panel.browser(manager), str(manager.tenant.root)
    answers = [
        browser.post("/units/new", name=name, parent_id=root).status_code
        for name in ("ok", "OK", "Ok\u200b", "o\u202ek", "ok\x01")
    ]
    assert answers[0] in (302, 303)
    assert set(answers[1:]) <= {400, 422}


def test_a_typed_name_has_few_readings() -> None:
    assert {frozenset(way) for way in readings("Ayşe Nur")} == {frozenset({"aise", "nur"}), frozenset({"aisenur"})}
    assert len(readings(" ".join("abcdefghijkl"))) <= 34


# Somebody who is known already


def test_a_possible_match_is_told_and_recorded_until_it_is_somebody_else(
    panel: RunningPanel, make: Factory, author: Somebody, case: Case
) -> None:
    known = make.person(author, case, tckn=TCKN, given_name="Zehra", family_name="Acar", birth_date="1999-05-12")
    browser, path = panel.browser(author), f"/api/v1/cases/{case.id}/people"
    role = {"role": "VICTIM", "gender": "Feminine"}
    same = ({"tckn": TCKN}, {"given_name": "ZEHRA", "family_name": "Acar", "birth_date": "1999-05-12"})
    for values in same:
        answer = browser.send("POST", path, {**role, **values})
        assert (answer.status_code, known.person.pseudonym in answer.text) == (400, True)
    looks = [content for content in make.ledger(author.tenant) if '"page":"match"' in content.replace(" ", "")]
    assert any(str(known.person_id) in content for content in looks)
    form = browser.post(f"/persons/new/{case.id}", **role, tckn=TCKN)
    assert (form.status_code, f"/persons/{known.person_id}" in form.text) == (422, True)
    assert browser.send("POST", path, {**role, "tckn": TCKN, "somebody_else": True}).status_code == 201
    other = make.person(author, case)
    change = browser.send("PATCH", f"/api/v1/persons/{other.person_id}", {"tckn": TCKN, "row_version": 1})
    assert change.status_code == 400


@pytest.mark.parametrize(
    "other", ["ADA.KISI@example.invalid", "ada.kısı@example.invalid", "ada.k\u200bisi@Example.invalid"]
)
def test_an_address_that_looks_the_same_is_taken(make: Factory, author: Somebody, other: str) -> None:
    one, two = (make.somebody("caseworker", author.tenant) for _one in range(2))
    statement = (
        f"update account set email = case id when '{one.id}' then 'ada.kisi@example.invalid' else '{other}' end"
        f" where id in ('{one.id}', '{two.id}')"
    )
    assert broken_by(make, statement) == "account_email_once"


@pytest.mark.parametrize("column", ["name_tr", "name_en"])
def test_an_institution_s_name_that_looks_the_same_is_taken(make: Factory, author: Somebody, column: str) -> None:
    own, other = author.tenant.id, make.other_institution().id
    statement = (
        f"update institution set {column} = case id when '{own}' then 'Göç Dairesi' else 'GÖÇ  daıresi\u200b' end"
        f" where id in ('{own}', '{other}')"
    )
    assert broken_by(make, statement) == f"institution_{column}_once"


def broken_by(make: Factory, statement: str) -> str:
    """The constraint that a superuser's statement breaks."""
    with pytest.raises(IntegrityError) as refused, make.superuser() as connection:
        connection.exec_driver_sql(statement)
    diagnosis: Any = refused.value.orig
    return str(diagnosis.diag.constraint_name)


def test_a_guess_that_matches_nobody_counts_as_a_search(
    panel: RunningPanel, make: Factory, author: Somebody, case: Case
) -> None:
    person = make.person(author, case, given_name="Tahmin", family_name="Eden")
    count = "select count(*) from audit.event where action = 'record.search' and actor_id = :id"
    before = panel.value(count, id=str(author.id))
    path, version = f"/api/v1/persons/{person.person_id}", person.person.row_version
    answer = panel.browser(author).send("PATCH", path, {"row_version": version, "tckn": with_check_digits("201000001")})
    assert answer.status_code == 200
    assert panel.value(count, id=str(author.id)) == before + 1
