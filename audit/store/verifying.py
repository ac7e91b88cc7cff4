"""Verifies one ledger from the database, with its surroundings. Never raises for the ledger's content."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from audit.checkpoint_comparison import Attested, Evidence
from audit.checkpoint_folder import CheckpointFolderError
from audit.fast_check import Task
from audit.purge import Purges
from audit.read_plan import REREAD, Level, Past, Plan, plan
from audit.resume_mark import Watermarks
from audit.store import checkpoints, damage, generations, surroundings
from audit.store.reader_pool import Read, alone
from audit.store.session import pinned
from audit.store.snapshot import Ledger, Unreadable, entries, ledgers, purges, reading
from audit.verification import Anchors, Assurance, Finding, Head, Verdict, Verifier

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]

# The panel's role may see only part of a ledger: what it does not see is not missing.
_SEES = """
SELECT session_user <> 'itm_app' OR coalesce(said ->> 'reads' = 'all', false) FROM audit.context() said
"""


CHUNK = 16_384
"""Entries that are read and judged at once."""
EVERY = 5.0
"""Seconds between two watermarks."""
ASSURED: tuple[Assurance, ...] = ("witnessed", "self-attested")


class Unseen(Exception):
    """This connection does not see the whole ledger, so it cannot judge it."""


@dataclass(frozen=True)
class Verification:
    """A verdict, with the entries read for it: `checked` entries, the first of them `first_seq`."""

    ledger: Ledger
    level: Level
    started: datetime
    seconds: float
    first_seq: int
    checked: int
    next_seq: int
    verdict: Verdict
    ranges: tuple[tuple[int, int], ...] = ()
    """The ranges that were read, half open and in order."""
    since: datetime | None = None
    """The time when stopped runs began to read the entries before `first_seq`; None: there are none."""
    records: int | None = None
    """The number of rows that the round compared with all ledgers; None if it compared none."""
    acknowledged: bool = False
    """True if the ledger was closed and has no finding that was unknown then."""


def verify(
    bind: Engine | Connection,
    ledger: Ledger,
    level: Level,
    progress: Progress | None = None,
    stop: Stop | None = None,
    evidence: Evidence | None = None,
    chunks: Read | None = None,
    watermarks: Watermarks | None = None,
) -> Verification:
    """Reads the ledger as far as the level says and gives a verdict; never raises for the ledger's content.

    An engine is read in a snapshot of its own, where the ledger's row is read again; a connection as it is.
    ``progress`` gets entries read and entries to read; ``stop`` ends the run with "cannot tell". ``evidence`` was
    listed outside *before* the snapshot began; without it the assurance is unsigned. ``chunks`` reads in the same
    snapshot; without it, this process reads. With ``watermarks`` a full run continues a stopped one; the caller
    discards them at the end.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    run = _Run(ledger, level, evidence, watermarks if level == "full" else None)
    try:
        with reading(bind) as connection, pinned(connection):
            run.prepare(connection)
            run.read(connection, chunks or alone(connection), progress, stop)
    except (*Unreadable, Unseen, CheckpointFolderError) as error:
        run.verifier.failed(damage.why(bind, error))
    verdict, known = generations.known(run.ledger, run.verifier.verdict(), evidence)
    return Verification(
        run.ledger,
        level,
        started,
        time.monotonic() - clock,
        run.plan.stretches[0][0],
        run.verifier.checked,
        run.plan.next_seq,
        verdict,
        acknowledged=known,
        ranges=tuple(run.ranges),
        since=run.since,
    )


def unread(ledger: Ledger, level: Level, why: str) -> Verification:
    """The verification of a ledger that was not read."""
    verifier = Verifier(_head(ledger))
    verifier.failed(why)
    return Verification(ledger, level, datetime.now(UTC), 0.0, 0, 0, 0, verifier.verdict())


