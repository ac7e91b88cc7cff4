"""The course of a case: what happened to it, from its opening to its closing, as its records tell.

Who looked at it and what exactly was changed stands in the access history; this is the story for those who work on it.
Asks the database nothing: it is given what the case's page has loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation.formats import label
from itm_admin.foundation.i18n import TIMEZONE

_HERE = ZoneInfo(TIMEZONE)
_EARLY = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """One thing that happened on a day; `more` says it in detail."""

    day: date
    what: str
    more: str | None = None
    at: datetime | None = None
    """The time of that day, as far as it was written down."""


def course(case: Case, people: Sequence[CasePerson]) -> list[Step]:
    """Oldest first, within a day by time. Its opening begins a day, and its closing ends it: neither has a time."""
    steps = [_on(link.created_at, _("%(pseudonym)s was added", pseudonym=link.person.pseudonym),
                 label(link.role, "case_role")) for link in people]  # fmt: skip
    steps += [
        _on(each.assigned_at, _("%(name)s was assigned", name=each.account.get_full_name()))
        for each in case.assignments
    ]
    if case.held_at:
        steps.append(_on(case.held_at, _("A legal hold was set"), label(case.hold_reason, "hold_reason")))
    steps.sort(key=lambda step: (step.day, step.at or _EARLY))
    opened = Step(case.opened_on, _("The case was opened"), label(case.referral_source, "referral_source"))
    steps.insert(sum(step.day < case.opened_on for step in steps), opened)
    if case.closed_on:
        closed = Step(case.closed_on, _("The case was closed"), label(case.closure_reason, "case_closure_reason"))
        steps.insert(sum(step.day <= case.closed_on for step in steps), closed)
    if case.deleted_at:
        steps.append(_on(case.deleted_at, _("The case was deleted"), label(case.deletion_reason, "deletion_reason")))
    return steps


def _on(moment: datetime, what: str, more: str | None = None) -> Step:
    return Step(moment.astimezone(_HERE).date(), what, more, moment)
