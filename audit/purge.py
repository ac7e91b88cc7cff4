"""Where content may be missing: inside a range that an entry of the same ledger says was purged, and nowhere else.

Promise: missing content is forgiven only where a purge's entry, itself whole and later in the ledger, names its range
and the hashes of its leaves. Knows no database.
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
    """What entry ``seq`` says: the content of entries first to stop - 1 was destroyed; these are their hashes."""

    seq: int
    first: int
    stop: int
    hashes: bytes

    @classmethod
    def read(cls, seq: int, content: str) -> Purge | None:
        """None for an event that is no purge. ValueError for one that cannot be read, or speaks of what follows."""
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
"""Gives the purges that a ledger tells of. Asked once, when content is missing for the first time."""


def none() -> Iterable[Purge]:
    return ()


@dataclass
class Purges:
    """The purges of one ledger, as they are claimed, used, and found whole."""

    claims: Claims = none
    _claimed: list[Purge] | None = None
    _used: dict[Purge, int] = field(default_factory=dict)
    _told: set[Purge] = field(default_factory=set)
    _ranges: dict[Purge, CompactRange] = field(default_factory=dict)

    def load(self) -> None:
        """Asks for the claims now: then the hashes of whole ranges are compared, too."""
        self._all()

    def forgives(self, seq: int) -> bool:
        """Whether the content of this entry may be missing, as far as is claimed; `unproved` says whether it is so."""
        for purge in self._all():
            if purge.first <= seq < purge.stop:
                self._used.setdefault(purge, seq)
                return True
        return False

    def passed(self, seq: int, hash: bytes) -> Purge | None:
        """An entry's hash. The purge whose range is now read to its end, and is of other entries than it says."""
        for purge in self._claimed or ():
            if purge.first <= seq < purge.stop:
                so_far = self._ranges.setdefault(purge, CompactRange(purge.first, purge.first))
                if so_far.end != seq:
                    return None
                so_far.append(hash)
                return purge if so_far.end == purge.stop and so_far.to_bytes() != purge.hashes else None
        return None

    def resume(self, size: int) -> list[int]:
        """A run that was stopped has read the entries before: what is claimed of them must still be proved.

        Gives the first entries of ranges that are in the middle there: `passed` wants their hashes again.
        """
        for purge in self._all():
            if purge.first < size:
                self._used.setdefault(purge, purge.first)
        return [purge.first for purge in self._all() if purge.first < size < purge.stop]

    def meets(self, start: int, stop: int) -> bool:
        """Whether entries start to stop - 1 must be shown one by one."""
        return any(purge.first < stop and start < purge.stop for purge in self._all())

    def told(self, purge: Purge) -> None:
        """Its entry was read, and is as it was sealed."""
        self._told.add(purge)

    def unproved(self) -> list[tuple[Purge, int]]:
        """Purges that forgave something and whose entry was not read, each with the first entry that it forgave."""
        return [(purge, seq) for purge, seq in self._used.items() if purge not in self._told]

    def proved(self) -> list[Purge]:
        """Purges that forgave something, and whose entries stand for it."""
        return sorted((purge for purge in self._used if purge in self._told), key=lambda purge: purge.seq)

    def _all(self) -> list[Purge]:
        if self._claimed is None:
            self._claimed = list(self.claims())
        return self._claimed
