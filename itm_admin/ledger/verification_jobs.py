"""Verification rounds in the scheduler's process, as itm_signer.

Promise: every ledger that is read gets a recorded verdict, each one that is not intact raises an alert, nothing is
repaired. A round that is told to stop records its finished part and that it stopped.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine, Row

from audit import store
from audit.checkpoint_comparison import Evidence
from audit.read_plan import Level
from audit.resume_mark import Watermarks
from audit.store import Ledger, Verification
from audit.verification import Finding
from itm_admin.foundation.database import migration
from itm_admin.ledger import alert_raising, alert_rows, beside_rows, two_sides
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Halt, Scalar, Stopped
from itm_admin.ledger.time_left import Pace

BESIDE = (alert_rows.check, beside_rows.check, two_sides.check)
"""Further comparisons of a thorough round, beside records and catalogue."""
WORST_FIRST = ("tampered", "cannot tell", "intact")
_EVERY = 0.3
"""Seconds between two updates of the progress."""


MOST_SECONDS = 120.0
"""A full run is made every hour as long as it takes no longer than this."""
_LONGEST = text(
    "SELECT coalesce(max(extract(epoch FROM finished_at - started_at)), 0) FROM job_run"
    " WHERE job IN ('ledger.verify.full', 'ledger.verify.hourly') AND finished_at > now() - interval '25 hours'"
)
log = logging.getLogger(__name__)


Gather = Callable[[], Evidence]
"""Lists the held checkpoints at the time of the call."""
Marks = Callable[[], Watermarks]


def incremental(engine: Engine, halt: Halt, gather: Gather | None = None) -> Mapping[str, Scalar]:
    """Verifies new entries. Full rounds alone read a closed ledger, which the folder outside knows as closed."""
    evidence = gather() if gather else None
    ledgers = _ledgers(engine, evidence=evidence)
    if evidence:
        over = {ledger.id for ledger in ledgers if ledger.closed and evidence.closures.closing(ledger.origin)}
        ledgers = [each for each in ledgers if each.id not in over and each.origin not in evidence.closures.gone]
    return _told(verify(engine, ledgers, "incremental", halt, evidence=evidence))


def sample(engine: Engine, halt: Halt, gather: Gather | None = None) -> Mapping[str, Scalar]:
    evidence = gather() if gather else None
    return _told(verify(engine, _ledgers(engine, evidence=evidence), "sample", halt, evidence=evidence))


def full(engine: Engine, halt: Halt, gather: Gather | None = None, marks: Marks | None = None) -> Mapping[str, Scalar]:
    """Verifies everything, and continues a stopped run."""
    evidence, watermarks = gather() if gather else None, marks() if marks else None
    ledgers = _ledgers(engine, evidence=evidence)
    return _told(verify(engine, ledgers, "full", halt, evidence=evidence, watermarks=watermarks))


def full_while_quick(
    engine: Engine,
    halt: Halt,
    gather: Gather | None = None,
    marks: Marks | None = None,
    most: float = MOST_SECONDS,
) -> Mapping[str, Scalar]:
    """As `full`, unless a run of the last day took longer than ``most`` seconds: then every night is enough."""
    with engine.connect() as connection:
        longest = float(connection.execute(_LONGEST).scalar_one())
    if longest > most:
        return {"skipped": True, "longest": round(longest, 1), "most": most}
    return full(engine, halt, gather, marks)


def verify(
    engine: Engine,
    ledgers: Sequence[Ledger],
    level: Level,
    halt: Halt,
    progress: store.Progress | None = None,
    evidence: Evidence | None = None,
    watermarks: Watermarks | None = None,
) -> list[Verification]:
    """Does one round. If it was told to stop early, records the finished part and raises Stopped."""
    within = store.overall(ledgers, progress) if progress else None
    done = store.verify_all(
        engine,
        ledgers,
        level,
        migration.manifest(),
        within,
        halt,
        evidence,
        watermarks=watermarks,
        beside=BESIDE,
    )
    _record(engine, done)
    if len(done) < len(ledgers):
        raise Stopped
    return done


def worst(verifications: Sequence[Verification]) -> str:
    """The verdict on all ledgers together, without known findings of closed ones; "cannot tell" if none was read."""
    words = {"intact" if each.acknowledged else each.verdict.verdict for each in verifications}
    return next((word for word in WORST_FIRST if word in words), "cannot tell")


def _ledgers(engine: Engine, holder: uuid.UUID | None = None, evidence: Evidence | None = None) -> list[Ledger]:
    """The ledgers of a holder, or all, including those that only the folder outside knows."""
    with engine.connect() as connection:
        found = store.ledgers(connection)
    found += store.unlisted(found, evidence) if evidence else []
    return [ledger for ledger in found if holder is None or ledger.holder == str(holder)]


def _record(engine: Engine, verifications: Sequence[Verification]) -> None:
    """Records the round. If that fails, logs the findings and tries alerts first; then raises the database's errors."""
    troubles = [trouble for trouble in map(_trouble, verifications) if trouble]
    try:
        with engine.begin() as connection:
            store.record_round(connection, verifications)
            for trouble in troubles:
                alert_raising.raise_alert(connection, trouble)
            _changes_outside(connection)
    except store.Unreadable:
        for trouble in troubles:
            log.critical(
                "%s: %s, first broken entry %s, %s findings (%s); the round could not be recorded",
                trouble.kind, trouble.subject, trouble.first_broken, trouble.detail.get("findings"),
                trouble.detail.get("object") or trouble.detail.get("finding"),
            )  # fmt: skip
        with suppress(*store.Unreadable), engine.begin() as connection:
            for trouble in troubles:
                alert_raising.raise_alert(connection, trouble, told=False)
        raise


