"""Pages of entries, the newest first: of one ledger by number, of several or with filters by the event's own time.

The rows behind the lists of entry_list.py, whose pages go by key: a page's number would be slow in a long ledger.

Row-level security decides which entries are seen. For readers whom it checks on each entry (everybody inside an
institution but managers) the newest matching entries are read in small portions, so that a page costs the same in a
ledger of any length.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)

from itm_admin.assurance import upgrades
from itm_admin.assurance.ledger_queries import (
    HALF_WAY,
    OWN_LOGINS,
    AnyRow,
    AnySession,
    Condition,
    EntryPage,
    entry,
    half_way,
    leaf,
    ledger,
)
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.list_parts import Query
from itm_admin.foundation.roles import INSTITUTION

WINDOW = 2_000
"""The most entries read for a page by a reader who does not see every entry of the ledger."""
PORTIONS = (100, 400, WINDOW)
"""The sizes of the portions: most pages are full after the first."""
_HERE = ZoneInfo(TIMEZONE)
_BEGINNING = "0001-01-01T00:00:00.000000Z"
_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)~([0-9a-f-]{36})~(\d{1,18})", re.ASCII)
_UNKNOWN = _l("This page of the list is not known.")


def place(text: str) -> tuple[str, uuid.UUID, int]:
    """The place of a page's last entry: its time, its event, its number. Invalid for any other text."""
    found = _CURSOR.fullmatch(text)
    try:
        if found and datetime.fromisoformat(found[1]):
            return found[1], uuid.UUID(found[2]), int(found[3])
    except ValueError:
        pass
    raise Invalid({"after": _UNKNOWN})


@dataclass(frozen=True)
class Of:
    """The subject of a history: records by their ids, or the acts of an account."""

    ids: tuple[str, ...] = ()
    actor: str | None = None

    def conditions(self, table: Table) -> list[Condition]:
        found: list[Condition] = []
        if self.ids:
            # the index on subjects needs the second condition
            shown = and_(table.c.subjects.overlap(list(self.ids)), table.c.subjects != literal_column("'{}'::text[]"))
            found.append(or_(table.c.target_id.in_(self.ids), shown))
        if self.actor:
            found.append(table.c.actor_id == self.actor)
        return found


EVERYTHING = Of()


def about(ids: Sequence[str]) -> Of:
    """Entries whose target is one of these ids, or that showed one of them."""
    return Of(tuple(ids))


def done_by(account: uuid.UUID) -> Of:
    """Entries of an account's acts."""
    return Of(actor=str(account))


def outside(table: Table = entry) -> Condition:
    """Changes past the panel: by a database user that is none of the panel's roles, under any claimed name."""
    return and_(not_(upgrades.is_upgrade(table)), *(not_(_by_login(table, login)) for login in OWN_LOGINS))


def outside_login(table: Table) -> ColumnElement[str | None]:
    """The database user who acted past the panel; None for the panel's own acts."""
    return case((outside(table), func.substring(table.c.content, '"session":"([^"]*)"')))


def _by_login(table: Table, login: str) -> Condition:
    """The database itself writes the login into each entry; the actor is only the statement's claim."""
    return table.c.content.like(f'%"session":"{login}","transaction":%')


def narrowed(wanted: Query, of: Of, table: Table) -> list[Condition]:
    """The history's subject and the filters as conditions, for entries or events."""
    return [*of.conditions(table), *(CONDITIONS[name](table, value) for name, value in wanted.chosen.items())]


def _column(name: str) -> Callable[[Table, str], Condition]:
    return lambda table, value: table.c[name] == value


def _about(table: Table, value: str) -> Condition:
    return and_(*about([value]).conditions(table))


def _of_ledger(table: Table, value: str) -> Condition:
    return table.c.ledger_id.in_(select(ledger.c.id).where(ledger.c.code == value))


def _outcome(table: Table, value: str) -> Condition:
    if value == HALF_WAY:
        return half_way(table)
    return and_(table.c.outcome == value, not_(half_way(table))) if value == "denied" else table.c.outcome == value


def _outside(table: Table, value: str) -> Condition:
    return outside(table) if value == "yes" else not_(outside(table))


def _acted(table: Table, value: str) -> Condition:
    """By an account's id; any other name is a program's."""
    if _is_id(value):
        return table.c.actor_id == value
    return and_(table.c.actor_id.is_(None), table.c.actor_name == value)


CONDITIONS: Mapping[str, Callable[[Table, str], Condition]] = {
    "from": lambda table, value: table.c.at >= _midnight(value),
    "to": lambda table, value: table.c.at < _midnight(value, 1),
    "actor": _acted,
    "action": _column("action"),
    "purpose": _column("purpose"),
    "kind": _column("target_kind"),
    "target": _about,
    "outcome": _outcome,
    "ledger": _of_ledger,
    "outside": _outside,
}
"""Each filter's condition for a table of entries or events; the value as it stands in an address."""


