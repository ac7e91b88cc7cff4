"""The demonstration's clock: the time in the story.

No entry is sealed with this time. The ledger's own times stay those of the seeding; the story's time is part of the
route in every entry of the demonstration, and of the records' own days.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.synthetic import route_at

HERE = ZoneInfo(TIMEZONE)
OFFICE_HOURS = (8, 17)
NIGHT = (1, 4)


def moment(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), HERE)


class StoryClock:
    """Advances with each step, within office hours only: for acts to which the story gives no day."""

    def __init__(self, begins: datetime, step: timedelta) -> None:
        self._now, self._step = begins, step

    def tick(self) -> datetime:
        now = self._now
        self._now += self._step
        if self._now.hour >= OFFICE_HOURS[1]:
            next_day = self._now.date() + timedelta(days=3 if self._now.weekday() == 4 else 1)
            self._now = moment(next_day, OFFICE_HOURS[0] + 1)
        return now

    def route(self) -> str:
        return route_at(self.tick())
