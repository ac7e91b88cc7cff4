"""A clock that was wrong and is put right: rounds go on, a dead scheduler is noticed, and no order is broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.engine import Engine

from itm_admin import schedule
from itm_admin.assurance.scheduler_watch import JobWatch
from itm_admin.ledger import job_runs
from itm_admin.ledger import scheduler as scheduler_process
from itm_admin.ledger.sinks import Stream
from tests.conftest import Database
from tests.panel.assurance_world import Institutions
from tests.panel.signing_world import SigningWorld

NOW = datetime(2026, 11, 24, 12, 1, tzinfo=UTC)
INCREMENTAL = schedule.JOBS[0]


def _scheduled(jobs: BackgroundScheduler) -> dict[str, datetime]:
    return {job.id: job.next_run_time for job in jobs.get_jobs()}


def test_jobs_that_wait_for_a_moment_of_the_wrong_clock_are_due_when_they_are_due() -> None:
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.start(paused=True)
    try:
        for job in schedule.JOBS:
            ahead = job.trigger.get_next_fire_time(None, NOW + timedelta(days=400))
            scheduler.add_job(print, job.trigger, id=job.name, next_run_time=ahead)
        scheduler_process.put_right(scheduler, lambda: NOW)
        right = {job.name: job.trigger.get_next_fire_time(None, NOW) for job in schedule.JOBS}
        assert _scheduled(scheduler) == right
        assert right[INCREMENTAL.name] == NOW.replace(minute=5)
        scheduler_process.put_right(scheduler, lambda: NOW + timedelta(hours=1))
        assert _scheduled(scheduler) == right, "what is due is not put off"
    finally:
        scheduler.shutdown()


def test_after_an_hour_back_each_slot_is_still_run_once_and_nothing_was_left_out(superuser: Engine) -> None:
    world = Institutions(superuser)
    for slot in INCREMENTAL.slots(NOW - timedelta(hours=1), NOW):
        assert job_runs.claim(superuser, INCREMENTAL.name, slot)
    back = NOW - timedelta(minutes=58)
    for slot in INCREMENTAL.slots(back, back + timedelta(minutes=30)):
        assert not job_runs.claim(superuser, INCREMENTAL.name, slot)
    with superuser.connect() as connection:
        assert job_runs.left_out(connection, INCREMENTAL, back + timedelta(minutes=30)) == []
    assert job_runs.claim(superuser, INCREMENTAL.name, NOW.replace(minute=5))
    assert world.scalar("select count(*) from alert") == 0


def test_a_scheduler_that_died_is_noticed_although_it_once_ran_in_what_is_to_come(superuser: Engine) -> None:
    world = Institutions(superuser)
    world.run("insert into job_run (job, due_at, finished_at, outcome) select unnest(cast(:jobs as text[])), due, due,"
              " 'success' from unnest(cast(:dues as timestamptz[])) due",
              jobs=[each.name for each in schedule.JOBS], dues=[NOW - timedelta(minutes=20), NOW + timedelta(days=400)],
    )  # fmt: skip
    watch = JobWatch(schedule.JOBS)
    with superuser.connect() as connection:
        late = watch.overdue(job_runs.latest(connection, NOW), NOW)
    assert set(late) == {INCREMENTAL.name}


def test_checkpoints_signed_before_and_after_an_hour_back_verify_and_none_is_refused(
    database: Database, superuser: Engine, tmp_path: Path
) -> None:
    world = SigningWorld(superuser, database, tmp_path)
    signing, engine = world.signing(), database.engine("signer")
    assert signing.tick(engine)
    for hours in (0, 1, 0):
        world.wall -= timedelta(hours=hours)
        world.act("JGK")
        world.later(60)
        done = signing.tick(engine)
        assert done
        assert (done.refused, done.failed) == ([], None)
    assert signing.due(engine) is False
    times = [row.signed_at for row in world.recorded("JGK")]
    assert times != sorted(times)
    assert {world.verify("JGK", level)["verdict"] for level in ("full", "incremental")} == {"intact"}
    assert world.verify("JGK")["assurance"] == "self-attested"


def test_the_rest_of_a_sink_that_failed_is_counted_and_knows_no_clock() -> None:
    stream = Stream(None, "file", None)  # type: ignore[arg-type]
    assert [stream._pause() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
