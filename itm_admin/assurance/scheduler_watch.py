"""The web server's watch over the scheduler's due runs.

A dead scheduler cannot report itself. Each web process checks at most every 30 seconds, before a request is served, and
never lets a request fail because of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flask import Flask, current_app, request
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.ledger import alert_raising, job_runs, waiting
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Job

EVERY = 30.0
_WITHOUT_DATABASE = (None, "static", "static_vendor", "HealthView.alive")
log = logging.getLogger("itm")


class JobWatch:
    """One web process's watch over the jobs. ``jobs`` is the scheduler's table."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.since = datetime.now(UTC)
        """This process's start: a job that never ran is late counted from here."""
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def due(self) -> bool:
        """True at most every 30 seconds, for one thread."""
        with self._lock:
            if time.monotonic() - self._looked < EVERY:
                return False
            self._looked = time.monotonic()
            return True

    def look(self, connection: Connection, now: datetime | None = None) -> list[str]:
        """Raises an alert for each overdue job and each ledger that is not signed; gives the overdue jobs' names."""
        now = now or datetime.now(UTC)
        late = self.overdue(job_runs.latest(connection, now), now)
        for name, since in late.items():
            alert_raising.notice(connection, Trouble(alert_raising.MISSED, name, detail={"since": since.isoformat()}))
        for each in waiting.overdue(connection):
            alert_raising.notice(connection, waiting.trouble(each))
        return list(late)

    def overdue(self, latest: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
        """Jobs without a run for two of their periods and a grace → their first missed slot."""
        late = {}
        for name, job in self.jobs.items():
            since = job.overdue_since(latest.get(name, self.since), now)
            if since is not None:
                late[name] = since
        return late

    def label(self, job: str | None) -> str | None:
        """A job's label."""
        return str(self.jobs[job].label) if job in self.jobs else None


def install(app: Flask, jobs: Sequence[Job]) -> None:
    """Checks before a request is served. `jobs`: the scheduler's table."""
    app.extensions["itm_watch"] = JobWatch(jobs)
    app.before_request(_look)


def watch() -> JobWatch:
    found: JobWatch = current_app.extensions["itm_watch"]
    return found


def scheduler_seen() -> bool:
    """True if runs have come lately. For pages that depend on the scheduler."""
    now = datetime.now(UTC)
    newest = job_runs.latest(db.session.connection(), now)
    return bool(newest) and not watch().overdue(newest, now)


def _look() -> None:
    if request.endpoint in _WITHOUT_DATABASE or not watch().due():
        return
    try:
        with db.engine.begin() as connection:
            tenancy.apply(connection, tenancy.NOBODY)
            watch().look(connection)
    except SQLAlchemyError as fault:
        log.warning("the scheduler's runs could not be looked at (%s)", type(fault).__name__)
