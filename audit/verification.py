"""Verifies a ledger as a stream, in constant memory: feed the entries in order, then ask for the verdict.

A verdict never claims more than was read. Anything else that vouches for a ledger (recorded heads, checkpoints,
witnesses) is a `Reference`: it gets each leaf hash, and the end. Knows no database.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

from audit import event
from audit.fast_check import Chunk
from audit.leaf import EMPTY, Entry, leaf_hash
from audit.purge import ACTION as PURGE
from audit.purge import Purge, Purges

Word = Literal["intact", "tampered", "cannot tell"]
Assurance = Literal["unsigned", "self-attested", "witnessed"]
CAP = 100
RECORDED_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed. ``seq`` is None if it has no place in the ledger.

    ``table`` and ``id`` name a record that does not match its last event; ``id`` alone an object of the catalogue.
    ``acknowledged``: two people knew of it when they closed the ledger.
    """

    seq: int | None
    kind: str
    detail: str
    table: str | None = None
    id: str | None = None
    acknowledged: bool = False

    @property
    def told(self) -> dict[str, str | int | bool | None]:
        """The finding as it is recorded and reported."""
        said = {"seq": self.seq, "kind": self.kind, "detail": self.detail, "table": self.table, "id": self.id}
        return said | {"acknowledged": True} if self.acknowledged else said


@dataclass(frozen=True)
class Head:
    """A ledger's own row: origin, size and last entry."""

    origin: str
    size: int
    head: bytes
    recorded_at: str | None
    holder: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The result. ``findings``: at most 100 of the ``found``; ``first_broken``: the smallest entry that fails."""

    origin: str
    verdict: Word
    assurance: Assurance
    size: int
    head: bytes
    first_broken: int | None
    findings: tuple[Finding, ...] = ()
    found: int = 0

    def beside(self, findings: Sequence[Finding], found: int, failure: str | None = None) -> Verdict:
        """This verdict with findings from outside the ledger's entries, or with the reason why those are not known."""
        word: Word = "tampered" if self.found + found else "cannot tell" if failure else self.verdict
        unread = (Finding(None, "unread", failure),) if failure else ()
        kept = (*self.findings, *findings)[: max(CAP, len(self.findings))]
        return replace(self, verdict=word, findings=kept + unread, found=self.found + found)


class Reference(Protocol):
    """Evidence from outside the ledger's tables that its entries must agree with."""

    def passed(self, seq: int, hash: bytes) -> Finding | None: ...

    def ended(self, size: int) -> Finding | None: ...


@runtime_checkable
class Leaping(Reference, Protocol):
    """A reference that can take many entries at once."""

    def ready(self, chunk: Chunk) -> bool:
        """True if `over` is equivalent to passing the chunk's entries one by one."""
        ...

    def over(self, chunk: Chunk) -> list[Finding]: ...

    def sizes(self, start: int, stop: int) -> list[int]:
        """The sizes inside a chunk at which it needs a mark."""
        ...


class Anchors:
    """Heads recorded by earlier intact verifications, by size: the entries must still have them."""

    def __init__(self, heads: Iterable[tuple[int, bytes]]) -> None:
        self._heads: dict[int, set[bytes]] = {}
        for size, head in heads:
            self._heads.setdefault(size, set()).add(head)
        self._sizes = sorted(self._heads)

    def passed(self, seq: int, hash: bytes) -> Finding | None:
        heads = self._heads.get(seq + 1)
        if heads is None or heads == {hash}:
            return None
        before = self._sizes[: bisect_right(self._sizes, seq)]
        since = before[-1] if before else 0
        return Finding(since, "anchor", f"entries {since} to {seq} are not those of an earlier verification")

    def ready(self, chunk: Chunk) -> bool:
        return True

    def over(self, chunk: Chunk) -> list[Finding]:
        found = (self.passed(mark.size - 1, mark.hash) for mark in chunk.marks)
        return [finding for finding in found if finding is not None]

    def sizes(self, start: int, stop: int) -> list[int]:
        return self._sizes[bisect_right(self._sizes, start) : bisect_right(self._sizes, stop)]

    def ended(self, size: int) -> Finding | None:
        if not self._sizes or self._sizes[-1] <= size:
            return None
        return Finding(size, "truncated", f"{self._sizes[-1]} entries were verified earlier, {size} are left")