class _Run:
    """One verification: its stretches, and the ledger's surroundings."""

    def __init__(self, ledger: Ledger, level: Level, evidence: Evidence | None, watermarks: Watermarks | None) -> None:
        self.ledger = ledger
        self.level = level
        self.evidence = evidence
        self.attested: Attested | None = None
        self.plan = Plan(((0, ledger.size),))
        self.ranges: list[tuple[int, int]] = []
        self.since: datetime | None = None
        self._missing = False
        self._watermarks, self._kept = watermarks, time.monotonic()
        self._words = list(ASSURED)
        self.verifier = Verifier(_head(ledger))

    def prepare(self, connection: Connection) -> None:
        if not connection.execute(text(_SEES)).scalar():
            raise Unseen
        again = [other for other in ledgers(connection) if other.id == self.ledger.id]
        self.ledger = again[0] if again else self.ledger
        heads = connection.execute(
            text(
                "SELECT DISTINCT size, head FROM ONLY audit.verification WHERE ledger_id = :id AND verdict = 'intact'"
                " AND level <> 'sample'"
            ),
            {"id": self.ledger.id},
        )
        anchors = Anchors((row.size, bytes(row.head)) for row in heads if row.size)
        marks = self.evidence.sizes.get(self.ledger.origin, ()) if self.evidence else ()
        self.plan = plan(self.level, self.ledger.size, self._past(connection), REREAD, marks)
        self._gather(connection)
        self.verifier = Verifier(_head(self.ledger), (anchors, self.attested) if self.attested else (anchors,))
        if self.ledger.lost or not again:
            self.verifier.report(Finding(0, "ledger", "the ledger itself is not there"))
        elif self.ledger.expected_origin != self.ledger.origin:
            self.verifier.report(Finding(0, "origin", "code, generation and origin do not agree"))
        self.verifier.purges = Purges(partial(purges, connection, self.ledger.id))
        self.verifier.purges.load()
        for finding in surroundings.findings(connection, self.ledger, self.level):
            self.verifier.report(finding)
        self._look_at_copies(connection)

    def _gather(self, connection: Connection) -> None:
        """Reads the checkpoints with which the entries can be compared."""
        if self.evidence is None:
            return
        start = min(self.plan.stretches)[0]
        self.attested = Attested(
            self.ledger.origin,
            self.evidence,
            checkpoints.recorded(connection, self.ledger.id, start),
            checkpoints.cosignatures(connection, self.ledger.id, start),
        )

    def _look_at_copies(self, connection: Connection) -> None:
        """Checks the database's copies of checkpoints and keys, and that the folder outside has its files."""
        if self.attested is None or self.evidence is None:
            return
        self._tell_of_copies()
        witness = self.evidence.contradicted.get(self.ledger.origin)
        if witness is not None and not self.ledger.closed:
            self.verifier.report(Finding(None, "contradicted", f"{witness} knows another history of this ledger"))
        for finding in generations.contradictions(connection, self.ledger, self.evidence):
            self.verifier.report(finding)
        if self.level == "full":
            for finding in checkpoints.contradictions(connection, self.ledger):
                self.verifier.report(finding)
        if self.evidence.failure or self.attested.unheld():
            self.verifier.failed(self.evidence.failure or "checkpoints were signed, and none is held outside")
            return
        missing = self.attested.missing(checkpoints.sizes(connection, self.ledger.id))
        self._missing = bool(missing)
        if missing:
            detail = (
                f"{len(missing)} signed checkpoints are not held outside, the first is that of {missing[0]} entries"
            )
            self.verifier.failed(detail)

    def _tell_of_copies(self) -> None:
        while self.attested and self.attested.findings:
            self.verifier.report(self.attested.findings.pop(0))

    def _assure(self, connection: Connection) -> None:
        """The assurance as far as signatures reach; entries of the last minutes may still wait for theirs."""
        self._tell_of_copies()
        if self.level == "sample" and self.plan.total < self.ledger.size:
            self.verifier.assurance = next(iter(self._words), "unsigned")
            return
        for word in ASSURED:
            size = self.attested.covered(word) if self.attested else 0
            if size and not checkpoints.uncovered(connection, self.ledger.id, size):
                self.verifier.assurance = word
                return

    def _attested_to(self, end: int) -> None:
        """The assurance of a sample: each of its ranges must end with a signed root."""
        self._words = [word for word in self._words if self.attested and self.attested.covered(word) == end]

    def _past(self, connection: Connection) -> Past | None:
        row = connection.execute(
            text(
                "SELECT verdict, size, next_seq FROM ONLY audit.verification"
                " WHERE ledger_id = :id AND (verdict = 'tampered' OR verdict = 'intact' AND level <> 'sample')"
                " ORDER BY id DESC LIMIT 1"
            ),
            {"id": self.ledger.id},
        ).one_or_none()
        return None if row is None else Past(row.verdict == "intact", row.size, row.next_seq)

    def read(self, connection: Connection, chunks: Read, progress: Progress | None, stop: Stop | None) -> None:
        verifier, before = self.verifier, self._resume(connection)
        total = before + self.plan.total
        for start, end in self.plan.stretches:
            if not before:
                verifier.begin(start)
            for task, chunk in chunks(self._tasks(start, end)):
                if chunk is None or not verifier.over(chunk):
                    self._one_by_one(connection, task)
                if progress:
                    progress(before + verifier.checked, total)
                stopped = bool(stop and stop())
                self._keep(at_once=stopped)
                if stopped:
                    verifier.failed(f"stopped before entry {task.stop}")
                    self.ranges.append((start, task.stop))
                    return
            verifier.end(end)
            self._attested_to(end)
            self.ranges.append((start, end))
        for purge, _ in verifier.purges.unproved():  # its entry lies outside the stretches
            for page in entries(connection, self.ledger.id, purge.seq, purge.seq + 1):
                verifier.alone(page[0])
        if self.attested and self.attested.gap and not self._missing:
            verifier.failed(f"not held outside: {self.attested.gap}")
        verifier.close(reached=self.plan.stretches[-1][1] == self.ledger.size)
        self._assure(connection)
        self._keep(at_once=True)
        if progress:
            progress(total, total)

    def _resume(self, connection: Connection) -> int:
        """The number of entries that a stopped run has read, if the ledger still matches its watermark."""
        mark = self._watermarks.open(self.ledger.origin) if self._watermarks else None
        if mark is None or self.attested is None or mark.size > self.ledger.size or self.verifier.found:
            return 0
        last = [entry for page in entries(connection, self.ledger.id, mark.size - 1, mark.size) for entry in page]
        if [(entry.hash, entry.recorded_at) for entry in last] != [(mark.head, mark.recorded_at)]:
            return 0
        for first in self.verifier.purges.resume(mark.size):
            for page in entries(connection, self.ledger.id, first, mark.size):
                for entry in page:
                    self.verifier.purges.passed(entry.seq, entry.hash)
        self.plan = Plan(((mark.size, self.ledger.size),), self.plan.next_seq)
        self.verifier.resume(mark.size, mark.head, mark.recorded_at)
        self.attested.resume(mark.range, {"self-attested": mark.attested, "witnessed": mark.witnessed})
        self.since = mark.began
        return mark.size

    def _keep(self, at_once: bool) -> None:
        """Writes a watermark every few seconds; removes it after a finding."""
        if self._watermarks is None or not (at_once or time.monotonic() - self._kept >= EVERY):
            return
        self._kept = time.monotonic()
        reached, range = self.verifier.reached, self.attested.range if self.attested else None
        if self.verifier.found:
            self._watermarks.discard(self.ledger.origin)
        elif reached and self.attested and range and range.end == reached[0]:
            covered = [self.attested.covered(word) for word in ("self-attested", "witnessed")]
            self._watermarks.keep(self.ledger.origin, *reached, range, *covered)

    def _tasks(self, start: int, end: int) -> Iterator[Task]:
        """A stretch in parts; most begin and end at large subtrees, so that they join quickly."""
        while start < end:
            stop = min((start // CHUNK + 1) * CHUNK, end)
            sizes = self.verifier.sizes(start, stop)
            yield Task(self.ledger.id, self.ledger.origin, self.ledger.holder, start, stop, sizes)
            start = stop

    def _one_by_one(self, connection: Connection, task: Task) -> None:
        for page in entries(connection, self.ledger.id, task.start, task.stop):
            for entry in page:
                self.verifier.feed(entry)


def _head(ledger: Ledger) -> Head:
    return Head(ledger.origin, ledger.size, ledger.head, ledger.recorded_at, ledger.holder)
