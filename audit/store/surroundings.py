"""Checks a ledger's tables as a whole: rows that belong to no entry, duplicates, and rows that an index misses.

Promise: rows are read sequentially here, without an index, in the snapshot in which entries are found by index. A row
that only one of the two ways finds is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.read_plan import Level
from audit.store.session import ONE_BY_ONE, pinned
from audit.store.snapshot import Ledger
from audit.verification import CAP, Finding

# Past the end, before the beginning, or duplicated.
_LEAVES = """
SELECT seq, count(*) AS times FROM ONLY audit.leaf WHERE ledger_id = :id GROUP BY seq
HAVING count(*) > 1 OR seq < 0 OR seq >= coalesce((SELECT max(size) FROM ONLY audit.ledger WHERE id = :id), 0)
ORDER BY seq LIMIT :cap
"""
# A copy of an event that names another ledger does not belong here.
_EVENTS = """
SELECT e.id::text AS id, count(*) AS times, min(f.seq) AS seq, bool_or(f.event_id IS NULL) AS unsealed
FROM ONLY audit.event e LEFT JOIN ONLY audit.leaf f ON f.event_id = e.id AND f.ledger_id = e.ledger_id
WHERE e.ledger_id = :id OR :first AND NOT EXISTS (SELECT FROM ONLY audit.ledger l WHERE l.id = e.ledger_id)
GROUP BY e.id HAVING count(*) > 1 OR bool_or(f.event_id IS NULL) ORDER BY min(f.seq), e.id LIMIT :cap
"""
_LEDGERS = "SELECT count(*) FROM ONLY audit.ledger WHERE id = :id"
# Times only grow within a ledger, so the first of the newest is enough.
_AHEAD = """
SELECT min(f.seq) FROM ONLY audit.leaf f
WHERE EXISTS (SELECT FROM ONLY audit.ledger l
              WHERE l.id = :id AND l.recorded_at > clock_timestamp() + interval '5 minutes')
  AND f.ledger_id = :id AND f.recorded_at COLLATE "C" > to_char(
      (clock_timestamp() + interval '5 minutes') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
"""
# The catalogue's comparison reports these as well, but not every run compares the catalogue.
_WAYS = """
SELECT c.relname::text AS name, 'another table gives it rows' AS why
FROM pg_class c WHERE c.relnamespace = 'audit'::regnamespace
  AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AND c.relkind = 'r'
UNION ALL
SELECT c.relname::text, 'a rule rewrites what is asked of it' FROM pg_class c
WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'r'
  AND EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
UNION ALL
SELECT c.relname::text, 'its index ' || i.relname || ' is switched off'
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = 'audit'::regnamespace AND NOT (x.indisvalid AND x.indisready AND x.indislive)
ORDER BY 1, 2
"""


def findings(connection: Connection, ledger: Ledger, level: Level) -> Iterator[Finding]:
    """Yields the findings. Raises the database's errors."""
    for row in connection.execute(text(_WAYS)):
        yield Finding(None, "way", f"audit.{row.name}: {row.why}", "audit." + row.name)
    first = ledger.code is not None and level == "full"
    with pinned(connection, ONE_BY_ONE):
        if (connection.execute(text(_LEDGERS), {"id": ledger.id}).scalar() or 0) > 1:
            yield Finding(0, "twice", "the ledger's row is there more than once", "audit.ledger", str(ledger.id))
        leaves = connection.execute(text(_LEAVES), {"id": ledger.id, "cap": CAP}).all()
        events = connection.execute(text(_EVENTS), {"id": ledger.id, "first": first, "cap": CAP}).all()
        ahead = connection.execute(text(_AHEAD), {"id": ledger.id}).scalar()
    if ahead is not None:
        yield Finding(ahead, "ahead", "its time lies in the future")
    past = [row.seq for row in leaves if not 0 <= row.seq < ledger.size]
    if past:
        yield Finding(past[0], "size", f"an entry past the ledger's size of {ledger.size}")
    for row in leaves:
        if row.times > 1:
            yield Finding(row.seq, "twice", f"the entry is there {row.times} times", "audit.leaf")
    for row in events:
        if row.unsealed:
            yield Finding(None, "unsealed", f"event {row.id} has no place in the ledger")
        if row.times > 1:
            yield Finding(row.seq, "twice", f"event {row.id} is there {row.times} times", "audit.event", row.id)
