"""The web server's eye on the scheduler: whether runs come when they are due.

A dead scheduler cannot tell of itself. Each web process looks at most every 30 seconds, before a request is
served, and never lets a request fail because of it.
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
    """What one web process knows of the jobs. ``jobs`` is the scheduler's table."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.since = datetime.now(UTC)
        """When this process began: a job that never ran is late from here on."""
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
        """Raises an alert for each job whose runs fail to come, and each ledger that is not signed; the jobs' names."""
        now = now or datetime.now(UTC)
        late = self.overdue(job_runs.latest(connection, now), now)
        for name, since in late.items():
            alert_raising.notice(connection, Trouble(alert_raising.MISSED, name, detail={"since": since.isoformat()}))
        for each in waiting.overdue(connection):
            alert_raising.notice(connection, waiting.trouble(each))
        return list(late)

    def overdue(self, latest: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
        """Jobs without a run for two of their periods and some grace, with the first slot left out."""
        late = {}
        for name, job in self.jobs.items():
            since = job.overdue_since(latest.get(name, self.since), now)
            if since is not None:
                late[name] = since
        return late

    def label(self, job: str | None) -> str | None:
        """A job's name in people's words."""
        return str(self.jobs[job].label) if job in self.jobs else None


def install(app: Flask, jobs: Sequence[Job]) -> None:
    """Looks before a request is served. `jobs` is what the scheduler should be doing."""
    app.extensions["itm_watch"] = JobWatch(jobs)
    app.before_request(_look)


def watch() -> JobWatch:
    found: JobWatch = current_app.extensions["itm_watch"]
    return found


def scheduler_seen() -> bool:
    """Whether runs have come lately. Asked by pages that depend on the scheduler."""
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