def _changes_outside(connection: Connection) -> None:
    for row in connection.execute(_OUTSIDE).all():
        detail = {"entries": row.times, "seq": row.seq, "ledger": str(row.ledger_id)}
        alert_raising.raise_alert(connection, Trouble(alert_raising.OUTSIDE, row.code, row.holder, None, detail))


# The condition of paging.outside, in the spelling of the index event_outside.
_OUTSIDE = text(
    """
    SELECT l.id AS ledger_id, l.holder, l.code, count(*) AS times, max(f.seq) AS seq
    FROM audit.event e JOIN audit.leaf f ON f.event_id = e.id JOIN audit.ledger l ON l.id = f.ledger_id
    WHERE NOT e.content LIKE '%"session":"itm_app","transaction":%'
      AND NOT e.content LIKE '%"session":"itm_signer","transaction":%'
      AND NOT e.content LIKE '%"session":"itm_purger","transaction":%'
      AND NOT itm.is_upgrade(e.content, e.at, (SELECT itm.upgrades()))
      AND NOT EXISTS (SELECT FROM alert a WHERE a.kind = 'record.outside' AND a.detail ->> 'ledger' = l.id::text
                      AND (a.detail ->> 'seq')::bigint >= f.seq AND a.acknowledged_at >= e.at)
    GROUP BY l.id, l.holder, l.code
    """
)
"""Changes past the panel since the last acknowledged one."""


def _trouble(verification: Verification) -> Trouble | None:
    verdict, ledger = verification.verdict, verification.ledger
    if verdict.verdict == "intact" or verification.acknowledged:
        return None
    return Trouble(
        alert_raising.TAMPERED if verdict.verdict == "tampered" else alert_raising.UNVERIFIED,
        ledger.code or ledger.origin,
        uuid.UUID(ledger.holder) if ledger.holder else None,
        verdict.first_broken,
        {
            "ledger": str(ledger.id),
            "level": verification.level,
            "findings": verdict.found,
            "finding": verdict.findings[0].kind if verdict.findings else None,
            **_named(verdict.findings),
        },
    )


def _named(findings: Sequence[Finding]) -> Mapping[str, Scalar]:
    """Names the first finding beside the entries, with a digest that distinguishes this set of findings."""
    named = [finding for finding in findings if finding.id is not None]
    if not named:
        return {}
    told = "\n".join(f"{finding.kind} {finding.table} {finding.id}" for finding in named)
    first = named[0]
    return {
        "table": first.table,
        "object": first.id,
        "object_finding": first.kind,
        "named": hashlib.sha256(told.encode()).hexdigest()[:16],
    }


def _told(verifications: Sequence[Verification]) -> Mapping[str, Scalar]:
    return {
        "verdict": worst(verifications),
        "ledgers": len(verifications),
        "entries": sum(verification.checked for verification in verifications),
    }


def take_up_again(engine: Engine) -> None:
    """Puts a dead process's requests back in the queue. Called by a new leader."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE verification_request SET state = 'waiting', started_at = NULL, done = 0 WHERE state = 'running'"
            )
        )


def work_off_requests(engine: Engine, halt: Halt, gather: Gather | None = None, marks: Marks | None = None) -> None:
    """Verifies on people's request, the oldest first, until no request waits."""
    while not halt():
        request = _take(engine)
        if request is None:
            return
        _work_off(engine, request, halt, gather() if gather else None, marks() if marks else None)


def _take(engine: Engine) -> Row[tuple[uuid.UUID, uuid.UUID | None, Level]] | None:
    with engine.begin() as connection:
        return connection.execute(
            text(
                "UPDATE verification_request SET state = 'running', started_at = now(), done = 0 WHERE id = ("
                " SELECT id FROM verification_request WHERE state = 'waiting' ORDER BY requested_at"
                " FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, holder, level"
            )
        ).one_or_none()


def _work_off(
    engine: Engine, request: Row[tuple[uuid.UUID, uuid.UUID | None, Level]], halt: Halt, evidence: Evidence | None,
    watermarks: Watermarks | None,
) -> None:  # fmt: skip
    noted, pace = 0.0, Pace()

    def progress(done: int, total: int) -> None:
        nonlocal noted
        if time.monotonic() - noted > _EVERY:
            noted = time.monotonic()
            _note(engine, request.id, "running", done=done, total=total, seconds_left=pace.left(done, total))

    try:
        verifications = verify(
            engine, _ledgers(engine, request.holder, evidence), request.level, halt, progress, evidence, watermarks
        )
    except Stopped:
        _note(engine, request.id, "waiting", done=0)
    except Exception:
        _note(engine, request.id, "failed")
        raise
    else:
        size = sum(verification.ledger.size for verification in verifications)
        _note(engine, request.id, "done", done=size, total=size, verdict=worst(verifications))


def _note(
    engine: Engine, request: uuid.UUID, state: str, done: int | None = None, total: int | None = None,
    verdict: str | None = None, seconds_left: int | None = None,
) -> None:  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE verification_request SET state = cast(:state AS varchar), done = coalesce(:done, done),"
                " total = coalesce(:total, total), verdict = :verdict, seconds_left = :seconds_left,"
                " finished_at = CASE WHEN cast(:state AS varchar) IN ('done', 'failed') THEN now() END WHERE id = :id"
            ),
            {
                "id": request,
                "state": state,
                "done": done,
                "total": total,
                "verdict": verdict,
                "seconds_left": seconds_left,
            },
        )
