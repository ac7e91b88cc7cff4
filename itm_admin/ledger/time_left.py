"""Estimates the time left of a task from its recent pace. Knows numbers and a monotonic clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 30.0
"""Seconds of the past that determine the pace."""


class Pace:
    """Collects progress now and then. Work done before the first report does not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: deque[tuple[float, int]] = deque()

    def left(self, done: int, total: int) -> int | None:
        """Seconds left, rounded up; None while there is no estimate."""
        now = self._clock()
        if self._told and done < self._told[-1][1]:
            self._told.clear()  # another task has begun
        self._told.append((now, done))
        while len(self._told) > 2 and now - self._told[1][0] >= WINDOW:
            self._told.popleft()
        since, before = self._told[0]
        if done == before or now <= since:
            return None
        return -int(-(total - done) * (now - since) // (done - before))
