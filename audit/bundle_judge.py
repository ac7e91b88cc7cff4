"""Judges a bundle: its files, entries, links, events, signed roots, and its completeness for the filter.

Promise: constant memory; each part of the bundle is compared with a signed root or with the bundle's own manifest;
nothing that is read raises. Knows no database and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from audit import bundle, canonical_json
from audit.bundle import CHECKPOINTS, MANIFEST, BundleError, BundleManifest
from audit.bundle_stamps import MOST, Stamps
from audit.canonical_json import Event, LineError
from audit.canonical_zip import Archive, ArchiveError
from audit.checkpoint import OpenedCheckpoint
from audit.compact_range import CompactRange
from audit.evidence_report import Judge, Report, UnsignedCheckpoint, spoken, unreadable
from audit.leaf import EMPTY, Entry
from audit.merkle import full_subtrees
from audit.policy import Policy
from audit.purge import ACTION, Purge, Purges
from audit.verification import Finding, Head

if TYPE_CHECKING:
    from audit.authority import Trusted

Progress = Callable[[int, int], None]
PURGE = ACTION.encode()


class Roots:
    """A `Reference`: signed roots at sizes among the bundle's entries, or after them."""

    def __init__(self, first: int, before: Sequence[bytes]) -> None:
        self.range = CompactRange(0, first, list(before))
        self.since = first
        self.whole = True
        self._marks: dict[int, list[OpenedCheckpoint]] = {}

    def expect(self, signed: OpenedCheckpoint) -> None:
        self._marks.setdefault(signed.checkpoint.size, []).append(signed)

    def passed(self, seq: int, hash: bytes) -> Finding | None:
        if not self.whole or seq != self.range.end:
            self.whole = False
            return None
        self.range.append(hash)
        return self.compared(self.range.root()) if seq + 1 in self._marks else None

    def compared(self, root: bytes) -> Finding | None:
        """Compares the root over the entries read so far with the checkpoints of that size."""
        if any(each.checkpoint.root != root for each in self._marks.get(self.range.end, ())):
            self.whole = False
            return Finding(self.since, "signed", f"entries from {self.since} on are not those that were signed")
        self.since = self.range.end
        return None

    def ended(self, size: int) -> Finding | None:
        """No finding: a bundle's manifest says where it ends."""
        return None

    def root(self, size: int, after: Sequence[bytes]) -> bytes:
        """The root at a size beyond the entries read. Raises ValueError if ``after`` has another number of subtrees."""
        if len(after) != sum(1 for _ in full_subtrees(self.range.end, size)):
            raise ValueError("other subtrees than lie after the last entry")
        grown = CompactRange(0, self.range.end, list(self.range.hashes))
        grown.join(CompactRange(self.range.end, size, list(after)))
        return grown.root()


def judge(
    archive: Archive,
    policy: Policy,
    outside: bytes | None = None,
    progress: Progress | None = None,
    trusted: Trusted | None = None,
) -> Report:
    """Judges a whole bundle. ``outside``: a checkpoint that the caller kept.

    ``progress`` gets entries read and entries to read. ``trusted``: the certificates for time stamps; without it no
    stamp is judged.
    """
    try:
        manifest = bundle.opened(archive)
    except (BundleError, ArchiveError, OSError) as error:
        return unreadable(str(error))
    reading = _BundleReading(archive, manifest, policy, trusted)
    try:
        reading.compare_files()
        reading.read_checkpoints()
        if outside is not None:
            reading.read_outside(outside)
        reading.read_entries(progress)
        reading.compare_events()
        reading.compare_roots()
        reading.compare_range()
        reading.compare_stamps()
    except (ArchiveError, OSError) as error:
        reading.judge.cannot("unread", str(error))
    return reading.judge.conclude("bundle", manifest.first, reading.events)


