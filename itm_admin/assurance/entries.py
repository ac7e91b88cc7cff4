"""Reading the ledgers for people: overview, lists with filters, one entry with its leaf. Read-only.

Row-level security decides what is seen; nothing here widens it. What an address asks for is read strictly,
pages go by (recorded time, ledger, number), since that order never changes under a reader.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import g
from flask_babel import gettext as _
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Double,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    Uuid,
    and_,
    cast,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session, scoped_session
from werkzeug.datastructures import MultiDict

from itm_admin.assurance import purged
from itm_admin.foundation import dates, tenancy, vocabulary
from itm_admin.foundation.errors import Invalid, Message, NotFound
from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.roles import INSTITUTION

AnyRow = Row[*tuple[Any, ...]]
Condition = ColumnElement[bool]
AnySession = Session | scoped_session[Any]
SIZES = (25, 50, 100)
FILTERS = ("from", "to", "actor", "action", "purpose", "kind", "target", "outcome", "ledger", "outside")
OWN_LOGINS = ("itm_app", "itm_signer", "itm_purger")
"""Roles of the database with which the panel and its jobs work; whoever else changes a row does so past the panel."""
MIGRATION = "migration"
"""The name with which upgrades of the schema change rows (migrations/env.py)."""
WINDOW = 2_000
"""A list without a record or a person reads so many entries at a time for those who do not see every entry."""
_HERE = ZoneInfo(TIMEZONE)
_LARGEST = 2**63 - 1
_BEGINNING = "0001-01-01T00:00:00.000000Z"
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)
_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)~([0-9a-f-]{36})~(\d{1,18})", re.ASCII)

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
    Column("recorded_at", String(collation="C")),
)  # fmt: skip
event = Table("event", _schema, Column("id", Uuid, primary_key=True), Column("salt", LargeBinary))
verification = Table(
    "verification", _schema,
    Column("id", BigInteger, primary_key=True), Column("ledger_id", Uuid), Column("origin", String),
    Column("level", String), Column("started", DateTime(timezone=True)), Column("seconds", Double),
    Column("first_seq", BigInteger), Column("checked", BigInteger), Column("size", BigInteger),
    Column("verdict", String), Column("assurance", String), Column("first_broken", BigInteger),
    Column("findings", JSONB), Column("recorded_at", DateTime(timezone=True)),
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What one address asks for, checked. ``after`` is the place of the last entry of the page before."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    size: int = SIZES[0]
    after: tuple[str, uuid.UUID, int] | None = None


@dataclass(frozen=True)
class Found:
    """One page of entries, the newest first; `next` is the cursor of the following page."""

    rows: Sequence[AnyRow]
    next: str | None


def read(args: MultiDict[str, str]) -> Wanted:
    """The filters in a request's address. Invalid names each that is unknown or wrong."""
    wrong: dict[str, Message] = {}
    for name in args:
        if name not in (*FILTERS, "size", "after") or len(args.getlist(name)) > 1:
            wrong[name if name in FILTERS else ""] = _("The address holds something that this list does not know.")
    chosen = {name: args[name].strip() for name in FILTERS if args.get(name, "").strip()}
    for name, value in chosen.items():
        if name in ("from", "to"):
            try:
                chosen[name] = dates.read_day(value).isoformat()
            except dates.NotADate as error:
                wrong[name] = error.message
                continue
        if not fits(name, chosen[name]):
            wrong[name] = _("This filter's value is not correct.")
    size = args.get("size", str(SIZES[0]))
    if size not in map(str, SIZES):
        wrong["size"] = _("This page size is not offered.")
    cursor = _CURSOR.fullmatch(args["after"]) if args.get("after") else None
    if args.get("after") and cursor is None:
        wrong["after"] = _("This page of the list is not known.")
    if wrong:
        raise Invalid(wrong)
    return Wanted(chosen, int(size), _cursor(cursor) if cursor else None)


def fits(name: str, value: str) -> bool:
    if name in ("from", "to"):
        try:
            return 1 < date.fromisoformat(value).year < 9999
        except ValueError:
            return False
    if name == "action":
        return value in vocabulary.codes("audit_event")
    if name == "purpose":
        return value in vocabulary.codes("access_purpose")
    if name == "outside":
        return value == "yes"
    if name == "outcome":
        return value in ("success", "denied", "failure")
    return bool(_WORD.fullmatch(value))


