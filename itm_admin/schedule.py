"""The table of jobs, composed from the rooms, and the process that runs them as `itm scheduler`."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from flask_babel import lazy_gettext as _l

from itm_admin.accounts import directory_check
from itm_admin.accounts.mail_waiting import MailWatch
from itm_admin.cases import erasure_replay, upkeep_calls
from itm_admin.foundation.config import Settings
from itm_admin.foundation.erasure_list import Erasures
from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.sink_address import SinkAddress
from itm_admin.ledger import verification_jobs
from itm_admin.ledger.backlog import SinkWatch
from itm_admin.ledger.job_runs import Job
from itm_admin.ledger.scheduler import SchedulerProcess
from itm_admin.ledger.signing import Signing
from itm_admin.ledger.verification_jobs import Gather, Marks
from itm_admin.local import signing_setup
from itm_admin.record import drafts

JOBS: tuple[Job, ...] = (
    Job(
        "ledger.verify.incremental",
        _l("Verification of new entries"),
        CronTrigger(minute="*/5", timezone="UTC"),
        timedelta(minutes=5),
        verification_jobs.incremental,
    ),
    Job(
        "ledger.verify.sample",
        _l("Verification of a random sample"),
        CronTrigger(minute=17, timezone="UTC"),
        timedelta(hours=1),
        verification_jobs.sample,
    ),
    Job(
        "ledger.verify.full",
        _l("Verification of all entries"),
        CronTrigger(hour=2, minute=30, timezone=TIMEZONE),
        timedelta(days=1),
        verification_jobs.full,
    ),
    Job(
        "ledger.verify.hourly",
        _l("Verification of all entries, while it is quick"),
        CronTrigger(minute=47, timezone="UTC"),
        timedelta(hours=1),
        verification_jobs.full_while_quick,
    ),
    Job(
        "draft.expire",
        _l("Removal of old drafts"),
        CronTrigger(hour=3, minute=15, timezone=TIMEZONE),
        timedelta(days=1),
        drafts.expire,
    ),
    Job(
        "person.erasures",
        _l("Comparison with the list of erasures"),
        CronTrigger(minute=15, timezone="UTC"),
        timedelta(hours=1),
        erasure_replay.work,
    ),
    Job(
        "person.upkeep",
        _l("Ages and search index of persons"),
        CronTrigger(hour=3, minute=45, timezone=TIMEZONE),
        timedelta(days=1),
        upkeep_calls.work,
    ),
    Job(
        "directory.accounts",
        _l("Comparison of accounts with institutions' directories"),
        CronTrigger(minute="7,27,47", timezone="UTC"),
        timedelta(minutes=20),
        directory_check.work,
    ),
)


def attested(
    jobs: Sequence[Job], gather: Gather, marks: Marks | None = None, most: float = verification_jobs.MOST_SECONDS
) -> list[Job]:
    """The same jobs; verifying ones read the held checkpoints, and full ones continue a stopped run."""
    given: dict[Any, dict[str, Any]] = {
        verification_jobs.incremental: {"gather": gather},
        verification_jobs.sample: {"gather": gather},
        verification_jobs.full: {"gather": gather, "marks": marks},
        verification_jobs.full_while_quick: {"gather": gather, "marks": marks, "most": most},
    }
    return [replace(job, work=partial(job.work, **given[job.work])) if job.work in given else job for job in jobs]


def main(settings: Settings, jobs: Sequence[Job] = JOBS, signs: bool = True) -> None:
    """Runs until SIGTERM or Ctrl-C; a running job is asked to end and waited for."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    url = settings.require("ITM_DATABASE_SIGNER_URL").signer_url or ""
    erasures = partial(erasure_replay.work, erasures=Erasures.of(settings))
    jobs = [replace(job, work=erasures) if job.work is erasure_replay.work else job for job in jobs]
    if not signs:
        SchedulerProcess(url, jobs, stop).run()
        return
    place = signing_setup.of(settings)
    stamping, sinks = signing_setup.stamping(settings), [SinkAddress.parse(each).name for each in settings.sinks]
    SchedulerProcess(
        url,
        attested(jobs, place.evidence, place.watermarks, settings.full_seconds),
        stop,
        Signing(place),
        stamping,
        [SinkWatch(sinks), *([MailWatch()] if settings.smtp_url else ())],
    ).run()
