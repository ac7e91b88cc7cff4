"""The command `itm ledger verify`: a round over the ledgers as plain data and an exit code.

Exit code: 0 intact, 1 tampered, 2 cannot tell; the worst ledger decides. Ledgers that two people closed and that have
not changed since do not count. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit import store
from audit.catalogue import CatalogueManifest
from audit.checkpoint_comparison import Evidence
from audit.read_plan import Level
from audit.resume_mark import Watermarks
from audit.store import Database, LedgerProgress, Verification
from audit.verification import Finding

Report = tuple[list[dict[str, Any]], int]


def run(
    engine: Database,
    level: Level,
    code: str | None = None,
    progress: LedgerProgress | None = None,
    stop: store.Stop | None = None,
    manifest: CatalogueManifest | None = None,
    evidence: Evidence | None = None,
    together: store.Progress | None = None,
    watermarks: Watermarks | None = None,
    unfinished: list[Verification] | None = None,
    beside: Sequence[store.Check] = (),
) -> list[Verification]:
    """Verifies every ledger, or those of one code, and records the round. `engine` is itm_signer's.

    A full round also compares the records and, with a manifest, the database's catalogue.

    ``progress`` gets the ledger's origin, entries read and entries to read; ``together`` the sums over all ledgers.
    Raises the database's errors.
    """
    begun = [] if unfinished is None else unfinished
    verifications = _verified(
        engine, level, code, progress, stop, manifest, evidence, together, watermarks, begun, beside
    )
    _record(engine, verifications)
    return verifications


def _record(engine: Database, verifications: list[Verification]) -> None:
    with engine.begin() as connection:
        store.record_round(connection, verifications)


def _verified(
    engine: Database, level: Level, code: str | None, progress: LedgerProgress | None, stop: store.Stop | None,
    manifest: CatalogueManifest | None, evidence: Evidence | None, together: store.Progress | None,
    watermarks: Watermarks | None, unfinished: list[Verification], beside: Sequence[store.Check],
) -> list[Verification]:  # fmt: skip
    with engine.connect() as connection:
        found = [ledger for ledger in store.ledgers(connection) if code is None or ledger.code == code]
    if evidence and code is None:
        found += store.unlisted(found, evidence)
    within = store.overall(found, together) if together else progress
    return store.verify_all(
        engine,
        found,
        level,
        manifest,
        within,
        stop,
        evidence,
        watermarks=watermarks,
        unfinished=unfinished,
        beside=beside,
    )


def report(
    engine: Database,
    level: Level,
    code: str | None = None,
    progress: LedgerProgress | None = None,
    manifest: CatalogueManifest | None = None,
    evidence: Evidence | None = None,
    together: store.Progress | None = None,
    stop: store.Stop | None = None,
    watermarks: Watermarks | None = None,
    beside: Sequence[store.Check] = (),
) -> Report:
    """One dict a ledger, and the exit code. No ledger, and a database that does not answer, are "cannot tell".

    Findings are reported even if a later step fails. A round that cannot be recorded adds a "cannot tell".
    """
    unfinished: list[Verification] = []
    unrecorded: list[dict[str, Any]] = []
    try:
        verifications = _verified(
            engine, level, code, progress, stop, manifest, evidence, together, watermarks, unfinished, beside
        )
    except store.Unreadable as error:
        return [_unread(f"the database could not be asked: {type(error).__name__}")], 2
    try:
        _record(engine, verifications)
    except store.Unreadable as error:
        unrecorded = [_unread(f"the round could not be recorded: {type(error).__name__}")]
    verifications += unfinished
    if not verifications:
        return [_unread("no such ledger" if code else "there is no ledger yet")], 2
    words = {each.verdict.verdict for each in verifications if not each.acknowledged}
    unknown = bool(unrecorded) or "cannot tell" in words
    return [*map(row, verifications), *unrecorded], 1 if "tampered" in words else 2 if unknown else 0


def row(verification: Verification) -> dict[str, Any]:
    """One ledger's result: verdict, assurance and findings."""
    verdict = verification.verdict
    closed = {"closed": True, "acknowledged": verification.acknowledged}
    return (closed if verification.ledger.closed or verification.acknowledged else {}) | {
        "origin": verdict.origin,
        "institution": verification.ledger.code,
        "verdict": verdict.verdict,
        "assurance": verdict.assurance,
        "size": verdict.size,
        "first_broken": verdict.first_broken,
        "ranges": [list(each) for each in verification.ranges],
        "since": verification.since and verification.since.isoformat(),
        "findings": [finding.told for finding in verdict.findings],
    }


def _unread(why: str) -> dict[str, Any]:
    return {
        "origin": None,
        "institution": None,
        "verdict": "cannot tell",
        "assurance": "unsigned",
        "size": None,
        "first_broken": None,
        "ranges": [],
        "since": None,
        "findings": [Finding(None, "unread", why).told],
    }
