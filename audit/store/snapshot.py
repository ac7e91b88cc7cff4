"""Reads ledgers and their entries: one snapshot, pages, constant memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from audit.event import Columns
from audit.leaf import EMPTY, Entry
from audit.purge import Purge
from audit.store.session import BY_INDEX, TIME, driver, pinned

PAGE = 2_000
Unreadable = (SQLAlchemyError, psycopg.Error)
"""The errors of a database that does not answer, or breaks off."""

# The ledgers, and lost ones of which only leaves or earlier verifications are left.
_LEDGERS = f"""
WITH RECURSIVE seen(id) AS (
    (SELECT ledger_id FROM ONLY audit.leaf ORDER BY ledger_id LIMIT 1)
    UNION ALL
    SELECT (SELECT f.ledger_id FROM ONLY audit.leaf f WHERE f.ledger_id > seen.id ORDER BY f.ledger_id LIMIT 1)
    FROM seen WHERE seen.id IS NOT NULL
), verified AS (
    SELECT DISTINCT ON (ledger_id) ledger_id AS id, origin FROM ONLY audit.verification
    WHERE verdict = 'intact' ORDER BY ledger_id, id DESC
)
SELECT l.id, l.code, l.origin, l.generation, l.size, l.head, {TIME.format("l.recorded_at")} AS recorded_at,
       l.holder::text AS holder, d.name AS deployment, l.closed_at IS NOT NULL AS closed
FROM ONLY audit.ledger l LEFT JOIN ONLY audit.deployment d ON true
UNION ALL
SELECT i.id, NULL, coalesce(v.origin, 'unknown'), NULL, 0, NULL, NULL, NULL, NULL, false
FROM (SELECT id FROM seen WHERE id IS NOT NULL UNION SELECT id FROM verified WHERE id IS NOT NULL) i
LEFT JOIN verified v USING (id) WHERE NOT EXISTS (SELECT FROM ONLY audit.ledger l WHERE l.id = i.id)
ORDER BY 2 NULLS LAST, 4
"""  # noqa: S608 (our own words)

_ENTRIES = f"""
SELECT f.seq, f.event_id::text, f.recorded_at, f.prev, f.commitment, f.hash, e.salt, e.content,
       coalesce(e.ledger_id = f.ledger_id, false),
       e.id::text, {TIME.format("e.at")}, e.action, e.outcome, e.via, e.actor_id, e.actor_name, e.actor_institution,
       e.actor_role, e.target_kind, e.target_id, e.target_holder::text, e.subjects, e.purpose, e.request_id
FROM ONLY audit.leaf f LEFT JOIN ONLY audit.event e ON e.id = f.event_id
WHERE f.ledger_id = %s AND f.seq >= %s AND f.seq < %s ORDER BY f.seq LIMIT %s
"""  # noqa: S608 (our own words)


@dataclass(frozen=True)
class Ledger:
    """A ledger's row. ``lost``: the row is gone, but other rows still name it."""

    id: uuid.UUID
    code: str | None
    origin: str
    size: int
    head: bytes
    recorded_at: str | None
    holder: str | None
    expected_origin: str | None
    lost: bool
    closed: bool = False
    """True if a next generation was opened: nothing is appended any more."""


def ledgers(connection: Connection) -> list[Ledger]:
    """Every ledger that this connection may see, by code; lost ones come last."""
    with pinned(connection):
        rows = connection.exec_driver_sql(_LEDGERS).all()
    return [
        Ledger(
            row.id,
            row.code,
            row.origin,
            row.size,
            EMPTY if row.head is None else bytes(row.head),
            row.recorded_at or None,
            row.holder,
            f"{row.deployment}/ledger/{row.code}/{row.generation}" if row.deployment else None,
            lost=row.code is None,
            closed=row.closed,
        )
        for row in rows
    ]


def entries(connection: Connection, ledger: uuid.UUID, start: int, stop: int) -> Iterator[list[Entry]]:
    """Entries start to stop - 1 in pages, in order; missing ones are simply absent."""
    by_index = pinned(connection, BY_INDEX)
    with by_index, driver(connection).cursor(binary=True) as cursor:
        while start < stop:
            rows = cursor.execute(_ENTRIES, (ledger, start, stop, PAGE)).fetchall()
            if rows:
                yield [_entry(row) for row in rows]
            if len(rows) < PAGE:
                return
            start = rows[-1][0] + 1


def purges(connection: Connection, ledger: uuid.UUID) -> list[Purge]:
    """The purges that the ledger records. Unreadable ones are left out."""
    rows = connection.exec_driver_sql(
        "SELECT f.seq, e.content FROM ONLY audit.event e JOIN ONLY audit.leaf f ON f.event_id = e.id"
        " WHERE e.ledger_id = %s AND f.ledger_id = e.ledger_id AND e.action = 'ledger.purge' ORDER BY f.seq",
        (ledger,),
    )
    found = []
    for seq, content in rows:
        with suppress(ValueError):
            found.append(Purge.read(seq, content))
    return [purge for purge in found if purge is not None]


def _entry(row: Sequence[Any]) -> Entry:
    seq, event_id, recorded_at, prev, commitment, hash, salt, content, in_place, *searched = row
    columns = None
    if content is not None:
        columns = Columns._make(tuple(value) if isinstance(value, list) else value for value in searched)
    return Entry(seq, event_id, recorded_at, prev, commitment, hash, salt, content, columns, in_place)


@contextmanager
def reading(bind: Engine | Connection) -> Iterator[Connection]:
    """The given connection; for an engine, a new one with a read-only transaction on a single snapshot."""
    if isinstance(bind, Connection):
        yield bind
        return
    snapshot = bind.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with snapshot.connect() as connection:
        yield connection
