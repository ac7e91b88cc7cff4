"""A compact range: the O(log n) hashes of a run of entries from which hashing can continue.

Promise: appending and joining give the same nodes as the whole tree would. Ranges that touch join, so several
processes can each hash their part of one ledger. Knows hashes and positions only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.merkle import EMPTY_ROOT, HASH, MAX_SIZE, folded, full_subtrees, node_hash, pairs

_BATCH_HEIGHT = 8


@dataclass
class CompactRange:
    """Entries ``start`` to ``end - 1``; ``hashes`` are the roots of the fewest full subtrees over them."""

    start: int = 0
    end: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Appends the next entry's leaf hash."""
        self.append_node(0, leaf)

    def append_node(self, height: int, node: bytes) -> None:
        """Appends the root of the next 2^height entries. Raises ValueError if no such subtree begins here."""
        if self.end & ((1 << height) - 1):
            raise ValueError(f"no subtree of height {height} begins at {self.end}")
        index, result = self.end >> height, node
        while index & 1 and (index - 1) << height >= self.start:
            result = node_hash(self.hashes.pop(), result)
            index, height = index >> 1, height + 1
        self.hashes.append(result)
        self.end = (index + 1) << height

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Appends many leaf hashes. Aligned subtrees of 256 are hashed as a whole, which is twice as fast."""
        at, width = 0, 1 << _BATCH_HEIGHT
        while at < len(leaves):
            if self.end % width == 0 and len(leaves) - at >= width:
                level = leaves[at : at + width]
                for _ in range(_BATCH_HEIGHT):
                    level = list(pairs(level))
                self.append_node(_BATCH_HEIGHT, level[0])
                at += width
            else:
                self.append(leaves[at])
                at += 1

    def join(self, right: CompactRange) -> None:
        """Appends a range that begins where this one ends."""
        if right.start != self.end:
            raise ValueError(f"a range that ends at {self.end} cannot go on at {right.start}")
        for (height, _), node in zip(full_subtrees(right.start, right.end), right.hashes, strict=True):
            self.append_node(height, node)

    def root(self) -> bytes:
        """The tree's root. Raises ValueError for a range that does not begin with the first entry."""
        if self.start:
            raise ValueError("only a range from the first entry has a root")
        return folded(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """Start and end, eight bytes each, big-endian, then the hashes."""
        return self.start.to_bytes(8, "big") + self.end.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, stored: bytes) -> CompactRange:
        """The inverse of `to_bytes`. Raises ValueError for any other bytes."""
        start, end = int.from_bytes(stored[:8], "big"), int.from_bytes(stored[8:16], "big")
        if len(stored) < 16 or not start <= end <= MAX_SIZE:
            raise ValueError("not a compact range")
        hashes = [stored[at : at + HASH] for at in range(16, len(stored), HASH)]
        if len(stored) != 16 + HASH * sum(1 for _ in full_subtrees(start, end)):
            raise ValueError("a compact range with other hashes than its entries need")
        return cls(start, end, hashes)

    @classmethod
    def of(cls, leaves: Iterable[bytes], start: int = 0) -> CompactRange:
        """The range over leaf hashes, the first of which is entry ``start``."""
        made = cls(start, start)
        made.extend(list(leaves))
        return made
