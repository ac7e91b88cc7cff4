"""Reads the database's catalogue of our schemas: each object's kind, name and definition, as text.

Promise: the same schema gives the same text for every role, search path and order of grants; also on PostgreSQL 15 to
18, as long as no function's parsed body uses a table of PostgreSQL's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.catalogue import CatalogueManifest, Unknown
from audit.expression import normal
from audit.reconciliation import Differences
from audit.store.session import PLAIN, pinned
from audit.store.snapshot import Unreadable

_QUESTION = (Path(__file__).parents[1] / "sql" / "queries" / "catalogue.sql").read_text("utf-8")


def catalogue(connection: Connection, schemas: Sequence[str]) -> dict[str, str]:
    """The objects of these schemas, by kind and name. Raises the database's errors."""
    with pinned(connection, {**PLAIN, "search_path": "pg_catalog", "audit.compared": ",".join(schemas)}):
        rows = connection.exec_driver_sql(_QUESTION, execution_options={"no_parameters": True}).all()
    found: dict[str, str] = {}
    for row in rows:
        name, said = f"{row.kind} {row.name}", normal(" ".join(row.said.split()))
        found[name] = f"{found[name]}; and {said}" if name in found else said
    return found


def major(connection: Connection) -> int:
    """The server's major version."""
    return int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def check(connection: Connection, manifest: CatalogueManifest, holder: str | None) -> Differences:
    """Differences as findings in one holder's ledger.

    Never raises for the content; ``failure`` has the reason if it stopped.
    """
    found = Differences()
    try:
        for finding in manifest.compare(major(connection), catalogue(connection, manifest.schemas)):
            found.add(holder, finding)
    except (*Unreadable, Unknown) as error:
        told = str(error) if isinstance(error, Unknown) else type(error).__name__
        found.failure = f"the catalogue was not compared: {told}"
    return found
