"""Ends sessions that hold a lock, such as a ledger's head, for more than seconds while others wait.

A session may remove its role's time limits, so each web process checks every few seconds, as the same role, and ends a
session that blocks others. If a session ends this check too, the next process ends that session.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

log = logging.getLogger("itm.web")
BEAT = 2.0
_LONGEST = "75s"
"""A transaction of the panel's; its role's statement_timeout and idle timeout are 60 s."""
THE_SCHEDULERS = (0x49544D01, 0x49544D02, 0x49544D03)
"""Advisory locks of the scheduler, the signer and the sinks' process, which never wait for them: another session that
holds one blocks no waiter, but stops their work."""
_END = """
    SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
    WHERE a.usename = current_user AND a.datname = current_database() AND a.pid <> pg_backend_pid()
      AND (a.xact_start < clock_timestamp() - %(longest)s::interval
           OR EXISTS (
               SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted
                 AND l.classid = 0 AND l.objsubid = 1 AND l.objid::bigint = ANY (%(not_ours)s))
           OR EXISTS (
               SELECT FROM pg_locks l WHERE NOT l.granted AND l.waitstart < clock_timestamp() - interval '4s'
                 AND (a.xact_start < clock_timestamp() - interval '5s'
                      OR a.xact_start IS NULL OR a.xact_start > l.waitstart)
                 AND a.pid = ANY (pg_blocking_pids(l.pid))
                 AND cardinality(pg_blocking_pids(a.pid)) = 0))
"""
"""Waiters give up after 10 s (lock_timeout), so their blocker is ended before. A session that waits itself is left
alone.

A session may hold an advisory lock outside a transaction, or across short ones: its waiters began before those.
"""


def look(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """Ends blocking sessions of the connection's own role; gives their number."""
    return len(connection.execute(_END.encode(), {"longest": _LONGEST, "not_ours": list(THE_SCHEDULERS)}).fetchall())


def watch(address: str, stopped: Callable[[float], bool]) -> None:
    """Checks until `stopped(seconds)`, which waits at most that long, gives true."""
    address = address.replace("postgresql+psycopg://", "postgresql://", 1)
    while not stopped(BEAT):
        try:
            with psycopg.connect(
                address, autocommit=True, connect_timeout=5, application_name="itm-watch"
            ) as connection:
                while not stopped(BEAT):
                    if ended := look(connection):
                        log.warning("sessions of the panel's role that held others up were ended: %s", ended)
        except psycopg.Error as fault:
            log.warning("locks could not be looked at (%s)", type(fault).__name__)


def start(address: str) -> None:
    """Starts the checks in a daemon thread."""
    never = threading.Event()
    threading.Thread(target=watch, args=(address, never.wait), name="locks", daemon=True).start()
