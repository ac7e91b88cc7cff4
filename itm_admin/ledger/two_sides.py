"""Compares the ledgers of both parties: an act of two stands in each ledger that its shared digest names, and no other.

The digest's text is `itm-shared-act/v1 <act> <sha256> <origin> <origin>`, in the changes of both events, which one
transaction wrote (migrations, 0013/70_two_parties.sql). A ledger from which one side is gone may be whole in itself.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Differences
from audit.store import Unreadable
from audit.store.session import pinned
from audit.verification import CAP, Finding

MISSING, OTHERWISE = "side.missing", "side.otherwise"

# Kinds come from the catalogue, which the manifest holds. A purge forgives what may have been in its days.
_ONE_SIDED = text("""
WITH kinds AS MATERIALIZED (
    SELECT DISTINCT w.kind FROM audit.watched w JOIN pg_trigger t ON t.tgrelid = to_regclass(w.relation)
    WHERE t.tgname = 'sides_agree'
), told AS MATERIALIZED (
    SELECT l.id AS ledger, l.origin, l.holder, f.recorded_at, e.target_kind AS kind, e.target_id AS id,
           e.content::jsonb #>> '{changes,shared,new}' AS shared, e.content::jsonb #>> '{actor,transaction}' AS xact
    FROM kinds k JOIN ONLY audit.event e ON e.target_kind = k.kind AND e.via = 'trigger'
    JOIN ONLY audit.leaf f ON f.event_id = e.id JOIN ONLY audit.ledger l ON l.id = f.ledger_id
    WHERE e.content LIKE '%itm-shared-act/v1 %'
), named AS (
    SELECT t.*, split_part(t.shared, ' ', 2) AS act, o.origin AS other
    FROM told t CROSS JOIN unnest((string_to_array(t.shared, ' '))[4:]) o (origin) WHERE t.shared IS NOT NULL
), purged AS (
    SELECT e.ledger_id, max(f.recorded_at) AS until FROM ONLY audit.event e JOIN ONLY audit.leaf f
    ON f.ledger_id = e.ledger_id AND f.seq = (e.content::jsonb -> 'detail' ->> 'last')::bigint
    WHERE e.action = 'ledger.purge' GROUP BY e.ledger_id
), wrong AS (
    SELECT n.kind, n.id, n.act, n.origin AS there, coalesce(o.holder, n.holder) AS holder, EXISTS (
        SELECT FROM told c WHERE c.origin = n.other AND c.kind = n.kind AND c.xact = n.xact) AS otherwise
    FROM named n LEFT JOIN ONLY audit.ledger o ON o.origin = n.other LEFT JOIN purged p ON p.ledger_id = o.id
    WHERE n.other <> n.origin AND NOT EXISTS (SELECT FROM told c WHERE c.origin = n.other AND c.shared = n.shared)
      AND left(n.recorded_at, 10) > coalesce(left(p.until, 10), '')
    UNION
    SELECT t.kind, t.id, split_part(t.shared, ' ', 2), t.origin, t.holder, true FROM told t
    WHERE t.origin = ANY ((string_to_array(t.shared, ' '))[4:]) IS NOT TRUE
) SELECT * FROM wrong ORDER BY kind, id, act LIMIT :cap
""")


def check(connection: Connection, holder: str | None) -> Differences:
    """Differences as findings in the ledger that misses its side, or tells it otherwise.

    Never raises for the content; ``failure`` has the reason if it stopped.
    """
    found = Differences()
    try:
        with pinned(connection):
            for row in connection.execute(_ONE_SIDED, {"cap": CAP}):
                kind = OTHERWISE if row.otherwise else MISSING
                why = f"{row.kind} {row.id}: {row.there} has act {row.act} of both institutions, this ledger has not"
                found.add(str(row.holder), Finding(None, kind, why, row.kind, f"{row.there} {row.act} {row.id}"))
    except Unreadable as error:
        found.failure = f"acts of two institutions were not compared: {type(error).__name__}"
    return found
