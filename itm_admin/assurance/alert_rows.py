"""Alerts against the ledger: each one that was told there must still have its row.

Alerts are not watched as records are: an entry of their own tells of each, so that is compared.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Found
from audit.store import Unreadable
from audit.store.session import pinned
from audit.verification import Finding

# A purge removes what was told more than five years ago, and leaves the rows.
_GONE = """
SELECT told.kind, told.subject, told.times - count(a.id) AS gone FROM (
    SELECT e.content::jsonb -> 'detail' ->> 'alert' AS kind, e.target_id AS subject, count(*) AS times
    FROM ONLY audit.event e WHERE e.action = 'alert.raise' AND e.target_kind = 'alert' GROUP BY 1, 2) AS told
LEFT JOIN ONLY public.alert a ON a.kind = told.kind AND a.subject IS NOT DISTINCT FROM told.subject
GROUP BY told.kind, told.subject, told.times HAVING count(a.id) < told.times ORDER BY 1, 2 LIMIT 100
"""


def check(connection: Connection, holder: str | None) -> Found:
    """Differences as findings of one holder's ledger. Never raises for what it reads: ``failure`` says why it ended."""
    found = Found()
    try:
        with pinned(connection):
            for row in connection.execute(text(_GONE)):
                why = f"public.alert: {row.gone} of {row.kind} ({row.subject}) are gone that the ledger tells of"
                found.add(holder, Finding(None, "record.removed", why, "public.alert", f"{row.kind} {row.subject}"))
    except Unreadable as error:
        found.failure = f"alerts were not compared: {type(error).__name__}"
    return found
