"""One round over several ledgers: their entries and, in a thorough round, the records and the catalogue.

Promise: a thorough round reads one snapshot, so that no change between two reads can look like a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from audit.catalogue import CatalogueManifest
from audit.checkpoint_comparison import Evidence
from audit.read_plan import Level
from audit.reconciliation import Differences
from audit.resume_mark import Watermarks
from audit.store import catalogue, records, ways
from audit.store.reader_pool import Read, meanwhile, reading_together
from audit.store.session import pinned
from audit.store.snapshot import Ledger, Unreadable, reading
from audit.store.verifying import Progress, Stop, Verification, unread, verify

Check = Callable[[Connection, str | None], Differences]
"""A further comparison in a thorough round's snapshot; its findings go to the given holder's ledger."""
LedgerProgress = Callable[[str, int, int], None]
RECORDS = "records"
"""The name that progress gets while rows are compared, instead of an origin."""

_SUSPECT = """
SELECT EXISTS (SELECT FROM (SELECT DISTINCT ON (ledger_id) ledger_id, verdict FROM ONLY audit.verification
                            WHERE verdict = 'tampered' OR verdict = 'intact' AND level <> 'sample'
                            ORDER BY ledger_id, id DESC) last
               WHERE verdict = 'tampered' AND ledger_id = ANY (:ids))
"""


def verify_all(
    engine: Engine,
    ledgers: Sequence[Ledger],
    level: Level,
    manifest: CatalogueManifest | None,
    progress: LedgerProgress | None = None,
    stop: Stop | None = None,
    evidence: Evidence | None = None,
    processes: int | None = None,
    watermarks: Watermarks | None = None,
    unfinished: list[Verification] | None = None,
    beside: Sequence[Check] = (),
) -> list[Verification]:
    """A verification of each ledger, as itm_signer; fewer if it was asked to stop. Records nothing.

    Thorough at level full, and while the last verdict on one of the ledgers is "tampered". The catalogue is compared
    only with a ``manifest``; its findings go to the Presidency's ledger. Without ``evidence``, held outside before the
    round, the assurance is unsigned. ``processes`` read the entries; None: one for each core if a ledger is large. A
    full round continues from ``watermarks`` and discards them at its end. Verifications that were begun and stopped are
    added to ``unfinished``. Raises the database's errors.
    """
    looking = _Looking(
        ledgers, level, progress, stop, evidence, [] if unfinished is None else unfinished, watermarks, beside
    )
    if level != "full" and not _suspect(engine, ledgers):
        return looking.each(engine)
    try:
        with reading(engine) as connection, pinned(connection):
            done = looking.thoroughly(connection, manifest, processes)
        if watermarks:
            for verification in done:
                watermarks.discard(verification.ledger.origin)
        return done
    finally:
        if watermarks:
            watermarks.close()


def overall(ledgers: Sequence[Ledger], progress: Progress) -> LedgerProgress:
    """Progress over all ledgers together: entries read and entries to read."""
    total, read, sizes = sum(ledger.size for ledger in ledgers), 0, {ledger.origin: ledger.size for ledger in ledgers}

    def within(origin: str, now: int, of: int) -> None:
        nonlocal read
        size = sizes.get(origin, 0)
        if of:
            progress(read + size * now // of, total)
        if of == now:
            read += sizes.pop(origin, 0)

    return within


def _suspect(engine: Engine, ledgers: Sequence[Ledger]) -> bool:
    with engine.connect() as connection:
        ids = [ledger.id for ledger in ledgers if not ledger.closed]
        return bool(connection.execute(text(_SUSPECT), {"ids": ids}).scalar())


@dataclass(frozen=True)
class _Looking:
    """The settings of one round."""

    ledgers: Sequence[Ledger]
    level: Level
    progress: LedgerProgress | None
    stop: Stop | None
    evidence: Evidence | None
    unfinished: list[Verification]
    watermarks: Watermarks | None
    beside: Sequence[Check] = ()

    def thoroughly(
        self, connection: Connection, manifest: CatalogueManifest | None, processes: int | None
    ) -> list[Verification]:
        largest = max((ledger.size for ledger in self.ledgers), default=0)
        with meanwhile(connection, largest, _ways) as answer:
            with reading_together(connection, largest, processes) as chunks:
                done = self.each(connection, chunks)
            if len(done) < len(self.ledgers):
                return done
            tell = None if self.progress is None else _named(self.progress, RECORDS)
            with _apart(connection):
                rows = records.compare(connection, tell, self.stop)
            with _apart(connection):
                beside = [rows, answer()]
        for check in self.beside:
            with _apart(connection):
                beside.append(check(connection, records.presidency(connection)))
        with _apart(connection):
            if manifest is not None:
                beside.append(catalogue.check(connection, manifest, records.presidency(connection)))
        joined = _joined(done, beside)
        if rows.failure and self._stopped():
            self.unfinished.extend(joined)
            return []
        return joined

    def each(self, bind: Engine | Connection, chunks: Read | None = None) -> list[Verification]:
        done: list[Verification] = []
        for ledger in self.ledgers:
            if self._stopped():
                self.unfinished.append(unread(ledger, self.level, "stopped before it was read"))
                continue
            tell = None if self.progress is None else _named(self.progress, ledger.origin)
            with _apart(bind):
                found = verify(bind, ledger, self.level, tell, self.stop, self.evidence, chunks, self.watermarks)
            if self._stopped() and found.verdict.verdict == "cannot tell":
                self.unfinished.append(found)
            else:
                done.append(found)
        return done

    def _stopped(self) -> bool:
        return bool(self.stop and self.stop())


def _ways(connection: Connection) -> Differences:
    with pinned(connection):
        return ways.check(connection, records.presidency(connection))


@contextmanager
def _apart(bind: Engine | Connection) -> Iterator[None]:
    """A savepoint: a read error in one ledger does not spoil the snapshot for the next."""
    if not isinstance(bind, Connection):
        yield
        return
    point = None
    with suppress(*Unreadable):
        point = bind.begin_nested()
    yield
    with suppress(*Unreadable):
        if point is not None:
            point.rollback()


def _joined(done: Sequence[Verification], beside: Sequence[Differences]) -> list[Verification]:
    """Adds each holder's findings to its newest ledger, and those without a holder to all; a failure goes to all."""
    newest = {verification.ledger.holder: verification.ledger.id for verification in done}
    joined = []
    for verification in done:
        verdict, holder = verification.verdict, verification.ledger.holder
        for found in beside:
            mine = {holder, None} if newest[holder] == verification.ledger.id else {None}
            findings = [finding for whose in mine for finding in found.findings.get(whose, ())]
            verdict = verdict.beside(findings, sum(found.counts.get(whose, 0) for whose in mine), found.failure)
        joined.append(replace(verification, verdict=verdict, records=beside[0].rows))
    return joined


def _named(progress: LedgerProgress, origin: str) -> Progress:
    return lambda done, total: progress(origin, done, total)
