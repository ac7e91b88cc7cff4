"""Alerts against the ledger: each that was told there still has its row, and each that somebody took on was told there.

Alerts are not watched as records are: entries of their own tell of each, so those are compared.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Found
from audit.store import Unreadable
from audit.store.session import pinned
from audit.verification import Finding

# A purge removes what was told more than five years ago, and leaves the rows. A row that says to be older than what
# was told of it is not the one that was told of.
_GONE = """
SELECT told.kind, told.subject, told.times - count(a.id) AS gone FROM (
    SELECT e.content::jsonb -> 'detail' ->> 'alert' AS kind, e.target_id AS subject, count(*) AS times,
           min(e.at) AS first
    FROM ONLY audit.event e WHERE e.action = 'alert.raise' AND e.target_kind = 'alert' GROUP BY 1, 2) AS told
LEFT JOIN ONLY public.alert a ON a.kind = told.kind AND a.subject IS NOT DISTINCT FROM told.subject
      AND a.raised_at > told.first - interval '1 hour'
GROUP BY told.kind, told.subject, told.times HAVING count(a.id) < told.times ORDER BY 1, 2 LIMIT 100
"""
_SILENCED = """
SELECT a.id, a.kind, a.subject FROM ONLY public.alert a
WHERE a.acknowledged_at IS NOT NULL AND greatest(a.raised_at, a.acknowledged_at) > now() - interval '5 years'
  AND NOT EXISTS (
    SELECT FROM ONLY audit.event e
    WHERE e.action = 'alert.acknowledge' AND e.target_kind = 'alert' AND e.target_id = a.id::text
      AND e.actor_id IS NOT DISTINCT FROM a.acknowledged_by::text
      AND e.content::jsonb -> 'detail' ->> 'alert' = a.kind
      AND e.at BETWEEN a.acknowledged_at - interval '1 hour' AND a.acknowledged_at + interval '1 hour')
ORDER BY a.raised_at, a.id LIMIT 100
"""


def check(connection: Connection, holder: str | None) -> Found:
    """Differences as findings of one holder's ledger. Never raises for what it reads: ``failure`` says why it ended."""
    found = Found()
    try:
        with pinned(connection):
            for row in connection.execute(text(_GONE)):
                why = f"public.alert: {row.gone} of {row.kind} ({row.subject}) are gone that the ledger tells of"
                found.add(holder, Finding(None, "record.removed", why, "public.alert", f"{row.kind} {row.subject}"))
            for row in connection.execute(text(_SILENCED)):
                why = f"public.alert {row.id}: {row.kind} ({row.subject}) was acknowledged, and no entry tells of it"
                found.add(holder, Finding(None, "record.changed", why, "public.alert", f"{row.kind} {row.subject}"))
    except Unreadable as error:
        found.failure = f"alerts were not compared: {type(error).__name__}"
    return found
