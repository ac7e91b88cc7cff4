"""Signs checkpoints; each must extend the last checkpoint that is held outside the database.

Promise: of two checkpoints that were signed for one ledger, the later one's tree begins with the earlier one's;
nothing is signed over an entry that contradicts itself; a signature is on the disk outside before anybody else gets it.
Otherwise it raises `SigningRefused` with the reason. Knows no database: the caller gives a ledger's head and entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from audit import checkpoint
from audit.checkpoint import Checkpoint
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError, HeldCheckpoint
from audit.compact_range import CompactRange
from audit.key import SigningKey
from audit.leaf import EMPTY, Entry
from audit.note import SignatureError
from audit.verification import Head, Verifier

Reason = Literal[
    "missing",
    "older",
    "damaged",
    "truncated",
    "rewritten",
    "broken",
    "gone",
    "another",
    "unopened",
    "closed",
    "contradicted",
]
Entries = Callable[[int, int], Iterable[Sequence[Entry]]]
"""(start, stop) → pages of the entries start to stop - 1, in order."""


class SigningRefused(Exception):
    """The ledger gets no signature. ``held``: the size of the last checkpoint outside; ``found``: the broken entry."""

    def __init__(self, origin: str, reason: Reason, detail: str, held: int = 0, found: int | None = None) -> None:
        super().__init__(f"{origin}: {detail}")
        self.origin, self.reason, self.detail, self.held, self.found = origin, reason, detail, held, found


@dataclass(frozen=True)
class Signer:
    """One round's signer: the folder, which the caller has locked, and the keys; two during a key replacement."""

    outside: CheckpointFolder
    keys: tuple[SigningKey, ...]
    again: bool = False
    """Signs ledgers without new entries too: the keys have changed."""

    def last(self, origin: str, recorded: int) -> HeldCheckpoint | None:
        """The ledger's last held checkpoint, compared with the largest size that the database recorded as signed.

        A signature is published only after it is held: if the database knows a larger size, files are gone from the
        folder. A ledger may have no checkpoint only as long as none was ever recorded.
        """
        if not self.outside.begun(origin):
            if recorded:
                raise SigningRefused(origin, "missing", "signed before, and no checkpoint is held outside")
            self.outside.open(origin)
        try:
            held = self.outside.last(origin)
            if held is not None:
                self.outside.keys().require(held.note, origin, held.checkpoint.size)
        except (CheckpointFolderError, SignatureError) as error:
            raise SigningRefused(origin, "damaged", str(error), recorded) from None
        if held is None and recorded:
            raise SigningRefused(origin, "missing", "signed before, and no checkpoint is held outside")
        if held is not None and held.checkpoint.size < recorded:
            size = held.checkpoint.size
            raise SigningRefused(origin, "older", f"{recorded} entries were signed, {size} are held outside", size)
        return held

    def sign(self, ledger: Head, held: HeldCheckpoint | None, entries: Entries, now: str) -> HeldCheckpoint | None:
        """Signs the next checkpoint, which is held outside when this returns; None if no entry is new.

        Raises SigningRefused, OSError or durable.Unsettled; then the caller must not use what was signed.
        """
        head, grown = _grown(ledger, held, entries)
        if grown.end == 0 or (held is not None and grown.end == held.checkpoint.size and not self.again):
            return None
        signed = checkpoint.sign(Checkpoint(ledger.origin, grown.end, grown.root()), *self.keys)
        made = HeldCheckpoint(signed, now, head, grown)
        return self.outside.keep(made)


def _grown(ledger: Head, held: HeldCheckpoint | None, entries: Entries) -> tuple[bytes, CompactRange]:
    """The last entry's hash and the range over all entries. New entries are verified one by one, in constant memory."""
    size = held.checkpoint.size if held else 0
    if ledger.size < size:
        detail = f"{size} entries were signed, {ledger.size} are left"
        raise SigningRefused(ledger.origin, "truncated", detail, size, ledger.size)
    grown = CompactRange(0, size, list(held.range.hashes) if held else [])
    verifier = Verifier(ledger)
    verifier.begin(max(size - 1, 0))
    head = EMPTY
    for entry in _each(entries(max(size - 1, 0), ledger.size)):
        if held and entry.seq == size - 1 and entry.hash != held.head:
            raise SigningRefused(ledger.origin, "rewritten", f"entry {entry.seq} is not the one that was signed", size)
        verifier.feed(entry)
        if entry.seq >= size:
            grown.append(entry.hash)
        head = entry.hash
    verifier.close()
    verdict = verifier.verdict()
    if verdict.verdict != "intact" or grown.end != ledger.size:
        what = "; ".join(f"{finding.kind}: {finding.detail}" for finding in verdict.findings[:3])
        raise SigningRefused(ledger.origin, "broken", what or "entries are missing", size, verdict.first_broken)
    return head, grown


def _each(pages: Iterable[Sequence[Entry]]) -> Iterator[Entry]:
    for page in pages:
        yield from page
