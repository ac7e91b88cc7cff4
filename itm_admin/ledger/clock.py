"""Compares the clock with one that nobody can set, and says in the database when it was right.

Promise: as long as this process has seen no leap, what is sealed may lie at most a day after the last look; after one
nothing is confirmed until the clock is back, or a new process begins. A leap is an alert, taken back when it is over.
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
"""Seconds between two confirmations, and by how much the two clocks may part."""
_CONFIRM = text("SELECT itm.confirm_clock(:said)")


def _unset() -> float:
    """Seconds since the machine began, with those in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockWatch:
    """One process's eye on the clock. `tick` is asked every second."""

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), unset: Callable[[], float] = _unset
    ) -> None:
        self._now, self._unset = now, unset
        self._began, self._began_unset = now(), unset()
        self._confirmed = float("-inf")
        self._wrong: bool | None = None

    def tick(self, engine: Engine) -> None:
        """Raises the database's errors."""
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
        """Without an entry where it is wrong: there may be none now."""
        if wrong == self._wrong:
            return
        with engine.begin() as connection:
            if wrong:
                alert_raising.raise_alert(connection, Trouble(alert_raising.CLOCK, "clock"), told=False)
            else:
                alert_raising.resolve(connection, alert_raising.CLOCK, "clock")
        self._wrong = wrong
