"""Plans the entries that a verification run reads. Knows sizes and sequence numbers, nothing else.

Promise: an incremental run reads all new entries and some older ones, so that each entry is read again in a bounded
number of runs; while a tampering stands, it reads everything. Nobody can predict a sample.
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
"""The number of older entries that an incremental run reads again."""
RANGES, SPAN = 8, 2_500
"""The number of ranges in a sample, and the least number of entries in each."""
MOST = 4 * SPAN
"""The most entries of a range that is extended to begin and end with a signed root."""


@dataclass(frozen=True)
class Past:
    """The last conclusive run: its result, its size, and the entry where the next rereading begins."""

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
    """Plans a run. Stretches overlap the verified entries by one, so that each must chain from it.

    ``marks``: the sizes of signed checkpoints, in order. New entries are read from one mark to another, so that at
    least one signed root is computed again.
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
    """Random ranges that begin and end at signed checkpoints where some are near; a small ledger whole.

    ``next_seq``: the start of the next incremental run, which a sample does not change.
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
    """Extends a place to a range: from the last mark before it to the first mark far enough behind it."""
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
