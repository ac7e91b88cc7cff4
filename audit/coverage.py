"""Which entries a run of verification reads. Knows sizes and sequence numbers, nothing else.

Promise: an incremental run reads all that is new, and some of what is older, so that each entry is read again
in a bounded number of runs; while a tampering stands, it reads everything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["incremental", "full"]
REREAD = 50_000
"""How many older entries an incremental run reads again."""


@dataclass(frozen=True)
class Past:
    """The last run that could tell: whether it was intact, at which size, and where the next begins to read again."""

    intact: bool
    size: int
    next_seq: int


@dataclass(frozen=True)
class Plan:
    """``stretches`` are half-open ranges in order; ``next_seq`` is where the next incremental run begins."""

    stretches: tuple[tuple[int, int], ...]
    next_seq: int = 0

    @property
    def total(self) -> int:
        return sum(stop - start for start, stop in self.stretches)


def plan(level: Level, size: int, past: Past | None, reread: int = REREAD, marks: Sequence[int] = ()) -> Plan:
    """Stretches overlap what was verified before by one entry, so that each must chain from it.

    ``marks`` are the sizes of signed checkpoints, in order: what is new is read from one of them on, and to another
    one, so that one signed root at least is computed again.
    """
    if level == "full" or past is None or not past.intact or past.size > size:
        return Plan(((0, size),))
    start = max(min(past.next_seq, past.size) - 1, 0)
    stop, news = start + reread, _marked(marks, max(past.size - 1, 0))
    if stop >= news:
        return Plan(((min(start, news), size),))
    return Plan(((start, stop), (news, size)), stop)


def _marked(marks: Sequence[int], start: int) -> int:
    if not marks:
        return start
    place = bisect_right(marks, min(start, marks[-1] - 1))
    return marks[place - 1] if place else 0
