"""Which entries a run of verification reads. Knows sizes and sequence numbers, nothing else.

Promise: an incremental run reads all that is new, and some of what is older, so that each entry is read again
in a bounded number of runs; while a tampering stands, it reads everything.
"""

from __future__ import annotations

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


def plan(level: Level, size: int, past: Past | None, reread: int = REREAD) -> Plan:
    """Stretches overlap what was verified before by one entry, so that each must chain from it."""
    if level == "full" or past is None or not past.intact or past.size > size:
        return Plan(((0, size),))
    start = max(min(past.next_seq, past.size) - 1, 0)
    stop, news = start + reread, max(past.size - 1, 0)
    if stop >= news:
        return Plan(((start, size),))
    return Plan(((start, stop), (news, size)), stop)