def _cursor(cursor: re.Match[str]) -> tuple[str, uuid.UUID, int]:
    try:
        return cursor[1], uuid.UUID(cursor[2]), int(cursor[3])
    except ValueError:
        raise Invalid({"after": _("This page of the list is not known.")}) from None


def _moment(day: str, later: int = 0) -> datetime:
    """Midnight in Türkiye at the beginning of a day, or of one some days later."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=later), time(), _HERE)


def _utc(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def within(table: Table, wanted: Wanted) -> list[Condition]:
    """The filters on time, for the leaves or the entries."""
    found: list[Condition] = []
    if "from" in wanted.chosen:
        found.append(table.c.recorded_at >= _utc(_moment(wanted.chosen["from"])))
    if "to" in wanted.chosen:
        found.append(table.c.recorded_at < _utc(_moment(wanted.chosen["to"], 1)))
    return found


def narrowed(wanted: Wanted) -> list[Condition]:
    """The other filters. An actor is named by account id or user name; a target by id, also among those shown."""
    found: list[Condition] = []
    for name, value in wanted.chosen.items():
        if name == "actor":
            found.append(or_(entry.c.actor_id == value, entry.c.actor_name == value))
        elif name == "kind":
            found.append(entry.c.target_kind == value)
        elif name == "target":
            found.append(about([value]))
        elif name == "ledger":
            found.append(entry.c.code == value)
        elif name == "outside":
            found.append(outside())
        elif name in ("action", "outcome", "purpose"):
            found.append(entry.c[name] == value)
    return found


def outside() -> Condition:
    """Changes that came past the panel, from a user of the database that is none of its own roles."""
    nobody = and_(entry.c.via == "trigger", entry.c.actor_id.is_(None))
    by_hand = entry.c.actor_name.is_distinct_from(MIGRATION)
    return and_(nobody, by_hand, *(entry.c.content.not_like(f'%"session":"{login}"%') for login in OWN_LOGINS))


def about(ids: Sequence[str]) -> Condition:
    """Entries whose target is one of these, or that showed one of these."""
    # The second condition is what the index on subjects holds for
    shown = and_(entry.c.subjects.overlap(list(ids)), entry.c.subjects != literal_column("'{}'::text[]"))
    return or_(entry.c.target_id.in_(ids), shown)


def done_by(account: uuid.UUID) -> Condition:
    """Entries of what an account did."""
    return entry.c.actor_id == str(account)


def page(session: AnySession, wanted: Wanted, *conditions: Condition, ledger_id: uuid.UUID | None = None) -> Found:
    """One page, the newest entries first; of one ledger, or of all that the reader sees."""
    narrow = bool(conditions) or bool({"actor", "target"} & set(wanted.chosen))
    conditions = (*conditions, *narrowed(wanted))
    if ledger_id is None:
        ledger_id = _only_ledger(session)
    bottom = None if narrow or ledger_id is None else _bottom(session, wanted, ledger_id)
    if conditions or bottom is not None:
        within = () if bottom is None else (entry.c.seq >= bottom,)
        statement = _placed(select(entry).where(*conditions, *within), entry, wanted, ledger_id)
    else:
        statement = _by_place(wanted, ledger_id)
    rows = session.execute(statement).all()
    shown = rows[: wanted.size]
    last = shown[-1] if len(rows) > wanted.size else None
    if last is None and bottom:
        return Found(shown, f"{_BEGINNING}~{ledger_id}~{bottom}")
    return Found(shown, f"{last.recorded_at}~{last.ledger_id}~{last.seq}" if last else None)


def _bottom(session: AnySession, wanted: Wanted, ledger_id: uuid.UUID) -> int | None:
    """Where a page's reading ends for those whom row-level security asks of each entry; None for all others."""
    context = tenancy.current()
    if context.reads != "ledger" or context.scope != INSTITUTION or context.manage == "*":
        return None
    top = wanted.after[2] if wanted.after else session.scalar(select(ledger.c.size).where(ledger.c.id == ledger_id))
    return max(0, (top or 0) - WINDOW)


def _by_place(wanted: Wanted, ledger_id: uuid.UUID | None) -> Select[Any]:
    """Finds the page among the leaves alone, whose index is in its order, before any event is read."""
    places = _placed(select(leaf.c.ledger_id, leaf.c.seq), leaf, wanted, ledger_id).cte("places")
    places = places.prefix_with("MATERIALIZED")
    here = and_(entry.c.ledger_id == places.c.ledger_id, entry.c.seq == places.c.seq)
    return select(entry).join(places, here).order_by(*(column.desc() for column in _place_of(entry)))


