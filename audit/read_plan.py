"""Which entries a run of verification reads. Knows sizes and sequence numbers, nothing else.

Promise: an incremental run reads all that is new, and some of what is older, so that each entry is read again
in a bounded number of runs; while a tampering stands, it reads everything. A sample is nobody's to foresee.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Literal, get_args

Level = Literal["incremental", "sample", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)
REREAD = 50_000
"""How many older entries an incremental run reads again."""
RANGES, SPAN = 8, 2_500
"""How many ranges a sample reads, and how many entries each has at least, if there are so many."""
MOST = 4 * SPAN
"""Entries of a range that is made longer so that it begins and ends with a signed root."""


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
    if level == "sample":
        return sample(size, marks, past.next_seq)
    start = max(min(past.next_seq, past.size) - 1, 0)
    stop, news = start + reread, _marked(marks, max(past.size - 1, 0))
    if stop >= news:
        return Plan(((min(start, news), size),))
    return Plan(((start, stop), (news, size)), stop)


def sample(size: int, marks: Sequence[int] = (), next_seq: int = 0, chance: Random | None = None) -> Plan:
    """Random ranges, each from a signed checkpoint to a signed checkpoint where those are near; a small ledger whole.

    ``next_seq`` is where the next incremental run was to begin anyway.
    """
    chance = chance or SystemRandom()
    if size <= RANGES * SPAN:
        return Plan(((0, size),), next_seq)
    places = [chance.randrange(size - SPAN) for _ in range(RANGES)]
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(_range(place, size, marks) for place in places):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return Plan(tuple(joined), next_seq)


def _range(place: int, size: int, marks: Sequence[int]) -> tuple[int, int]:
    """Around a place: from the last mark before it to the first one that is far enough behind it."""
    before, behind = bisect_right(marks, place), bisect_left(marks, place + SPAN)
    start = marks[before - 1] if before else 0
    stop = marks[behind] if behind < len(marks) else size
    if stop <= size and stop - start <= MOST:
        return start, stop
    return place, place + SPAN


def _marked(marks: Sequence[int], start: int) -> int:
    if not marks:
        return start
    place = bisect_right(marks, min(start, marks[-1] - 1))
    return marks[place - 1] if place else 0
