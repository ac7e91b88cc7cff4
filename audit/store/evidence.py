"""What evidence needs beside the entries: where a range lies, which checkpoints speak for it, what surrounds it.

Promise: reads what is stored, mended in nothing: a bundle of a broken ledger shows that it is broken.
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
"""How many checkpoints among the entries tell where a rewriting began."""

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
    """A recorded checkpoint with its cosignatures, as bytes of a note. Nobody has verified it here."""

    size: int
    root: bytes
    note: str


def bounds(connection: Connection, ledger: uuid.UUID, size: int, asked: EventFilter) -> tuple[int, int]:
    """The entries that a filter asks for, of the first ``size``, and one more on each side: first, and before which."""
    first, stop = 0, size
    if asked.since is not None:
        found = asked.since if isinstance(asked.since, int) else _place(connection, _SINCE, ledger, asked.since)
        first = max(0, min(size if found is None else found, size) - 1)
    if asked.until is not None:
        found = asked.until + 1 if isinstance(asked.until, int) else _place(connection, _UNTIL, ledger, asked.until)
        stop = min(size, size if found is None else found + 1)
    return first, max(first, stop)


def covered(connection: Connection, ledger: uuid.UUID) -> int | None:
    """The largest size that a checkpoint was recorded for."""
    statement = text("SELECT max(size) FROM ONLY audit.checkpoint WHERE ledger_id = :id")
    found: int | None = connection.execute(statement, {"id": ledger}).scalar()
    return found


def spoken(connection: Connection, ledger: uuid.UUID, first: int, stop: int) -> list[Spoken]:
    """Checkpoints by size: some among these entries, and of those that cover them the first, the last, the last
    that a witness cosigned and the first with a time stamp; and the last with one among the entries."""
    values = {"id": ledger, "first": first, "stop": stop, "end": max(stop, first + 1), "between": _BETWEEN}
    return [
        Spoken(row.size, bytes(row.root), _cosigned(row.note, row.lines))
        for row in connection.execute(text(_SIGNED), values)
    ]


def subtrees(
    connection: Connection, ledger: uuid.UUID, start: int, stop: int, leaves_only: bool = False
) -> list[bytes]:
    """The roots of the fewest full subtrees over these entries. Raises ValueError where entries are missing."""
    nodes = tree(connection, ledger, stop, leaves_only)
    return [nodes.node(height, index) for height, index in full_subtrees(start, stop)]


def inclusion(connection: Connection, ledger: uuid.UUID, seq: int, size: int, leaves_only: bool = False) -> list[bytes]:
    """The proof that an entry is in the tree. Raises ValueError where entries are missing."""
    return inclusion_proof(seq, size, tree(connection, ledger, size, leaves_only).node)


def _place(connection: Connection, statement: str, ledger: uuid.UUID, bound: str) -> int | None:
    found: int | None = connection.execute(text(statement), {"id": ledger, "bound": bound}).scalar()
    return found


def _cosigned(signed: str, lines: Sequence[str]) -> str:
    """With the witnesses' lines; what is no note, or no line, stays out of it."""
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