def _placed(statement: Select[Any], table: Table, wanted: Wanted, ledger_id: uuid.UUID | None) -> Select[Any]:
    """Behind the page before, in order. In one ledger the number alone is the order of time."""
    place = _place_of(table)
    statement = statement.where(*within(table, wanted))
    if ledger_id is not None:
        statement, place = statement.where(table.c.ledger_id == ledger_id), (table.c.seq,)
    if wanted.after and ledger_id is not None:
        statement = statement.where(table.c.seq < wanted.after[2])
    elif wanted.after:
        statement = statement.where(tuple_(*place) < tuple_(*wanted.after))
    return statement.order_by(*(column.desc() for column in place)).limit(wanted.size + 1)


def _place_of(table: Table) -> tuple[ColumnElement[Any], ...]:
    return table.c.recorded_at, table.c.ledger_id, table.c.seq


def _only_ledger(session: AnySession) -> uuid.UUID | None:
    """The one ledger that this reader sees, if it is one. Asked once in a request."""
    if "only_ledger" not in g:
        found = session.scalars(select(ledger.c.id).limit(2)).all()
        g.only_ledger = found[0] if len(found) == 1 else None
    only: uuid.UUID | None = g.only_ledger
    return only


def codes(session: AnySession, wanted: Wanted, conditions: Sequence[Condition]) -> set[str]:
    """The ledgers in which such entries stand."""
    statement = select(entry.c.code).where(*conditions, *within(entry, wanted), *narrowed(wanted)).distinct()
    return set(session.scalars(statement))


def ledgers(session: AnySession) -> Sequence[AnyRow]:
    """Every ledger that this person may see, by code, with its last verdict of any level."""
    last = (
        select(verification)
        .where(verification.c.ledger_id == ledger.c.id)
        .order_by(verification.c.id.desc())
        .limit(1)
        .lateral("last")
    )
    statement = (
        select(
            ledger.c.id, ledger.c.holder, ledger.c.code, ledger.c.origin, ledger.c.size, ledger.c.closed_at,
            ledger.c.generation,
            func.nullif(ledger.c.recorded_at, literal_column("'-infinity'::timestamptz")).label("last_entry"),
            last.c.verdict, last.c.assurance, last.c.level, last.c.first_broken,
            last.c.recorded_at.label("verified_at"), last.c.size.label("verified_size"),
        )
        .select_from(ledger.outerjoin(last, last.c.ledger_id == ledger.c.id))
        .order_by(ledger.c.code, ledger.c.generation.desc())
    )  # fmt: skip
    found: Sequence[AnyRow] = session.execute(statement).all()
    return found


def find_ledger(session: AnySession, id: uuid.UUID) -> AnyRow:
    """NotFound if there is none, or not for this person."""
    columns = (
        ledger.c.id, ledger.c.holder, ledger.c.code, ledger.c.origin, ledger.c.size, ledger.c.closed_at,
        ledger.c.generation,
    )  # fmt: skip
    found: AnyRow | None = session.execute(select(*columns).where(ledger.c.id == id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def visible(session: AnySession, ids: Sequence[str]) -> list[str]:
    """Those of the ids that an entry showed whose records this person may see now."""
    context = tenancy.current()
    if context.scope != INSTITUTION or context.manage == "*" or not ids:
        return list(ids)
    seen = set(session.scalar(select(func.itm.visible(cast(list(ids), ARRAY(Text))))) or ())
    return [id for id in ids if id in seen]


def find_entry(session: AnySession, ledger_id: uuid.UUID, seq: int) -> AnyRow:
    """An entry with its event's salt. NotFound if there is none, or not for this person."""
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


def verdicts(session: AnySession, ledger_id: uuid.UUID | None = None) -> Sequence[AnyRow]:
    """The last verdict of each ledger and level, or of one ledger's levels; what is not intact comes first."""
    statement = (
        select(verification, ledger.c.code)
        .join(ledger, ledger.c.id == verification.c.ledger_id)
        .ext(distinct_on(verification.c.ledger_id, verification.c.level))
        .order_by(verification.c.ledger_id, verification.c.level, verification.c.id.desc())
    )
    if ledger_id:
        statement = statement.where(verification.c.ledger_id == ledger_id)
    return sorted(session.execute(statement).all(), key=lambda row: (row.verdict == "intact", row.code, row.level))
