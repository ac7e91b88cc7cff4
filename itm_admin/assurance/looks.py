"""The answer to "Who looked?": entries about a record, by a user or of all, grouped by person with counts and reasons.

Row-level security decides which entries there are. What is searched for comes by POST and becomes an id, so that no
name stands in an address.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import func, select, text

from itm_admin.assurance import entries, history, naming, showing, wording
from itm_admin.assurance.entries import AnyRow, AnySession, Condition, Wanted
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.roles import AUDIT

MOST = 2_000
"""So many groups of entries are read; a page says when there are more."""
LOOKED = (
    "record.read", "record.list", "record.search", "record.reveal", "record.export", "record.print",
    "attachment.download",
)  # fmt: skip


@dataclass
class Looker:
    """One person and what they did, the most frequent first."""

    name: str
    account: str | None
    total: int = 0
    refused: int = 0
    first: str = ""
    last: str = ""
    acts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def first_at(self) -> datetime:
        return datetime.fromisoformat(self.first)

    @property
    def last_at(self) -> datetime:
        return datetime.fromisoformat(self.last)


def find(session: AnySession, what: str) -> tuple[str, uuid.UUID]:
    """The record or user that a reference, pseudonym or name names. Invalid where there is none, or several."""
    wanted = " ".join(what.split())
    if tenancy.current().scope == AUDIT:
        statement = text("select kind, id from itm.named(:what) limit 3")
    else:
        statement = text(
            "select 'case' as kind, id from case_file where reference = :what union all"
            " select 'person', id from person where pseudonym = :what union all"
            " select 'account', id from account where username = :what"
            " or itm.tr_fold(first_name || ' ' || last_name) = itm.tr_fold(:what) limit 3"
        )
    found = session.execute(statement, {"what": wanted}).all() if wanted else []
    if len(found) != 1:
        message = _("Several people have this name. Write the user name.") if found else None
        message = message or _("Nothing here has this reference, pseudonym or user name.")
        raise Invalid({"what": message})
    return found[0].kind, found[0].id


def condition(session: AnySession, kind: str, id: uuid.UUID | None) -> list[Condition]:
    """Entries about the record and what hangs on it, or of the user's acts. NotFound for another's record."""
    if kind == "everything" or id is None:
        return []
    if kind == "account":
        if tenancy.current().scope != AUDIT:
            history.of_visible_record(session, "account", id)
        return [entries.done_by(id)]
    if tenancy.current().scope != AUDIT:
        return [history.of_visible_record(session, kind, id)]
    return [of_record(session, kind, id)]


def of_record(session: AnySession, kind: str, id: uuid.UUID) -> Condition:
    """For auditors: entries about a record by its number, and about what hangs on it."""
    parts = session.scalars(text("select itm.parts_for_audit(:kind, :id)"), {"kind": kind, "id": id})
    return entries.about([str(id), *map(str, parts)])


def grouped(session: AnySession, wanted: Wanted, conditions: Sequence[Condition]) -> tuple[list[Looker], bool]:
    """By person, the most frequent first; and whether there are more groups than were read."""
    e = entries.entry.c
    by = (e.actor_id, e.actor_name, e.actor_institution, e.actor_role, e.action, e.purpose, e.outcome)
    statement = (
        select(*by, func.count().label("times"), func.min(e.recorded_at).label("first"),
               func.max(e.recorded_at).label("last"))
        .where(*conditions, *entries.within(entries.entry, wanted), *entries.narrowed(wanted))
        .group_by(*by).order_by(func.count().desc()).limit(MOST + 1)
    )  # fmt: skip
    rows = session.execute(statement).all()
    naming.learn(session, {row.actor_id for row in rows})
    lookers: dict[str, Looker] = {}
    for row in rows[:MOST]:
        _add(lookers, row)
    return sorted(lookers.values(), key=lambda each: -each.total), len(rows) > MOST


def _add(lookers: dict[str, Looker], row: AnyRow) -> None:
    who = showing.person(row)
    each = lookers.setdefault(f"{row.actor_id} {who}", Looker(who, row.actor_id, first=row.first, last=row.last))
    act, why = wording.action_words(row.action), wording.purpose_words(row.purpose) or _("no reason was asked for")
    each.total += row.times
    each.refused += row.times if row.outcome == "denied" else 0
    each.acts[act] = each.acts.get(act, 0) + row.times
    each.reasons[why] = each.reasons.get(why, 0) + row.times
    each.first, each.last = min(each.first, row.first), max(each.last, row.last)


def last_month() -> Mapping[str, Any]:
    """The bounds of the month before this one, as an address says them."""
    end = datetime.now(ZoneInfo(TIMEZONE)).date().replace(day=1) - timedelta(days=1)
    return {"from": end.replace(day=1).isoformat(), "to": end.isoformat()}


def bounds(wanted: Wanted) -> tuple[date | None, date | None]:
    since, until = wanted.chosen.get("from"), wanted.chosen.get("to")
    return date.fromisoformat(since) if since else None, date.fromisoformat(until) if until else None
