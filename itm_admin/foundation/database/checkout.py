"""A pooled connection is looked at before somebody else works on it.

Whoever could run SQL on it may have left something for the next person: a statement under a name that the driver uses,
settings, locks, cursors. Promise: a connection with such a thing is thrown away, or nothing of it is left. It takes the
place of the pool's ping, so a lost connection is noticed here too.
"""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError

from itm_admin.foundation.database.pooler import is_marked

log = logging.getLogger("itm")
_USED = "itm_used"
_KEPT = (
    "search_path",
    "row_security",
    "statement_timeout",
    "lock_timeout",
    "default_transaction_read_only",
    "TimeZone",
)
"""Settings that are compared with those of the connection's begin."""
_NOW = " || ',' || ".join(f"pg_catalog.current_setting('{name}')" for name in _KEPT)
_ASK = (
    f"SELECT {_NOW}, EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)"  # noqa: S608 fixed names
    " OR EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_listening_channels())"
    " OR pg_catalog.pg_my_temp_schema() <> 0; RESET ALL; SELECT pg_catalog.pg_advisory_unlock_all()"
).encode()
"""The other settings, of which there are hundreds, are set back, and locks let go: to ask for each takes too long."""


def look(driver: Any, record: Any, _proxy: Any) -> None:
    """The pool's event `checkout`. DisconnectionError throws the connection away, and the pool makes another one."""
    if not isinstance(driver, psycopg.Connection):
        return
    try:
        if is_marked(record):
            _ask(driver, b"")  # somebody else's server connection, which is cleaned in each transaction
            return
        settings, tampered = _ask(driver, _ASK)
    except psycopg.Error as lost:
        raise InvalidatePoolError from lost
    if tampered or record.info.setdefault(_USED, settings) != settings:
        log.error("a connection to the database was tampered with and is thrown away")
        raise DisconnectionError


def _ask(driver: psycopg.Connection[Any], statement: bytes) -> tuple[Any, Any]:
    """The first row, outside a transaction. Sent as text: what is prepared by name may be somebody else's."""
    if driver.info.transaction_status != TransactionStatus.IDLE:
        raise psycopg.OperationalError("the connection is in a transaction")
    before, driver.autocommit = driver.autocommit, True
    try:
        cursor = driver.execute(statement, prepare=False)
        row: Any = tuple(cursor.fetchone() or ()) if cursor.description else ()
        return row or (None, None)
    finally:
        if not driver.closed:
            driver.autocommit = before
