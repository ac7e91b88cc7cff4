"""Compares a ledger's entries with its signed checkpoints and derives the assurance of the verdict.

Promise: *self-attested* needs a good signature by a key that counts, *witnessed* the policy's quorum as well, both
over every entry older than a few minutes, and the root recomputed from the entries that were read. The checkpoints held
outside are listed before the entries are read: a ledger only grows, so none may be missing. Knows no database.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from audit import contradiction, note
from audit.checkpoint import Checkpoint, opened
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError
from audit.compact_range import CompactRange
from audit.fast_check import Chunk
from audit.generation import Closures, closures
from audit.key import VerifierKey
from audit.key_statements import Keys
from audit.note import Note, Signature, SignatureError
from audit.policy import Policy
from audit.verification import Assurance, Finding


@dataclass(frozen=True)
class Witnesses:
    """The witnesses whose cosignatures count, and the quorum for *witnessed*; with 0 no checkpoint is witnessed."""

    keys: tuple[VerifierKey, ...] = ()
    quorum: int = 0


@dataclass(frozen=True)
class Recorded:
    """A row of the database: a copy of a checkpoint. Only the signature in its note counts."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True)
class Evidence:
    """The checkpoints held outside, listed before reading began. ``failure``: the reason if listing failed."""

    outside: CheckpointFolder | None = None
    keys: Keys = field(default_factory=Keys)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    witnesses: Witnesses = field(default_factory=Witnesses)
    failure: str | None = None
    closures: Closures = field(default_factory=Closures)
    contradicted: Mapping[str, str] = field(default_factory=dict)
    """Origin → a witness that knows another history."""

    @classmethod
    def now(cls, outside: CheckpointFolder, witnesses: Witnesses | None = None) -> Evidence:
        """Lists the folder. Never raises: an unreadable folder is missing evidence."""
        witnesses = witnesses or Witnesses()
        try:
            sizes = {origin: outside.sizes(origin) for origin in outside.origins()}
            keys = outside.keys()
            if any(sizes.values()) and not keys.named:
                raise CheckpointFolderError(f"{outside.folder}: checkpoints are held, and no key that signed them")
            contradicted = contradiction.held(outside)
            return cls(outside, keys, sizes, witnesses, closures=closures(outside), contradicted=contradicted)
        except (CheckpointFolderError, OSError) as error:
            return cls(outside, witnesses=witnesses, failure=str(error))


