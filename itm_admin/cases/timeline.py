"""The course of a case: what happened to it, from its opening to its closing, as its records and the ledger tell.

Who looked at it and what exactly was changed stands in the access history; this is the story for those who work on it.
Asks the database nothing: it is given what the case's page has loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from itm_admin.cases.models import Case, CaseAssignment, CasePerson
from itm_admin.cases.services import SENSITIVITY
from itm_admin.cases.turns import Turn
from itm_admin.foundation.formats import label
from itm_admin.foundation.i18n import TIMEZONE

_HERE = ZoneInfo(TIMEZONE)
_EARLY = datetime.min.replace(tzinfo=UTC)
_LATE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """One thing that happened on a day; `more` says it in detail, `by` who did it."""

    day: date
    what: str
    more: str | None = None
    at: datetime | None = None
    """The time of that day, as far as it was written down."""
    by: str | None = None


def course(
    case: Case, people: Sequence[CasePerson], turns: Sequence[Turn] = (), assignments: Sequence[CaseAssignment] = ()
) -> list[Step]:
    """Oldest first, within a day by time. Its opening begins a day; a closing that was dated back ends its day."""
    steps = [_on(link.created_at, _("%(pseudonym)s was added", pseudonym=link.person.pseudonym),
                 label(link.role, "case_role")) for link in people]  # fmt: skip
    steps += [step for each in assignments for step in _assignment(each)]
    steps += _opening(case, turns)
    told = list(_turned(turns))
    steps += told
    steps += [each for each in _of_row(case) if each.what not in {step.what for step in told}]
    return sorted(steps, key=lambda step: (step.day, step.at or _EARLY))


def _assignment(each: CaseAssignment) -> Iterator[Step]:
    name = each.account.get_full_name() if each.account else "–"
    yield _on(each.assigned_at, _("%(name)s was assigned", name=name))
    if each.ended_at:
        yield _on(each.ended_at, _("%(name)s is no longer assigned", name=name))


def _opening(case: Case, turns: Sequence[Turn]) -> Iterator[Step]:
    made = turns[0] if turns and turns[0].new("opened_on") and turns[0].old("opened_on") is None else None
    what, source = _("The case was opened"), label(case.referral_source, "referral_source")
    yield Step(case.opened_on, what, source, by=made.by if made else None)


def _of_row(case: Case) -> Iterator[Step]:
    """The present state in the row, for a ledger that no longer tells it."""
    if case.held_at:
        yield _on(case.held_at, _("A legal hold was set"), label(case.hold_reason, "hold_reason"))
    if case.closed_on:
        reason = label(case.closure_reason, "case_closure_reason")
        yield Step(case.closed_on, _("The case was closed"), reason, _LATE)
    if case.deleted_at:
        yield _on(case.deleted_at, _("The case was deleted"), label(case.deletion_reason, "deletion_reason"))


def _turned(turns: Sequence[Turn]) -> Iterator[Step]:
    lowered_for = None
    for turn in turns:
        # a reason that is the same as the last time is no change of its column
        lowered_for = turn.new("lowering_reason") or lowered_for
        if "closed_on" in turn.changes:
            yield from _closing(turn)
        before, after = turn.old("confidentiality"), turn.new("confidentiality")
        if before in SENSITIVITY and after in SENSITIVITY:
            yield _confidentiality(turn, before, after, lowered_for)
        if "hold_reason" in turn.changes:
            yield from _hold(turn)
        if "deleted_at" in turn.changes:
            yield from _deletion(turn)


def _closing(turn: Turn) -> Iterator[Step]:
    if closed := turn.new("closed_on"):
        day = date.fromisoformat(closed)
        same = turn.at.astimezone(_HERE).date() == day
        reason = label(turn.new("closure_reason"), "case_closure_reason")
        yield Step(day, _("The case was closed"), reason, turn.at if same else _LATE, turn.by)
    elif turn.old("closed_on"):
        yield _on(turn.at, _("The case was reopened"), by=turn.by)


def _confidentiality(turn: Turn, before: str, after: str, reason: str | None) -> Step:
    degrees = f"{label(before, 'confidentiality')} → {label(after, 'confidentiality')}"
    if SENSITIVITY[after] > SENSITIVITY[before]:
        return _on(turn.at, _("The confidentiality was raised"), degrees, turn.by)
    why = label(reason, "lowering_reason")
    return _on(turn.at, _("The confidentiality was lowered"), f"{degrees}. {why}" if why else degrees, turn.by)


def _hold(turn: Turn) -> Iterator[Step]:
    if reason := turn.new("hold_reason"):
        yield _on(turn.at, _("A legal hold was set"), label(reason, "hold_reason"), turn.by)
    elif turn.old("hold_reason"):
        yield _on(turn.at, _("The legal hold was lifted"), label(turn.purpose, "hold_release"), turn.by)


def _deletion(turn: Turn) -> Iterator[Step]:
    if turn.new("deleted_at"):
        reason = label(turn.new("deletion_reason"), "deletion_reason")
        yield _on(turn.at, _("The case was deleted"), reason, turn.by)
    elif turn.old("deleted_at"):
        yield _on(turn.at, _("The case was restored"), by=turn.by)


def _on(moment: datetime, what: str, more: str | None = None, by: str | None = None) -> Step:
    return Step(moment.astimezone(_HERE).date(), what, more, moment, by)
