"""Every way to the rows of the ledger's tables: what each index leads to, and what is there.

Promise: a row that an index does not know, knows twice or under another key is a finding of that index. Only indexes
that the server would use are asked. Tables are those that the asker may read, so nothing of a record is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Found
from audit.store import damage
from audit.store.reading import Unreadable
from audit.store.session import BY_INDEX, ONE_BY_ONE, PLAIN, driver, pinned
from audit.verification import Finding

_INDEXES = """
SELECT format('%I.%I', n.nspname, c.relname) AS relation, i.relname AS name, a.amname AS method,
       x.indisunique AS single,
       coalesce(pg_get_expr(x.indpred, x.indrelid), 'true') AS condition,
       ARRAY(SELECT pg_get_indexdef(x.indexrelid, k::integer, true)
                    || CASE WHEN x.indoption[k - 1] & 1 = 1 THEN ' DESC' ELSE '' END
                    || CASE WHEN x.indoption[k - 1] & 2 = 2 THEN ' NULLS FIRST' ELSE ' NULLS LAST' END
             FROM generate_series(1, x.indnkeyatts) k ORDER BY k) AS sorted,
       ARRAY(SELECT pg_get_indexdef(x.indexrelid, k::integer, true)
             FROM generate_series(1, x.indnkeyatts) k ORDER BY k) AS keys,
       EXISTS (SELECT FROM unnest(x.indoption::smallint[]) o WHERE o & 1 = 1) AS turned,
       x.indnkeyatts = (SELECT count(*) FROM pg_attribute t JOIN unnest(x.indkey::smallint[]) k ON k = t.attnum
                        WHERE t.attrelid = x.indrelid AND t.attnotnull) AS filled
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = i.relam
WHERE n.nspname = 'audit' AND c.relkind = 'r' AND x.indisvalid AND x.indisready AND x.indislive
  AND has_table_privilege(c.oid, 'SELECT')
ORDER BY 1, 2
"""
_COUNT = "SELECT count(*), coalesce(sum(hashtidextended(ctid, 0)), 0)"


@dataclass(frozen=True)
class _Index:
    relation: str
    name: str
    method: str
    single: bool
    condition: str
    sorted: list[str]
    keys: list[str]
    turned: bool
    filled: bool
    """Whether no key is ever null."""

    def all(self) -> str:
        return f"{_COUNT} FROM ONLY {self.relation} WHERE {self.condition}"

    def reached(self) -> str | None:
        """Asks for as much by the index, and how often a row does not follow the one before; None: it cannot be."""
        if self.method == "gin":
            return f"{_COUNT}, 0 FROM ONLY {self.relation} WHERE ({self.condition}) AND {self.keys[0]} @> '{{}}'"
        if self.method != "btree":
            return None
        order, worse = ", ".join(self.sorted), "<=" if self.single else "<"
        if self.filled:  # compared key by key, which is quicker than as rows, and tells nothing of a null
            keys = [(key, f"key{place}", f"before{place}") for place, key in enumerate(self.keys)]
        else:
            keys = [(f"ROW({', '.join(self.keys)})", "row", "before")]
        now, before = (", ".join(key[part] for key in keys) for part in (1, 2))
        wrong = "0" if self.turned else f"count(*) FILTER (WHERE ({now}) {worse} ({before}))"
        each = ", ".join(f"{key} AS {now}, lag({key}) OVER (ORDER BY {order}) AS {before}" for key, now, before in keys)
        within = f"SELECT ctid, {each} FROM ONLY {self.relation} WHERE {self.condition}"  # noqa: S608
        return f"{_COUNT}, {wrong} FROM ({within}) AS in_order"


def check(connection: Connection, holder: str | None) -> Found:
    """Differences as findings of one holder's ledger. Never raises for what it reads: ``failure`` says why it ended."""
    found = Found()
    try:
        with pinned(connection, PLAIN):
            for finding in _differences(connection):
                found.add(holder, finding)
    except Unreadable as error:
        found.failure = f"the ways to the rows were not compared: {damage.why(connection, error)}"
    return found


def _differences(connection: Connection) -> Iterator[Finding]:
    asked = driver(connection)
    for index in [_Index(*row) for row in connection.execute(text(_INDEXES))]:
        question = index.reached()
        if question is None:
            continue
        with pinned(connection, ONE_BY_ONE):
            there = asked.execute(index.all().encode()).fetchone()
        way = {**BY_INDEX, "enable_bitmapscan": "on"} if index.method == "gin" else BY_INDEX
        with pinned(connection, way):
            plan = asked.execute(f"EXPLAIN (FORMAT JSON, COSTS false) {question}".encode()).fetchone()
            if plan is None or f'"Index Name": {json.dumps(index.name)}' not in json.dumps(plan[0]):
                continue
            reached = asked.execute(question.encode()).fetchone()
        if there is None or reached is None or reached[2] or there != reached[:2]:
            detail = f"{index.name} of {index.relation} does not lead to each row once, by what is in it"
            yield Finding(None, "way", detail, index.relation, index.name)
