"""Mails that wait too long: an alert, closed when they are sent.

Run by the scheduler, which notices also that no process sends mails. Mails from before this process began get extra
time: a server may have been configured just now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.engine import Engine

from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble

EVERY = 30.0
"""Seconds between two checks."""
LONGEST = timedelta(minutes=15)
SUBJECT = "mail"
# Mails older than a week are not sent any more. One that was never tried is from before a server was configured.
_OLDEST = text(
    "SELECT min(created_at) FROM mail WHERE sent_at IS NULL AND (tries > 0 OR created_at > now() - interval '7 days')"
)


class MailWatch:
    """One process's check of mails. `tick` may be called every second."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._clock, self._now, self._began = clock, now, now()
        self._looked = float("-inf")

    def tick(self, engine: Engine) -> None:
        """Checks if due. Raises the database's errors."""
        if self._clock() - self._looked < EVERY:
            return
        with engine.begin() as connection:
            oldest: datetime | None = connection.execute(_OLDEST).scalar()
            if oldest is None:
                alert_raising.resolve(connection, alert_raising.UNSENT, SUBJECT)
            elif self._now() - max(oldest, self._began) > LONGEST:
                told = Trouble(alert_raising.UNSENT, SUBJECT, detail={"since": oldest.astimezone(UTC).isoformat()})
                alert_raising.raise_alert(connection, told)
        self._looked = self._clock()
