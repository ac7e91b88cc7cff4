"""A legal hold keeps what is stored in protected fields; a closed case keeps its people."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases import holds, lookup, person_services, services
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.persons import PERSONS
from itm_admin.foundation.database_errors import domain_error
from itm_admin.foundation.errors import Locked
from tests.factories import Factory, Somebody
from tests.panel.erasing import erased
from tests.panel.panel_app import RunningPanel

FILLED = {"given_name": "Kanarya", "phone": "+905329998877"}
PROFILE = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "kanarya"}
EMPTIED = {
    "person": "update person set given_name_enc = {value} where id = '{person}'",
    "case_file": "update case_file set narrative_enc = {value} where id = '{case}'",
    "victim_profile": "update victim_profile set health_enc = {value} where case_person_id = '{link}'",
}


@pytest.fixture
def focal_point(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture
def link(make: Factory, focal_point: Somebody) -> CasePerson:
    link = make.person(focal_point, make.case(focal_point, narrative="Kanarya anlattı"), **FILLED)
    with make.working(focal_point) as session:
        person_services.set_profile(session, make.keyring, link.id, PROFILE)
    return link


def held(make: Factory, manager: Somebody, kind: type[Any], id: Any) -> None:
    with make.working(manager) as session:
        holds.hold(session, kind, id, {"reason": "COURT_ORDER"}, PERSONS.get(session, id).row_version
                   if kind is Person else lookup.get_case(session, id).row_version)  # fmt: skip


def closed(make: Factory, somebody: Somebody, case: Any) -> None:
    with make.working(somebody) as session:
        version = lookup.get_case(session, case).row_version
        services.close_case(session, make.keyring, case, {"reason": "OTHER"}, version)


def test_each_sealed_column_of_the_register_is_kept_by_a_hold(make: Factory) -> None:
    ours = text(
        "select p.relation || '.' || p.column_name from itm.protected p where p.column_name like '%\\_enc' except"
        " select c.relname || '.' || a.attname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum = any (t.tgattr)"
        " where t.tgfoid = 'itm.hold_keeps()'::regprocedure and t.tgenabled = 'A'"
    )
    with make.superuser() as connection:
        assert connection.scalars(ours).all() == []


@pytest.mark.parametrize("value", ["null", "'other'"])
@pytest.mark.parametrize("table", EMPTIED)
@pytest.mark.parametrize("kind", [Case, Person])
def test_the_database_keeps_a_held_value(
    make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson, kind: type[Any], table: str, value: str
) -> None:
    held(make, manager, kind, link.case_id if kind is Case else link.person_id)
    statement = EMPTIED[table].format(value=value, person=link.person_id, case=link.case_id, link=link.id)
    with make.working(focal_point) as session, pytest.raises(DBAPIError, match="legal hold"):
        session.execute(text(statement))


def test_the_narrative_of_a_held_person_is_not_shredded_with_another(
    make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    other = make.person(focal_point, lookup_case(make, focal_point, link.case_id))
    held(make, manager, Person, other.person_id)
    with make.working(manager) as session, pytest.raises(DBAPIError, match="legal hold"):
        session.execute(text("select itm.erase_person(:p, 'PERSON_REQUEST', array[:c]::uuid[])"),
                        {"p": link.person_id, "c": link.case_id})  # fmt: skip


def lookup_case(make: Factory, somebody: Somebody, id: Any) -> Case:
    with make.working(somebody) as session:
        return lookup.get_case(session, id)


def test_a_held_field_is_refused_by_its_name_and_an_empty_one_is_filled(
    make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    held(make, manager, Case, link.case_id)
    with make.working(focal_point) as session:
        for given in ({"given_name": None}, {"given_name": "Başka", "phone": None}):
            with pytest.raises(Locked) as refusal:
                person_services.change_person(session, make.keyring, link.person_id, given, 1)
            assert set(refusal.value.fields) == set(given)
        session.rollback()
    with make.working(focal_point) as session:
        person_services.change_person(session, make.keyring, link.person_id, {"family_name": "Yeni"}, 1)
    with make.working(focal_point) as session, pytest.raises(Locked):
        person_services.set_profile(session, make.keyring, link.id, {"health": None}, 1)
    with make.working(focal_point) as session:
        profile = person_services.set_profile(session, make.keyring, link.id, {"needs": ["HEALTH"]}, 1)
        assert profile.needs_enc is not None


def test_after_a_hold_is_lifted_values_change_and_are_erased(
    make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    held(make, manager, Person, link.person_id)
    with make.working(manager) as session:
        holds.release(session, Person, link.person_id, {"reason": "ENDED"}, 2)
    with make.working(focal_point) as session:
        person_services.change_person(session, make.keyring, link.person_id, {"given_name": None}, 3)
    erased(make, manager, link)


def test_pages_and_programs_say_what_a_hold_keeps(
    panel: RunningPanel, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    browser, path = panel.browser(focal_point), f"/persons/{link.person_id}/edit"
    assert 'name="clear"' in browser.get(path).text
    chief = panel.browser(manager)
    page = chief.get(f"/holds/persons/{link.person_id}").text
    assert "removed or replaced" in page or "silinemez ve değiştirilemez" in page
    assert chief.post(f"/holds/persons/{link.person_id}", version="1", reason="COURT_ORDER").status_code == 303
    page = browser.get(path).text
    assert 'name="clear"' not in page
    assert "neither removed nor replaced" in page or "silinemez ve değiştirilemez" in page
    refused = browser.post(path, version="2", gender="Feminine", given_name="Başka")
    assert refused.status_code == 423
    assert "Başka" in refused.text
    address = f"/api/v1/persons/{link.person_id}"
    answer = browser.send("PATCH", address, {"row_version": 2, "given_name": None})
    assert (answer.status_code, "given_name" in answer.text) == (423, True)
    filled = browser.send("PATCH", address, {"row_version": 2, "family_name": "Yeni"})
    assert filled.status_code == 200, filled.text


# A closed case keeps its people


GONE = text("update case_person set deleted_at = now(), deletion_reason = 'OTHER' where id = :id")


def test_the_database_lets_nobody_out_of_a_closed_case(
    make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    closed(make, focal_point, link.case_id)
    with make.working(manager) as session, pytest.raises(DBAPIError, match="reopened first"):
        session.execute(GONE, {"id": link.id})


def test_nobody_leaves_a_closed_case_or_returns_to_it_and_the_refusal_names_it(
    panel: RunningPanel, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    make = panel.make
    other = make.person(focal_point, lookup_case(make, focal_point, link.case_id))
    chief = panel.browser(manager)
    gone = chief.send("POST", f"/api/v1/persons/links/{link.id}/deletion", {"reason": "DUPLICATE", "then": "DELETE"})
    assert gone.status_code == 200, gone.text
    closed(make, focal_point, link.case_id)
    reference = lookup_case(make, focal_point, link.case_id).reference
    for path, body in (
        (f"/api/v1/persons/links/{other.id}/deletion", {"reason": "DUPLICATE", "then": "DELETE"}),
        (f"/api/v1/persons/{link.person_id}/restore", {}),
    ):
        answer = chief.send("POST", path, body)
        assert (answer.status_code, reference in answer.text) == (423, True), answer.text
        assert any(str(link.case_id) in str(each) for each in panel.events(answer)), path
    assert reference in chief.get(f"/persons/unlink/{other.id}").text
    with make.working(focal_point) as session:
        services.reopen_case(session, link.case_id, lookup.get_case(session, link.case_id).row_version)
    assert chief.send("POST", f"/api/v1/persons/{link.person_id}/restore", {}).status_code == 200


def test_whom_the_closing_overtakes_is_told_that_the_case_is_closed(
    make: Factory, focal_point: Somebody, manager: Somebody, link: CasePerson
) -> None:
    closed(make, focal_point, link.case_id)
    with make.working(manager) as session, pytest.raises(DBAPIError) as fault:
        session.execute(GONE, {"id": link.id})
    assert isinstance(domain_error(fault.value), Locked)
