"""The scheduler's process: one leader, each due run once, nothing unnoticed. Real processes on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from itm_admin import schedule
from itm_admin.assurance.scheduler_watch import JobWatch
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import migration, roles
from itm_admin.ledger import job_runs, scheduler, verification_jobs
from itm_admin.ledger.job_runs import Job
from itm_admin.local.embedded import EmbeddedServer
from tests.conftest import PASSWORDS, Cluster, Database
from tests.panel import schedule_process
from tests.panel.assurance_world import Institutions, until
from tests.panel.schedule_process import WORK

Start = Callable[..., ForkServerProcess]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.panel.schedule_process"])
HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
INCREMENTAL, SAMPLE, FULL, *_OTHERS = schedule.JOBS


@pytest.fixture
def world(superuser: Engine) -> Institutions:
    return Institutions(superuser)


@pytest.fixture
def start(database: Database) -> Iterator[Start]:
    """Starts scheduler processes with these jobs; all that are left are killed at the end."""
    with ExitStack() as started:
        yield lambda *jobs: started.enter_context(_process(database, *jobs))


@contextmanager
def _process(database: Database, *jobs: str) -> Iterator[ForkServerProcess]:
    """Forked from a process that has imported the program once: that takes longer than most of these tests."""
    process = _FORKS.Process(target=schedule_process.run_forked, args=(database.url("signer"), jobs))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _leader(world: Institutions) -> int | None:
    """The server process of the leader's connection."""
    rows = world.run(
        "select pid from pg_locks where locktype = 'advisory' and objid = :key and granted"
        " and database = (select oid from pg_database where datname = current_database())",
        key=scheduler.LEADER,
    )
    return rows[0].pid if rows else None


def _schedulers(world: Institutions) -> int:
    return int(
        world.scalar(
            "select count(*) from pg_stat_activity where application_name = 'itm-scheduler'"
            " and datname = current_database()"
        )
    )


def _finished(world: Institutions, job: str, outcome: str = "success") -> int:
    return int(
        world.scalar("select count(*) from job_run where job = :job and outcome = :outcome", job=job, outcome=outcome)
    )


@pytest.fixture
def held(superuser: Engine) -> Iterator[threading.Event]:
    """Advisory lock 7 is held until the event is set."""
    release, taken = threading.Event(), threading.Event()

    def hold() -> None:
        with superuser.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(7)"))
            taken.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    yield release
    release.set()
    thread.join()


def _waits_for_the_lock(world: Institutions) -> bool:
    return bool(world.scalar("select count(*) from pg_locks where locktype = 'advisory' and objid = 7 and not granted"))


def test_with_two_schedulers_each_due_run_is_claimed_and_told_once(start: Start, world: Institutions) -> None:
    start("tick")
    start("tick")
    until(lambda: _schedulers(world) == 2, "both schedulers to connect")
    until(lambda: _finished(world, "tick") >= 4, "four runs")
    slots = [event.detail["due_at"] for event in world.events("job.run")]
    assert len(slots) == len(set(slots)) >= 4
    assert {event.code for event in world.events("job.run")} == {"GIB"}


def test_a_slot_is_claimed_once_however_many_processes_want_it(signer: Engine, world: Institutions) -> None:
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda _: job_runs.claim(signer, "tick", HOUR), range(8)))
    assert claims.count(True) == 1


def test_only_a_run_that_was_asked_to_stop_may_be_claimed_again(signer: Engine, world: Institutions) -> None:
    assert job_runs.claim(signer, "tick", HOUR)
    with signer.begin() as connection:
        assert job_runs.finish(connection, "tick", HOUR, "failure", {}, note=job_runs.STOPPED)
    assert job_runs.claim(signer, "tick", HOUR)
    with signer.begin() as connection:
        assert job_runs.finish(connection, "tick", HOUR, "failure", {}, note="RuntimeError")
        assert not job_runs.finish(connection, "tick", HOUR, "success", {})
    assert not job_runs.claim(signer, "tick", HOUR)


