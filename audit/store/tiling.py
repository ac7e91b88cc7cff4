"""Tiles of a ledger's tree in the database, and trees for making proofs.

Derived data: a proof reads O(log n) rows, and its maker verifies it before it is shown. If a tile is missing, its
entries are read instead; `leaves_only` reads entries alone.
"""

from __future__ import annotations

import uuid
from itertools import pairwise

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.merkle import HASH, consistency_proof, root, verify_consistency
from audit.tiles import HEIGHT, WIDTH, Tile, TiledTree

_BATCH = 64
_PUT = text("SELECT audit.put_tile(:ledger, :level, :index, :hashes, :root)")


def extend(connection: Connection, ledger: uuid.UUID, size: int) -> None:
    """Adds the missing full tiles of a tree of this size. As itm_signer."""
    level = 0
    while size >> (HEIGHT * (level + 1)):
        count = size >> (HEIGHT * (level + 1))
        have = connection.execute(
            text("SELECT coalesce(max(index) + 1, 0) FROM ONLY audit.tile WHERE ledger_id = :id AND level = :level"),
            {"id": ledger, "level": level},
        ).scalar_one()
        for start, stop in pairwise([*range(have, count, _BATCH), count]):
            hashes = _nodes(connection, ledger, level, start * WIDTH, stop * WIDTH)
            for index in range(start, stop):
                nodes = hashes[(index - start) * WIDTH : (index - start + 1) * WIDTH]
                values = {"ledger": ledger, "level": level, "index": index, "hashes": b"".join(nodes)}
                connection.execute(_PUT, {**values, "root": root(nodes)})
        level += 1


def tree(connection: Connection, ledger: uuid.UUID, size: int, leaves_only: bool = False) -> TiledTree:
    """The tree of the ledger's first ``size`` entries."""

    def read(tile: Tile) -> bytes:
        first = tile.index * WIDTH
        if leaves_only:
            return b"".join(_from_leaves(connection, ledger, tile.level, first, first + tile.width))
        if tile.width == WIDTH:
            stored = connection.execute(
                text("SELECT hashes FROM ONLY audit.tile WHERE ledger_id = :id AND level = :level AND index = :index"),
                {"id": ledger, "level": tile.level, "index": tile.index},
            ).scalar()
            if stored is not None:
                return bytes(stored)
        return b"".join(_nodes(connection, ledger, tile.level, first, first + tile.width))

    return TiledTree(size, read)


def consistency(
    connection: Connection, ledger: uuid.UUID, old: tuple[int, bytes], new: tuple[int, bytes]
) -> list[bytes]:
    """The proof that the tree of the new size and root extends the old one; verified here.

    Raises ProofError if the entries do not confirm it, ValueError if entries are missing.
    """
    for leaves_only in (False, True):
        made = tree(connection, ledger, new[0], leaves_only)
        try:
            proof = consistency_proof(old[0], new[0], made.node)
            verify_consistency(old[0], new[0], old[1], new[1], proof)
        except ValueError:
            if leaves_only:
                raise
        else:
            return proof
    raise AssertionError


def _nodes(connection: Connection, ledger: uuid.UUID, level: int, start: int, stop: int) -> list[bytes]:
    """Nodes of height 8·level: from the full tiles below, or from the entries if tiles are missing."""
    if level:
        rows = connection.execute(
            text(
                "SELECT root FROM ONLY audit.tile WHERE ledger_id = :id AND level = :level AND index >= :start"
                " AND index < :stop ORDER BY index"
            ),
            {"id": ledger, "level": level - 1, "start": start, "stop": stop},
        ).scalars()
        found = [bytes(row) for row in rows]
        if len(found) == stop - start:
            return found
    return _from_leaves(connection, ledger, level, start, stop)


def _from_leaves(connection: Connection, ledger: uuid.UUID, level: int, start: int, stop: int) -> list[bytes]:
    if level:
        below = (_from_leaves(connection, ledger, level - 1, i * WIDTH, (i + 1) * WIDTH) for i in range(start, stop))
        return [root(nodes) for nodes in below]
    rows = connection.execute(
        text("SELECT hash FROM audit.hashes(:id, :start, :stop)"), {"id": ledger, "start": start, "stop": stop}
    ).scalars()
    found = [bytes(row) for row in rows]
    if len(found) != stop - start or any(len(each) != HASH for each in found):
        raise ValueError(f"entries {start} to {stop - 1} are not all there")
    return found
