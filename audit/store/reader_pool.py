"""Several processes that read one ledger in the snapshot of one connection, to use all cores.

Promise: if a worker fails, the parent reads its block itself, so the verdict is the same. Workers get the database's
address over their pipe, and of the environment only what libpq needs; they end with this process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe_
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import TypeVar

from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from audit.fast_check import Chunk, Task
from audit.store import chunks
from audit.store.chunks import read
from audit.store.session import driver

Answer = TypeVar("Answer")
Answered = Callable[[], Answer]
Read = Callable[[Iterable[Task]], Iterator[tuple[Task, Chunk | None]]]
"""Tasks → their chunks, in order; None if the entries must be checked one by one."""
SMALL = 20_000
"""Entries below which starting a process takes longer than reading."""
MOST = 4
_ROOT = Path(__file__).parents[2]
_SHARED = """
SELECT current_setting('transaction_read_only') = 'on' AND current_setting('transaction_isolation') = 'repeatable read'
"""


def alone(connection: Connection) -> Read:
    """Reads in this process."""

    def each(tasks: Iterable[Task]) -> Iterator[tuple[Task, Chunk | None]]:
        for task in tasks:
            yield task, read(driver(connection), task)

    return each


@contextmanager
def reading_together(connection: Connection, entries: int, processes: int | None = None) -> Iterator[Read]:
    """Reads by one process for each core; in this process alone if the ledger is small or the snapshot cannot be
    shared.

    Enter it outside of any savepoint: PostgreSQL exports no snapshot from within.
    """
    count = min(MOST, len(os.sched_getaffinity(0))) if processes is None else processes
    if count < 2 or (processes is None and entries < SMALL) or not connection.execute(text(_SHARED)).scalar():
        yield alone(connection)
        return
    snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    address = connection.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    team = _Team(alone(connection))
    try:
        for _ in range(count):
            team.hire(address, snapshot)
        yield team.read
    finally:
        team.dismiss()


@contextmanager
def meanwhile(connection: Connection, entries: int, ask: Callable[[Connection], Answer]) -> Iterator[Answered[Answer]]:
    """Runs ``ask`` on a second connection in the same snapshot while the first one continues; gives its answer.

    If a second connection is not worth it or not available, the first one asks when the answer is wanted. Enter it
    outside of any savepoint. Leaving it cancels an unfinished query.
    """
    second = _second(connection) if entries >= SMALL else None
    if second is None:
        yield lambda: ask(connection)
        return
    with second, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, second)
        try:
            yield asked.result
        finally:
            while not asked.done():  # ``ask`` may run more than one query
                driver(second).cancel_safe()
                wait([asked], 0.2)


def _second(connection: Connection) -> Connection | None:
    try:
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        bind = connection.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        second = bind.connect()
        second.exec_driver_sql(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot).as_string())
    except DBAPIError:
        return None
    return second


class _Team:
    """Hands out tasks in turn, two to a worker so that none waits, and gives the answers in the tasks' order."""

    def __init__(self, otherwise: Read) -> None:
        self._workers: dict[Pipe_, subprocess.Popen[bytes]] = {}
        self._handed: deque[tuple[Task, Pipe_]] = deque()
        self._otherwise = otherwise

    def hire(self, address: str, snapshot: str) -> None:
        ours, theirs = Pipe()
        environment = _environment()
        with theirs:
            self._workers[ours] = subprocess.Popen(
                [sys.executable, "-P", chunks.__file__, str(theirs.fileno())],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *_folders(environment)],
                start_new_session=True,
            )
        with suppress(OSError):
            ours.send((address, snapshot))

    def read(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Chunk | None]]:
        waiting = iter(tasks)
        try:
            for pipe in [*self._workers, *self._workers]:
                self._hand(pipe, waiting)
            while self._handed:
                task, pipe = self._handed.popleft()
                answered, chunk = self._answer(pipe)
                if answered:
                    self._hand(pipe, waiting)
                    yield task, chunk
                else:
                    yield from self._otherwise([task])
            yield from self._otherwise(waiting)
        finally:
            while self._handed:  # drops answers that are still due, so that the next reader does not get them
                self._answer(self._handed.popleft()[1])

    def dismiss(self) -> None:
        for pipe in self._workers:
            pipe.close()
        for process in self._workers.values():
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _hand(self, pipe: Pipe_, waiting: Iterator[Task]) -> None:
        task = next(waiting, None)
        if task is None:
            return
        self._handed.append((task, pipe))
        with suppress(OSError):
            pipe.send(task)

    def _answer(self, pipe: Pipe_) -> tuple[bool, Chunk | None]:
        try:
            return True, pipe.recv()
        except (EOFError, OSError):
            return False, None


def _environment() -> dict[str, str]:
    """The environment for workers, without secrets of ours."""
    ours = ("HOME", "PYTHONHOME", "LD_LIBRARY_PATH")
    kept = {name: value for name, value in os.environ.items() if name in ours or name.startswith("PG")}
    places = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    return {**kept, "LANG": "C.UTF-8", "PATH": os.defpath, "PYTHONPATH": ":".join(dict.fromkeys(places))}


def _folders(environment: Mapping[str, str]) -> set[int]:
    """Descriptors through which Python and its modules are found, if this process may not open them by name."""
    return {int(number) for number in re.findall(r"/proc/self/fd/(\d+)", f"{sys.executable} {environment}")}
