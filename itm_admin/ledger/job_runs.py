"""Runs of jobs: due slots, claims, ends and missed slots.

Promise: a slot is claimed once, by any number of processes; a run's end and its entry in the Presidency's ledger are
one transaction. Knows no particular job and no web page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from audit import store
from itm_admin.foundation.errors import Message

Scalar = str | int | float | bool | None
Halt = Callable[[], bool]
"""Work calls it now and then; True: end soon."""
Work = Callable[[Engine, Halt], Mapping[str, Scalar]]

GRACE = timedelta(minutes=2)
MOST_SLOTS = 1000
STOPPED = "stopped"
"""The detail of a run that was told to stop early; its slot may be claimed again."""


class Stopped(Exception):
    """The work ended early because it was told to stop."""


@dataclass(frozen=True)
class Job:
    """A job. ``period`` is the usual time between two slots of the trigger.

    ``work`` gets the signer's engine and returns facts for the ledger: flat scalars, no personal value.
    """

    name: str
    label: Message
    trigger: BaseTrigger
    period: timedelta
    work: Work

    def slots(self, after: datetime, until: datetime) -> list[datetime]:
        """The due times later than `after`, up to `until`; at most a thousand, in UTC."""
        found: list[datetime] = []
        moment = self._next(after)
        while moment is not None and moment <= until and len(found) < MOST_SLOTS:
            found.append(moment.astimezone(UTC))
            moment = self._next(moment)
        return found

    def last_slot(self, now: datetime) -> datetime | None:
        """The latest due time up to `now`."""
        return next(reversed(self.slots(now - 2 * self.period, now)), None)

    def overdue_since(self, latest: datetime, now: datetime) -> datetime | None:
        """The first slot after the `latest` run, if it was not claimed for two periods and a grace."""
        if now - latest <= 2 * self.period + GRACE:
            return None
        return next(iter(self.slots(latest, now)), None)

    def _next(self, after: datetime) -> datetime | None:
        found: datetime | None = self.trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        return found


def claim(engine: Engine, job: str, due_at: datetime) -> bool:
    """Claims the slot. True if this process does the run."""
    with engine.begin() as connection:
        claimed = connection.execute(
            text(
                "INSERT INTO job_run (job, due_at) VALUES (:job, :due_at) ON CONFLICT (job, due_at) DO UPDATE"
                " SET started_at = now(), finished_at = NULL, outcome = 'running', detail = NULL"
                " WHERE job_run.detail = :stopped RETURNING job"
            ),
            {"job": job, "due_at": due_at, "stopped": STOPPED},
        )
        return claimed.one_or_none() is not None


def finish(
    connection: Connection,
    job: str,
    due_at: datetime,
    outcome: str,
    detail: Mapping[str, Scalar],
    note: str | None = None,
) -> bool:
    """Records the end of a claimed run, with its entry. False if another process has ended it already."""
    seconds = connection.execute(
        text(
            "UPDATE job_run SET finished_at = now(), outcome = :outcome, detail = :note"
            " WHERE job = :job AND due_at = :due_at AND outcome = 'running'"
            " RETURNING extract(epoch FROM now() - started_at)"
        ),
        {"job": job, "due_at": due_at, "outcome": outcome, "note": note},
    ).scalar_one_or_none()
    if seconds is None:
        return False
    told = {"due_at": due_at.astimezone(UTC).isoformat(), "seconds": round(float(seconds), 3), "note": note, **detail}
    store.append(connection, "job.run", outcome=outcome, kind="job", id=job, detail=told, to_presidency=True)
    return True


def latest(connection: Connection, until: datetime) -> dict[str, datetime]:
    """Each job's newest claimed slot up to a moment; later ones come from a clock that was wrong."""
    rows = connection.execute(
        text("SELECT job, max(due_at) AS due_at FROM job_run WHERE due_at <= :until GROUP BY job"), {"until": until}
    )
    return {row.job: row.due_at for row in rows}


def left_out(connection: Connection, job: Job, before: datetime) -> list[datetime]:
    """Slots between the job's newest run and `before` that nobody claimed; none for a job that never ran."""
    newest = latest(connection, before).get(job.name)
    return [] if newest is None else [slot for slot in job.slots(newest, before) if slot < before]


def abandoned(connection: Connection) -> list[tuple[str, datetime]]:
    """Runs that were claimed and never ended. Called by a new leader, so their process is dead."""
    rows = connection.execute(text("SELECT job, due_at FROM job_run WHERE outcome = 'running' ORDER BY due_at"))
    return [(row.job, row.due_at) for row in rows]
