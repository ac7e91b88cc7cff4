"""Entries that wait for their checkpoint for too long, whatever the reason: asked by readiness, watch and scheduler.

Promise: what is not signed counts by its number in the ledger; an entry of a clock that ran ahead waits like any other.
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
"""A signer takes one; a round that was refused is told by its own alert."""


@dataclass(frozen=True)
class OldestUnsigned:
    """The oldest entry of an open ledger that no checkpoint covers; the ledger's own upkeep does not count.

    ``ahead``: its clock ran ahead, so that its time says nothing of how long it waits.
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
    """One of each ledger that has any: cheap, and open to the role of the web server as well."""
    return [OldestUnsigned(*row) for row in connection.execute(text("SELECT * FROM itm.unsigned_entries()"))]


def overdue(connection: Connection, now: datetime | None = None) -> list[OldestUnsigned]:
    """Those that have waited for longer than three minutes: then the panel is not ready, and people are told."""
    moment = now or datetime.now(UTC)
    return [each for each in oldest_unsigned(connection) if each.overdue(moment)]


def trouble(late: OldestUnsigned) -> Trouble:
    """The alert about one ledger."""
    detail: dict[str, Scalar] = {"since": late.since.isoformat(), "held": late.signed, "size": late.size}
    return Trouble(alert_raising.WAITING, late.code, detail=detail)


def judge(connection: Connection, now: datetime | None = None) -> None:
    """As itm_signer: an alert for each ledger that waits too long; taken back where nothing waits any more."""
    late = overdue(connection, now)
    for each in late:
        alert_raising.raise_alert(connection, trouble(each))
    open_ones = connection.execute(
        text("SELECT subject FROM alert WHERE kind = :kind AND acknowledged_at IS NULL"),
        {"kind": alert_raising.WAITING},
    ).scalars()
    for subject in set(open_ones) - {each.code for each in late}:
        alert_raising.resolve(connection, alert_raising.WAITING, subject)
