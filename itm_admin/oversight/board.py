"""The institutions for the Presidency and auditors: counts, metadata and pseudonyms, never an identity.

Reads three views with listed columns and nothing else; each checks its scope itself (60_views.sql), and an
unshared case is in the counts alone. Read-only.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Uuid,
    extract,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session, scoped_session

from itm_admin.foundation.errors import NotFound

AnyRow = Row[*tuple[Any, ...]]
AnySession = Session | scoped_session[Any]
FEW = 10

_schema = MetaData()
institution = Table(
    "oversight_institution", _schema,
    Column("id", Uuid, primary_key=True), Column("code", String), Column("name_tr", String), Column("name_en", String),
    Column("kind", String), Column("status", String), Column("member_from", Date), Column("member_to", Date),
    Column("row_version", Integer), Column("cases", BigInteger), Column("open_cases", BigInteger),
    Column("unshared", BigInteger), Column("persons", BigInteger), Column("accounts", BigInteger),
    Column("last_activity", DateTime(timezone=True)),
)  # fmt: skip
case = Table(
    "oversight_case", _schema,
    Column("id", Uuid, primary_key=True), Column("institution_id", Uuid), Column("institution_code", String),
    Column("reference", String), Column("status", String), Column("opened_on", Date), Column("closed_on", Date),
    Column("closure_reason", String), Column("province", String), Column("referral_source", String),
    Column("exploitation_types", ARRAY(String)), Column("industry", String), Column("confidentiality", String),
    Column("updated_at", DateTime(timezone=True)), Column("people", BigInteger),
)  # fmt: skip
person = Table(
    "oversight_person", _schema,
    Column("id", Uuid, primary_key=True), Column("institution_id", Uuid), Column("case_id", Uuid, primary_key=True),
    Column("role", String, primary_key=True), Column("pseudonym", String), Column("gender", String),
    Column("age_band", String), Column("is_child", Boolean), Column("citizenships", ARRAY(String)),
)  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """Sums over all institutions that the reader sees. Unshared cases are in the counts."""

    institutions: int
    cases: int
    open_cases: int
    unshared: int
    shared: int
    shared_open: int
    persons: int
    accounts: int


def _with_shared() -> Select[Any]:
    """Institutions with their counts and, as `shared` and `shared_open`, the numbers of the cases that lists show."""
    open_ones = func.count().filter(case.c.closed_on.is_(None))
    listed = (
        select(case.c.institution_id, func.count().label("shared"), open_ones.label("shared_open"))
        .group_by(case.c.institution_id)
        .subquery()
    )
    counts = (func.coalesce(listed.c[name], 0).label(name) for name in ("shared", "shared_open"))
    return select(institution, *counts).outerjoin(listed, listed.c.institution_id == institution.c.id)


def institutions(session: AnySession) -> Sequence[AnyRow]:
    """Every institution with its counts, the most active first."""
    return session.execute(_with_shared().order_by(institution.c.cases.desc(), institution.c.code)).all()


def find_institution(session: AnySession, id: uuid.UUID) -> AnyRow:
    """One institution with its counts. NotFound if there is none, or not for this person."""
    found: AnyRow | None = session.execute(_with_shared().where(institution.c.id == id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def totals(rows: Sequence[AnyRow]) -> Totals:
    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    return Totals(
        len(rows), *map(total, ("cases", "open_cases", "unshared", "shared", "shared_open", "persons", "accounts"))
    )


def by_year(session: AnySession) -> Sequence[AnyRow]:
    """(label, count): shared cases by the year in which they were opened, the newest first."""
    year = extract("year", case.c.opened_on).cast(Integer)
    statement = select(year.label("label"), func.count().label("count")).group_by(year).order_by(year.desc())
    return session.execute(statement.limit(FEW)).all()


def by_province(session: AnySession) -> Sequence[AnyRow]:
    """(label, count): shared cases by province, the most frequent first; the label is a code, or none."""
    statement = select(case.c.province.label("label"), func.count().label("count")).group_by(case.c.province)
    return session.execute(statement.order_by(func.count().desc(), case.c.province)).all()


def by_exploitation(session: AnySession) -> Sequence[AnyRow]:
    """(label, count): shared cases by type of exploitation; a case may have several."""
    types = select(func.unnest(case.c.exploitation_types).label("label")).subquery()
    statement = select(types.c.label, func.count().label("count")).group_by(types.c.label)
    return session.execute(statement.order_by(func.count().desc(), types.c.label).limit(FEW)).all()


def cases() -> Select[Any]:
    return select(case)


def find_case(session: AnySession, id: uuid.UUID) -> AnyRow:
    """NotFound if there is none, or it is unshared, or not for this person."""
    found: AnyRow | None = session.execute(select(case).where(case.c.id == id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def people_of(session: AnySession, case_id: uuid.UUID) -> Sequence[AnyRow]:
    """The persons of a shared case by pseudonym."""
    return session.execute(select(person).where(person.c.case_id == case_id).order_by(person.c.pseudonym)).all()
