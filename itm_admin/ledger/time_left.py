"""How much longer something takes, from how fast it went lately. Knows numbers and a clock that only goes forward."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 30.0
"""Seconds that are looked back upon."""


class Pace:
    """Told now and then how much is done. What was done before it was first told says nothing of the pace."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: deque[tuple[float, int]] = deque()

    def left(self, done: int, total: int) -> int | None:
        """Seconds, rounded up; None while nothing can be said."""
        now = self._clock()
        if self._told and done < self._told[-1][1]:
            self._told.clear()  # something else has begun
        self._told.append((now, done))
        while len(self._told) > 2 and now - self._told[1][0] >= WINDOW:
            self._told.popleft()
        since, before = self._told[0]
        if done == before or now <= since:
            return None
        return -int(-(total - done) * (now - since) // (done - before))