def page(session: AnySession, wanted: Query, of: Of = EVERYTHING, ledger_id: uuid.UUID | None = None) -> EntryPage:
    """One page, the newest entries first; of one ledger, or of all that the reader sees."""
    if wanted.mistaken:
        return EntryPage([], None)
    context = tenancy.current()
    if context.reads == "actor" and not of.actor:  # as row-level security does, in a form for an index
        of = Of(of.ids, str(context.account))
    if not of.ids and not of.actor and not wanted.chosen:
        ledger_id = ledger_id or _only_ledger(session)
        if ledger_id is not None:
            return _by_number(session, wanted, ledger_id)
    conditions = narrowed(wanted, of, entry)
    if ledger_id is not None:
        conditions.append(entry.c.ledger_id == ledger_id)
    return _in_portions(session, wanted, of, conditions) if _limited() else _by_time(session, wanted, conditions)


def _limited() -> bool:
    """True for readers for whom row-level security checks each entry's record."""
    context = tenancy.current()
    return context.reads == "ledger" and context.scope == INSTITUTION and context.manage != "*"


def _by_number(session: AnySession, wanted: Query, ledger_id: uuid.UUID) -> EntryPage:
    """Within one ledger the number alone gives the order of events, regardless of the clock."""
    top = wanted.after[2] if wanted.after else None
    bottom = 0
    if _limited():
        size = top if top is not None else session.scalar(select(ledger.c.size).where(ledger.c.id == ledger_id))
        bottom = max(0, (size or 0) - WINDOW)
    places = select(leaf.c.ledger_id, leaf.c.seq).where(leaf.c.ledger_id == ledger_id)
    if top is not None:
        places = places.where(leaf.c.seq < top)
    if bottom:
        places = places.where(leaf.c.seq >= bottom)
    here = places.order_by(leaf.c.seq.desc()).limit(wanted.size + 1).cte("places").prefix_with("MATERIALIZED")
    statement = select(entry).join(here, and_(entry.c.ledger_id == here.c.ledger_id, entry.c.seq == here.c.seq))
    rows = session.execute(statement.order_by(entry.c.seq.desc())).all()
    if len(rows) <= wanted.size and bottom:
        return EntryPage(rows, f"{_BEGINNING}~{ledger_id}~{bottom}")
    return _found(rows, wanted)


def _by_time(session: AnySession, wanted: Query, conditions: Sequence[Condition]) -> EntryPage:
    statement = _behind(select(entry).where(*conditions), wanted).limit(wanted.size + 1)
    return _found(session.execute(statement).all(), wanted)


def _behind(statement: Select[Any], wanted: Query) -> Select[Any]:
    if wanted.after:
        place = tuple_(entry.c.at, entry.c.event_id)
        statement = statement.where(place < tuple_(_moment(wanted.after[0]), wanted.after[1]))
    return statement.order_by(entry.c.at.desc(), entry.c.event_id.desc())


def _in_portions(session: AnySession, wanted: Query, of: Of, conditions: Sequence[Condition]) -> EntryPage:
    places = _newest(session, wanted, of)
    rows: list[AnyRow] = []
    begin = 0
    for end in PORTIONS:
        part = [place.event_id for place in places[begin:end]]
        if not part or len(rows) > wanted.size:
            break
        statement = select(entry).where(entry.c.event_id.in_(part), *conditions)
        rows += session.execute(statement.order_by(entry.c.at.desc(), entry.c.event_id.desc())).all()
        begin = end
    found = _found(rows, wanted)
    if found.next is None and len(places) == WINDOW:
        return EntryPage(found.rows, _cursor(places[-1].at, places[-1].event_id, 0))
    return found


def _newest(session: AnySession, wanted: Query, of: Of) -> Sequence[Any]:
    """Places of the newest matching entries, visible or not."""
    chosen = wanted.chosen
    ids = of.ids or ((chosen["target"],) if "target" in chosen else ())
    actor = of.actor or (chosen["actor"] if _is_id(chosen.get("actor", "")) else None)
    outcome = "denied" if chosen.get("outcome") == HALF_WAY else chosen.get("outcome")
    after = wanted.after or (None, None, None)
    newest = func.itm.newest_entries(
        cast(list(ids) or None, ARRAY(Text)), actor, chosen.get("action"), outcome,
        chosen.get("purpose"), chosen.get("kind"),
        _midnight(chosen["from"]) if "from" in chosen else None,
        _midnight(chosen["to"], 1) if "to" in chosen else None,
        _moment(after[0]) if after[0] else None, after[1], WINDOW,
    ).table_valued("event_id", "at")  # fmt: skip
    return session.execute(select(newest.c.event_id, newest.c.at)).all()


def _found(rows: Sequence[AnyRow], wanted: Query) -> EntryPage:
    shown = rows[: wanted.size]
    last = shown[-1] if len(rows) > wanted.size else None
    return EntryPage(shown, _cursor(last.at, last.event_id, last.seq) if last else None)


def _cursor(at: datetime, event_id: uuid.UUID, seq: int) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}~{event_id}~{seq}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _midnight(day: str, later: int = 0) -> datetime:
    """Midnight in Türkiye at the beginning of a day, or of one some days later."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=later), time(), _HERE)


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _only_ledger(session: AnySession) -> uuid.UUID | None:
    """The reader's only ledger; None if there are several. Queried once in a request."""
    if "only_ledger" not in g:
        found = session.scalars(select(ledger.c.id).limit(2)).all()
        g.only_ledger = found[0] if len(found) == 1 else None
    only: uuid.UUID | None = g.only_ledger
    return only
