"""Work through a pooler of connections, such as PgBouncer in transaction mode.

There each transaction may run on another server connection, on which other clients have worked before. Such a
connection is recognised by itself: the server's process is not the one that the pooler told. Promise: no setting that
somebody left behind reaches a transaction, and nothing is prepared by name. What needs a session of its own (LISTEN,
advisory locks outside a transaction) goes past the pooler: ITM_DATABASE_DIRECT_URL.
"""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import Pool

from audit.store.session import WORKING

_POOLED = "itm_pooled"
_PINS = ", ".join(f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in WORKING.items())
_CLEAN = f"RESET ALL; SELECT {_PINS}".encode()
"""A pooler passes no `options` on. RESET ALL counts for the transaction and, after its commit, for others, who do the
same: what a role or the server sets stands again."""


def is_pooled(driver: psycopg.Connection[Any]) -> bool:
    """True if something between here and the server gives out its connections."""
    row = driver.execute("SELECT pg_catalog.pg_backend_pid()", prepare=False).fetchone()
    return row is None or int(next(iter(row))) != driver.info.backend_pid


def is_marked(record: Any) -> bool:
    """True if this connection of a pool goes through a pooler."""
    return bool(record.info.get(_POOLED))


def install() -> None:
    """For all engines of this process."""
    event.listen(Pool, "connect", _look)
    event.listen(Engine, "begin", _clean)


def _look(driver: Any, record: Any) -> None:
    if not isinstance(driver, psycopg.Connection) or not is_pooled(driver):
        if isinstance(driver, psycopg.Connection):
            driver.rollback()
        return
    driver.rollback()
    record.info[_POOLED] = True
    driver.prepare_threshold = None
    driver.read_only = driver.deferrable = False  # said with BEGIN, since defaults may have been left behind too


def _clean(connection: Connection) -> None:
    if connection.info.get(_POOLED):
        driver: Any = connection.connection.driver_connection
        driver.execute(_CLEAN, prepare=False)
