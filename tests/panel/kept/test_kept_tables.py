"""A table that `itm.keep` made: what the database holds for each kind of record, whoever writes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases import lookup, services
from itm_admin.cases.models import Case, CasePerson
from tests.factories import Factory, Somebody
from tests.panel import kept_tables as kept
from tests.panel.erasing import erased, stored
from tests.panel.kept_tables import SEEN, refused, run

CHILD = {"birth_date": "2012-05-12"}


# Who sees and who writes


def test_a_record_is_seen_through_its_parent_and_never_from_another_institution(
    make: Factory, author: Somebody, manager: Somebody
) -> None:
    special = make.case(author, confidentiality="SPECIAL")
    stay = kept.stay(make, author, make.person(author, special))
    visit = kept.visit(make, author, stay)
    colleague, foreign = make.focal_point(), make.manager(make.other_institution())
    for who, sees in ((author, True), (manager, True), (colleague, False), (foreign, False)):
        assert bool(run(make, who, SEEN, id=stay)) is sees, who.username
        assert bool(run(make, who, "select id from visit where id = :id", id=visit)) is sees, who.username
        assert bool(run(make, who, "select itm.visible(array[:id]) <> '{}'", id=str(stay))[0]) is sees, who.username


def test_who_sees_an_open_case_without_working_on_it_writes_nothing_of_it(make: Factory, author: Somebody) -> None:
    case = make.case(author, confidentiality="OPEN", unit_id=str(make.unit("Kuzey")))
    link = make.person(author, case)
    stay = kept.stay(make, author, link)
    outside = make.focal_point(unit=make.unit("Güney"))
    assert run(make, outside, SEEN, id=stay)
    assert "row-level security" in refused(make, outside, "update stay set state = 'placed' where id = :id", id=stay)
    with pytest.raises(DBAPIError, match="row-level security"):
        kept.stay(make, outside, link)
    with pytest.raises(DBAPIError, match="row-level security"):
        kept.visit(make, outside, stay)


def test_a_row_of_one_institution_names_no_row_of_another(make: Factory, author: Somebody, link: CasePerson) -> None:
    foreign = make.focal_point(make.other_institution())
    theirs = make.person(foreign, make.case(foreign))
    others: list[dict[str, Any]] = [
        {"person": theirs.person_id},
        {"case": theirs.case_id},
        {"institution": foreign.tenant.id},
    ]
    for wrong in others:
        with pytest.raises(DBAPIError):
            kept.stay(make, author, link, **wrong)
    place = {"institution": author.tenant.id, "unit": author.tenant.root, "case": link.case_id, "state": "requested"}
    with pytest.raises(DBAPIError, match="stay_person"), make.superuser() as connection:
        connection.execute(text(kept.STAY), {**place, "person": theirs.person_id})


def test_overseers_read_a_view_and_no_row(make: Factory, stay: uuid.UUID) -> None:
    operator = make.operator()
    assert run(make, operator, "select state from oversight_stay where id = :id", scope="oversight", id=stay) == [
        "requested"
    ]
    assert run(make, operator, SEEN, scope="oversight", id=stay) == []
    assert run(make, make.auditor(), SEEN, scope="audit", id=stay) == []


def test_a_kind_without_a_parent_is_seen_and_written_by_unit(make: Factory, manager: Somebody) -> None:
    north, south = (make.focal_point(unit=make.unit(name)) for name in ("Kuzey", "Güney"))
    insert = (
        "insert into office (institution_id, unit_id, name, opened_on) values (:i, :u, 'A', '2026-01-01') returning id"
    )
    place: dict[str, Any] = {"i": north.tenant.id, "u": make.unit("Kuzey")}
    office = run(make, north, insert, **place)[0]
    with pytest.raises(DBAPIError, match="row-level security"):
        run(make, south, insert, **place)
    for who, sees in ((north, True), (south, False), (manager, True)):
        assert bool(run(make, who, "select id from office where id = :id", id=office)) is sees
    gone = "update office set deleted_at = now(), deletion_reason = 'OTHER' where id = :id"
    assert "only a manager" in refused(make, north, gone, id=office)
    assert refused(make, manager, gone, id=office) == ""
    assert run(make, north, "select id from office where id = :id", id=office) == []


def test_a_part_of_a_person_is_seen_and_written_through_the_persons_cases(
    make: Factory, author: Somebody, manager: Somebody
) -> None:
    link = make.person(author, make.case(author, confidentiality="SPECIAL"))
    insert = (
        "insert into wish (institution_id, unit_id, person_id, wish_enc) values (:i, :u, :p, 'sealed') returning id"
    )
    place: dict[str, Any] = {"i": author.tenant.id, "u": author.tenant.root, "p": link.person_id}
    wish = run(make, author, insert, **place)[0]
    change = "update wish set wish_enc = 'other' where id = :id"
    gone = "update wish set deleted_at = now(), deletion_reason = 'X' where id = :id"
    for who, refusal in ((author, ""), (manager, ""), (make.focal_point(), "nothing"), (make.caseworker(), "nothing")):
        assert refused(make, who, change, id=wish) == refusal
    assert "not there" in refused(make, make.focal_point(), insert, **place)
    assert "only a manager" in refused(make, author, gone, id=wish)
    erased(make, manager, link)
    assert stored(make, "wish", wish)["wish_enc"] is None
    for who in (author, manager):
        assert "the person was erased" in refused(make, who, insert, **place)


def test_a_deleted_record_or_case_has_no_new_parts(
    make: Factory, manager: Somebody, link: CasePerson, stay: uuid.UUID
) -> None:
    gone = "update {} set deleted_at = now(), deletion_reason = 'OTHER' where id = :id"
    assert refused(make, manager, gone.format("stay"), id=stay) == ""
    with pytest.raises(DBAPIError, match="restored first"):
        kept.visit(make, manager, stay)
    assert refused(make, manager, gone.format("case_file"), id=link.case_id) == ""
    with pytest.raises(DBAPIError, match="restored"):
        kept.stay(make, manager, link)
    back = "update stay set deleted_at = null, deletion_reason = null where id = :id"
    assert "deleted one restored" in refused(make, manager, back, id=stay)


# What the database writes, and what never changes


def test_stamps_unit_and_sensitivity_are_the_databases(make: Factory, author: Somebody, link: CasePerson) -> None:
    unit = make.unit("Kuzey")
    stay = kept.stay(make, author, link, unit=unit)
    row = stored(make, "stay", stay)
    assert (row["created_by"], row["row_version"], row["sensitivity"]) == (str(author.id), 1, 3)
    assert row["unit_id"] == str(author.tenant.root), "a part belongs to the unit of its case"
    run(make, author, "update stay set refusal = 'full' where id = :id", id=stay)
    assert stored(make, "stay", stay)["row_version"] == 2
    visit = stored(make, "visit", kept.visit(make, author, stay))
    assert visit["unit_id"] == str(author.tenant.root)


@pytest.mark.parametrize(
    "change",
    [
        "id = gen_random_uuid()", "institution_id = institution_id", "unit_id = unit_id", "case_id = :other",
        "person_id = :other", "created_by = null", "created_at = now()", "row_version = 7", "sensitivity = 0",
    ],
)  # fmt: skip
def test_the_panels_login_changes_neither_place_nor_stamps(
    make: Factory, author: Somebody, stay: uuid.UUID, change: str
) -> None:
    statement = f"update stay set {change} where id = :id" + (
        " and :other is not null" if ":other" not in change else ""
    )
    assert "permission denied" in refused(make, author, statement, id=stay, other=uuid.uuid4())


def test_parent_and_person_never_change_whoever_writes(make: Factory, author: Somebody, stay: uuid.UUID) -> None:
    other = make.person(author, make.case(author))
    for change in (f"case_id = '{other.case_id}'", f"person_id = '{other.person_id}'", "id = gen_random_uuid()"):
        with pytest.raises(DBAPIError, match="never change"), make.superuser() as connection:
            connection.execute(text(f"update stay set {change} where id = :id"), {"id": stay})


def test_the_ledger_holds_each_change_and_no_protected_value(
    make: Factory, author: Somebody, manager: Somebody, stay: uuid.UUID
) -> None:
    run(make, author, "update stay set state = 'placed', note_enc = 'canary' where id = :id", id=stay)
    run(make, manager, "update stay set deleted_at = now(), deletion_reason = 'OTHER' where id = :id", id=stay)
    told = [each for each in make.ledger(author.tenant) if f'"id":"{stay}"' in each]
    assert [
        action in each for each, action in zip(told, ("record.create", "record.update", "record.delete"), strict=True)
    ]
    assert '"state":{"old":"requested","new":"placed"}' in told[1]
    assert '"note_enc":{"private":true}' in told[1]
    assert "canary" not in "".join(told)
    with make.superuser() as connection:
        names = text("select attname from pg_attribute where attrelid = 'stay'::regclass and attnum > 0")
        stamps = {"created_at", "created_by", "updated_at", "updated_by", "row_version"}
        covered = text("select columns from audit.watched where relation = 'public.stay'")
        assert set(connection.scalar(covered)) == set(connection.scalars(names)) - stamps


# Rules of a case that hold for its parts


def test_a_part_is_deleted_by_who_manages_the_cases_unit_now(make: Factory, manager: Somebody) -> None:
    north, south = make.unit("Kuzey"), make.unit("Güney")
    writer = make.focal_point(unit=north)
    of_north, of_south = (make.somebody("institution_manager", unit=unit) for unit in (north, south))
    link = make.person(writer, make.case(writer, unit_id=str(north)))
    stay = kept.stay(make, writer, link)
    visit = kept.visit(make, writer, stay)
    run(make, manager, "update case_file set unit_id = :unit where id = :id", unit=south, id=link.case_id)
    gone = "update {} set deleted_at = '2020-01-01', deletion_reason = 'OTHER' where id = :id"
    for table, id in (("visit", visit), ("stay", stay), ("case_person", link.id)):
        assert refused(make, of_north, gone.format(table), id=id) != "", table
        assert refused(make, of_south, gone.format(table), id=id) == "", table
        assert not str(stored(make, table, id)["deleted_at"]).startswith("2020")
    assert run(make, of_south, SEEN, id=stay) == [stay]
    assert run(make, writer, "select id from case_file where id = :id", id=link.case_id), "an assigned one"
    assert run(make, writer, SEEN, id=stay) == [], "what is deleted is the managers' alone"


def test_nothing_is_entered_as_deleted(make: Factory, author: Somebody, link: CasePerson) -> None:
    insert = (
        "insert into stay (institution_id, unit_id, case_id, person_id, state, from_day, deleted_at, deletion_reason)"
        " values (:i, :u, :case, :person, 'requested', '2026-03-01', now(), 'OTHER')"
    )
    place = {"i": author.tenant.id, "u": author.tenant.root, "case": link.case_id, "person": link.person_id}
    assert "entered before it is deleted" in refused(make, author, insert, **place)


def test_a_closed_case_locks_its_parts_and_theirs(
    make: Factory, author: Somebody, case: Case, link: CasePerson, stay: uuid.UUID
) -> None:
    visit = kept.visit(make, author, stay)
    with make.working(author) as session:
        version = lookup.get_case(session, case.id).row_version
        services.close_case(session, make.keyring, case.id, {"reason": "OTHER"}, version)
    for statement, id in (
        ("update stay set refusal = 'full' where id = :id", stay),
        ("update visit set told_enc = 'again' where id = :id", visit),
    ):
        assert "reopened first" in refused(make, author, statement, id=id)
    with pytest.raises(DBAPIError, match="reopened first"):
        kept.stay(make, author, link)
    with pytest.raises(DBAPIError, match="reopened first"):
        kept.visit(make, author, stay)


def test_what_is_about_a_child_is_written_and_revealed_in_the_circle_alone(make: Factory, author: Somebody) -> None:
    case = make.case(author, confidentiality="OPEN")
    link = make.person(author, case, **CHILD)
    stay = kept.stay(make, author, link)
    visit = kept.visit(make, author, stay)
    colleague = make.focal_point()
    statement = "update stay set note_enc = 'theirs' where id = :id"
    assert "only those assigned" in refused(make, colleague, statement, id=stay)
    reveal = "select coalesce(itm.reveal_refused(:kind, :id, 'CASE_WORK'), 'yes')"
    for kind, id in (("stay", stay), ("visit", visit)):
        assert run(make, author, reveal, kind=kind, id=id) == ["yes"]
        assert run(make, colleague, reveal, kind=kind, id=id) == ["circle"]
    assert run(make, author, reveal, kind="nothing", id=stay) == ["circle"]


# States


def test_a_record_begins_and_goes_on_as_its_steps_say(make: Factory, author: Somebody, link: CasePerson) -> None:
    for state in ("placed", "refused", "left", "elsewhere"):
        with pytest.raises(DBAPIError, match="does not go from"):
            kept.stay(make, author, link, state)
    stay = kept.stay(make, author, link)
    move = "update stay set state = :state where id = :id"
    for state in ("refused", "requested", "placed", "left"):
        assert refused(make, author, move, id=stay, state=state) == "", state
    for state in ("requested", "placed", "refused"):
        assert "does not go from" in refused(make, author, move, id=stay, state=state), state
    assert refused(make, author, move, id=stay, state="left") == "", "staying is no step"


# What keep refuses


ABOUT = "refs => '{person_id>person}', about => 'person_id'"
LOST = "refs => '{stay_id>stay}', about => 'stay_id>visit>person_id', private => '{a_enc}'"


@pytest.mark.parametrize(
    ("columns", "call", "why"),
    [
        ("a_id uuid", "refs => '{}', parent => 'a_id'", "is not among its refs"),
        ("a_enc bytea", "private => '{a_enc}'", "are about nobody"),
        ("person_id uuid, a_enc bytea", ABOUT, "not declared private"),
        (
            "person_id uuid, a_enc bytea not null",
            f"{ABOUT}, private => '{{a_enc}}'",
            "empty once its person was erased",
        ),
        ("home_id uuid", "refs => '{home_id>unit}', about => 'home_id'", "does not lead to a person or a case"),
        ("stay_id uuid, a_enc bytea", LOST, "is broken at"),
        ("a integer", "states => '{one>two}'", "no column state"),
        ("state varchar", "states => '{one-two}'", "from>to"),
        ("a integer", "recent => 'b'", "is not there"),
    ],
)
def test_a_declaration_that_would_leave_something_open_is_refused(
    make: Factory, columns: str, call: str, why: str
) -> None:
    with make.database.engine("owner").connect() as connection:
        connection.exec_driver_sql(f"create table odd (like itm.record including all, {columns})")
        with pytest.raises(DBAPIError, match=why):
            connection.exec_driver_sql(f"select itm.keep('odd', 'odd', {call})")


@pytest.mark.parametrize(
    "statement",
    [
        "select itm.keep('unit', 'x')", "select itm.forget_about(gen_random_uuid())", "select * from itm.protected",
        "insert into itm.kept values ('x', 'x')", "select * from itm.record",
    ],
)  # fmt: skip
def test_the_panel_keeps_no_tables_and_reads_no_register_of_values(
    make: Factory, author: Somebody, statement: str
) -> None:
    assert "permission denied" in refused(make, author, statement)


def test_each_rule_of_a_kept_table_fires_always_and_is_row_secure(make: Factory) -> None:
    with make.superuser() as connection:
        rows: Any = connection.execute(
            text("select relname, relrowsecurity and relforcerowsecurity,"
                 " (select array_agg(tgname::text order by tgname) from pg_trigger where tgrelid = c.oid"
                 "   and not tgisinternal and tgenabled = 'A')"
                 " from pg_class c where relname in ('stay', 'visit', 'office', 'wish') order by 1")
        ).all()  # fmt: skip
    rules = {name: (held, [rule for rule in found if not rule.startswith("audit")]) for name, held, found in rows}
    common = ["a_stamp", "b_deletion", "b_place", "b_stays", "c_codes"]
    assert rules == {
        "office": (True, common),
        "stay": (True, [*common, "c_state", "d_erased", "d_hold", "e_circle", "e_open"]),
        "visit": (True, [*common, "d_erased", "d_hold", "e_circle", "e_open"]),
        "wish": (True, [*common, "d_erased", "d_hold", "e_circle"]),
    }
