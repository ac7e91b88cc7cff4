"""Throw-away tables, kept as an area's migration would: a stay in a case, a visit in a stay, a loan between two."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.factories import Database, Factory, Somebody

STAYS = """
create table stay (like itm.record including all, case_id uuid not null, person_id uuid not null,
  state varchar not null, from_day date not null, refusal varchar, note_enc bytea, address_enc bytea);
select itm.keep('stay', 'stay', refs => '{case_id>case_file,person_id>person}', parent => 'case_id',
  about => 'person_id', private => '{note_enc,address_enc}',
  states => '{requested>placed,requested>refused,refused>requested,placed>left}',
  recent => 'from_day');
create table visit (like itm.record including all, stay_id uuid not null, told_enc bytea);
select itm.keep('visit', 'visit', refs => '{stay_id>stay}', parent => 'stay_id', about => 'stay_id>stay>person_id',
  private => '{told_enc}');
create table wish (like itm.record including all, person_id uuid not null, wish_enc bytea);
select itm.keep('wish', 'wish', refs => '{person_id>person}', parent => 'person_id', about => 'person_id',
  private => '{wish_enc}');
create table plan (like itm.record including all, case_id uuid not null, plan_enc bytea);
select itm.keep('plan', 'plan', refs => '{case_id>case_file}', parent => 'case_id', about => 'case_id',
  private => '{plan_enc}');
create table step (like itm.record including all, plan_id uuid not null, step_enc bytea);
select itm.keep('step', 'step', refs => '{plan_id>plan}', parent => 'plan_id', about => 'plan_id>plan>case_id',
  private => '{step_enc}');
create table office (like itm.record including all, name varchar not null, opened_on date not null);
select itm.keep('office', 'office', recent => 'opened_on');
create view oversight_stay with (security_barrier) as
  select s.id, s.institution_id, s.state from stay s where s.deleted_at is null and (select itm.scope() = 'oversight');
grant select on oversight_stay to itm_app;
"""

LOANS = """
create table loan_side (like itm.record including all, like itm.side including all, state varchar not null,
  what varchar not null, until_day date, note varchar);
select itm.keep('loan_side', 'loan', common => '{state,what,until_day}',
  states => '{>asked,asked>lent@to:until_day,asked>refused@to,lent>returned@from}');
"""
SEEN = "select id from stay where id = :id"


def make_tables(database: Database, statements: str) -> None:
    """As the owner, who runs migrations."""
    with database.engine("owner").begin() as connection:
        connection.exec_driver_sql(statements, execution_options={"no_parameters": True})


def run(factory: Factory, who: Somebody, statement: str, scope: str | None = None, **values: Any) -> Any:
    """One statement under the panel's login: its first column's values, or the number of rows that it changed."""
    with factory.working(who, scope) as session:
        result = session.execute(text(statement), values)
        return result.scalars().all() if result.returns_rows else result.rowcount  # type: ignore[attr-defined]


def refused(factory: Factory, who: Somebody, statement: str, **values: Any) -> str:
    """Why the database refused it; "" where it changed something, "nothing" where it changed no row."""
    try:
        done = run(factory, who, statement, **values)
    except DBAPIError as error:
        return str(error.orig).splitlines()[0]
    return "" if done else "nothing"


STAY = (
    "insert into stay (institution_id, unit_id, case_id, person_id, state, from_day, note_enc, address_enc,"
    " sensitivity)"
    " values (:institution, :unit, :case, :person, :state, '2026-03-01', 'sealed', 'sealed', 0) returning id"
)


def stay(factory: Factory, by: Somebody, link: Any, state: str = "requested", **more: Any) -> uuid.UUID:
    place = {"institution": by.tenant.id, "unit": by.tenant.root, "case": link.case_id, "person": link.person_id}
    made: list[uuid.UUID] = run(factory, by, STAY, **{**place, "state": state, **more})
    return made[0]


def plan(factory: Factory, by: Somebody, case: uuid.UUID) -> tuple[uuid.UUID, uuid.UUID]:
    """Something protected about a case, and a part of it."""
    into = "insert into {} (institution_id, unit_id, {}) values (:i, :u, :of, 'sealed') returning id"
    place: dict[str, Any] = {"i": by.tenant.id, "u": by.tenant.root}
    (made,) = run(factory, by, into.format("plan", "case_id, plan_enc"), **place, of=case)
    (part,) = run(factory, by, into.format("step", "plan_id, step_enc"), **place, of=made)
    return made, part


def visit(factory: Factory, by: Somebody, of: uuid.UUID) -> uuid.UUID:
    insert = (
        "insert into visit (institution_id, unit_id, stay_id, told_enc) values (:i, :u, :stay, 'sealed') returning id"
    )
    made: list[uuid.UUID] = run(factory, by, insert, i=by.tenant.id, u=by.tenant.root, stay=of)
    return made[0]