def test_a_run_is_noted_under_the_moment_at_which_it_was_due(start: Start, world: Institutions) -> None:
    start("tick")
    until(lambda: _finished(world, "tick") >= 2, "two runs")
    dues = [row.due_at for row in world.run("select due_at from job_run")]
    assert all(due.microsecond == 0 for due in dues)


def test_sigterm_waits_for_the_running_job(start: Start, world: Institutions, held: threading.Event) -> None:
    process = start("held")
    until(lambda: _waits_for_the_lock(world), "the job to be in its work")
    process.terminate()
    assert process.is_alive()
    held.set()
    process.join(60)
    assert process.exitcode == 0
    assert world.scalar("select count(*) from job_run where outcome = 'running'") == 0
    assert _finished(world, "held") >= 1
    assert world.alerts("job.failed") == []


def test_sigterm_tells_the_running_job_to_end(start: Start, world: Institutions) -> None:
    process = start("patient")
    until(lambda: _finished(world, "patient", "running"), "the job to run")
    process.terminate()
    process.join(60)
    assert process.exitcode == 0
    assert [event.detail["note"] for event in world.events("job.run")] == ["stopped"]
    assert world.alerts("job.failed") == []


def test_after_kill_9_the_standby_takes_over_and_the_unfinished_run_is_a_failure_that_is_told(
    start: Start, world: Institutions, held: threading.Event
) -> None:
    first = start("held")
    until(lambda: _waits_for_the_lock(world), "the job to be in its work")
    start("tick")
    until(lambda: _schedulers(world) == 2, "the standby to connect")
    assert _finished(world, "tick") == 0
    first.kill()
    held.set()
    until(lambda: _finished(world, "tick"), "the standby's first run")
    assert _finished(world, "held", "failure") == 1
    (alert,) = world.alerts("job.failed")
    assert (alert.subject, alert.detail["note"], alert.severity) == ("held", "abandoned", "warning")
    assert [event.code for event in world.events("alert.raise") if event.target_id == "held"] == ["GIB"]


def test_it_goes_on_by_itself_after_the_database_dropped_every_connection(start: Start, world: Institutions) -> None:
    start("tick")
    until(lambda: _finished(world, "tick"), "a run")
    before = until(lambda: _leader(world), "a leader")
    world.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'itm_signer'"
        " and datname = current_database()"
    )
    until(lambda: _leader(world) not in (None, before), "a new leader's connection")
    count = _finished(world, "tick")
    until(lambda: _finished(world, "tick") > count, "another run")


def test_it_goes_on_by_itself_after_the_database_was_stopped_and_started(short_folder: Path) -> None:
    server = EmbeddedServer(short_folder / "restarted", superuser_password="a-superuser-for-tests", durable=False)
    server.start()
    try:
        cluster = Cluster(server.url())
        with cluster.connect() as connection:
            roles.ensure(connection, PASSWORDS)
            roles.make_database(connection, "itm_restarted")
        with cluster.connect("itm_restarted") as connection:
            roles.prepare_database(connection)
        migration.upgrade(cluster.url("owner", "itm_restarted"))
        database = Database(cluster, "itm_restarted")
        world = Institutions(create_engine(database.url("superuser"), poolclass=NullPool))
        with _process(database, "tick"):
            until(lambda: _finished(world, "tick"), "a run")
            server.stop()
            server.start()
            count = _finished(world, "tick")
            until(lambda: _finished(world, "tick") > count, "a run after the restart")
    finally:
        server.stop()


