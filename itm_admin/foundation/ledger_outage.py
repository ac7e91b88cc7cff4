"""An outage of the ledger: logged to stderr at once, marked outside the database, recorded in the ledger later.

A file in the data folder marks the outage for all processes and for the health page; the first entry that can be
written again is the alert about it. Knows no table.
"""

from __future__ import annotations

import fcntl
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db


def _mark() -> Path:
    return Path(current_app.config["ITM_HOME"]) / "ledger-trouble"


def ledger_failed(fault: BaseException) -> None:
    """Marks that an entry could not be written. Never raises: the caller is refusing already."""
    kind = type(getattr(fault, "orig", None) or fault).__name__
    print(f"itm: ALERT: the ledger cannot be written ({kind}); nothing is shown and nothing stored", file=sys.stderr)
    try:
        if not _mark().exists():
            _mark().write_text(datetime.now(UTC).isoformat(timespec="seconds"), "ascii")
    except OSError as error:
        print(f"itm: ALERT: the mark of it cannot be written either ({error.strerror})", file=sys.stderr)


def ledger_trouble_since() -> str | None:
    """The outage's beginning; None if there is none."""
    try:
        return _mark().read_text("ascii")
    except OSError:
        return None


def ledger_works() -> None:
    """Called after an entry was written: records a past outage in the Presidency's ledger, once."""
    try:
        with _mark().open("rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)  # one process records it; the lock ends with the file
            if _mark().stat().st_ino != os.fstat(mark.fileno()).st_ino:
                return
            _tell(mark.read().decode("ascii", "replace"))
            _mark().unlink(missing_ok=True)
    except (FileNotFoundError, BlockingIOError):
        return
    except (OSError, SQLAlchemyError) as error:  # the mark stays, and the next entry tries again
        ledger_failed(error)


def _tell(since: str) -> None:
    with db.engine.begin() as connection:
        tenancy.apply(connection, tenancy.NOBODY)
        connection.execute(
            text("select itm.ledger_is_back(:since)"),
            {"since": since},
        )
