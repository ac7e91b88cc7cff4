"""Reads chunks of a ledger, in this process, or, executed, as one of several that share a snapshot.

Promise: memory does not grow with the chunk; nothing but the query for events by where they lie is clever, and what
that misses is fetched by its id. A worker is told what to do by its parent, writes nothing, and ends with it.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.string import ByteaBinaryLoader

from audit.chunk import Chunk, Examiner, LeafRow, Row, Task

PAGE = 1_024
BLOCKS = 2 * PAGE
"""How many blocks are read for one page before it is quicker to look for each event: others' events lie between."""
_CARRIED = 8 * PAGE
_PDEATHSIG = 1
_RAW = ("text", "timestamptz", "uuid")
"""Types that are compared as the bytes that PostgreSQL sends."""

_LEAVES = """
SELECT seq, event_id, recorded_at, prev, commitment, hash FROM audit.leaf
WHERE ledger_id = %s AND seq >= %s AND seq < %s ORDER BY seq LIMIT %s
"""
_NARROW = sql.SQL("id, salt, content")
_WIDE = sql.SQL(
    "id, salt, content, at, action, outcome, via, actor_id, actor_name, actor_institution, actor_role, target_kind,"
    " target_id, target_holder, subjects, purpose, request_id, ledger_id = {}"
)
# Events lie in the order in which they came, nearly that of their places: a run of blocks has most of a page's.
_EVENTS = sql.SQL("SELECT {} FROM audit.event WHERE ctid >= %s::tid AND ctid < %s::tid AND ledger_id = %s LIMIT %s")
_BLOCK = "SELECT (ctid::text::point)[0]::bigint FROM audit.event WHERE id = %s"
_MISSED = sql.SQL("SELECT {} FROM audit.event WHERE id = ANY (%s)")


def read(connection: psycopg.Connection[Any], task: Task) -> Chunk | None:
    """The task's chunk, or None where something must be looked at one by one. Raises the database's errors."""
    examiner = Examiner(task)
    with connection.cursor(binary=True) as cursor:
        for name in _RAW:
            cursor.adapters.register_loader(name, ByteaBinaryLoader)
        for leaves, events in _pages(cursor, task):
            if not examiner.page(leaves, events):
                return None
    return examiner.chunk()


def _pages(cursor: psycopg.Cursor[Any], task: Task) -> Iterator[tuple[list[LeafRow], dict[bytes, Row]]]:
    columns = _WIDE.format(task.ledger) if task.columns else _NARROW
    run, missed = _EVENTS.format(columns), _MISSED.format(columns)
    events: dict[bytes, Row] = {}
    start, block = task.start, None
    while start < task.stop:
        leaves = cursor.execute(_LEAVES, (task.ledger, start, task.stop, PAGE), prepare=True).fetchall()
        if not leaves:
            return
        block = _block(cursor, leaves[0][1]) if block is None else block
        last = _block(cursor, leaves[-1][1])
        if block is not None and last is not None and block <= last <= block + BLOCKS:
            values = (f"({block},0)", f"({last + 1},0)", task.ledger, _CARRIED)
            events.update([(row[0], row) for row in cursor.execute(run, values, prepare=True).fetchall()])
        absent = [leaf[1] for leaf in leaves if leaf[1] not in events]
        if absent:
            found = cursor.execute(missed, ([uuid.UUID(bytes=id) for id in absent],)).fetchall()
            events.update([(row[0], row) for row in found])
        if any(id not in events for id in absent):
            return
        yield leaves, events
        events = _left(events, leaves)
        start, block = start + len(leaves), last


def _block(cursor: psycopg.Cursor[Any], event: bytes) -> int | None:
    row = cursor.execute(_BLOCK, (uuid.UUID(bytes=event),), prepare=True).fetchone()
    return None if row is None else row[0]


def _left(events: dict[bytes, Row], leaves: list[LeafRow]) -> dict[bytes, Row]:
    """Events whose place is further on, unless there are too many: those will be fetched by their ids."""
    if not len(leaves) < len(events) < _CARRIED:
        return {}
    used = {leaf[1] for leaf in leaves}
    return {id: row for id, row in events.items() if id not in used}


def main(descriptor: int) -> None:
    """Answers each task with its chunk, until the parent has no more, or is no more."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to hear
    with Connection(descriptor) as parent:
        conninfo, snapshot = parent.recv()
        with psycopg.connect(conninfo, connect_timeout=10, application_name="itm-verify", autocommit=True) as database:
            database.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            database.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
            _answer(parent, database)


def _answer(parent: Connection, database: psycopg.Connection[Any]) -> None:
    with suppress(EOFError, BrokenPipeError):
        while True:
            parent.send(read(database, parent.recv()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