class Attested:
    """A `Reference`: compares the entries of one ledger with the roots of its checkpoints, held outside or recorded."""

    def __init__(
        self,
        origin: str,
        evidence: Evidence,
        recorded: Iterable[Recorded] = (),
        cosignatures: Mapping[int, Sequence[Signature]] | None = None,
    ) -> None:
        self._origin, self._evidence, self._cosignatures = origin, evidence, cosignatures or {}
        self._held = frozenset(evidence.sizes.get(origin, ()))
        self._recorded: dict[int, list[Note]] = {}
        self.findings: list[Finding] = []
        """Faults of the checkpoints' copies themselves, found before any entry is read."""
        self.gap: str | None = None
        """The reason if a held checkpoint's own record shows that one before it is missing."""
        self._told = False
        for row in recorded:
            self._told = True
            if evidence.keys.named:  # without a named key no signature counts
                self._take(row)
        self._sizes = sorted(self._held | self._recorded.keys())
        self._range: CompactRange | None = None
        self._waiting: list[bytes] = []
        self._next: int | None = None
        self._since, self._broken = 0, False
        self._covered: dict[Assurance, int] = {}

    def unheld(self) -> bool:
        """True if checkpoints were recorded and none is held outside, read twice. Raises CheckpointFolderError."""
        outside = self._evidence.outside
        return self._told and not self._held and not (outside and outside.sizes(self._origin))

    def missing(self, recorded: Iterable[int]) -> list[int]:
        """Recorded sizes without a checkpoint outside, read twice. Raises CheckpointFolderError."""
        absent = set(recorded) - self._held
        if not absent or self._evidence.outside is None:
            return sorted(absent)
        return sorted(absent.difference(self._evidence.outside.sizes(self._origin)))

    def passed(self, seq: int, hash: bytes) -> Finding | None:
        if self._broken:
            return None
        if seq != self._next or self._range is None:
            self._begin(seq)
        self._next = seq + 1
        if self._range is None:
            return None
        self._waiting.append(hash)
        if self._is_size(seq + 1):
            return self._compare(seq + 1)
        if len(self._waiting) >= 1024:
            self._drain()
        return None

    def resume(self, range: CompactRange, covered: Mapping[Assurance, int]) -> None:
        """Continues a stopped run, which had compared all roots up to this range's end."""
        self._range, self._waiting = CompactRange(0, range.end, list(range.hashes)), []
        self._next = self._since = range.end
        self._covered = {word: size for word, size in covered.items() if size}

    @property
    def range(self) -> CompactRange | None:
        """The range over all entries read; None if they were not read from the first one on."""
        self._drain()
        if self._range is None or self._range.end != self._next:
            return None
        return CompactRange(0, self._range.end, list(self._range.hashes))

    def ready(self, chunk: Chunk) -> bool:
        """False if a held root lies within the chunk: later entries can be compared from there on alone."""
        if self._broken:
            return True
        if chunk.start != self._next or self._range is None:
            self._begin(chunk.start)
        return self._range is not None or not any(chunk.start < size < chunk.stop for size in self._held)

    def over(self, chunk: Chunk) -> list[Finding]:
        if self._broken:
            return []
        self._next = chunk.stop
        if self._range is None:
            return []
        self._drain()
        before = self._range
        for mark in chunk.marks:
            if self._is_size(mark.size):
                self._range = CompactRange(before.start, before.end, list(before.hashes))
                self._range.join(mark.range)
                finding = self._compare(mark.size)
                if finding is not None:
                    return [finding]
        before.join(chunk.range)
        self._range = before
        return []

    def sizes(self, start: int, stop: int) -> list[int]:
        return self._sizes[bisect_right(self._sizes, start) : bisect_right(self._sizes, stop)]

    def ended(self, size: int) -> Finding | None:
        last = self._sizes[-1] if self._sizes else 0
        if last <= size or self._broken:
            return None
        self._broken = True
        return Finding(size, "truncated", f"{last} entries were signed, {size} are left")

    def covered(self, assurance: Assurance) -> int:
        """The number of entries that have this assurance, as far as they were read; 0 if a root contradicts."""
        return 0 if self._broken else self._covered.get(assurance, 0)

    def _take(self, row: Recorded) -> None:
        try:
            read = note.parse(row.note.encode())
            said = Checkpoint.parse(read.text)
            self._evidence.keys.require(read, self._origin, said.size)
            if said != Checkpoint(self._origin, row.size, row.root):
                raise ValueError("size, root or origin are not those of the note")
        except ValueError as error:
            detail = f"the recorded checkpoint of {row.size} entries: {error}"
            self.findings.append(Finding(None, "signature", detail, "audit.checkpoint"))
            return
        self._recorded.setdefault(said.size, []).append(read)

    def _begin(self, seq: int) -> None:
        """Starts a stretch: with an empty range, or with a range that is held for this size."""
        self._range, self._waiting = None, []
        if seq == 0:
            self._range, self._since = CompactRange(), 0
        elif seq in self._held and self._evidence.outside is not None:
            try:
                held = self._evidence.outside.at(self._origin, seq).range
            except CheckpointFolderError:
                return  # reported when this size itself is compared, in a stretch that starts earlier
            self._range, self._since = CompactRange(0, seq, list(held.hashes)), seq

    def _is_size(self, size: int) -> bool:
        place = bisect_left(self._sizes, size)
        return place < len(self._sizes) and self._sizes[place] == size

    def _drain(self) -> None:
        if self._range is not None:
            self._range.extend(self._waiting)
        self._waiting = []

    def _compare(self, size: int) -> Finding | None:
        self._drain()
        root = self._range.root() if self._range is not None else b""
        try:
            notes = self._notes(size)
            counts = [self._evidence.keys.require(each, self._origin, size) for each in notes]
        except (CheckpointFolderError, SignatureError) as error:
            self._broken = True
            return Finding(None, "signature", f"the checkpoint of {size} entries: {error}")
        if any(Checkpoint.parse(each.text).root != root for each in notes):
            self._broken = True
            return Finding(self._since, "signed", f"entries {self._since} to {size - 1} are not those that were signed")
        self._since = size
        if any(counts):
            self._covered["self-attested"] = size
            if self._witnessed(size, notes):
                self._covered["witnessed"] = size
        return None

    def _notes(self, size: int) -> list[Note]:
        notes = list(self._recorded.get(size, ()))
        if size in self._held and self._evidence.outside is not None:
            held = self._evidence.outside.at(self._origin, size)
            if held.after and held.after not in self._held:
                self.gap = self.gap or f"the checkpoint of {held.after} entries, after which that of {size} was held"
            if held.note not in notes:
                notes.append(held.note)
        return notes

    def _witnessed(self, size: int, notes: Sequence[Note]) -> bool:
        lines, witnesses = self._cosignatures.get(size, ()), self._evidence.witnesses
        if not lines or not witnesses.quorum:
            return False
        policy = Policy(self._evidence.keys.for_checkpoint(self._origin, size), witnesses.keys, witnesses.quorum)
        known = {(key.name, key.id) for key in witnesses.keys}
        for signed in notes:
            cosigned = signed.with_signatures(line for line in lines if (line.name, line.key_id) in known)
            try:
                if opened(bytes(cosigned), policy, self._origin).assurance == "witnessed":
                    return True
            except ValueError as error:
                self.findings.append(Finding(None, "signature", f"the cosigned checkpoint of {size} entries: {error}"))
        return False
