"""Read-only queries of the ledgers for people: overview, one entry with its leaf, verdicts.

Row-level security decides which entries are seen; nothing here widens it. Pages of entries: see paging.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Double,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    and_,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session, scoped_session

from itm_admin.assurance import purged
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.institutions.models import Institution

AnyRow = Row[*tuple[Any, ...]]
Condition = ColumnElement[bool]
AnySession = Session | scoped_session[Any]
OWN_LOGINS = ("itm_app", "itm_signer", "itm_purger")
"""The database roles of the panel and its jobs; a change by any other role goes past the panel."""
MIGRATION = "migration"
"""The name under which schema upgrades change rows (migrations/env.py)."""
_LARGEST = 2**63 - 1

_schema = MetaData(schema="audit")
ledger = Table(
    "ledger", _schema,
    Column("id", Uuid, primary_key=True), Column("holder", Uuid), Column("code", String), Column("origin", String),
    Column("presidency", String), Column("size", BigInteger), Column("head", LargeBinary),
    Column("recorded_at", DateTime(timezone=True)), Column("closed_at", DateTime(timezone=True)),
    Column("generation", BigInteger),
)  # fmt: skip
entry = Table(
    "entry", _schema,
    Column("ledger_id", Uuid, primary_key=True), Column("holder", Uuid), Column("code", String),
    Column("origin", String), Column("seq", BigInteger, primary_key=True), Column("recorded_at", String(collation="C")),
    Column("prev", LargeBinary), Column("commitment", LargeBinary), Column("hash", LargeBinary),
    Column("event_id", Uuid), Column("at", DateTime(timezone=True)), Column("action", String),
    Column("outcome", String), Column("via", String), Column("actor_id", String), Column("actor_name", String),
    Column("actor_institution", String), Column("actor_role", String), Column("target_kind", String),
    Column("target_id", String), Column("target_holder", Uuid), Column("subjects", ARRAY(Text)),
    Column("purpose", String), Column("request_id", String), Column("content", String),
)  # fmt: skip
leaf = Table(
    "leaf", _schema,
    Column("ledger_id", Uuid, primary_key=True), Column("seq", BigInteger, primary_key=True),
    Column("event_id", Uuid), Column("recorded_at", String(collation="C")),
)  # fmt: skip
event = Table(
    "event", _schema,
    Column("id", Uuid, primary_key=True), Column("ledger_id", Uuid), Column("salt", LargeBinary),
    Column("content", String), Column("at", DateTime(timezone=True)), Column("action", String),
    Column("outcome", String), Column("via", String), Column("actor_id", String), Column("actor_name", String),
    Column("actor_institution", String), Column("actor_role", String), Column("target_kind", String),
    Column("target_id", String), Column("subjects", ARRAY(Text)), Column("purpose", String),
)  # fmt: skip
verification = Table(
    "verification", _schema,
    Column("id", BigInteger, primary_key=True), Column("ledger_id", Uuid), Column("origin", String),
    Column("level", String), Column("started", DateTime(timezone=True)), Column("seconds", Double),
    Column("first_seq", BigInteger), Column("checked", BigInteger), Column("size", BigInteger),
    Column("verdict", String), Column("assurance", String), Column("first_broken", BigInteger),
    Column("findings", JSONB), Column("ranges", JSONB), Column("since", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True)),
)  # fmt: skip


HALF_WAY = "half_way"
"""The outcome shown of a sign-in whose password was right and whose second factor was asked for: no refusal.