@dataclass
class Verifier:
    """Verifies entries: call `begin`, `feed` in order and `end` for each stretch, then ask for the `verdict`.

    A verifier that was given no entry before ``start`` accepts the first link it sees, and no other.
    """

    ledger: Head
    references: tuple[Reference, ...] = ()
    assurance: Assurance = "unsigned"
    """Set by the caller that compared signatures with the entries."""
    purges: Purges = field(default_factory=Purges)
    checked: int = 0
    found: int = 0
    _findings: list[Finding] = field(default_factory=list)
    _broken: int | None = None
    _since: int | None = None
    _failure: str | None = None
    _expected: int = 0
    _prev: bytes | None = EMPTY
    _recorded_at: str | None = None

    def begin(self, seq: int = 0) -> None:
        """Starts a stretch at entry ``seq``."""
        self._expected = seq
        self._prev = None if seq else EMPTY
        self._recorded_at = None

    def resume(self, size: int, head: bytes, recorded_at: str) -> None:
        """Continues a stopped run that found all entries before ``size`` intact; ``head`` is the last one's hash."""
        self._expected, self._prev, self._recorded_at = size, head, recorded_at

    @property
    def reached(self) -> tuple[int, bytes, str] | None:
        """Size, last hash and last time so far; None after a finding, or before any entry."""
        if self.found or not self._expected or self._prev is None or self._recorded_at is None:
            return None
        return self._expected, self._prev, self._recorded_at

    def feed(self, entry: Entry) -> None:
        """Checks one entry by itself and as the successor of the previous one."""
        self.checked += 1
        if entry.seq > self._expected:
            self._missing(entry.seq)
        elif entry.seq < self._expected:
            self.report(Finding(entry.seq, "order", "the sequence number was there before"))
        try:
            self._check_leaf(entry)
            self._check_event(entry)
        except (TypeError, ValueError, AttributeError) as error:
            self.report(Finding(entry.seq, "content", f"cannot be read: {error}"))
        if (purge := self.purges.passed(entry.seq, entry.hash)) is not None:
            self.report(Finding(purge.first, "purge", f"other entries than entry {purge.seq} says were purged"))
        for reference in self.references:
            self._refer(reference.passed(entry.seq, entry.hash))
        self._expected, self._prev, self._recorded_at = entry.seq + 1, entry.hash, entry.recorded_at

    def over(self, chunk: Chunk) -> bool:
        """Takes a chunk at once, equivalent to feeding its entries.

        If that could differ, gives False and does nothing.
        """
        leaping = self._leaping()
        if (
            leaping is None
            or self.purges.meets(chunk.start, chunk.stop)
            or chunk.start != self._expected
            or self._prev not in (None, chunk.prev)
            or (self._recorded_at is not None and chunk.first_at < self._recorded_at)
            or not all(reference.ready(chunk) for reference in leaping)
        ):
            return False
        self.checked += chunk.stop - chunk.start
        found = [finding for reference in leaping for finding in reference.over(chunk)]
        for finding in found:
            self._refer(finding)
        self._expected, self._prev, self._recorded_at = chunk.stop, chunk.hash, chunk.last_at
        return True

    def sizes(self, start: int, stop: int) -> tuple[int, ...]:
        """The sizes inside a chunk at which the references need marks."""
        return tuple(sorted({size for each in self._leaping() or () for size in each.sizes(start, stop)}))

    def end(self, stop: int) -> None:
        """Ends a stretch before ``stop``: up to there no entry may be missing."""
        if self._expected < stop:
            self._missing(stop)

    def close(self, reached: bool = True) -> None:
        """Ends the last stretch: compares the ledger's own head and the references.

        ``reached`` is False for a sample that did not read to the ledger's end: then only a ledger that is too short is
        found.
        """
        if not reached:
            self.settle()
            for reference in self.references:
                self._refer(reference.ended(self.ledger.size))
            return
        self.end(self.ledger.size)
        self.settle()
        if self._expected > self.ledger.size:
            self.report(Finding(self.ledger.size, "size", f"the ledger says that it has {self.ledger.size} entries"))
        if self._prev is not None and self._prev != self.ledger.head:
            self.report(Finding(self._expected, "head", "the ledger's head is not the last entry's hash"))
        if self._recorded_at != self.ledger.recorded_at:
            self.report(Finding(self._expected, "head", "the ledger's time is not the last entry's"))
        for reference in self.references:
            self._refer(reference.ended(self._expected))

    def alone(self, entry: Entry) -> None:
        """Checks an entry outside the stretches: one that records a purge."""
        try:
            if entry.hash != leaf_hash(self.ledger.origin, entry.seq, entry.recorded_at, entry.prev, entry.commitment):
                self.report(Finding(entry.seq, "hash", "the hash is not that of the frame"))
            self._check_event(entry)
        except (TypeError, ValueError, AttributeError) as error:
            self.report(Finding(entry.seq, "content", f"cannot be read: {error}"))

    def settle(self) -> None:
        """Reports missing content that no intact purge entry explains; call it after all reading."""
        for purge, seq in self.purges.unproved():
            self.report(Finding(seq, "purge", f"the event is not there, and entry {purge.seq} does not stand for it"))

    def failed(self, why: str) -> None:
        """Records that reading stopped early: without a finding so far the verdict is "cannot tell"."""
        self._failure = why

    def report(self, finding: Finding) -> None:
        """Counts a finding; keeps the first hundred."""
        self.found += 1
        if finding.seq is not None:
            self._broken = finding.seq if self._broken is None else min(self._broken, finding.seq)
        self._keep(finding)

    def verdict(self) -> Verdict:
        word: Word = "tampered" if self.found else "cannot tell" if self._failure else "intact"
        findings = tuple(self._findings)
        if self._failure:
            findings += (Finding(None, "unread", self._failure),)
        broken = self._since if self._broken is None else self._broken
        return Verdict(
            self.ledger.origin, word, self.assurance, self.ledger.size, self.ledger.head, broken, findings, self.found
        )

    def _leaping(self) -> list[Leaping] | None:
        """The references, if all of them can take chunks."""
        found = [each for each in self.references if isinstance(each, Leaping)]
        return found if len(found) == len(self.references) else None

    def _check_leaf(self, entry: Entry) -> None:
        if self._prev is not None and entry.prev != self._prev:
            self.report(Finding(entry.seq, "link", "does not name the entry before it"))
        if entry.hash != leaf_hash(self.ledger.origin, entry.seq, entry.recorded_at, entry.prev, entry.commitment):
            self.report(Finding(entry.seq, "hash", "the hash is not that of the frame"))
        if not RECORDED_AT.fullmatch(entry.recorded_at):
            self.report(Finding(entry.seq, "time", "the recorded time is malformed"))
        elif self._recorded_at is not None and entry.recorded_at < self._recorded_at:
            self.report(Finding(entry.seq, "time", "recorded before the entry before it"))

    def _check_event(self, entry: Entry) -> None:
        if entry.content is None or entry.salt is None or entry.columns is None:
            if not self.purges.forgives(entry.seq):
                self.report(Finding(entry.seq, "event", "the event is not there"))
            return
        before = self.found
        if event.commitment(entry.salt, entry.content) != entry.commitment:
            self.report(Finding(entry.seq, "content", "the content is not what was sealed"))
        if not entry.in_place:
            self.report(Finding(entry.seq, "event", "the event names another ledger"))
        sealed = event.derived(entry.content)
        if entry.columns != sealed:
            names = ", ".join(event.differences(entry.columns, sealed))
            self.report(Finding(entry.seq, "column", f"not what was sealed: {names}"))
        if sealed.id != entry.event_id:
            self.report(Finding(entry.seq, "event", "the event is another entry's"))
        if sealed.via != "append" and sealed.target_holder not in (None, self.ledger.holder):
            self.report(Finding(entry.seq, "holder", "a change in another holder's ledger"))
        if sealed.action == PURGE and self.found == before:
            self.tell(Purge.read(entry.seq, entry.content))

    def tell(self, purge: Purge | None) -> None:
        if purge is not None:
            self.purges.told(purge)

    def _missing(self, stop: int) -> None:
        last = stop - 1
        what = f"entry {last} is" if last == self._expected else f"entries {self._expected} to {last} are"
        self.report(Finding(self._expected, "missing", f"{what} not there"))
        self._prev = None
        self._expected = stop

    def _refer(self, finding: Finding | None) -> None:
        """Reports a reference's finding.

        It names a range, so it sets the first broken entry only if no other finding does.
        """
        if finding is None:
            return
        self.found += 1
        if finding.seq is not None:
            self._since = finding.seq if self._since is None else min(self._since, finding.seq)
        self._keep(finding)

    def _keep(self, finding: Finding) -> None:
        if len(self._findings) < CAP:
            self._findings.append(finding)
