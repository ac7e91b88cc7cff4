"""Compares records with the ledger: each live row must be in the state of its last believed event.

Merges two streams in the order of the rows' keys: the rows, and each row's last event in each holder's ledger. Constant
memory. Knows no database and no table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple

from audit.verification import CAP, Finding

Kind = Literal["record.changed", "record.added", "record.removed"]
_STATE = ',"state":'


class RecordRow(NamedTuple):
    """A row: its key, its holder, and its state digest as the text in an event."""

    key: str
    holder: str | None
    state: str


class LastEvent(NamedTuple):
    """One row's last believed event (by a trigger or a baseline) in one holder's ledger.

    ``end`` is the end of the content, which holds the state; ``moved`` is the whole content, if the event says that the
    row changed its holder.
    """

    key: str
    holder: str | None
    end: str
    moved: str | None = None


class Difference(NamedTuple):
    """A row of ``holder`` whose state the ledger does not confirm."""

    kind: Kind
    holder: str | None
    key: str
    why: str


@dataclass
class Differences:
    """The result of a comparison, by holder: the first hundred differences of each, and their number."""

    rows: int = 0
    findings: dict[str | None, list[Finding]] = field(default_factory=dict)
    counts: dict[str | None, int] = field(default_factory=dict)
    failure: str | None = None
    """The reason if the comparison was cut short."""

    def add(self, holder: str | None, finding: Finding) -> None:
        self.counts[holder] = self.counts.get(holder, 0) + 1
        kept = self.findings.setdefault(holder, [])
        if len(kept) < CAP:
            kept.append(finding)


def state_of(end: str) -> str | None:
    """The state at the end of a believed event; None after a deletion, and for other events."""
    state = end.rpartition(_STATE)[2].removesuffix("}")
    return state if state.startswith("{") else None


def shape_of(state: str) -> str:
    """The name of a state's shape, such as ``case/1``."""
    try:
        return str(json.loads(state)["shape"])
    except (ValueError, TypeError, KeyError):
        return "unknown"


def left(told: LastEvent, holder_columns: Collection[str], presidency: str | None = None) -> bool:
    """True if the event says that the row went to another holder; a row without holder is the Presidency's."""
    try:
        changes = json.loads(told.moved or "{}")["changes"]
        moves = [change["new"] for name, change in changes.items() if name in holder_columns]
        return any((new or presidency) != told.holder for new in moves)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def differences(
    rows: Iterable[RecordRow],
    told: Iterable[LastEvent],
    holder_columns: Collection[str] = (),
    presidency: str | None = None,
) -> Iterator[Difference]:
    """Merges two streams sorted by key (code points), each with at most one row and one event per holder."""

    def gone(told: Iterable[LastEvent], row: RecordRow | None) -> Iterator[Difference]:
        """Ledgers of holders that do not have the row now: each must record its move or deletion."""
        for each in told:
            if row is not None and each.holder == row.holder:
                continue
            if state_of(each.end) is not None and not left(each, holder_columns, presidency):
                why = "it is not there" if row is None else "it is another holder's, and no event tells that it moved"
                yield Difference("record.removed", each.holder, each.key, why)

    groups = groupby(told, key=lambda each: each.key)
    waiting = next(groups, None)
    for row in rows:
        while waiting is not None and waiting[0] < row.key:
            yield from gone(waiting[1], None)
            waiting = next(groups, None)
        events: list[LastEvent] = []
        if waiting is not None and waiting[0] == row.key:
            events = list(waiting[1])
            waiting = next(groups, None)
        yield from _with_row(row, [each for each in events if each.holder == row.holder])
        yield from gone(events, row)
    while waiting is not None:
        yield from gone(waiting[1], None)
        waiting = next(groups, None)


def _with_row(row: RecordRow, events: list[LastEvent]) -> Iterator[Difference]:
    if not events:
        yield Difference("record.added", row.holder, row.key, "no event tells of it")
        return
    state = state_of(events[0].end)
    if state is None:
        yield Difference("record.added", row.holder, row.key, "it was deleted, and is there again")
    elif state != row.state:
        now, then = shape_of(row.state), shape_of(state)
        why = "it is not in the state of its last event"
        if now != then:
            why = f"its last event has the shape {then}, not {now}: there was no baseline"
        yield Difference("record.changed", row.holder, row.key, why)