The entry itself is sealed as a refused sign-in, since nobody was let in yet.
"""
_ASKED = '"factor_missing"'


def half_way(table: Table) -> Condition:
    return and_(table.c.action == "auth.login", table.c.outcome == "denied",
                func.coalesce(table.c.content, "").contains(_ASKED, autoescape=True))  # fmt: skip


def outcome_of(row: AnyRow) -> str:
    """The outcome of an entry as it is shown and counted."""
    asked = row.action == "auth.login" and row.outcome == "denied" and _ASKED in (row.content or "")
    return HALF_WAY if asked else str(row.outcome)


@dataclass(frozen=True)
class EntryPage:
    """One page of entries, the newest first; `next` is the cursor of the following page."""

    rows: Sequence[AnyRow]
    next: str | None


def ledgers(session: AnySession) -> Sequence[AnyRow]:
    """Every ledger that this person may see, by code, with its last verdict of any level."""
    last = (
        select(verification)
        .where(verification.c.ledger_id == ledger.c.id)
        .order_by(verification.c.id.desc())
        .limit(1)
        .lateral("last")
    )
    # by the event's id, so that row-level security is evaluated for this event only
    place = select(leaf.c.event_id).where(leaf.c.ledger_id == ledger.c.id, leaf.c.seq == ledger.c.size - 1)
    newest = select(event.c.at).where(event.c.id == place.correlate(ledger).scalar_subquery()).correlate(ledger)
    statement = (
        select(
            ledger.c.id, ledger.c.holder, ledger.c.code, ledger.c.origin, ledger.c.size, ledger.c.closed_at,
            ledger.c.generation,
            newest.scalar_subquery().label("last_entry"),
            last.c.verdict, last.c.assurance, last.c.level, last.c.first_broken,
            last.c.recorded_at.label("verified_at"), last.c.size.label("verified_size"),
            Institution.name_tr, Institution.name_en,
        )
        .select_from(
            ledger.outerjoin(last, last.c.ledger_id == ledger.c.id)
            .outerjoin(Institution, Institution.id == ledger.c.holder)
        )
        .order_by(ledger.c.code, ledger.c.generation.desc())
    )  # fmt: skip
    found: Sequence[AnyRow] = session.execute(statement).all()
    return found


def find_ledger(session: AnySession, id: uuid.UUID) -> AnyRow:
    """The ledger. Raises NotFound if there is none, or not for this person."""
    columns = (
        ledger.c.id, ledger.c.holder, ledger.c.code, ledger.c.origin, ledger.c.size, ledger.c.closed_at,
        ledger.c.generation, Institution.name_tr, Institution.name_en,
    )  # fmt: skip
    statement = select(*columns).outerjoin(Institution, Institution.id == ledger.c.holder).where(ledger.c.id == id)
    found: AnyRow | None = session.execute(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def visible(session: AnySession, ids: Sequence[str]) -> list[str]:
    """The ids, among those that an entry showed, whose records this person may see now."""
    context = tenancy.current()
    if context.scope != INSTITUTION or context.manage == "*" or not ids:
        return list(ids)
    seen = set(session.scalar(select(func.itm.visible(cast(list(ids), ARRAY(Text))))) or ())
    return [id for id in ids if id in seen]


def find_entry(session: AnySession, ledger_id: uuid.UUID, seq: int) -> AnyRow:
    """An entry with its event's salt. Raises NotFound if there is none, or not for this person."""
    if seq > _LARGEST:
        raise NotFound
    found: AnyRow | None = session.execute(
        select(entry, event.c.salt)
        .join(event, event.c.id == entry.c.event_id)
        .where(entry.c.ledger_id == ledger_id, entry.c.seq == seq)
    ).one_or_none()
    if found is None:
        raise purged.not_found(session, ledger_id, seq)
    return found


verdict = (
    select(verification, ledger.c.code, Institution.name_tr, Institution.name_en)
    .join(ledger, ledger.c.id == verification.c.ledger_id)
    .outerjoin(Institution, Institution.id == ledger.c.holder)
    .ext(distinct_on(verification.c.ledger_id, verification.c.level))
    .order_by(verification.c.ledger_id, verification.c.level, verification.c.id.desc())
    .subquery("verdict")
)
"""The last verdict of each ledger and level."""


def verdicts(session: AnySession, ledger_id: uuid.UUID) -> Sequence[AnyRow]:
    """The last verdict of each level of a ledger; those that are not intact first."""
    statement = select(verdict).where(verdict.c.ledger_id == ledger_id)
    found: Sequence[AnyRow] = session.execute(statement.order_by(verdict.c.verdict == "intact", verdict.c.level)).all()
    return found
