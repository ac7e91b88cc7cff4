"""Writes only through the ledger's own SQL functions: installs, appends, records verifications."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.store.verifying import Verification

SQL = Path(__file__).parents[1] / "sql"
_APPEND = "SELECT audit.append(%s, %s, %s, %s, cast(%s AS text[]), %s, cast(%s AS jsonb), %s)"
"""In the driver's own words, which takes a quarter of the time off: each page waits for its entry."""


def install(connection: Connection) -> None:
    """Creates the schema `audit`, once, as itm_owner, in the transaction of `connection`."""
    for script in sorted(SQL.glob("*.sql")):
        connection.exec_driver_sql(script.read_text("utf-8"), execution_options={"no_parameters": True})


def append(
    connection: Connection,
    action: str,
    *,
    outcome: str = "success",
    kind: str | None = None,
    id: str | None = None,
    subjects: Sequence[str] = (),
    purpose: str | None = None,
    detail: Mapping[str, str | int | float | bool | None] | None = None,
    to_presidency: bool = False,
) -> uuid.UUID:
    """Appends an event that is not a change of a row; it is sealed at the caller's commit.

    It goes to the ledger of the bound context, or to the Presidency's. Raises the driver's error if refused.
    """
    told = None if detail is None else json.dumps(detail)
    values = (action, outcome, kind, id, list(subjects), purpose, told, to_presidency)
    written: uuid.UUID = connection.exec_driver_sql(_APPEND, values).scalar_one()
    return written


def record(connection: Connection, verification: Verification) -> None:
    """Records a verification for the pages; an intact one is an anchor for all later ones. As itm_signer."""
    v = verification.verdict
    connection.execute(
        text(
            "SELECT audit.record_verification(:ledger, :origin, :level, :started, :seconds, :first_seq, :checked,"
            " :next_seq, :size, :head, :verdict, :assurance, :first_broken, cast(:findings AS jsonb),"
            " cast(:ranges AS jsonb), :since)"
        ),
        {
            "ledger": verification.ledger.id,
            "origin": v.origin,
            "level": verification.level,
            "started": verification.started,
            "seconds": verification.seconds,
            "first_seq": verification.first_seq,
            "checked": verification.checked,
            "next_seq": verification.next_seq,
            "ranges": json.dumps(verification.ranges),
            "since": verification.since,
            "size": v.size,
            "head": v.head,
            "verdict": v.verdict,
            "assurance": v.assurance,
            "first_broken": v.first_broken,
            "findings": json.dumps([finding.told for finding in v.findings]),
        },
    )


def record_round(connection: Connection, verifications: Sequence[Verification]) -> None:
    """Records a round: each verification, and one entry in the Presidency's ledger with their number."""
    if not verifications:
        return
    for verification in verifications:
        record(connection, verification)
    words = [verification.verdict.verdict for verification in verifications]
    known = sum(each.acknowledged and each.verdict.verdict == "tampered" for each in verifications)
    append(
        connection,
        "ledger.verify",
        outcome="success" if words.count("intact") + known == len(words) else "failure",
        kind="ledger",
        detail={
            "level": verifications[0].level,
            "ledgers": len(words),
            "intact": words.count("intact"),
            "tampered": words.count("tampered"),
            "cannot_tell": words.count("cannot tell"),
            **({"acknowledged": known} if known else {}),
            "entries": sum(verification.checked for verification in verifications),
            "records": verifications[0].records,
            "seconds": round(sum(verification.seconds for verification in verifications), 3),
        },
        to_presidency=True,
    )
