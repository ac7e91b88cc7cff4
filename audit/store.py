"""The only Python that talks to the ledger's tables: installs them, appends, streams, verifies, records.

Promise: reading is one snapshot in constant memory; nothing here writes but through the ledger's own functions.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import Connection

SQL = Path(__file__).parent / "sql"


def install(connection: Connection) -> None:
    """Makes the schema `audit`, once, as itm_owner, in the transaction of `connection`."""
    for script in sorted(SQL.glob("*.sql")):
        connection.exec_driver_sql(script.read_text("utf-8"), execution_options={"no_parameters": True})