def test_a_job_that_raises_is_a_failure_and_an_alert_that_holds_no_value(start: Start, world: Institutions) -> None:
    start("broken")
    until(lambda: _finished(world, "broken", "failure") >= 2, "two failures")
    (alert,) = world.alerts("job.failed")
    assert alert.detail["note"] == "RuntimeError"
    raised = [event for event in world.events("alert.raise") if event.detail["alert"] == "job.failed"]
    assert len([event for event in raised if not event.detail.get("renewed")]) == 1
    assert world.scalar("select count(*) from audit.event where content like '%must not be told%'") == 0


def test_runs_that_nobody_took_are_noticed_at_the_start(start: Start, world: Institutions) -> None:
    world.run("insert into job_run (job, due_at, finished_at, outcome) values ('tick', :due, now(), 'success')",
              due=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5))  # fmt: skip
    start("tick")
    until(lambda: _finished(world, "tick") >= 2, "a run")
    (alert,) = world.alerts("job.missed")
    assert alert.subject == "tick"
    assert alert.detail["runs"] > 200


def test_each_stop_is_an_alert_of_its_own_and_is_taken_back_when_the_job_runs_again(
    database: Database, world: Institutions, start: Start
) -> None:
    watch = JobWatch([Job("tick", "tick", CronTrigger(second="*", timezone="UTC"), timedelta(seconds=1), WORK["tick"])])
    for stop in (1, 2):
        with database.engine("app").begin() as connection:
            tenancy.apply(connection, tenancy.NOBODY)
            assert watch.look(connection, datetime.now(UTC) + timedelta(minutes=5)) == ["tick"]
        assert [alert.acknowledged_at is None for alert in world.alerts("job.missed")] == [False] * (stop - 1) + [True]
        process, before = start("tick"), _finished(world, "tick")
        until(lambda before=before: _finished(world, "tick") > before, "a run")  # type: ignore[misc]
        process.kill()
        process.join()
        assert [alert.detail.get("resolved") for alert in world.alerts("job.missed")] == [True] * stop


def test_the_first_round_of_an_installation_is_at_once_and_raises_no_alert(start: Start, world: Institutions) -> None:
    start("verify")
    until(lambda: _finished(world, "verify"), "a round")
    assert {row.verdict for row in world.run("select verdict from audit.verification")} == {"intact"}
    assert world.run("select kind, subject from alert where kind <> 'record.outside'") == [], (
        "this world is written by hand"
    )


def test_the_table_holds_an_incremental_round_every_five_minutes_a_sample_hourly_and_a_full_one_every_night() -> None:
    assert [slot.minute for slot in INCREMENTAL.slots(HOUR, HOUR + timedelta(minutes=15))] == [5, 10, 15]
    assert [slot.hour for slot in FULL.slots(HOUR, HOUR + timedelta(days=1))] == [23]  # 02:30 in Istanbul
    assert [slot.minute for slot in SAMPLE.slots(HOUR, HOUR + timedelta(hours=3))] == [17, 17, 17]
    assert INCREMENTAL.last_slot(HOUR) == HOUR
    assert FULL.last_slot(HOUR) == datetime(2026, 2, 28, 23, 30, tzinfo=UTC)


def test_all_entries_are_verified_every_hour_while_that_is_quick(world: Institutions, signer: Engine) -> None:
    done = verification_jobs.full_while_quick(signer, lambda: False)
    assert done["verdict"] == "intact"
    long_ago = (
        "insert into job_run (job, due_at, started_at, finished_at, outcome)"
        " values (:job, now() - :age, now() - :age, now() - :age + interval '121 s', 'success')"
    )
    world.run(long_ago, job="ledger.verify.full", age=timedelta(days=2))
    assert "verdict" in verification_jobs.full_while_quick(signer, lambda: False)
    world.run(long_ago, job="ledger.verify.full", age=timedelta(hours=20))
    before = world.scalar("select count(*) from audit.verification")
    assert verification_jobs.full_while_quick(signer, lambda: False)["skipped"] is True
    assert world.scalar("select count(*) from audit.verification") == before
    assert "verdict" in verification_jobs.full_while_quick(signer, lambda: False, most=200)
