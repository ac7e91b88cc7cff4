"""Compares alerts with the ledger: each alert's entry still has its row, and each acknowledgement has its entry.

Alerts are not watched as records are, since they are raised also while the ledger cannot be written. Entries of their
own hold a digest of each row (itm.tell_alert); those are compared.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Differences
from audit.store import Unreadable
from audit.store.session import pinned
from audit.verification import Finding

# A purge removes entries older than five years and leaves the rows. A row that claims to be older than its entry is
# another row.
_GONE = """
SELECT told.kind, told.subject, told.times - count(a.id) AS gone FROM (
    SELECT e.content::jsonb -> 'detail' ->> 'alert' AS kind, e.target_id AS subject, count(*) AS times,
           min(e.at) AS first
    FROM ONLY audit.event e WHERE e.action = 'alert.raise' AND e.target_kind = 'alert'
      AND e.content::jsonb -> 'detail' ->> 'renewed' IS NULL GROUP BY 1, 2) AS told
LEFT JOIN ONLY public.alert a ON a.kind = told.kind AND a.subject IS NOT DISTINCT FROM told.subject
      AND a.raised_at > told.first - interval '1 hour'
GROUP BY told.kind, told.subject, told.times HAVING count(a.id) < told.times ORDER BY 1, 2 LIMIT 100
"""
# An alert's last entry is its acknowledgement. Entries from before digests existed have none.
_ALTERED = """
WITH told AS (
    SELECT CASE e.action WHEN 'alert.raise' THEN e.content::jsonb -> 'detail' ->> 'row' ELSE e.target_id END AS id,
           e.action = 'alert.acknowledge' AS over, e.content::jsonb -> 'detail' ->> 'row_digest' AS digest
    FROM ONLY audit.event e WHERE e.action IN ('alert.raise', 'alert.acknowledge') AND e.target_kind = 'alert'
), summed AS (
    SELECT t.id, bool_or(t.over) AS over, array_agg(t.digest) FILTER (WHERE t.over) AS last,
           array_agg(t.digest) FILTER (WHERE NOT t.over) AS open
    FROM told t WHERE t.id IS NOT NULL GROUP BY t.id)
SELECT a.id, a.kind, a.subject FROM ONLY public.alert a LEFT JOIN summed s ON s.id = a.id::text
WHERE CASE WHEN s.id IS NULL THEN false
           WHEN s.over THEN a.acknowledged_at IS NULL
                            OR array_position(s.last, NULL) IS NULL AND itm.alert_digest(a) <> ALL (s.last)
           ELSE a.acknowledged_at IS NOT NULL OR itm.alert_digest(a) <> ALL (s.open) END
   OR a.acknowledged_at IS NOT NULL AND greatest(a.raised_at, a.acknowledged_at) > now() - interval '5 years'
  AND NOT EXISTS (
    SELECT FROM ONLY audit.event e
    WHERE e.action = 'alert.acknowledge' AND e.target_kind = 'alert' AND e.target_id = a.id::text
      AND e.actor_id IS NOT DISTINCT FROM a.acknowledged_by::text
      AND e.content::jsonb -> 'detail' ->> 'alert' = a.kind
      AND e.at BETWEEN a.acknowledged_at - interval '1 hour' AND a.acknowledged_at + interval '1 hour')
ORDER BY a.raised_at, a.id LIMIT 100
"""


def check(connection: Connection, holder: str | None) -> Differences:
    """Differences as findings in one holder's ledger.

    Never raises for the content; ``failure`` has the reason if it stopped.
    """
    found = Differences()
    try:
        with pinned(connection):
            for row in connection.execute(text(_GONE)):
                why = f"public.alert: {row.gone} of {row.kind} ({row.subject}) are gone that the ledger tells of"
                found.add(holder, Finding(None, "record.removed", why, "public.alert", f"{row.kind} {row.subject}"))
            for row in connection.execute(text(_ALTERED)):
                why = f"public.alert {row.id}: {row.kind} ({row.subject}) is not as the ledger tells of it"
                found.add(holder, Finding(None, "record.changed", why, "public.alert", f"{row.kind} {row.subject}"))
    except Unreadable as error:
        found.failure = f"alerts were not compared: {type(error).__name__}"
    return found
