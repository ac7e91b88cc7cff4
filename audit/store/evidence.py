"""Reads what a bundle needs beside the entries: a range's bounds, its checkpoints, and the surrounding subtrees.

Promise: stored data is not repaired: a bundle of a broken ledger shows the damage.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit import note
from audit.bundle import EventFilter
from audit.merkle import full_subtrees, inclusion_proof
from audit.note import NoteFormatError
from audit.store.tiling import tree

Snapshot = Connection
_BETWEEN = 64
"""The number of checkpoints among the entries; they narrow down where a rewriting began."""

_SIGNED = """
WITH sizes AS (
    SELECT max(size) AS size FROM ONLY audit.checkpoint
    WHERE ledger_id = :id AND size > :first AND size < :stop GROUP BY width_bucket(size, :first, :end, :between)
    UNION SELECT min(size) FROM ONLY audit.checkpoint WHERE ledger_id = :id AND size >= :stop
    UNION SELECT max(size) FROM ONLY audit.checkpoint WHERE ledger_id = :id AND size >= :stop
    UNION SELECT max(c.size) FROM ONLY audit.checkpoint c JOIN ONLY audit.cosignature w USING (ledger_id, size)
    WHERE c.ledger_id = :id AND c.size >= :stop
    UNION SELECT max(size) FROM ONLY audit.timestamp WHERE ledger_id = :id AND size > :first AND size < :stop
    UNION SELECT min(size) FROM ONLY audit.timestamp WHERE ledger_id = :id AND size >= :stop
)
SELECT DISTINCT ON (c.size) c.size, c.root, c.note,
       ARRAY(SELECT w.line FROM ONLY audit.cosignature w
             WHERE w.ledger_id = c.ledger_id AND w.size = c.size ORDER BY w.line) AS lines
FROM ONLY audit.checkpoint c JOIN sizes USING (size) WHERE c.ledger_id = :id ORDER BY c.size, c.id DESC
"""
_SINCE = "SELECT min(seq) FROM ONLY audit.leaf WHERE ledger_id = :id AND recorded_at >= :bound"
_UNTIL = "SELECT min(seq) FROM ONLY audit.leaf WHERE ledger_id = :id AND recorded_at > :bound"


@dataclass(frozen=True)
class Spoken:
    """A recorded checkpoint with its cosignatures, as bytes of a note, unverified."""

    size: int
    root: bytes
    note: str


def bounds(connection: Connection, ledger: uuid.UUID, size: int, asked: EventFilter) -> tuple[int, int]:
    """The range (first, stop) that a filter asks for within the first ``size`` entries, one wider on each side."""
    first, stop = 0, size
    if asked.since is not None:
        found = asked.since if isinstance(asked.since, int) else _place(connection, _SINCE, ledger, asked.since)
        first = max(0, min(size if found is None else found, size) - 1)
    if asked.until is not None:
        found = asked.until + 1 if isinstance(asked.until, int) else _place(connection, _UNTIL, ledger, asked.until)
        stop = min(size, size if found is None else found + 1)
    return first, max(first, stop)


def covered(connection: Connection, ledger: uuid.UUID) -> int | None:
    """The largest size of a recorded checkpoint."""
    statement = text("SELECT max(size) FROM ONLY audit.checkpoint WHERE ledger_id = :id")
    found: int | None = connection.execute(statement, {"id": ledger}).scalar()
    return found


def spoken(connection: Connection, ledger: uuid.UUID, first: int, stop: int) -> list[Spoken]:
    """Checkpoints by size: some among these entries, and the last stamped one among them.

    Of those that cover all the entries: the first, the last, the last cosigned one and the first stamped one.
    """
    values = {"id": ledger, "first": first, "stop": stop, "end": max(stop, first + 1), "between": _BETWEEN}
    return [
        Spoken(row.size, bytes(row.root), _cosigned(row.note, row.lines))
        for row in connection.execute(text(_SIGNED), values)
    ]


def subtrees(
    connection: Connection, ledger: uuid.UUID, start: int, stop: int, leaves_only: bool = False
) -> list[bytes]:
    """The roots of the fewest full subtrees over these entries. Raises ValueError if entries are missing."""
    nodes = tree(connection, ledger, stop, leaves_only)
    return [nodes.node(height, index) for height, index in full_subtrees(start, stop)]


def inclusion(connection: Connection, ledger: uuid.UUID, seq: int, size: int, leaves_only: bool = False) -> list[bytes]:
    """The inclusion proof of an entry. Raises ValueError if entries are missing."""
    return inclusion_proof(seq, size, tree(connection, ledger, size, leaves_only).node)


def _place(connection: Connection, statement: str, ledger: uuid.UUID, bound: str) -> int | None:
    found: int | None = connection.execute(text(statement), {"id": ledger, "bound": bound}).scalar()
    return found


def _cosigned(signed: str, lines: Sequence[str]) -> str:
    """The note with the witnesses' lines; unreadable lines are left out."""
    try:
        read = note.parse(signed.encode())
        for line in lines:
            try:
                read = read.with_signatures(note.signature_lines(line))
            except NoteFormatError:
                continue
        return bytes(read).decode()
    except NoteFormatError:
        return signed
