"""Values that SQL under the panel's login cannot rewrite: those given once, derived, stamped, or destroyed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases import lookup, person_services, services
from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation import vocabulary
from itm_admin.record import protected_values
from tests.factories import Factory, Somebody
from tests.panel.erasing import erased, stored

PROFILE = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "CANARY health", "needs": ["SHELTER"]}
CHANGED = {
    "case_file": "status opened_on closed_on closure_reason province referral_source exploitation_types industry"
    " confidentiality shared lead_institution_id unit_id data_key narrative_enc closure_note_enc hold_reason"
    " lowering_reason deleted_at deletion_reason",
    "person": "gender citizenships language age_band is_child birth_precision data_key given_name_enc family_name_enc"
    " birth_date_enc tckn_enc ykn_enc passport_enc phone_enc email_enc address_enc guardian_enc index_terms hold_reason"
    " deleted_at deletion_reason",
    "case_person": "deleted_at deletion_reason",
    "victim_profile": "trafficking_status status_decision_maker recruitment_methods control_methods age_when_trafficked"
    " relation_to_trafficker sex_exploitation_enc health_enc needs_enc deleted_at deletion_reason",
    "case_assignment": "ended_at",
    "access_note": "",
    "unit": "parent_id name province",
}


@pytest.fixture(scope="module")
def make(shared_database: Any) -> Factory:
    return Factory(shared_database)


@pytest.fixture(scope="module")
def author(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def colleague(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def manager(make: Factory) -> Somebody:
    return make.manager()


@pytest.fixture
def case(make: Factory, author: Somebody) -> Case:
    return make.case(author, confidentiality="OPEN", narrative="told")


@pytest.fixture
def child(make: Factory, author: Somebody, case: Case) -> CasePerson:
    link = make.person(author, case, birth_date="2012-05-12", given_name="Ayşe")
    with make.working(author) as session:
        person_services.set_profile(session, make.keyring, link.id, PROFILE)
    return link


def done(make: Factory, who: Somebody, *statements: str, **values: Any) -> bool:
    """True if the last of these statements, in one transaction that is committed, changed or found something."""
    try:
        with make.working(who) as session:
            for statement in statements:
                result = session.execute(text(statement), values)
            return bool(result.scalar() if result.returns_rows else result.rowcount)  # type: ignore[attr-defined]
    except DBAPIError:
        return False


def closed(make: Factory, who: Somebody, case: Case) -> None:
    with make.working(who) as session:
        version = lookup.get_case(session, case.id).row_version
        services.close_case(session, make.keyring, case.id, {"reason": "OTHER"}, version)


def test_the_panels_login_updates_the_columns_that_people_change_alone(make: Factory) -> None:
    granted = text(
        "select attname from pg_attribute where attrelid = cast(:name as regclass) and attnum > 0 and not attisdropped"
        " and has_column_privilege('itm_app', attrelid, attnum, 'UPDATE')"
    )
    with make.superuser() as connection:
        for table, columns in CHANGED.items():
            assert set(connection.scalars(granted, {"name": table})) == set(columns.split()), table


def test_a_number_and_a_pseudonym_are_given_once(
    make: Factory, author: Somebody, manager: Somebody, case: Case, child: CasePerson
) -> None:
    for who in (author, manager):
        assert not done(make, who, "update case_file set reference = 'ITM-JGK-2020-000001' where id = :id", id=case.id)
        assert not done(make, who, "update person set pseudonym = 'JGK-K-AAAAAA' where id = :id", id=child.person_id)


# Ages and sensitivity


def test_an_age_is_not_written_without_something_that_it_follows_from(
    make: Factory, author: Somebody, colleague: Somebody, child: CasePerson
) -> None:
    write = "select itm.write_age(:id, '26-30', false)"
    touched = "update case_file set industry = null where id = :case"
    assert not done(make, author, write, id=child.id)
    assert not done(make, colleague, write, id=child.id)
    assert not done(make, colleague, touched, write, id=child.id, case=child.case_id)
    direct = "update person set age_band = '27-29' where id = :id"
    assert not done(make, author, direct, id=child.person_id)
    assert not done(make, colleague, touched, direct, id=child.person_id, case=child.case_id)
    assert stored(make, "case_person", child.id)["age_band"] == "9-17"
    assert stored(make, "person", child.person_id)["is_child"] is True


def test_an_age_is_neither_read_nor_written_for_a_person_who_is_not_seen(
    make: Factory, author: Somebody, colleague: Somebody, manager: Somebody
) -> None:
    hidden = make.case(author, confidentiality="SPECIAL")
    link = make.person(author, hidden, birth_date="1990-01-01")
    days = "select count(*) from itm.age_days(:id)"
    assert done(make, author, days, id=link.person_id)
    assert not done(make, colleague, days, id=link.person_id)
    assert not done(make, colleague, "select itm.write_age(:id, '48+', false)", id=link.id)
    for who in (author, colleague, manager, make.caseworker()):
        sees = "select itm.sees_person(p.id) from person p where p.id = :id"
        assert done(make, who, "select itm.sees_person(:id)", id=link.person_id) == done(
            make, who, sees, id=link.person_id
        )


def test_who_is_a_child_and_how_sensitive_that_is_the_database_derives(
    make: Factory, author: Somebody, case: Case, child: CasePerson
) -> None:
    for change in ("sensitivity = 0", "is_child = false", "age_band = '48+'"):
        assert not done(make, author, f"update case_person set {change} where id = :id", id=child.id)
    done(make, author, "update person set is_child = false where id = :id", id=child.person_id)
    person = stored(make, "person", child.person_id)
    assert (person["is_child"], person["sensitivity"]) == (True, 3)
    insert = (
        "insert into case_person (institution_id, unit_id, case_id, person_id, role, age_band, is_child, sensitivity)"
        " values (:tenant, :unit, :case, :person, 'WITNESS', '9-17', false, 0)"
    )
    place = {"tenant": author.tenant.id, "unit": author.tenant.root, "case": case.id, "person": child.person_id}
    assert done(make, author, insert, **place)
    with make.superuser() as connection:
        rows = connection.execute(
            text("select is_child, sensitivity from case_person where person_id = :id"), {"id": child.person_id}
        )
        assert {tuple(row) for row in rows} == {(True, 3)}
        for band in vocabulary.codes("age_band"):
            low = None if band == "UNK" else int(band.rstrip("+").split("-")[0])
            derived = connection.scalar(text("select itm.child_of(:band)"), {"band": band})
            assert derived is (None if low is None else low < 18)


# Destroyed by an erasure alone


@pytest.mark.parametrize("is_closed", [False, True])
def test_nobody_destroys_protected_values_without_an_erasure(
    make: Factory,
    author: Somebody,
    colleague: Somebody,
    manager: Somebody,
    case: Case,
    child: CasePerson,
    is_closed: bool,
) -> None:
    if is_closed:
        closed(make, author, case)
    narrative = "update case_file set narrative_enc = null, data_key = null where id = :id"
    key = "update case_file set data_key = null where id = :id"
    other = "update case_file set data_key = '\\x00' where id = :id"
    of_person = "update person set data_key = null where id = :id"
    index = "update person set index_terms = '{}' where id = :id"
    for who in (author, colleague, manager):
        for statement in (narrative, key, other):
            assert not done(make, who, statement, id=case.id)
        assert not done(make, who, of_person, id=child.person_id)
        if who is not manager:
            assert not done(make, who, index, id=child.person_id)
        profile = "update victim_profile set health_enc = null, needs_enc = null where case_person_id = :id"
        if is_closed or who is colleague:
            assert not done(make, who, profile, id=child.id)
        if is_closed:
            assert not done(make, who, "update case_file set narrative_enc = null where id = :id", id=case.id)
    with make.working(author) as session:
        assert protected_values.filled(lookup.get_case(session, case.id))


def test_an_erasure_by_a_manager_destroys_them_also_in_a_closed_case(
    make: Factory, author: Somebody, manager: Somebody, case: Case, child: CasePerson
) -> None:
    closed(make, author, case)
    erased(make, manager, child)
    assert stored(make, "case_file", case.id)["data_key"] is None
    with make.superuser() as connection:
        gone = text("select health_enc is null from victim_profile where case_person_id = :id")
        assert connection.scalar(gone, {"id": child.id}) is True


def test_a_profile_stays_with_its_link(make: Factory, author: Somebody, case: Case, child: CasePerson) -> None:
    other = make.person(author, case)
    move = "update victim_profile set case_person_id = :other where case_person_id = :id"
    assert not done(make, author, move, id=child.id, other=other.id)


# Times and notes


def test_the_times_of_an_assignment_are_the_databases(
    make: Factory, manager: Somebody, colleague: Somebody, case: Case
) -> None:
    insert = (
        "insert into case_assignment (institution_id, case_id, account_id, assigned_at)"
        " values (:tenant, :case, :account, '2020-01-01')"
    )
    values = {"tenant": manager.tenant.id, "case": case.id, "account": colleague.id}
    assert done(make, manager, insert, **values)
    end = "update case_assignment set ended_at = '2020-01-02' where case_id = :case and account_id = :account"
    assert done(make, manager, end, **values)
    recent = text(
        "select least(assigned_at, ended_at) > now() - interval '1 hour' from case_assignment"
        " where case_id = :case and account_id = :account"
    )
    with make.superuser() as connection:
        assert connection.scalar(recent, {"case": case.id, "account": colleague.id})


def test_the_time_of_a_deletion_is_the_databases(make: Factory, manager: Somebody, case: Case) -> None:
    gone = "update case_file set deleted_at = '2020-01-01', deletion_reason = 'ENTERED_IN_ERROR' where id = :id"
    assert done(make, manager, gone, id=case.id)
    assert not stored(make, "case_file", case.id)["deleted_at"].startswith("2020")


def test_the_words_of_a_note_go_with_an_erasure_and_are_about_somebody_who_is_seen(
    make: Factory, author: Somebody, colleague: Somebody, manager: Somebody, child: CasePerson
) -> None:
    note = (
        "insert into access_note (institution_id, account_id, kind, record, purpose, words)"
        " values (:tenant, :account, 'person', :record, 'EMERGENCY', 'because')"
    )
    hidden = make.person(author, make.case(author, confidentiality="SPECIAL"))
    place = {"tenant": author.tenant.id, "record": child.person_id}
    assert done(make, author, note, account=author.id, **place)
    assert not done(make, colleague, note, account=colleague.id, tenant=author.tenant.id, record=hidden.person_id)
    destroy = "update access_note set words = null where record = :record"
    assert not done(make, manager, destroy, record=child.person_id)
    erased(make, manager, child)
    with make.superuser() as connection:
        words = text("select words from access_note where record = :record")
        assert connection.scalars(words, {"record": child.person_id}).all() == [None]
