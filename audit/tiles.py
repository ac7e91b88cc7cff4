"""The tree in tiles of up to 256 hashes, written and read back: C2SP tlog-tiles.

Tiles are derived data. Promise: a proof reads O(log n) tiles; a tile of a wrong length raises. A tile with wrong hashes
shows only when the proof made from it is verified. The caller stores tiles: a callback from tile to bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from audit.merkle import HASH, MAX_SIZE, Nodes, pairs

HEIGHT = 8
WIDTH = 1 << HEIGHT
_PATH = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The nodes of height 8·``level`` from 256·``index``; ``width`` of them, 256 when it is full."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """``tile/<L>/<N>[.p/<W>]``, N in groups of three digits."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        return f"tile/{self.level}/{number}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @classmethod
    def at(cls, path: str) -> Tile:
        """Reads a tile's path. Raises ValueError unless it is the path's only spelling."""
        found = _PATH.fullmatch(path)
        if found:
            level, groups, last, width = found.groups()
            tile = cls(int(level), int(groups.replace("x", "").replace("/", "") + last), int(width or WIDTH))
            if tile.level <= 63 and tile.path == path:
                return tile
        raise ValueError("not the path of a tile")


def tiles(size: int, old: int = 0) -> Iterator[Tile]:
    """The tiles of a tree, from the lowest level; without those that a tree of ``old`` entries had at the same width.

    The tile at the right edge is partial: levels above 0 hold nodes over full tiles only.
    """
    if not 0 <= old <= size <= MAX_SIZE:
        raise ValueError(f"no tiles between trees of {old} and {size}")
    level = 0
    while size >> (HEIGHT * level):
        now, before = size >> (HEIGHT * level), old >> (HEIGHT * level)
        if now > before:
            for index in range(before // WIDTH, -(-now // WIDTH)):
                yield Tile(level, index, min(WIDTH, now - index * WIDTH))
        level += 1


def content(tile: Tile, node: Nodes) -> bytes:
    """A tile's bytes, from any source of nodes."""
    first = tile.index * WIDTH
    return b"".join(node(HEIGHT * tile.level, first + offset) for offset in range(tile.width))


@dataclass
class TiledTree:
    """The nodes of a tree of ``size`` entries; ``read`` gives a tile's bytes, or those of the full tile it became.

    Each tile is read once and kept: use a new object for each proof, or batch of proofs, to keep memory small.
    """

    size: int
    read: Callable[[Tile], bytes]
    _seen: dict[tuple[int, int], list[list[bytes]]] = field(default_factory=dict, repr=False)

    def node(self, height: int, index: int) -> bytes:
        """The root of a full subtree. Raises ValueError outside the tree, or if its tile has a wrong length."""
        if height < 0 or index < 0 or (index + 1) << height > self.size:
            raise ValueError(f"the tree has no full subtree of height {height} at {index}")
        level, within = divmod(height, HEIGHT)
        per_tile = HEIGHT - within
        levels = self._tile(level, index >> per_tile)
        offset = index & ((1 << per_tile) - 1)
        while len(levels) <= within:
            level_below = levels[-1]
            levels.append(list(pairs(level_below[: len(level_below) & ~1])))
        return levels[within][offset]

    def _tile(self, level: int, index: int) -> list[list[bytes]]:
        """The tile's hashes; above them, once they were needed, the nodes inside the tile."""
        if (level, index) not in self._seen:
            width = min(WIDTH, (self.size >> (HEIGHT * level)) - index * WIDTH)
            stored = bytes(self.read(Tile(level, index, width)))
            if len(stored) not in (width * HASH, WIDTH * HASH):
                raise ValueError(f"{Tile(level, index, width).path} has {len(stored)} bytes")
            hashes = [stored[at : at + HASH] for at in range(0, width * HASH, HASH)]
            self._seen[level, index] = [hashes]
        return self._seen[level, index]
