"""Reads chunks of a ledger, in this process or, executed, as one of several workers in one snapshot.

Promise: memory does not grow with the chunk; entries and events are found by the same indexes that pages use. A worker
takes its tasks from its parent, writes nothing, and ends with it.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.string import ByteaBinaryLoader

from audit.fast_check import Chunk, Examiner, Row, Task
from audit.store.session import BY_INDEX, OPTIONS, TIME, pinned

PAGE = 512
_PDEATHSIG = 1
_RAW = ("text", "uuid")
"""Types that are compared as the bytes that PostgreSQL sends."""

_NARROW = "f.seq, f.event_id, f.recorded_at, f.prev, f.commitment, f.hash, e.id, e.salt, e.content"
_WIDE = (
    f"{_NARROW}, e.ledger_id = f.ledger_id, e.id::text, {TIME.format('e.at')}, e.action, e.outcome, e.via, e.actor_id,"
    " e.actor_name, e.actor_institution, e.actor_role, e.target_kind, e.target_id, e.target_holder::text,"
    " array_to_json(e.subjects)::text, e.purpose, e.request_id"
)
_ENTRIES = sql.SQL(
    "SELECT {} FROM ONLY audit.leaf f JOIN ONLY audit.event e ON e.id = f.event_id"
    " WHERE f.ledger_id = %s AND f.seq >= %s AND f.seq < %s ORDER BY f.seq LIMIT %s"
)


def read(connection: psycopg.Connection[Any], task: Task) -> Chunk | None:
    """The task's chunk, or None if its entries must be checked one by one. Raises the database's errors."""
    examiner = Examiner(task)
    with connection.cursor(binary=True) as cursor:
        for name in _RAW:
            cursor.adapters.register_loader(name, ByteaBinaryLoader)
        with pinned(connection), pinned(connection, BY_INDEX):
            for rows in _pages(cursor, task):
                if not examiner.page(rows):
                    return None
    return examiner.chunk()


def _pages(cursor: psycopg.Cursor[Any], task: Task) -> Iterator[list[Row]]:
    entries = _ENTRIES.format(sql.SQL(_WIDE if task.columns else _NARROW))
    start = task.start
    while start < task.stop:
        rows = cursor.execute(entries, (task.ledger, start, task.stop, PAGE), prepare=True).fetchall()
        if not rows:
            return
        yield rows
        start += len(rows)


def main(descriptor: int) -> None:
    """Answers each task with its chunk, until the parent sends no more or ends."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    with Connection(descriptor) as parent:
        conninfo, snapshot = parent.recv()
        with psycopg.connect(
            conninfo, connect_timeout=10, application_name="itm-verify", autocommit=True, options=OPTIONS
        ) as database:
            database.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            database.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
            _answer(parent, database)


def _answer(parent: Connection, database: psycopg.Connection[Any]) -> None:
    with suppress(EOFError, BrokenPipeError):
        while True:
            parent.send(read(database, parent.recv()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
