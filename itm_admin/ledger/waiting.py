"""Entries that wait too long for their checkpoint, for any reason: used by readiness, watch and scheduler.

Promise: unsigned entries are found by their sequence number, so one of a clock that ran ahead counts like any other.
Works as itm_app and as itm_signer. Knows no signer and no lock.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.engine import Connection

from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Scalar

LONGEST = timedelta(minutes=3)
"""A signer takes one minute; a refused round has its own alert."""


@dataclass(frozen=True)
class OldestUnsigned:
    """The oldest entry of an open ledger that no checkpoint covers; the ledger's own upkeep does not count.

    ``ahead``: its clock ran ahead, so its time does not tell how long it waits.
    """

    ledger: uuid.UUID
    code: str
    signed: int
    size: int
    seq: int
    since: datetime
    ahead: bool

    def overdue(self, now: datetime) -> bool:
        return self.ahead or now - self.since > LONGEST


def oldest_unsigned(connection: Connection) -> list[OldestUnsigned]:
    """The oldest unsigned entry of each ledger that has one; cheap, and open to the web server's role."""
    return [OldestUnsigned(*row) for row in connection.execute(text("SELECT * FROM itm.unsigned_entries()"))]


def overdue(connection: Connection, now: datetime | None = None) -> list[OldestUnsigned]:
    """Entries that have waited for more than three minutes: the panel is not ready, and an alert is raised."""
    moment = now or datetime.now(UTC)
    return [each for each in oldest_unsigned(connection) if each.overdue(moment)]


def trouble(late: OldestUnsigned) -> Trouble:
    """The alert about one ledger."""
    detail: dict[str, Scalar] = {"since": late.since.isoformat(), "held": late.signed, "size": late.size}
    return Trouble(alert_raising.WAITING, late.code, detail=detail)


def judge(connection: Connection, now: datetime | None = None) -> None:
    """Raises an alert for each ledger that waits too long, and closes those whose ledgers wait no more.

    As itm_signer.
    """
    late = overdue(connection, now)
    for each in late:
        alert_raising.raise_alert(connection, trouble(each))
    open_ones = connection.execute(
        text("SELECT subject FROM alert WHERE kind = :kind AND acknowledged_at IS NULL"),
        {"kind": alert_raising.WAITING},
    ).scalars()
    for subject in set(open_ones) - {each.code for each in late}:
        alert_raising.resolve(connection, alert_raising.WAITING, subject)
