"""Persons: sealed at their place, revealed one at a time, found by their institution alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, g
from flask_babel import Babel
from sqlalchemy import event

from itm_admin.cases import lookup, person_services, references, services
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.persons import PERSONS
from itm_admin.cases.profiles import PROFILES
from itm_admin.foundation.errors import CannotDecrypt, Conflict, Denied, Invalid, Locked, NotFound
from itm_admin.foundation.formats import HIDDEN
from itm_admin.foundation.identity_numbers import with_check_digits
from itm_admin.record import protected_values
from tests.factories import PERSON, Factory, Somebody

CANARY = {
    "given_name": "Kanarya Ayşegül",
    "family_name": "ŞAHİNCANARY",
    "birth_date": "2009-05-12",
    "tckn": with_check_digits("123456789"),
    "ykn": with_check_digits("991234567"),
    "passport": "CANARY12345",
    "phone": "+905329998877",
    "email": "canary@example.invalid",
    "address": "Kanarya Sokak CANARY 5",
    "guardian": "Vasi CANARY",
}
MARKS = ("canary", "kanarya", CANARY["tckn"], CANARY["ykn"], "5329998877", "2009-05")
PROFILE = {
    "trafficking_status": "PossibleVictimOfTrafficking",
    "recruitment_methods": ["AtWork"],
    "age_when_trafficked": "16",
}


@pytest.fixture(scope="module")
def factory(shared_database: Any) -> Factory:
    return Factory(shared_database)


@pytest.fixture(scope="module")
def focal_point(factory: Factory) -> Somebody:
    return factory.focal_point()


@pytest.fixture
def case(factory: Factory, focal_point: Somebody) -> Case:
    return factory.case(focal_point)


@pytest.fixture
def link(factory: Factory, focal_point: Somebody, case: Case) -> CasePerson:
    return factory.person(focal_point, case, **CANARY)


@pytest.fixture
def request_() -> Iterator[Any]:
    """A request, in which looks are queued for the ledger."""
    app = Flask("looks")
    Babel(app)
    with app.test_request_context():
        yield g


def test_a_person_is_pseudonymous_and_knows_what_follows_from_the_birth_date(link: CasePerson) -> None:
    person = link.person
    assert person.pseudonym.startswith("JGK-K-")
    assert (person.age_band, person.is_child, person.birth_precision, person.sensitivity) == ("9-17", True, "day", 3)
    assert len(person.index_terms) == 10  # the joined given names among them, and one is random
    assert link.sensitivity == 3


def test_no_planted_value_is_in_the_database_or_the_ledger(
    factory: Factory, focal_point: Somebody, link: CasePerson
) -> None:
    with factory.working(focal_point) as session:
        data = {**PROFILE, "health": "CANARY health", "needs": ["SHELTER"], "sex_exploitation": ["Prostitution"]}
        person_services.set_profile(session, factory.keyring, link.id, data)
        person_services.change_person(session, factory.keyring, link.person_id, {"phone": "0532 999 88 77"}, 1)
        lookup.find_persons(session, factory.keyring, {"name": "Kanarya", "number": CANARY["tckn"]})
    with factory.superuser() as connection:
        stored = [
            str(bytes_or_text)
            for table in ("person", "case_person", "victim_profile", "case_file")
            for bytes_or_text in connection.exec_driver_sql(
                f"select convert_from(convert_to(t::text, 'UTF8'), 'UTF8') from {table} t"
            ).scalars()
        ]
    told = [text.lower() for text in (*stored, *factory.ledger())]
    assert len(told) > 5
    for mark in (*MARKS, *(mark.encode().hex() for mark in MARKS), "prostitution"):
        assert not [text for text in told if mark in text], mark


def test_masked_values_only_say_whether_they_are_filled(factory: Factory, focal_point: Somebody, case: Case) -> None:
    person = factory.person(focal_point, case, given_name="Ayşe").person
    masked = protected_values.masked(person)
    assert masked["given_name"] is HIDDEN
    assert {name for name, value in masked.items() if value is None} == set(CANARY) - {"given_name"}
    assert not any(mark in repr(masked).lower() for mark in ("ayşe", "ayse"))


def test_a_reveal_needs_a_purpose_and_is_queued_for_the_ledger(
    factory: Factory, focal_point: Somebody, link: CasePerson, request_: Any
) -> None:
    with factory.working(focal_point) as session:
        person = lookup.get_person(session, link.person_id)
        for purpose in ("", "curiosity", None):
            with pytest.raises(Invalid):
                PERSONS.reveal(session, factory.keyring, person, None, (purpose, None))  # type: ignore[arg-type]
        assert not request_.get("looks")
        assert PERSONS.reveal(session, factory.keyring, person, None, ("CASE_WORK", None)) == CANARY
    [look] = request_.looks
    assert (look.action, look.kind, look.id, look.purpose, look.outcome) == (
        "record.reveal", "person", str(person.id), "CASE_WORK", "success",
    )  # fmt: skip


def test_nothing_is_revealed_where_it_could_not_be_recorded(
    factory: Factory, focal_point: Somebody, link: CasePerson
) -> None:
    with factory.working(focal_point) as session, pytest.raises(RuntimeError):
        PERSONS.reveal(session, factory.keyring, lookup.get_person(session, link.person_id), None, ("CASE_WORK", None))


def test_a_case_and_a_profile_are_revealed_under_their_own_keys(
    factory: Factory, focal_point: Somebody, case: Case, link: CasePerson, request_: Any
) -> None:
    with factory.working(focal_point) as session:
        services.change_case(session, factory.keyring, case.id, {"narrative": "line\nline"}, case.row_version)
        data = {**PROFILE, "health": "asthma", "needs": ["HEALTH", "SHELTER"]}
        profile = person_services.set_profile(session, factory.keyring, link.id, data)
        live = lookup.get_link(session, link.id)
        assert (
            services.CASES.reveal(session, factory.keyring, live.case, None, ("REFERRAL", None))["narrative"]
            == "line\nline"
        )
        assert PROFILES.reveal(session, factory.keyring, profile, live, ("REFERRAL", None)) == {
            "sex_exploitation": None,
            "health": "asthma",
            "needs": ["SHELTER", "HEALTH"],
        }
    assert [(look.kind, look.id) for look in request_.looks] == [
        ("case", str(case.id)),
        ("victim_profile", str(profile.id)),
    ]


@pytest.mark.parametrize(
    "move",
    [
        "update person set tckn_enc = (select tckn_enc from person where id = %(one)s) where id = %(other)s",
        "update person set address_enc = guardian_enc where id = %(other)s",
        "update person set data_key = (select data_key from person where id = %(one)s) where id = %(other)s",
        "update person set data_key = null where id = %(other)s",
        "update person set phone_enc = set_byte(phone_enc, 20, 255 - get_byte(phone_enc, 20)) where id = %(other)s",
    ],
)
def test_a_ciphertext_that_was_moved_or_altered_does_not_open(
    factory: Factory, focal_point: Somebody, case: Case, request_: Any, move: str
) -> None:
    one, other = (factory.person(focal_point, case, **CANARY).person_id for _ in range(2))
    with factory.superuser() as connection:
        connection.exec_driver_sql(move, {"one": one, "other": other})
    with factory.working(focal_point) as session:
        person = lookup.get_person(session, other)
        with pytest.raises(CannotDecrypt) as failure:
            PERSONS.reveal(session, factory.keyring, person, None, ("CASE_WORK", None))
    assert not any(mark in repr(failure.value).lower() for mark in MARKS)
    assert request_.looks[-1].outcome == "failure"


def test_what_does_not_open_can_still_be_replaced(
    factory: Factory, focal_point: Somebody, link: CasePerson, request_: Any
) -> None:
    with factory.superuser() as connection:
        connection.exec_driver_sql("update person set address_enc = guardian_enc where id = %s", (link.person_id,))
    with factory.working(focal_point) as session:
        person = lookup.get_person(session, link.person_id)
        person_services.change_person(session, factory.keyring, person.id, {"address": "new"}, person.row_version)
        assert PERSONS.reveal(session, factory.keyring, person, None, ("CASE_WORK", None))["address"] == "new"


def test_changing_a_person_keeps_what_is_absent_and_clears_what_is_null(
    factory: Factory, focal_point: Somebody, link: CasePerson, request_: Any
) -> None:
    with factory.working(focal_point) as session:
        data = {"birth_date": "1990", "email": None, "language": "ru", "family_name": "Иванова"}
        person = person_services.change_person(session, factory.keyring, link.person_id, data, 1)
        assert (person.age_band, person.is_child, person.birth_precision, person.sensitivity) == (
            "30-38",
            False,
            "year",
            2,
        )
        plain = PERSONS.reveal(session, factory.keyring, person, None, ("CASE_WORK", None))
        assert plain == {**CANARY, "birth_date": "1990", "email": None, "family_name": "Иванова"}
        by_email = lookup.find_persons(session, factory.keyring, {"email": CANARY["email"]}, most=100).persons
        assert person.id not in [each.id for each in by_email]
        renamed = lookup.find_persons(session, factory.keyring, {"name": "ŞAHİNCANARY"}).persons
        assert person.id not in [each.id for each in renamed]
        assert person in lookup.find_persons(session, factory.keyring, {"name": "ivanova"}).persons
        with pytest.raises(Conflict) as conflict:
            person_services.change_person(session, factory.keyring, link.person_id, {"language": "tr"}, 1)
        assert conflict.value.current["language"] == "ru"
        assert conflict.value.current["given_name"] is HIDDEN


def test_saving_what_is_not_protected_unchanged_changes_nothing(
    factory: Factory, focal_point: Somebody, link: CasePerson
) -> None:
    plain: dict[str, Any] = {name: CANARY[name] for name in ("gender", "citizenships", "language") if name in CANARY}
    with factory.working(focal_point) as session:
        person = person_services.change_person(session, factory.keyring, link.person_id, plain, 1)
        assert person.row_version == 1


@pytest.mark.parametrize("guess", ["the stored one", "another"])
def test_a_right_guess_of_a_protected_value_and_a_wrong_one_look_alike(
    factory: Factory, focal_point: Somebody, link: CasePerson, guess: str
) -> None:
    value = CANARY["given_name"] if guess == "the stored one" else "Başka"
    with factory.working(focal_point) as session:
        person = person_services.change_person(session, factory.keyring, link.person_id, {"given_name": value}, 1)
        assert person.row_version == 2
    (changes,) = [
        set(json.loads(content)["changes"])
        for content in factory.ledger()
        if str(link.person_id) in content and '"action":"record.update"' in content
    ]
    assert changes == {"given_name_enc", "index_terms"}


@pytest.mark.parametrize(
    "search",
    [
        {"name": "sahin"}, {"name": "Shahin"}, {"name": "ŞAHİN zeynep"}, {"name": "Zeynep Nur"},
        {"number": "100 0000 0146"}, {"number": "١٠٠٠٠٠٠٠١٤٦"}, {"number": "u-7654321"}, {"number": "0532 111 22 33"},
        {"number": "+905321112233"}, {"email": "ZEYNEP@example.invalid"}, {"name": "şahin", "number": "10000000146"},
    ],
)  # fmt: skip
def test_a_search_finds_every_way_of_writing_and_only_in_the_own_institution(
    factory: Factory, search: dict[str, str]
) -> None:
    tenants = [factory.institution(code, "agency") for code in ("FIND_A", "FIND_B")]
    finders = [factory.focal_point(tenant) for tenant in tenants]
    values = {
        "given_name": "Zeynep Nur", "family_name": "ŞAHİN", "tckn": "10000000146", "passport": "U7654321",
        "phone": "0532 111 22 33", "email": "zeynep@example.invalid",
    }  # fmt: skip
    made = [factory.person(by, factory.case(by), **values).person_id for by in finders]
    for by, person_id in zip(finders, made, strict=True):
        with factory.working(by) as session:
            found = lookup.find_persons(session, factory.keyring, search, most=100)
            assert person_id in [person.id for person in found.persons]
            assert {person.institution_id for person in found.persons} == {by.tenant.id}
            assert len(found.digest) == 32


def test_all_that_is_searched_for_must_fit(factory: Factory, focal_point: Somebody, link: CasePerson) -> None:
    with factory.working(focal_point) as session:
        for search in ({"name": "Kanarya Fatma"}, {"name": "Kanarya", "number": "10000000146"}, {"name": "Kan"}):
            assert not lookup.find_persons(session, factory.keyring, search).persons
        for empty in ({}, {"name": ""}, {"name": "12"}, {"number": "-"}, {"email": None}):
            with pytest.raises(Invalid):
                lookup.find_persons(session, factory.keyring, empty)
        with pytest.raises(Invalid):
            lookup.find_persons(session, factory.keyring, {"q": "Kanarya"})


def test_a_search_finds_only_whom_the_searcher_may_see(factory: Factory, focal_point: Somebody) -> None:
    secret = factory.case(focal_point, confidentiality="SPECIAL")
    factory.person(focal_point, secret, given_name="Gizlinaz")
    search = {"name": "gizlinaz"}
    for who, found in ((focal_point, 1), (factory.manager(), 1), (factory.focal_point(), 0), (factory.caseworker(), 0)):
        with factory.working(who) as session:
            assert len(lookup.find_persons(session, factory.keyring, search).persons) == found
    with factory.working(factory.supervisor()) as session, pytest.raises(Denied):
        lookup.find_persons(session, factory.keyring, search)


def test_a_search_shows_a_page_and_says_that_there_is_more(factory: Factory) -> None:
    by = factory.focal_point(factory.institution("MANY", "agency"))
    case = factory.case(by)
    for _ in range(3):
        factory.person(by, case, given_name="Ayşe")
    with factory.working(by) as session:
        found = lookup.find_persons(session, factory.keyring, {"name": "ayse"}, most=2)
        assert (len(found.persons), found.more) == (2, True)
        assert not lookup.find_persons(session, factory.keyring, {"name": "ayse"}, most=3).more


def test_a_foreign_person_or_link_is_not_found(factory: Factory, focal_point: Somebody, link: CasePerson) -> None:
    stranger = factory.focal_point(factory.other_institution())
    own = factory.case(stranger)
    for wanted in (link.person_id, uuid.uuid4(), "abc"):
        with factory.working(stranger) as session:
            with pytest.raises(NotFound):
                lookup.get_person(session, wanted)
            with pytest.raises(NotFound):
                person_services.change_person(session, factory.keyring, wanted, {"language": "tr"}, 1)
            with pytest.raises((NotFound, Invalid)):
                person_services.link_person(
                    session, factory.keyring, own.id, {"person_id": str(wanted), "role": "VICTIM"}
                )
    for wanted in (link.id, uuid.uuid4(), "abc"):
        with factory.working(stranger) as session, pytest.raises(NotFound):
            person_services.set_profile(session, factory.keyring, wanted, PROFILE)


def test_a_known_person_is_linked_to_one_more_case_once_per_role(
    factory: Factory, focal_point: Somebody, link: CasePerson
) -> None:
    second = factory.case(focal_point)
    data = {"person_id": str(link.person_id), "role": "WITNESS"}
    with factory.working(focal_point) as session:
        assert (
            person_services.link_person(session, factory.keyring, second.id, data).person.pseudonym
            == link.person.pseudonym
        )
        with pytest.raises(Invalid):
            person_services.link_person(session, factory.keyring, second.id, data)
        person_services.link_person(session, factory.keyring, second.id, {**data, "role": "VICTIM"})
        assert [each.role for each in lookup.people_of(session, second)] == ["VICTIM", "WITNESS"]
        assert len(lookup.get_person(session, link.person_id).links) == 3


def test_a_person_is_not_changed_by_who_works_on_none_of_their_cases(factory: Factory) -> None:
    maker = factory.focal_point(unit=factory.unit("Van"))
    link = factory.person(maker, factory.case(maker, confidentiality="OPEN"))
    with factory.working(factory.focal_point(unit=factory.unit("Muş"))) as session:
        assert lookup.get_person(session, link.person_id).pseudonym == link.person.pseudonym
        with pytest.raises(Denied):
            person_services.change_person(session, factory.keyring, link.person_id, {"language": "tr"}, 1)
        with pytest.raises(Denied):
            person_services.set_profile(session, factory.keyring, link.id, PROFILE)


def test_nobody_is_added_to_a_closed_case(
    factory: Factory, focal_point: Somebody, case: Case, link: CasePerson
) -> None:
    with factory.working(focal_point) as session:
        services.close_case(session, factory.keyring, case.id, {"reason": "OTHER"}, case.row_version)
        with pytest.raises(Locked):
            person_services.add_person_to_case(session, factory.keyring, case.id, PERSON)
        with pytest.raises(Locked):
            person_services.set_profile(session, factory.keyring, link.id, PROFILE)


def test_a_profile_belongs_to_a_victim_and_has_versions(
    factory: Factory, focal_point: Somebody, case: Case, link: CasePerson
) -> None:
    witness = factory.person(focal_point, case, role="WITNESS")
    with factory.working(focal_point) as session:
        with pytest.raises(Invalid):
            person_services.set_profile(session, factory.keyring, witness.id, PROFILE)
        with pytest.raises(Invalid):
            person_services.set_profile(session, factory.keyring, link.id, {})
        profile = person_services.set_profile(session, factory.keyring, link.id, {**PROFILE, "health": "x"})
        assert (profile.age_when_trafficked, profile.row_version, profile.sensitivity) == (16, 1, 3)
        for stale in (None, 7):
            with pytest.raises(Conflict):
                person_services.set_profile(session, factory.keyring, link.id, {"health": "y"}, stale)
        changed = person_services.set_profile(
            session, factory.keyring, link.id, {"relation_to_trafficker": "Family"}, 1
        )
        assert (changed.row_version, changed.health_enc is None) == (2, False)
        assert lookup.get_link(session, link.id).profile is changed


def test_managers_take_out_delete_and_restore_and_others_do_not(
    factory: Factory, focal_point: Somebody, case: Case, link: CasePerson
) -> None:
    reason, manager = {"reason": "WRONG_CASE"}, factory.manager()
    with factory.working(focal_point) as session:
        for attempt in (
            lambda: person_services.unlink_person(session, factory.keyring, link.id, reason),
            lambda: PERSONS.delete(session, link.person_id, reason),
            lambda: PERSONS.restore(session, link.person_id),
        ):
            with pytest.raises(Denied):
                attempt()
    with factory.working(manager) as session:
        PERSONS.delete(session, link.person_id, reason, 1)
        assert not lookup.people_of(session, case)
        with pytest.raises(NotFound):
            lookup.get_link(session, link.id)
        PERSONS.restore(session, link.person_id)
        person_services.unlink_person(session, factory.keyring, link.id, {**reason, "then": "DELETE"})
        with pytest.raises(NotFound):
            person_services.unlink_person(session, factory.keyring, link.id, {**reason, "then": "DELETE"})
    with factory.working(focal_point) as session:
        assert not lookup.people_of(session, case)
        with pytest.raises(NotFound):
            lookup.get_person(session, link.person_id)


def test_pseudonyms_are_random_and_one_that_is_taken_is_not_given_twice(
    factory: Factory, focal_point: Somebody, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = factory.person(focal_point, case).person.pseudonym
    drawn = iter([first, first, "JGK-K-FREE22"])
    monkeypatch.setattr(references, "new_pseudonym", lambda _code: next(drawn))
    assert factory.person(focal_point, case).person.pseudonym == "JGK-K-FREE22"
    monkeypatch.setattr(references, "new_pseudonym", lambda _code: first)
    with pytest.raises(Conflict):
        factory.person(focal_point, case)


def test_a_list_of_persons_needs_the_same_number_of_statements_for_any_number(
    factory: Factory, shared_database: Any
) -> None:
    by = factory.focal_point(factory.institution("LISTS", "agency"))
    seen: list[str] = []
    engine = shared_database.engine("app")
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_rest: seen.append(statement))
    counted = []
    for _ in range(2):
        factory.person(by, factory.case(by))
        with factory.working(by) as session:
            seen.clear()
            rows = session.scalars(lookup.list_persons()).all()
            assert all(link.case.reference for row in rows for link in row.links)
        counted.append((len(rows), len(seen)))
    assert counted[1][0] == counted[0][0] + 1
    assert counted[0][1] == counted[1][1]


def test_persons_of_deleted_cases_are_in_no_list(
    factory: Factory, focal_point: Somebody, case: Case, link: CasePerson
) -> None:
    with factory.working(factory.manager()) as session:
        here = lookup.list_persons().where(Person.id == link.person_id)
        assert session.scalars(here).all()
        services.CASES.delete(session, case.id, {"reason": "DUPLICATE"})
        assert not session.scalars(here).all()
