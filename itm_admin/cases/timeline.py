"""The course of a case: what happened to it, from its opening to its closing, as its records tell.

Who looked at it and what exactly was changed stands in the access history; this is the story for those who work on it.
Asks the database nothing: it is given what the case's page has loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation.formats import label
from itm_admin.foundation.i18n import TIMEZONE

_HERE = ZoneInfo(TIMEZONE)


@dataclass(frozen=True)
class Step:
    """One thing that happened on a day; `more` says it in detail."""

    day: date
    what: str
    more: str | None = None


def course(case: Case, people: Sequence[CasePerson]) -> list[Step]:
    """Oldest first. Of people by pseudonym, of colleagues by name."""
    steps = [Step(case.opened_on, _("The case was opened"), label(case.referral_source, "referral_source"))]
    steps += [
        Step(
            _day(link.created_at),
            _("%(pseudonym)s was added", pseudonym=link.person.pseudonym),
            label(link.role, "case_role"),
        )
        for link in people
    ]
    steps += [
        Step(_day(each.assigned_at), _("%(name)s was assigned", name=each.account.get_full_name()))
        for each in case.assignments
    ]
    if case.closed_on:
        steps.append(Step(case.closed_on, _("The case was closed"), label(case.closure_reason, "case_closure_reason")))
    if case.deleted_at:
        steps.append(
            Step(_day(case.deleted_at), _("The case was deleted"), label(case.deletion_reason, "deletion_reason"))
        )
    return sorted(steps, key=lambda step: step.day)


def _day(moment: datetime) -> date:
    return moment.astimezone(_HERE).date()
