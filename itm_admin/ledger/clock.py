"""Compares the clock with one that nobody can set, and confirms it in the database.

Promise: while this process has seen no leap, events may be at most a day later than the last confirmation. After a leap
nothing is confirmed until the clock is back, or a new process begins. A leap is an alert, closed when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.engine import Engine

from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble

EVERY, MOST = 3600.0, 300.0
"""Seconds between two confirmations, and the largest allowed difference of the two clocks."""
_CONFIRM = text("SELECT itm.confirm_clock(:said)")


def _unset() -> float:
    """Seconds since the machine's start, including sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockWatch:
    """One process's clock check. `tick` is called every second."""

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), unset: Callable[[], float] = _unset
    ) -> None:
        self._now, self._unset = now, unset
        self._began, self._began_unset = now(), unset()
        self._confirmed = float("-inf")
        self._wrong: bool | None = None

    def tick(self, engine: Engine) -> None:
        """Checks if due. Raises the database's errors."""
        since = self._unset()
        leapt = abs((self._now() - self._began).total_seconds() - (since - self._began_unset)) > MOST
        if leapt and self._wrong:
            return
        if leapt or self._wrong or since - self._confirmed >= EVERY:
            with engine.begin() as connection:
                right = not leapt and bool(connection.execute(_CONFIRM, {"said": self._now()}).scalar())
            self._tell(engine, not right)
            self._confirmed = since if right else self._confirmed

    def _tell(self, engine: Engine, wrong: bool) -> None:
        """Raises or closes the alert; without an entry while the clock is wrong, since none may be possible."""
        if wrong == self._wrong:
            return
        with engine.begin() as connection:
            if wrong:
                alert_raising.raise_alert(connection, Trouble(alert_raising.CLOCK, "clock"), told=False)
            else:
                alert_raising.resolve(connection, alert_raising.CLOCK, "clock")
        self._wrong = wrong
