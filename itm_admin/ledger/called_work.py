"""Work that the scheduler calls for and another process does: what needs the keys of the data or the web server's.

The scheduler, which signs and sees every ledger, never gets those keys; the table of jobs, what is missed and what
failed stay in one place. The two talk by NOTIFY, so a call waits for nobody: it is repeated until somebody answers, and
a job without an answer has failed, with its alert. Several may hear a call; one does it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from audit.store.session import OPTIONS
from itm_admin.foundation.config import Settings
from itm_admin.foundation.database.pooler import is_pooled
from itm_admin.ledger.job_runs import Halt, Scalar, Stopped

log = logging.getLogger("itm.upkeep")
BEAT = 1.0
AGAIN = 5.0
"""Seconds after which a call that nobody took up is repeated."""


class NobodyAnswered(Exception):
    """No process with the keys took the call up, or the one that did has died."""


class WorkFailed(Exception):
    """The process with the keys could not do it: its log says why."""


@dataclass(frozen=True)
class CalledWork:
    """One kind of work. `do` runs with the keys: gives counts, or None if it could not be done."""

    channel: str
    lock: int
    """The advisory lock's number; advisory locks are a database's own."""
    do: Callable[[Settings, Halt], Mapping[str, int] | None]
    before: str = "SELECT 1"
    """A statement of the scheduler's before it calls."""
    patience: float = 600.0
    """Seconds without a word, after which nobody is at it."""


def call(called: CalledWork, engine: Engine, halt: Halt, patience: float | None = None) -> Mapping[str, Scalar]:
    """As a scheduled job: calls, and waits for the end."""
    run, taken, longest = uuid.uuid4().hex, False, called.patience if patience is None else patience
    with _connection(engine.url.render_as_string(hide_password=False), "itm-scheduler") as connection:
        connection.execute(called.before.encode())
        connection.execute(f"LISTEN {called.channel}_answer".encode())
        deadline, due = time.monotonic() + longest, 0.0
        while time.monotonic() < deadline:
            if halt():
                raise Stopped
            if not taken and time.monotonic() >= due:
                _send(connection, called.channel, {"run": run})
                due = time.monotonic() + AGAIN
            for _channel, told in _heard(connection):
                if told.pop("run", None) != run:
                    continue
                taken, deadline = True, time.monotonic() + longest
                state = told.pop("state", None)
                if state == "failed":
                    raise WorkFailed
                if state == "done":
                    return {name: int(count) for name, count in told.items()}
    raise NobodyAnswered


def serve(kinds: Sequence[CalledWork], settings: Settings, stopped: Callable[[], bool]) -> None:
    """In the process with the keys, until told to stop; it waits for a database that is away."""
    pause = threading.Event()
    by_channel = {each.channel: each for each in kinds}
    while not stopped():
        try:
            with _connection(settings.direct_url or settings.database_url or "", "itm-upkeep") as connection:
                if is_pooled(connection):  # it passes no call on, and would keep the lock for everybody
                    log.error("ITM_DATABASE_URL leads through a pooler: name the server in ITM_DATABASE_DIRECT_URL too")
                    _wait(pause, stopped)
                    return
                for channel in by_channel:
                    connection.execute(f"LISTEN {channel}".encode())
                while not stopped():
                    for channel, told in _heard(connection):
                        _do(by_channel[channel], connection, settings, str(told.get("run")), stopped)
        except psycopg.Error as fault:
            log.warning("no connection to listen on (%s); trying again", type(fault).__name__)
            pause.wait(BEAT)


def _wait(pause: threading.Event, stopped: Callable[[], bool]) -> None:
    while not stopped():
        pause.wait(BEAT)


def _do(
    called: CalledWork,
    connection: psycopg.Connection[Any],
    settings: Settings,
    run: str,
    stopped: Callable[[], bool],
) -> None:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [called.lock]).fetchone()
    if not row or not row[0]:
        return
    said, answer = time.monotonic(), f"{called.channel}_answer"

    def halt() -> bool:
        nonlocal said
        if time.monotonic() - said > AGAIN:
            _send(connection, answer, {"run": run, "state": "working"})
            said = time.monotonic()
        return stopped()

    try:
        _send(connection, answer, {"run": run, "state": "working"})
        done = called.do(settings, halt)
        if stopped():
            return  # another process takes it up, or the job says that nobody did
        counts = {name: count for name, count in (done or {}).items() if count}
        _send(connection, answer, {"run": run, "state": "failed" if done is None else "done", **counts})
    except SQLAlchemyError as fault:
        log.error("%s failed (%s)", called.channel, type(fault).__name__)
        _send(connection, answer, {"run": run, "state": "failed"})
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [called.lock])


def _connection(address: str, name: str) -> psycopg.Connection[Any]:
    conninfo = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(
        conninfo, autocommit=True, connect_timeout=5, application_name=name, options=OPTIONS,
        keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
    )  # fmt: skip


def _send(connection: psycopg.Connection[Any], channel: str, told: Mapping[str, Scalar]) -> None:
    connection.execute("SELECT pg_notify(%s, %s)", [channel, json.dumps(told)])


def _heard(connection: psycopg.Connection[Any]) -> list[tuple[str, dict[str, Any]]]:
    """The messages of one beat. Anybody with a login may say anything: what is not ours is passed over."""
    heard = []
    for notice in connection.notifies(timeout=BEAT, stop_after=1):
        try:
            told = json.loads(notice.payload)
        except ValueError:
            continue
        if isinstance(told, dict):
            heard.append((notice.channel, told))
    return heard
