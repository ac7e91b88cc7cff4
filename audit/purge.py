"""Purges: content may be missing only inside a range that a later entry of the same ledger records as purged.

Promise: missing content is excused only if a purge's entry, itself intact and later in the ledger, names its range and
the hashes of its leaves. Knows no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from audit.compact_range import CompactRange
from audit.key import canonical
from audit.numerals import decoder, whole

ACTION = "ledger.purge"


_DECODER = decoder()


@dataclass(frozen=True)
class Purge:
    """Entry ``seq`` records that the content of entries first to stop - 1 was destroyed, with their leaf hashes."""

    seq: int
    first: int
    stop: int
    hashes: bytes

    @classmethod
    def read(cls, seq: int, content: str) -> Purge | None:
        """None for another event. Raises ValueError for an unreadable purge, or one of entries that follow it."""
        try:
            said = _DECODER.decode(content)
            if said["action"] != ACTION:
                return None
            detail: dict[str, Any] = said["detail"]
            first, last = whole(detail["first"]), whole(detail["last"])
            purge = cls(seq, first, last + 1, canonical(detail["hashes"]))
            covered = CompactRange.from_bytes(purge.hashes)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a purge: {error!r}") from error
        if not 0 <= purge.first < purge.stop <= seq or (covered.start, covered.end) != (purge.first, purge.stop):
            raise ValueError("not a purge of earlier entries")
        return purge


Claims = Callable[[], Iterable[Purge]]
"""Gives the purges that a ledger records. Called once, when content is missing for the first time."""


def none() -> Iterable[Purge]:
    return ()


@dataclass
class Purges:
    """The purges of one ledger: those claimed, those used as an excuse, and those proved."""

    claims: Claims = none
    _claimed: list[Purge] | None = None
    _used: dict[Purge, int] = field(default_factory=dict)
    _told: set[Purge] = field(default_factory=set)
    _ranges: dict[Purge, CompactRange] = field(default_factory=dict)

    def load(self) -> None:
        """Reads the claims now, so that the hashes of whole ranges are compared as well."""
        self._all()

    def forgives(self, seq: int) -> bool:
        """True if a purge claims this entry's content; `unproved` later tells if that purge was intact."""
        for purge in self._all():
            if purge.first <= seq < purge.stop:
                self._used.setdefault(purge, seq)
                return True
        return False

    def passed(self, seq: int, hash: bytes) -> Purge | None:
        """Adds an entry's hash. Gives a purge whose range ends here and whose hashes differ."""
        for purge in self._claimed or ():
            if purge.first <= seq < purge.stop:
                so_far = self._ranges.setdefault(purge, CompactRange(purge.first, purge.first))
                if so_far.end != seq:
                    return None
                so_far.append(hash)
                return purge if so_far.end == purge.stop and so_far.to_bytes() != purge.hashes else None
        return None

    def resume(self, size: int) -> list[int]:
        """Continues a stopped run: the claims about entries that it read must still be proved.

        Gives the first entry of each range that includes ``size``: `passed` needs the hashes from there again.
        """
        for purge in self._all():
            if purge.first < size:
                self._used.setdefault(purge, purge.first)
        return [purge.first for purge in self._all() if purge.first < size < purge.stop]

    def meets(self, start: int, stop: int) -> bool:
        """True if entries start to stop - 1 must be checked one by one, because a purge names some of them."""
        return any(purge.first < stop and start < purge.stop for purge in self._all())

    def told(self, purge: Purge) -> None:
        """Records that the purge's entry was read and is intact."""
        self._told.add(purge)

    def unproved(self) -> list[tuple[Purge, int]]:
        """Purges that excused missing content and whose entry was not read, with the first entry they excused."""
        return [(purge, seq) for purge, seq in self._used.items() if purge not in self._told]

    def proved(self) -> list[Purge]:
        """Purges that excused missing content and whose entries are intact."""
        return sorted((purge for purge in self._used if purge in self._told), key=lambda purge: purge.seq)

    def _all(self) -> list[Purge]:
        if self._claimed is None:
            self._claimed = list(self.claims())
        return self._claimed
