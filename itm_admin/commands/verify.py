"""`itm ledger verify`: a round with the held checkpoints. Ctrl-C or SIGTERM stops it; the next full one continues."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine

from audit import report, store
from audit.read_plan import Level
from audit.report import Report
from itm_admin.foundation.config import Settings
from itm_admin.foundation.database import engine_options, migration
from itm_admin.ledger import verification_jobs
from itm_admin.local import installation, signing_setup


def verify(settings: Settings, level: Level, code: str | None, progress: store.Progress) -> Report:
    """Verifies. If it is stopped, the unread part is "cannot tell"."""
    with installation.running(settings, "ITM_DATABASE_SIGNER_URL") as running, _stoppable() as stop:
        engine = create_engine(str(running.signer_url), **engine_options())
        try:
            return report.report(
                engine, level, code, manifest=migration.manifest(), evidence=signing_setup.evidence(running),
                together=progress, stop=stop.is_set, watermarks=signing_setup.watermarks(running),
                beside=verification_jobs.BESIDE,
            )  # fmt: skip
        finally:
            engine.dispose()


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that the first signal sets; a second signal interrupts at once."""
    stop = threading.Event()

    def came(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, came) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
