"""The scheduler's process: one leader, each due run once.

Any number of these processes may run; the one that holds an advisory lock on a connection of its own leads,
the others wait. It works as itm_signer and never in a web worker. It must outlive the database's restarts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor as Threads
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, LiteralString, Protocol

import psycopg
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from audit.store.session import OPTIONS
from itm_admin.foundation.database import engine_options
from itm_admin.ledger import alert_raising, job_runs, schema_version, verification_jobs
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.clock import ClockWatch
from itm_admin.ledger.generations import Opening
from itm_admin.ledger.job_runs import Job, Stopped
from itm_admin.ledger.signing import Signing
from itm_admin.ledger.stamping import Stamping

log = logging.getLogger("itm.schedule")

LEADER = 0x49544D01
"""The leader's advisory lock; advisory locks are per database."""
_OPENED: LiteralString = "SELECT EXISTS (SELECT FROM audit.ledger WHERE presidency AND closed_at IS NULL)"
"""True if there is a ledger: an installation without institutions has none yet."""
BEAT = 1.0
"""Seconds between two heartbeats on the leader's connection, and between two looks for requests."""


class Slots(ThreadPoolExecutor):
    """An executor that passes a job its slot as its only argument; APScheduler does not."""

    def _do_submit_job(self, job: Any, run_times: Sequence[datetime]) -> None:
        job.args = (run_times[-1],)  # coalesced, one instance at a time: no other run reads it
        super()._do_submit_job(job, run_times)


class Watch(Protocol):
    """A periodic check."""

    def tick(self, engine: Engine) -> None:
        """Checks, if a check is due."""


