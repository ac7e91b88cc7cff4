"""Entries for sinks: what each sink still has to get, in pages, and how far it has come.

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
# The oldest entry that waits: one look at the index for each ledger.
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
    """A ledger of which a sink has not all. ``next`` after ``size``: the ledger has become shorter."""

    ledger: uuid.UUID
    origin: str
    size: int
    next: int


@dataclass(frozen=True)
class Backlog:
    """What a sink has still to get, of all ledgers that the connection may see."""

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
    """The next entries. What was purged, or is missing behind the ledger's back, comes without content."""
    rows = connection.execute(_PAGE, {"ledger": of.ledger, "first": of.next, "most": most})
    return [
        Sealed(of.ledger, of.origin, row.seq, row.recorded_at, bytes(row.commitment), bytes(row.hash), row.content)
        for row in rows
    ]


def backlogs(connection: Connection) -> list[Backlog]:
    """Of each sink that the settings name."""
    return [Backlog(*row) for row in connection.execute(_BACKLOGS)]


def name_sinks(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(text("SELECT audit.name_sinks(:names)"), {"names": list(names)})


def has_begun(connection: Connection, sink: str) -> bool:
    """Whether the sink ever acknowledged an entry."""
    begun = text("SELECT EXISTS (SELECT FROM audit.sink_cursor c WHERE c.sink = :sink AND c.next_seq > 0)")
    return bool(connection.execute(begun, {"sink": sink}).scalar_one())


def move(connection: Connection, sink: str, ledger: uuid.UUID, next: int) -> None:
    connection.execute(
        text("SELECT audit.move_sink(:sink, :ledger, :next)"), {"sink": sink, "ledger": ledger, "next": next}
    )


def move_back(connection: Connection, sink: str, ledger: uuid.UUID, next: int) -> None:
    """Never forward."""
    connection.execute(
        text(
            "SELECT audit.move_sink(:sink, :ledger, least(:next, (SELECT c.next_seq FROM audit.sink_cursor c"
            " WHERE c.sink = :sink AND c.ledger_id = :ledger)))"
        ),
        {"sink": sink, "ledger": ledger, "next": next},
    )


def tell(connection: Connection, sink: str, trouble: str | None) -> None:
    """What is wrong with it; none: nothing any more."""
    connection.execute(text("SELECT audit.tell_of_sink(:sink, :trouble)"), {"sink": sink, "trouble": trouble})


def mark(connection: Connection, sink: str, behind: bool) -> bool:
    """Whether it is news that the sink is behind, or that it is so no more."""
    return bool(
        connection.execute(text("SELECT audit.mark_sink(:sink, :behind)"), {"sink": sink, "behind": behind}).scalar()
    )
