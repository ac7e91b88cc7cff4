"""Acts on the planned cases, in the order of the story's time: opened, viewed, refused, held, closed.

Acts are done in portions, each of one institution and at most a quarter of a year. An institution's counters show the
committed portions, so each portion opens a case. Knows no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from itm_admin.demonstration.clock import NIGHT, OFFICE_HOURS, moment
from itm_admin.demonstration.plan import PlannedCase

OPEN, LOOK, REFUSED, FOLLOW_UP, HOLD, CLOSE, DELETE = range(7)
"""Kinds of acts; those of one moment come in this order."""


@dataclass(frozen=True)
class Act:
    moment: datetime
    kind: int
    case: PlannedCase


@dataclass
class Portion:
    """One transaction of one institution. `opened`: the institution's number of cases after it."""

    institution: str
    acts: list[Act] = field(default_factory=list)
    opened: int = 0
    is_last: bool = False

    @property
    def begins(self) -> datetime:
        return self.acts[0].moment

    @property
    def ends(self) -> datetime:
        return self.acts[-1].moment

    @property
    def cases(self) -> int:
        return sum(act.kind == OPEN for act in self.acts)


def portions(drawn: Mapping[str, Sequence[PlannedCase]], last: date) -> list[Portion]:
    """The portions of all institutions, in the order of time."""
    found = [portion for code, cases in drawn.items() for portion in _of(code, cases, last)]
    return sorted(found, key=lambda portion: (portion.begins, portion.institution))


def _of(code: str, cases: Sequence[PlannedCase], last: date) -> list[Portion]:
    made: list[Portion] = []
    quarter: tuple[int, int] | None = None
    for act in sorted((act for case in cases for act in of_case(case, last)), key=lambda act: (act.moment, act.kind)):
        this = (act.moment.year, (act.moment.month - 1) // 3)
        if act.kind == OPEN and this != quarter:
            quarter = this
            made.append(Portion(code, opened=made[-1].opened if made else 0))
        made[-1].acts.append(act)
        made[-1].opened += act.kind == OPEN
    made[-1].is_last = True
    return made


def of_case(case: PlannedCase, last: date) -> Iterator[Act]:
    """A case's acts, none of them after `last`. A deleted case is deleted at the end."""
    lot = Random(case.seed)  # noqa: S311 (made-up data, no secret)
    opened = date.fromisoformat(case.case["opened_on"])
    closed = date.fromisoformat(case.closing["closed_on"]) if case.closing else None
    soon = 2 if case.deleted else 18

    def later(most: int, hours: tuple[int, int] = OFFICE_HOURS) -> datetime:
        """At a day after the opening, and at the end of that day where it is the last."""
        day = min(opened + timedelta(days=lot.randint(1, most)), last)
        return max(moment(day, lot.randint(hours[0], hours[1] - 1), lot.randint(0, 59)), begins + timedelta(minutes=5))

    begins = moment(opened, lot.randint(OFFICE_HOURS[0], OFFICE_HOURS[1] - 1), lot.randint(0, 59))
    yield Act(begins, OPEN, case)
    if case.record_read:
        yield Act(later(soon, NIGHT if lot.random() < 0.12 else OFFICE_HOURS), LOOK, case)
    if case.refused:
        yield Act(later(soon, NIGHT if lot.random() < 0.4 else OFFICE_HOURS), REFUSED, case)
    if case.held and not case.deleted:
        yield Act(later(soon), HOLD, case)
    if case.follow_up:
        yield Act(later(soon), FOLLOW_UP, case)
    ends = max(begins, moment(closed, 16, lot.randint(0, 59))) if closed else None
    if ends:
        yield Act(ends, CLOSE, case)
    if case.deleted:
        yield Act(max(moment(min((closed or opened) + timedelta(days=3), last), 16, 59), ends or begins), DELETE, case)
