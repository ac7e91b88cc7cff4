"""Measures the sinks' backlog: an alert when it is too large, closed when they have caught up.

Run by the scheduler, which notices also that no process passes entries on. A newly named sink gets time for the entries
that existed before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from audit.store import streaming
from audit.store.streaming import Backlog
from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Scalar

EVERY = 30.0
"""Seconds between two checks."""
OLDEST = timedelta(minutes=15)
MOST = 100_000
CAUGHT_UP = timedelta(minutes=2)
"""A younger backlog counts as caught up: its entries are on their way."""


def age(backlog: Backlog, now: datetime) -> timedelta:
    """The waiting time of the oldest entry for this sink."""
    if backlog.oldest is None:
        return timedelta(0)
    return max(now - max(backlog.oldest, backlog.named_at), timedelta(0))


def too_much(backlog: Backlog, now: datetime) -> bool:
    return backlog.entries > MOST or age(backlog, now) > OLDEST


@dataclass(frozen=True)
class ShownSink:
    """One line of a page."""

    name: str
    state: str
    entries: int
    oldest: datetime | None
    trouble: str | None
    failing_since: datetime | None


def shown(connection: Connection, now: datetime | None = None) -> list[ShownSink]:
    """The sinks' backlogs, over the ledgers that this connection may see."""
    found = streaming.backlogs(connection)
    return [
        ShownSink(each.name, _state(each, now or datetime.now(UTC)), each.entries, each.oldest, each.trouble,
                  each.failing_since)
        for each in found
    ]  # fmt: skip


def _state(backlog: Backlog, now: datetime) -> str:
    if backlog.behind_since or too_much(backlog, now):
        return "behind"
    if backlog.trouble:
        return "failing"
    return "busy" if age(backlog, now) > CAUGHT_UP else "current"


class SinkWatch:
    """One process's check of the sinks. `tick` may be called every second."""

    def __init__(
        self,
        sinks: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sinks, self._clock, self._now = sinks, clock, now
        self._looked = float("-inf")

    def tick(self, engine: Engine) -> None:
        if self._clock() - self._looked < EVERY:
            return
        with engine.begin() as connection:
            dropped = {each.name for each in streaming.backlogs(connection)} - set(self._sinks)
            for name in dropped:
                _recovered(connection, name)
            streaming.name_sinks(connection, self._sinks)
            for backlog in streaming.backlogs(connection):
                _judge(connection, backlog, self._now())
        self._looked = self._clock()


def _judge(connection: Connection, backlog: Backlog, now: datetime) -> None:
    if too_much(backlog, now):
        if streaming.mark(connection, backlog.name, behind=True):
            alert_raising.raise_alert(connection, _behind(backlog, now))
    elif backlog.entries <= MOST // 10 and age(backlog, now) <= CAUGHT_UP:
        _recovered(connection, backlog.name)


def _recovered(connection: Connection, name: str) -> None:
    if streaming.mark(connection, name, behind=False):
        alert_raising.resolve(connection, alert_raising.BEHIND, name)


def _behind(backlog: Backlog, now: datetime) -> Trouble:
    minutes = int(age(backlog, now).total_seconds() // 60)
    detail: dict[str, Scalar] = {"waiting": backlog.entries, "minutes": minutes, "note": backlog.trouble}
    return Trouble(alert_raising.BEHIND, backlog.name, detail=detail)