class _BundleReading:
    """The judgement of one bundle, step by step."""

    def __init__(self, archive: Archive, manifest: BundleManifest, policy: Policy, trusted: Trusted | None) -> None:
        self.archive, self.manifest, self.policy = archive, manifest, policy
        self.roots = Roots(manifest.first, manifest.before)
        head = Head(manifest.origin, manifest.stop, EMPTY, None)
        self.judge = Judge(head, (self.roots,), asked=manifest.filter)
        self.judge.begin(manifest.first)
        self.judge.purges = Purges(self._claims)
        self.events = 0
        self._coming = self._read_events()
        self._next: Event | str | None = None
        self._signed: list[tuple[OpenedCheckpoint, tuple[bytes, ...]]] = []
        self._outside: OpenedCheckpoint | None = None
        self._unsigned: list[str] = []
        self._ends: dict[int, str] = {}
        self._files = {file.name: file for file in manifest.files}
        self._stamps = Stamps(trusted)

    def compare_files(self) -> None:
        """The archive holds the manifest's files in order. Entries and events are compared while they are read."""
        names = [*self._files, MANIFEST]
        for name in names:
            if name not in self.archive.members:
                self._tampered("file", f"{name} is not there")
        for name in self.archive.members:
            if name not in names:
                self._tampered("file", f"{name} is not in the manifest")
        if not self.judge.found and list(self.archive.members) != names:
            self._tampered("file", "the files are in another order than the manifest's")
        for name in self._files:
            if not name.startswith(("leaves/", "events/")) and name != CHECKPOINTS:
                self._stamps.answer(name, self._content(name))

    def read_checkpoints(self) -> None:
        size = -1
        for line in canonical_json.lines(self._content(CHECKPOINTS) if CHECKPOINTS in self._files else b""):
            if len(self._signed) + len(self._unsigned) >= bundle.MAX_CHECKPOINTS:
                return self.judge.cannot("checkpoint", f"more than {bundle.MAX_CHECKPOINTS} checkpoints")
            try:
                said = canonical_json.read_signed(line)
                signed = spoken(said.note.encode(), self.policy, self.manifest.origin)
                if not max(size + 1, self.manifest.first) <= signed.checkpoint.size:
                    raise ValueError("not in order, or of less than the bundle's entries")
                if said.after and signed.checkpoint.size <= self.manifest.stop:
                    raise ValueError("subtrees after the last entry, of a checkpoint that knows none")
            except UnsignedCheckpoint as error:
                self._unsigned.append(str(error))
                self._stamps.checkpoint(said.note, None)
                continue
            except ValueError as error:
                self._tampered("checkpoint", str(error))
                continue
            size = signed.checkpoint.size
            self._signed.append((signed, said.after))
            self._stamps.checkpoint(said.note, size)
            if size <= self.manifest.stop:
                self.roots.expect(signed)
        return None

    def read_outside(self, data: bytes) -> None:
        """Compares the caller's checkpoint. If that is impossible the verdict is "cannot tell", not "tampered"."""
        try:
            self._outside = spoken(data, self.policy, self.manifest.origin)
        except ValueError as error:
            return self.judge.cannot("outside", f"the checkpoint that was given: {error}")
        size = self._outside.checkpoint.size
        if self.manifest.first <= size <= self.manifest.stop:
            self.roots.expect(self._outside)
        elif size not in {signed.checkpoint.size for signed, _ in self._signed}:
            where = "before the bundle's first entry" if size < self.manifest.first else "after what the bundle proves"
            self.judge.cannot("outside", f"the checkpoint that was given ends {where}, at {size} entries")
        return None

    def read_entries(self, progress: Progress | None) -> None:
        self._refer(self.roots.compared(self.roots.range.root()))
        self._advance()
        for line in self._lines("leaves"):
            try:
                leaf = canonical_json.read_entry(line)
            except LineError:
                self._event_of(self.judge.expected)
                self.judge.unread()
                continue
            if leaf.seq >= self.manifest.stop:
                self.judge.report(Finding(leaf.seq, "order", "an entry past the bundle's last"))
            if leaf.seq in (self.manifest.first, self.manifest.stop - 1):
                self._ends[leaf.seq] = leaf.recorded_at
            self.judge.feed(self._with_event(leaf))
            if progress and self.judge.checked % 1000 == 0:
                progress(self.judge.checked, self.manifest.leaves)
        self.judge.end(self.manifest.stop)
        self.judge.settle()

    def compare_events(self) -> None:
        """No event is left over, and their number is the manifest's."""
        while self._next is not None:
            seq = self._next.seq if isinstance(self._next, Event) else None
            self.judge.report(Finding(seq, "event", "an event without an entry"))
            self._advance()
        if self.events != self.manifest.events:
            self._tampered("manifest", f"{self.manifest.events} events were said, {self.events} are there")

    def compare_roots(self) -> None:
        """Finds the checkpoints that cover all entries and compares their roots."""
        if not self.roots.whole or self.roots.range.end != self.manifest.stop:
            return
        covering = [each for each in self._signed if each[0].checkpoint.size >= self.manifest.stop]
        if self._outside is not None:
            size = self._outside.checkpoint.size
            beside = [after for signed, after in self._signed if signed.checkpoint.size == size]
            if size == self.manifest.stop or (size > self.manifest.stop and beside):
                covering.append((self._outside, beside[0] if beside else ()))
        for signed, after in covering:
            size = signed.checkpoint.size
            try:
                root = self.roots.root(size, after)
            except ValueError as error:
                self.judge.cannot("checkpoint", f"the checkpoint of {size} entries: {error}")
                continue
            if root == signed.checkpoint.root:
                self.judge.vouch(signed)
            else:
                since = self.roots.since
                self._refer(Finding(since, "signed", f"entries from {since} on are not those that were signed"))
        if self.judge.assurance == "unsigned":
            self.judge.cannot("unsigned", "no checkpoint by a given key covers the entries")
            for why in self._unsigned[:3]:
                self.judge.cannot("key", why)

    def compare_range(self) -> None:
        """Compares the bounds: the entry before and the entry after prove that none is left out at the ends."""
        asked, first, stop = self.manifest.filter, self.manifest.first, self.manifest.stop
        begins = first == 0 or (first in self._ends and asked.before(first, self._ends[first]))
        if not begins and (first in self._ends or not self.manifest.leaves):
            self.judge.report(Finding(first, "range", "entries before it were asked for"))
        signed = max((signed.checkpoint.size for signed, _ in self._signed), default=stop)
        ends = signed <= stop or (stop - 1 in self._ends and asked.after(stop - 1, self._ends[stop - 1]))
        if not ends and (stop - 1 in self._ends or not self.manifest.leaves):
            self.judge.report(Finding(stop, "range", "entries after the bundle's last were asked for"))

    def compare_stamps(self) -> None:
        self.judge.stamped = self._stamps.judged(lambda why: self._tampered("timestamp", why))
        if self._stamps.too_many:
            self.judge.cannot("timestamp", f"more than {MOST} time stamps")

    def _with_event(self, leaf: Entry) -> Entry:
        found = self._event_of(leaf.seq)
        at = (leaf.seq, "", leaf.recorded_at, leaf.prev, leaf.commitment, leaf.hash)
        if found is None:
            return leaf
        if isinstance(found, str):
            return Entry(*at, in_place=False)
        return Entry(leaf.seq, found.id, *at[2:], found.salt, found.content)

    def _event_of(self, seq: int) -> Event | str | None:
        while isinstance(self._next, Event) and self._next.seq < seq:
            self.judge.report(Finding(self._next.seq, "event", "an event without an entry"))
            self._advance()
        found = self._next
        if isinstance(found, Event) and found.seq != seq:
            return None
        self._advance()
        return found

    def _advance(self) -> None:
        self._next = next(self._coming, None)

    def _read_events(self) -> Iterator[Event | str]:
        """Events in the order of the files; a line that cannot be read comes as its error text."""
        for line in self._lines("events"):
            self.events += 1
            try:
                yield canonical_json.read_event(line)
            except LineError as error:
                yield str(error)

    def _claims(self) -> Iterator[Purge]:
        """The purges that the bundle's events record. A purge comes after the entries it names, so all are read."""
        for name in self.manifest.named("events"):
            content = self.archive.read(name) if name in self.archive.members else b""
            for line in canonical_json.lines(content):
                if PURGE in line:
                    with suppress(ValueError):
                        said = canonical_json.read_event(line)
                        if (purge := Purge.read(said.seq, said.content)) is not None:
                            yield purge

    def _lines(self, kind: str) -> Iterator[bytes]:
        for name in self.manifest.named(kind):
            yield from canonical_json.lines(self._content(name))

    def _content(self, name: str) -> bytes:
        """A file's bytes; empty if the file is missing, which was reported before."""
        if name not in self.archive.members:
            return b""
        content, said = self.archive.read(name), self._files[name]
        if len(content) != said.bytes or sha256(content).hexdigest() != said.sha256:
            self._tampered("file", f"{name} is not what the manifest says")
        return content

    def _tampered(self, kind: str, detail: str) -> None:
        self.judge.report(Finding(None, kind, detail))

    def _refer(self, finding: Finding | None) -> None:
        if finding is not None:
            self.judge.contradicted(finding)
