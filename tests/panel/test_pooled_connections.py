"""A pooled connection that somebody tampered with reaches nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.panel.panel_app import RunningPanel

THROWN_AWAY = (
    "prepare found as select 1",
    "deallocate all; prepare _pg3_0 as select 'stolen'",
    "set statement_timeout = '5ms'",
    "set search_path = pg_temp",
    "set row_security = off",
    "set timezone = 'Asia/Tokyo'",
    "set default_transaction_read_only = on",
    "declare found cursor with hold for select 1",
    "listen found",
)
UNDONE = (
    ("set work_mem = '64kB'", "select current_setting('work_mem') = '64kB'"),
    ("set itm.context = '{}'", "select coalesce(current_setting('itm.context', true), '') <> ''"),
    ("set enable_indexscan = off", "select current_setting('enable_indexscan') = 'off'"),
    (
        "select pg_advisory_lock(17)",
        "select count(*) > 0 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    ),
)  # fmt: skip


@pytest.fixture
def pool(panel: RunningPanel) -> Engine:
    engine = panel.database.engine("app")
    engine.dispose()
    return engine


def on_it(engine: Engine, *statements: str) -> tuple[int, Any]:
    """The server's process of the next connection, and the last answer."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.rollback()
        driver.autocommit = True
        answer: Any = None
        for statement in statements:
            cursor = driver.execute(statement, prepare=False)
            answer = cursor.fetchone()[0] if cursor.description else None
        driver.autocommit = False
        return driver.info.backend_pid, answer


@pytest.mark.parametrize("left", THROWN_AWAY)
def test_a_connection_on_which_something_was_left_is_thrown_away(pool: Engine, left: str) -> None:
    first, _ = on_it(pool)
    assert on_it(pool)[0] == first, "what nobody touched is used again"
    on_it(pool, left)
    assert on_it(pool)[0] != first


@pytest.mark.parametrize(("left", "is_left"), UNDONE)
def test_what_else_was_left_is_undone(pool: Engine, left: str, is_left: str) -> None:
    first, there = on_it(pool, left, is_left)
    assert there is True
    assert on_it(pool, is_left) == (first, False)


def test_a_lost_connection_is_replaced_before_somebody_works_on_it(panel: RunningPanel, pool: Engine) -> None:
    first, _ = on_it(pool)
    panel.rows("select pg_terminate_backend(:pid)", pid=first)
    assert on_it(pool, "select 1") != (first, 1)
