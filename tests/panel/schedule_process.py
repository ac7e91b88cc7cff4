"""A scheduler process for tests: the real one, with jobs that are due every second or wait for the test.

    python -m tests.panel.schedule_process JOB…     (ITM_DATABASE_SIGNER_URL says where)

"tick" does nothing; "held" waits for advisory lock 7, which the test holds, and does not ask whether to stop;
"patient" waits until it is told to stop; "broken" raises. "verify" is the incremental verification.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta

from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import text
from sqlalchemy.engine import Engine

from itm_admin import schedule
from itm_admin.foundation.config import Settings
from itm_admin.ledger import verification_jobs
from itm_admin.ledger.job_runs import Halt, Job, Scalar, Stopped, Work


def _tick(_engine: Engine, _halt: Halt) -> Mapping[str, Scalar]:
    return {"ticked": True}


def _held(engine: Engine, _halt: Halt) -> Mapping[str, Scalar]:
    with engine.begin() as connection:
        connection.execute(text("set local lock_timeout = 0"))
        connection.execute(text("select pg_advisory_xact_lock(7)"))
    return {"held": True}


def _patient(_engine: Engine, halt: Halt) -> Mapping[str, Scalar]:
    while not halt():
        threading.Event().wait(0.05)
    raise Stopped


def _broken(_engine: Engine, _halt: Halt) -> Mapping[str, Scalar]:
    raise RuntimeError("a value that must not be told")


WORK: Mapping[str, Work] = {
    "tick": _tick,
    "held": _held,
    "patient": _patient,
    "broken": _broken,
    "verify": verification_jobs.incremental,
}


def run(names: Sequence[str]) -> None:
    logging.basicConfig(level=logging.INFO)
    every_second = CronTrigger(second="*", timezone="UTC")
    jobs = [Job(name, name, every_second, timedelta(seconds=1), WORK[name]) for name in names]
    schedule.main(Settings.from_environment(), jobs, signs=False)


def run_forked(signer_url: str, names: Sequence[str]) -> None:
    os.environ["ITM_DATABASE_SIGNER_URL"] = signer_url
    run(names)


if __name__ == "__main__":
    run(sys.argv[1:])
