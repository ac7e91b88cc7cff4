"""A person is erased for good: what goes, what stays, what refuses it, and what a restored backup cannot undo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases import erasure, holds, lookup, person_services, services
from itm_admin.cases.erasure import Answer
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.person_views import PersonView
from itm_admin.cases.persons import PERSONS
from itm_admin.cases.views import CaseView
from itm_admin.foundation.errors import Conflict, Denied, Invalid, Locked
from itm_admin.record import drafts
from itm_admin.record.export import fix_ids
from tests.factories import Factory, Somebody
from tests.panel.erasing import NAME, erased, stored

PROFILE = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "CANARY health", "needs": ["SHELTER"]}


@pytest.fixture(scope="module")
def factory(shared_database: Any) -> Factory:
    return Factory(shared_database)


@pytest.fixture(scope="module")
def focal_point(factory: Factory) -> Somebody:
    return factory.focal_point()


@pytest.fixture(scope="module")
def manager(factory: Factory) -> Somebody:
    return factory.manager()


@pytest.fixture
def case(factory: Factory, focal_point: Somebody) -> Case:
    return factory.case(focal_point, narrative="Kanarya anlattı")


@pytest.fixture
def link(factory: Factory, focal_point: Somebody, case: Case) -> CasePerson:
    link = factory.person(focal_point, case, **NAME)
    with factory.working(focal_point) as session:
        person_services.set_profile(session, factory.keyring, link.id, PROFILE)
    return link


@pytest.fixture
def in_request() -> Iterator[None]:
    app = Flask("erasing")
    Babel(app)
    with app.test_request_context():
        yield


def test_nothing_that_could_be_opened_is_left_and_the_pseudonym_stays(
    factory: Factory, manager: Somebody, link: CasePerson, case: Case
) -> None:
    erased(factory, manager, link)
    person = stored(factory, "person", link.person_id)
    assert person["erased_at"]
    assert person["erasure_ground"] == "PERSON_REQUEST"
    assert person["pseudonym"] == link.person.pseudonym
    assert person["data_key"] is None
    assert not person["index_terms"]
    assert not [name for name, value in person.items() if name.endswith("_enc") and value is not None]
    with factory.superuser() as connection:
        profile = connection.execute(
            text("select health_enc, needs_enc, trafficking_status from victim_profile where case_person_id = :id"),
            {"id": link.id},
        ).one()
    assert tuple(profile) == (None, None, "PossibleVictimOfTrafficking")
    kept = stored(factory, "case_file", case.id)
    assert (kept["narrative_enc"], kept["data_key"]) == (None, None)


def test_what_was_typed_and_not_saved_goes_too(
    factory: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case
) -> None:
    other = factory.case(focal_point)
    forms = [f"person:{link.person_id}", f"profile:{link.id}", f"case:{case.id}", f"case:{other.id}"]
    with factory.working(focal_point) as session:
        for form in forms:
            drafts.keep(session, factory.keyring, form, [("given_name", "Kanarya")])
    erased(factory, manager, link)
    with factory.working(focal_point) as session:
        assert [form for form in forms if drafts.find(session, factory.keyring, form)] == forms[-1:]


def test_the_ledger_says_who_was_erased_why_and_by_whom(
    factory: Factory, manager: Somebody, link: CasePerson, case: Case
) -> None:
    erased(factory, manager, link)
    told = [each for each in factory.ledger() if '"person.erase"' in each and str(link.person_id) in each]
    assert len(told) == 1
    assert str(manager.id) in told[0]
    assert str(case.id) in told[0]
    assert '"ground": "PERSON_REQUEST"' in told[0]
    assert not [each for each in factory.ledger() if "anarya" in each.lower()]


def test_an_erased_person_is_not_found_listed_exported_shown_or_changed(
    factory: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case, in_request: None
) -> None:
    erased(factory, manager, link, fate="reviewed")
    with factory.working(focal_point) as session:
        found = lookup.find_persons(session, factory.keyring, {"name": "Kanarya"})
        assert link.person_id not in {person.id for person in found.persons}
        ids = fix_ids(session, lookup.list_persons(), Person)
        assert link.person_id not in ids
        assert list(PersonView.exporting.rows(session, [link.person_id])) == []
        assert link.person.pseudonym not in str(list(CaseView.exporting.rows(session, [case.id])))
        with pytest.raises(Locked):
            person_services.change_person(session, factory.keyring, link.person_id, {"phone": "0532 1112233"}, 2)
        with pytest.raises(Locked):
            person_services.set_profile(session, factory.keyring, link.id, PROFILE, 2)
        person = lookup.get_person(session, link.person_id)
        with pytest.raises(Locked):
            PERSONS.reveal(session, factory.keyring, person, None, ("CASE_WORK", None))
        other = services.open_case(session, factory.keyring, {
            "opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"})  # fmt: skip
        with pytest.raises(Locked):
            person_services.link_person(
                session, factory.keyring, other.id, {"person_id": str(link.person_id), "role": "WITNESS"}
            )
    with factory.working(manager) as session:
        with pytest.raises(Locked):
            PERSONS.delete(session, link.person_id, {"reason": "OTHER"})
        with pytest.raises(Locked):
            PERSONS.restore(session, link.person_id)
        with pytest.raises(Locked):
            holds.hold(session, Person, link.person_id, {"reason": "COURT_ORDER"}, 2)
        assert link.person_id in set(session.scalars(lookup.list_persons(deleted=True).with_only_columns(Person.id)))


def test_a_deleted_person_can_be_erased_and_then_never_restored(
    factory: Factory, manager: Somebody, link: CasePerson
) -> None:
    with factory.working(manager) as session:
        PERSONS.delete(session, link.person_id, {"reason": "OTHER"})
    erased(factory, manager, link)
    with factory.working(manager) as session, pytest.raises(Locked):
        PERSONS.restore(session, link.person_id)


def test_the_pseudonym_is_typed_and_a_ground_is_named(factory: Factory, manager: Somebody, link: CasePerson) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"pseudonym": "JGK-K-00000"}, "pseudonym"),
        ({"ground": "CURIOSITY"}, "ground"),
        ({"pseudonym": ""}, "pseudonym"),
    ]
    for data, field in wrong:
        with pytest.raises(Invalid) as refused:
            erased(factory, manager, link, **data)
        assert field in refused.value.fields
    assert stored(factory, "person", link.person_id)["erased_at"] is None


def test_every_narrative_is_answered_for_in_the_version_that_was_seen(
    factory: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case
) -> None:
    second = factory.case(focal_point, narrative="Başka bir anlatı")
    with factory.working(focal_point) as session:
        other = person_services.link_person(
            session, factory.keyring, second.id, {"person_id": str(link.person_id), "role": "WITNESS"}
        )
    with factory.working(manager) as session:
        person_services.unlink_person(
            session, factory.keyring, other.id, {"reason": "WRONG_CASE"}
        )  # a former case's narrative counts as well
    values = {"ground": "PERSON_REQUEST", "pseudonym": link.person.pseudonym}
    seen = {case.id: Answer("reviewed", 1)}
    for answers in ({}, seen, seen | {second.id: Answer("later", 1)}, seen | {second.id: Answer("reviewed", 7)}):
        with factory.working(manager) as session:
            with pytest.raises(Invalid) as refused:
                erasure.destroy(session, link.person_id, values, answers, 1)
            assert f"case_{second.id}" in refused.value.fields
            session.rollback()
    with factory.working(manager) as session:
        done = erasure.destroy(session, link.person_id, values, seen | {second.id: Answer("shredded", 1)}, 1)[1]
    assert done.cases == (second.id,)
    assert stored(factory, "case_file", case.id)["narrative_enc"] is not None


def test_a_case_whose_narrative_was_shredded_can_have_another(
    factory: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, case: Case, in_request: None
) -> None:
    erased(factory, manager, link)
    with factory.working(focal_point) as session:
        shredded = lookup.get_case(session, case.id)
        assert services.CASES.reveal(session, factory.keyring, shredded, None, ("CASE_WORK", None))["narrative"] is None
        version = shredded.row_version
    with factory.working(focal_point) as session:
        services.change_case(session, factory.keyring, case.id, {"narrative": "Yeniden yazıldı"}, version)
    with factory.working(focal_point) as session:
        again = lookup.get_case(session, case.id)
        told = services.CASES.reveal(session, factory.keyring, again, None, ("CASE_WORK", None))
    assert told["narrative"] == "Yeniden yazıldı"


@pytest.mark.parametrize("kind", [Case, Person])
def test_a_legal_hold_refuses_until_a_manager_lifts_it(
    factory: Factory, manager: Somebody, link: CasePerson, case: Case, kind: type[Any]
) -> None:
    id = case.id if kind is Case else link.person_id
    with factory.working(manager) as session:
        held = holds.hold(session, kind, id, {"reason": "COURT_ORDER"}, 1)
        assert held.held_at is not None
    with pytest.raises(Locked):
        erased(factory, manager, link)
    with factory.working(manager) as session:
        with pytest.raises(Locked):
            holds.hold(session, kind, id, {"reason": "COURT_ORDER"}, 2)
        with pytest.raises(Conflict):
            holds.release(session, kind, id, {"reason": "ENDED"}, 1)
        holds.release(session, kind, id, {"reason": "ENDED"}, 2)
    told = [each for each in factory.ledger() if f'"id":"{id}"' in each and "hold_reason" in each]
    assert len(told) == 2
    assert any('"purpose":"ENDED"' in each for each in told)
    erased(factory, manager, link)


@pytest.mark.parametrize("statement", [
    "select itm.erase_person('{person}', 'X')",
    "update person set hold_reason = 'COURT_ORDER' where id = '{person}'",
    "update case_file set hold_reason = 'COURT_ORDER' where id = '{case}'",
])  # fmt: skip
def test_the_database_lets_nobody_but_a_manager_erase_or_hold(
    factory: Factory, focal_point: Somebody, link: CasePerson, case: Case, statement: str
) -> None:
    with factory.working(focal_point) as session, pytest.raises(DBAPIError, match="only a manager"):
        session.execute(text(statement.format(person=link.person_id, case=case.id)))


def test_the_database_keeps_what_is_held_whoever_asks_and_lets_no_half_be_erased(
    factory: Factory, manager: Somebody, link: CasePerson, case: Case
) -> None:
    half = text("update person set erased_at = now(), erasure_ground = 'X' where id = :id")
    values = {"id": link.person_id}
    with factory.working(manager) as session, pytest.raises(DBAPIError, match="permission denied"):
        session.execute(half, values)
    with pytest.raises(DBAPIError, match="erased first"), factory.superuser() as connection:
        connection.execute(half, values)
    with factory.working(manager) as session:
        session.execute(text("update victim_profile set health_enc = null, needs_enc = null"))
    with pytest.raises(DBAPIError, match="person_erased"), factory.superuser() as connection:
        connection.execute(half, values)
    with factory.working(manager) as session:
        holds.hold(session, Case, case.id, {"reason": "COURT_ORDER"}, 1)
    with factory.working(manager) as session, pytest.raises(DBAPIError, match="legal hold"):
        session.execute(text("select itm.erase_person(:id, 'X')"), values)


def test_an_erased_person_stays_erased_in_the_database(
    factory: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    erased(factory, manager, link)
    for statement in (
        "update person set gender = 'Masculine' where id = :id",
        "update victim_profile set health_enc = 'x' where case_person_id ="
        " (select id from case_person where person_id = :id)",
    ):
        with factory.working(manager) as session, pytest.raises(DBAPIError, match="erased"):
            session.execute(text(statement), {"id": link.person_id})


def test_only_managers_of_the_institution_erase_and_hold(
    factory: Factory, focal_point: Somebody, link: CasePerson
) -> None:
    with pytest.raises(Denied):
        erased(factory, focal_point, link)
    with factory.working(focal_point) as session, pytest.raises(Denied):
        holds.hold(session, Person, link.person_id, {"reason": "COURT_ORDER"}, 1)
