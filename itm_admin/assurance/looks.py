"""The query for "Who looked?": entries about a record, by a user or of all, grouped by person with counts and reasons.

Row-level security decides which entries are counted. The search term comes by POST and becomes an id, so that no name
is in an address.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, not_, select, text

from itm_admin.assurance import history, labels, ledger_queries, naming, paging, showing
from itm_admin.assurance.ledger_queries import AnyRow, AnySession
from itm_admin.assurance.paging import EVERYTHING, Of
from itm_admin.foundation import tenancy
from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.list_parts import Query
from itm_admin.foundation.roles import AUDIT

MOST = 2_000
"""The most groups of entries that are read; a page says if there are more."""


@dataclass
class Looker:
    """One person and what they did, the most frequent first."""

    name: str
    account: str | None
    outside: bool
    """True for acts past the panel, by a user of the database."""
    first: datetime
    last: datetime
    total: int = 0
    refused: int = 0
    acts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)


def condition(session: AnySession, kind: str, id: uuid.UUID | None) -> Of:
    """Entries about the record and its parts, or of the user's acts. Raises NotFound for another's record."""
    if kind == "everything" or id is None:
        return EVERYTHING
    if kind == "account":
        if tenancy.current().scope != AUDIT:
            history.of_visible_record(session, "account", id)
        return paging.done_by(id)
    if tenancy.current().scope != AUDIT:
        return history.of_visible_record(session, kind, id)
    return of_record(session, kind, id)


def of_record(session: AnySession, kind: str, id: uuid.UUID) -> Of:
    """For auditors: entries about a record by its number, and about its parts."""
    parts = session.scalars(text("select itm.parts_for_audit(:kind, :id)"), {"kind": kind, "id": id})
    return paging.about([str(id), *map(str, parts)])


def grouped(session: AnySession, wanted: Query, of: Of) -> tuple[list[Looker], set[uuid.UUID], bool]:
    """Groups by person, the most frequent first; the ids of their ledgers; True if not all groups were read."""
    e = ledger_queries.event.c
    refused = and_(e.outcome == "denied", not_(ledger_queries.half_way(ledger_queries.event))).label("refused")
    by = (e.ledger_id, e.actor_id, e.actor_name, e.actor_institution, e.actor_role, e.action, e.purpose, refused,
          paging.outside_login(ledger_queries.event).label("login"))  # fmt: skip
    statement = (
        select(*by, func.count().label("times"), func.min(e.at).label("first"),
               func.max(e.at).label("last"))
        .where(*paging.narrowed(wanted, of, ledger_queries.event))
        .group_by(*by).order_by(func.count().desc(), *by).limit(MOST + 1)
    )  # fmt: skip
    rows = session.execute(statement).all()
    naming.learn(session, {row.actor_id for row in rows})
    lookers: dict[str, Looker] = {}
    for row in rows[:MOST]:
        _add(lookers, row)
    found = sorted(lookers.values(), key=lambda each: (-each.total, each.name, each.first))
    return found, {row.ledger_id for row in rows}, len(rows) > MOST


def _add(lookers: dict[str, Looker], row: AnyRow) -> None:
    who = showing.outside_words(row.login, row) if row.login else showing.person(row)
    new = Looker(who, row.actor_id, bool(row.login), row.first, row.last)
    each = lookers.setdefault(who if row.login else str(row.actor_id or who), new)
    act = labels.action_words(row.action, row.actor_id)
    why = labels.why_words(row.action, row.purpose)
    each.total += row.times
    each.refused += row.times if row.refused else 0
    each.acts[act] = each.acts.get(act, 0) + row.times
    if why:
        each.reasons[why] = each.reasons.get(why, 0) + row.times
    each.first, each.last = min(each.first, row.first), max(each.last, row.last)


def last_month() -> Mapping[str, Any]:
    """The bounds of the month before this one, as query parameters."""
    end = datetime.now(ZoneInfo(TIMEZONE)).date().replace(day=1) - timedelta(days=1)
    return {"from": end.replace(day=1).isoformat(), "to": end.isoformat()}


def bounds(wanted: Query) -> tuple[date | None, date | None]:
    since, until = wanted.chosen.get("from"), wanted.chosen.get("to")
    return date.fromisoformat(since) if since else None, date.fromisoformat(until) if until else None