class SchedulerProcess:
    """One scheduler process, from its start until `stop` is set."""

    def __init__(
        self,
        signer_url: str,
        jobs: Sequence[Job],
        stop: threading.Event,
        signing: Signing | None = None,
        stamping: Stamping | None = None,
        watching: Sequence[Watch] = (),
    ) -> None:
        url = make_url(signer_url)
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._engine = create_engine(url, **engine_options(threads=len(jobs) + 5))
        self._jobs = jobs
        self._stop = stop
        self._signing, self._stamping, self._watching = signing, stamping, watching
        self._opening = Opening(signing.place) if signing else None
        self._clock = ClockWatch()
        self._halt = threading.Event()

    def run(self) -> None:
        """Leads when it holds the lock, until told to stop; then the running job has ended."""
        while not self._stop.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, connect_timeout=5, application_name="itm-scheduler",
                    keepalives_idle=10, keepalives_interval=5, keepalives_count=3, options=OPTIONS,
                ) as connection:  # fmt: skip
                    if self._wait_for(connection, "SELECT pg_try_advisory_lock(%s)", [LEADER]) and self._wait_for(
                        connection, _OPENED, []
                    ):
                        self._lead(connection)
            except (psycopg.Error, SQLAlchemyError) as fault:
                log.warning("no connection to lead on (%s); trying again", type(fault).__name__)
            self._stop.wait(BEAT)
        self._engine.dispose()

    def _wait_for(self, connection: psycopg.Connection[Any], question: LiteralString, values: list[Any]) -> bool:
        """Waits until the query gives true. False if it was told to stop."""
        while not self._stop.is_set():
            row = connection.execute(question, values).fetchone()
            if row and row[0]:
                return True
            self._stop.wait(BEAT)
        return False

    def _lead(self, connection: psycopg.Connection[Any]) -> None:
        """Leads until told to stop, or until the connection, and with it the lock, is lost."""
        log.info("leading")
        self._halt.clear()
        self._look_at_clock()
        self._take_over()
        scheduler = self._scheduler()
        requests: Future[None] | None = None
        signed: Future[None] | None = None
        stamped: Future[None] | None = None
        watched: Future[None] | None = None
        with (
            Threads(1, "requests") as threads,
            Threads(1, "signing") as signer,
            Threads(1, "stamping") as stamper,
            Threads(1, "sinks") as watcher,
        ):
            scheduler.start()
            try:
                while not self._stop.is_set():
                    waiting = connection.execute(
                        "SELECT EXISTS (SELECT FROM verification_request WHERE state = 'waiting')"
                    ).fetchone()
                    if waiting and waiting[0] and (requests is None or requests.done()):
                        requests = threads.submit(self._work_off_requests)
                    if self._signing and (signed is None or signed.done()):
                        signed = signer.submit(self._sign, self._signing)
                    if self._stamping and (stamped is None or stamped.done()):
                        stamped = stamper.submit(self._stamp, self._stamping)
                    if self._watching and (watched is None or watched.done()):
                        watched = watcher.submit(self._look_at_outboxes)
                    self._look_at_clock()
                    put_right(scheduler)
                    self._stop.wait(BEAT)
            finally:
                self._halt.set()
                scheduler.shutdown(wait=True)

    def _look_at_clock(self) -> None:
        try:
            self._clock.tick(self._engine)
        except SQLAlchemyError as fault:  # the next beat tries again
            log.error("the clock could not be confirmed (%s)", type(fault).__name__)

    def _take_over(self) -> None:
        """Cleans up after a dead leader: its unfinished runs failed, its unfinished requests wait again."""
        with self._engine.begin() as connection:
            for name, due_at in job_runs.abandoned(connection):
                job_runs.finish(connection, name, due_at, "failure", {}, note="abandoned")
                alert_raising.raise_alert(connection, _failed(name, due_at, "abandoned"))
        verification_jobs.take_up_again(self._engine)
        schema_version.tell(self._engine)

    def _scheduler(self) -> BackgroundScheduler:
        """Schedules all jobs; each begins with its latest slot, which may have been missed without a leader."""
        scheduler = BackgroundScheduler(executors={"default": Slots(max(1, len(self._jobs)))}, timezone=UTC)
        now = datetime.now(UTC)
        for job in self._jobs:
            first = job.last_slot(now) or job.trigger.get_next_fire_time(None, now)
            scheduler.add_job(
                partial(self._run, job),
                job.trigger,
                args=(first,),
                id=job.name,
                name=job.name,
                next_run_time=first,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=int(2 * job.period.total_seconds()) + 1,
            )
        scheduler.add_listener(self._missed, EVENT_JOB_MISSED)
        return scheduler

    def _run(self, job: Job, due_at: datetime) -> None:
        """Does one due run, unless another process has claimed it."""
        with self._engine.begin() as connection:
            slots = job_runs.left_out(connection, job, due_at)
            if slots:
                alert_raising.raise_alert(connection, _missed(job.name, slots))
        if not job_runs.claim(self._engine, job.name, due_at):
            return
        told: dict[str, job_runs.Scalar] = {}
        note = None
        try:
            told = dict(job.work(self._engine, self._halt.is_set))
        except Stopped:
            note = job_runs.STOPPED
        except Exception as fault:  # any failure: the run has failed and people must know
            log.error("%s failed (%s)", job.name, type(fault).__name__)
            note = type(fault).__name__
        with self._engine.begin() as connection:
            job_runs.finish(connection, job.name, due_at, "failure" if note else "success", told, note)
            if note and note != job_runs.STOPPED:
                alert_raising.raise_alert(connection, _failed(job.name, due_at, note))
            if note is None:  # it runs again: the next stop, or failure, is new
                alert_raising.resolve(connection, alert_raising.MISSED, job.name)
                alert_raising.resolve(connection, alert_raising.FAILED, job.name)

    def _missed(self, event: JobExecutionEvent) -> None:
        with self._engine.begin() as connection:
            alert_raising.raise_alert(connection, _missed(event.job_id, [event.scheduled_run_time]))

    def _work_off_requests(self) -> None:
        try:
            place = self._signing.place if self._signing else None
            gather, marks = (place.evidence, place.watermarks) if place else (None, None)
            verification_jobs.work_off_requests(self._engine, self._halt.is_set, gather, marks)
        except Exception as fault:  # the request says that it failed; the next one must still be served
            log.error("a verification that was asked for failed (%s)", type(fault).__name__)

    def _sign(self, signing: Signing) -> None:
        """Each beat: carries out approved decisions, and signs a round if one is due."""
        try:
            if self._opening and self._opening.tick(self._engine):
                signing.round(self._engine)
            signing.tick(self._engine)
        except Exception as fault:  # the next beat tries again; verification does not attest unsigned entries
            log.error("signing failed (%s)", type(fault).__name__)

    def _stamp(self, stamping: Stamping) -> None:
        """Each beat: stamps if a time stamp is due."""
        try:
            stamping.tick(self._engine)
        except Exception as fault:  # the next look tries again
            log.error("stamping failed (%s)", type(fault).__name__)

    def _look_at_outboxes(self) -> None:
        """Each beat: checks the backlogs of sinks and mail, if a check is due."""
        for watching in self._watching:
            try:
                watching.tick(self._engine)
            except Exception as fault:  # the next beat tries again
                log.error("%s failed (%s)", type(watching).__name__, type(fault).__name__)


def put_right(scheduler: BaseScheduler, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Makes jobs due again after the clock went back; otherwise they would wait for a moment that is far off now."""
    jobs = scheduler.get_jobs()  # read before the clock, so that jobs which become due meanwhile are not put off
    now = clock()
    for job in jobs:
        due = job.trigger.get_next_fire_time(None, now)
        if due is not None and job.next_run_time is not None and due < job.next_run_time:
            with suppress(JobLookupError):
                scheduler.modify_job(job.id, next_run_time=due)


def _missed(job: str, slots: Sequence[datetime]) -> Trouble:
    since = slots[0].astimezone(UTC).isoformat()
    return Trouble(alert_raising.MISSED, job, detail={"since": since, "runs": len(slots)})


def _failed(job: str, due_at: datetime, note: str) -> Trouble:
    return Trouble(alert_raising.FAILED, job, detail={"due_at": due_at.astimezone(UTC).isoformat(), "note": note})
