"""A small world for the ledger's tests: three holders with ledgers, a watched table, and ways to write to it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from audit import store
from audit.read_plan import Level
from tests.conftest import Cluster, _copy
from tests.stating import say

OURS, THEIRS, PRESIDENCY = (uuid.UUID(int=number) for number in (1, 2, 3))


class Migrated(Protocol):
    """The shared fixtures' data: one migrated database."""

    def engine(self, role: str) -> Engine: ...

    def url(self, role: str) -> str: ...


_THING = """
CREATE TABLE public.thing (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), holder uuid NOT NULL, name text, amount numeric, at timestamptz,
    day date, ready boolean, tags text[], secret bytea, token text, noted text, deleted_at timestamptz, closed_on date
);
SELECT audit.watch('public.thing', 'thing', 1, 'holder', 'id', '{secret,token}', '{noted}');
GRANT SELECT, INSERT, UPDATE, DELETE ON public.thing TO itm_app;
"""


@dataclass(frozen=True)
class World:
    """Holders OURS, THEIRS and PRESIDENCY, each with an open ledger; table public.thing is watched."""

    database: Migrated

    def engine(self, role: str) -> Engine:
        return self.database.engine(role)

    def ledger(self, holder: uuid.UUID = OURS) -> store.Ledger:
        with self.engine("superuser").connect() as connection:
            return next(ledger for ledger in store.ledgers(connection) if ledger.holder == str(holder))

    def contents(self, holder: uuid.UUID = OURS) -> list[dict[str, Any]]:
        """A ledger's sealed entries, in order."""
        statement = text("SELECT content FROM audit.entry WHERE holder = :holder ORDER BY seq")
        with self.engine("superuser").connect() as connection:
            return [json.loads(row) for row in connection.execute(statement, {"holder": holder}).scalars()]

    def run(self, statement: str, role: str = "app", context: dict[str, Any] | None = None, **values: Any) -> Any:
        """One transaction with one statement; the first column of its first row."""
        with self.engine(role).begin() as connection:
            if context is not None or role == "app":
                say(connection, **(context or {}))
            result = connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    def add(self, holder: uuid.UUID = OURS, name: str = "a thing") -> uuid.UUID:
        added: uuid.UUID = self.run(
            "INSERT INTO thing (holder, name) VALUES (:holder, :name) RETURNING id", holder=holder, name=name
        )
        return added

    def fill(self, entries: int, holder: uuid.UUID = OURS) -> None:
        """That many entries, each in a ledger's own order."""
        for number in range(entries):
            self.add(holder, f"thing {number}")

    def verify(self, holder: uuid.UUID = OURS, level: Level = "full") -> store.Verification:
        return store.verify(self.engine("signer"), self.ledger(holder), level)


def build(database: Migrated) -> World:
    with database.engine("owner").begin() as connection:
        connection.exec_driver_sql(_THING, execution_options={"no_parameters": True})
        for holder, code in ((OURS, "OURS"), (THEIRS, "THEIRS"), (PRESIDENCY, "PRES")):
            connection.execute(
                text("SELECT audit.open_ledger(:holder, :code, :presidency)"),
                {"holder": holder, "code": code, "presidency": holder == PRESIDENCY},
            )
    return World(database)


@pytest.fixture(scope="session")
def built_database(cluster: Cluster, template: str) -> Iterator[str]:
    """The name of a database in which the world was built once."""
    for database in _copy(cluster, template):
        build(database)
        database.close()
        yield database.name


@pytest.fixture
def world(cluster: Cluster, built_database: str) -> Iterator[World]:
    for database in _copy(cluster, built_database):
        yield World(database)
