"""Entries for sinks: the entries each sink has not received yet, in pages, and its cursor.

Promise: a page is read in one short transaction and in the ledger's order, so that a slow sink holds nothing open; a
cursor moves only by the ledger's own functions.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.ocsf import Sealed

_WAITING = text(
    """
    SELECT l.id AS ledger, l.origin, l.size, coalesce(c.next_seq, 0) AS next
    FROM ONLY audit.ledger l LEFT JOIN audit.sink_cursor c ON c.ledger_id = l.id AND c.sink = :sink
    WHERE l.size <> coalesce(c.next_seq, 0) ORDER BY l.origin
    """
)
_PAGE = text(
    """
    SELECT f.seq, f.recorded_at, f.commitment, f.hash, e.content
    FROM ONLY audit.leaf f LEFT JOIN ONLY audit.event e ON e.id = f.event_id
    WHERE f.ledger_id = :ledger AND f.seq >= :first ORDER BY f.seq LIMIT :most
    """
)
# The oldest waiting entry: one index look-up for each ledger.
_BACKLOGS = text(
    """
    SELECT s.name, s.named_at, s.failing_since, s.trouble, s.behind_since,
           sum(greatest(l.size - coalesce(c.next_seq, 0), 0))::bigint AS entries,
           min(f.recorded_at)::timestamptz AS oldest
    FROM audit.sink s
    CROSS JOIN ONLY audit.ledger l
    LEFT JOIN audit.sink_cursor c ON c.sink = s.name AND c.ledger_id = l.id
    LEFT JOIN ONLY audit.leaf f ON f.ledger_id = l.id AND f.seq = coalesce(c.next_seq, 0)
    WHERE s.dropped_at IS NULL
    GROUP BY s.name ORDER BY s.name
    """
)


@dataclass(frozen=True)
class Waiting:
    """A ledger with entries that a sink has not received. ``next`` above ``size``: the ledger became shorter."""

    ledger: uuid.UUID
    origin: str
    size: int
    next: int


@dataclass(frozen=True)
class Backlog:
    """A sink's waiting entries, over all ledgers that the connection may see."""

    name: str
    named_at: datetime
    failing_since: datetime | None
    trouble: str | None
    behind_since: datetime | None
    entries: int
    oldest: datetime | None


def waiting(connection: Connection, sink: str) -> list[Waiting]:
    return [Waiting(*row) for row in connection.execute(_WAITING, {"sink": sink})]


def page(connection: Connection, of: Waiting, most: int) -> list[Sealed]:
    """The next entries. A purged entry, or one whose event is missing, comes without content."""
    rows = connection.execute(_PAGE, {"ledger": of.ledger, "first": of.next, "most": most})
    return [
        Sealed(of.ledger, of.origin, row.seq, row.recorded_at, bytes(row.commitment), bytes(row.hash), row.content)
        for row in rows
    ]


def backlogs(connection: Connection) -> list[Backlog]:
    """The backlog of each sink in the settings."""
    return [Backlog(*row) for row in connection.execute(_BACKLOGS)]


def name_sinks(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(text("SELECT audit.name_sinks(:names)"), {"names": list(names)})


def has_begun(connection: Connection, sink: str) -> bool:
    """True if the sink ever acknowledged an entry."""
    begun = text("SELECT EXISTS (SELECT FROM audit.sink_cursor c WHERE c.sink = :sink AND c.next_seq > 0)")
    return bool(connection.execute(begun, {"sink": sink}).scalar_one())


def move(connection: Connection, sink: str, ledger: uuid.UUID, next: int) -> None:
    connection.execute(
        text("SELECT audit.move_sink(:sink, :ledger, :next)"), {"sink": sink, "ledger": ledger, "next": next}
    )


def move_back(connection: Connection, sink: str, ledger: uuid.UUID, next: int) -> None:
    """Moves a sink's cursor back, never forward."""
    connection.execute(
        text(
            "SELECT audit.move_sink(:sink, :ledger, least(:next, (SELECT c.next_seq FROM audit.sink_cursor c"
            " WHERE c.sink = :sink AND c.ledger_id = :ledger)))"
        ),
        {"sink": sink, "ledger": ledger, "next": next},
    )


def tell(connection: Connection, sink: str, trouble: str | None) -> None:
    """Records the sink's trouble; None clears it."""
    connection.execute(text("SELECT audit.tell_of_sink(:sink, :trouble)"), {"sink": sink, "trouble": trouble})


def mark(connection: Connection, sink: str, behind: bool) -> bool:
    """Records that the sink is behind or not. True if that is a change."""
    return bool(
        connection.execute(text("SELECT audit.mark_sink(:sink, :behind)"), {"sink": sink, "behind": behind}).scalar()
    )
