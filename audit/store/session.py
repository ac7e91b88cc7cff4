"""Fixed settings for a judging session: the settings of a role or a database have no effect.

Promise: in a pinned transaction a name without schema is an object of pg_catalog, and every access path that the
statement needs is enabled. Afterwards the previous settings apply again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import rows
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_WAYS = ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_tidscan",
         "enable_sort", "enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_hashagg",
         "enable_material")  # fmt: skip
_READING = {"transform_null_equals": "off", "quote_all_identifiers": "off", "row_security": "on"}
PLAIN: Mapping[str, str] = {"search_path": "pg_catalog, pg_temp", **_READING, **dict.fromkeys(_WAYS, "on")}
"""For every statement that judges."""
BY_INDEX = {
    "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_mergejoin": "off", "enable_hashjoin": "off",
    "enable_sort": "off", "max_parallel_workers_per_gather": "0",
}  # fmt: skip
"""Access by index, as the pages use."""
ONE_BY_ONE = {
    "enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off", "enable_nestloop": "off",
    "enable_mergejoin": "off", "work_mem": "64MB",
}  # fmt: skip
"""Sequential access: every row of the table, even if an index misses it."""
WORKING: Mapping[str, str] = {"search_path": "public", **_READING, **dict.fromkeys(_WAYS, "on")}
"""For the work of the panel and its processes."""
OPTIONS = " ".join(f"-c {name}={value}" for name, value in WORKING.items())
"""For libpq's ``options``: they come with the connection and override a role's or a database's settings."""
TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
"""A time in the format of contents and frames."""

_NOW = """
SELECT pg_catalog.array_agg(coalesce(pg_catalog.current_setting(name, true), '') ORDER BY place)
FROM pg_catalog.unnest(%s::pg_catalog.text[]) WITH ORDINALITY AS named(name, place)
"""
_SET = """
SELECT pg_catalog.set_config(name, value, true)
FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])) AS said(name, value)
"""


@contextmanager
def pinned(bind: Connection | psycopg.Connection[Any], settings: Mapping[str, str] = PLAIN) -> Iterator[None]:
    """Pins the settings within a transaction. A failed transaction resets them by itself."""
    names = list(settings)
    ((before,),) = _asked(bind, _NOW, (names,))
    _asked(bind, _SET, (names, list(settings.values())))
    yield
    connection = bind if isinstance(bind, psycopg.Connection) else driver(bind)
    if connection.info.transaction_status == TransactionStatus.INTRANS:
        _asked(bind, _SET, (names, before))


def _asked(bind: Connection | psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> Sequence[Any]:
    """Runs a statement; through SQLAlchemy for its connections, so that it notices a lost one."""
    if not isinstance(bind, psycopg.Connection):
        return bind.exec_driver_sql(statement, values).all()
    with bind.cursor(row_factory=rows.tuple_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def driver(connection: Connection) -> psycopg.Connection[Any]:
    found: Any = connection.connection.dbapi_connection
    if found is None:
        raise psycopg.OperationalError("the connection is closed")
    driver: psycopg.Connection[Any] = found
    return driver
