"""Compares tables that the ledger does not capture with the entries and records about them.

People believe these rows: times of jobs, answers of verifications, the mark of synthetic data. Alerts have a comparison
of their own (alert_rows.py).
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Differences
from audit.store import Unreadable
from audit.store.session import pinned
from audit.verification import CAP, Finding
from itm_admin.foundation.database import migration

_OTHERWISE = text("SELECT relation, id FROM itm.beside_the_ledger(:version) ORDER BY relation, id LIMIT :cap")


def check(connection: Connection, holder: str | None) -> Differences:
    """Differences as findings in one holder's ledger.

    Never raises for the content; ``failure`` has the reason if it stopped.
    """
    found = Differences()
    try:
        with pinned(connection):
            values = {"version": migration.newest(), "cap": CAP}
            for row in connection.execute(_OTHERWISE, values):
                why = f"{row.relation} {row.id}: is not as the ledger and the records say"
                found.add(holder, Finding(None, "record.changed", why, row.relation, row.id))
    except Unreadable as error:
        found.failure = f"what stands beside the ledger was not compared: {type(error).__name__}"
    return found
