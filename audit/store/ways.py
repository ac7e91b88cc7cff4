"""Compares every index of the ledger's tables with the table itself.

Promise: a row that an index misses, has twice or has under another key is a finding of that index. Only indexes that
the server would use are tested. Tables are those that the role may read, so none of a record.

An index-only scan gives the keys in order, and an index scan gives the rows in the same order. If the keys ascend and
equal the rows' keys one after the other, each key leads to its own row; these must be all rows of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Differences
from audit.store import damage
from audit.store.session import BY_INDEX, ONE_BY_ONE, PLAIN, driver, pinned
from audit.store.snapshot import Unreadable
from audit.verification import Finding

Count = tuple[int, int]
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
                        WHERE t.attrelid = x.indrelid AND (t.attnotnull OR strpos(
                            pg_get_expr(x.indpred, x.indrelid), format('(%I IS NOT NULL)', t.attname)) > 0)) AS filled
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = i.relam
WHERE n.nspname = 'audit' AND c.relkind = 'r' AND x.indisvalid AND x.indisready AND x.indislive
  AND has_table_privilege(c.oid, 'SELECT')
ORDER BY 1, 2
"""
_COUNT = "count(*){0}, coalesce(sum(hashtidextended(ctid, 0)){0}, 0)"
_KEYS = "hash_array_extended(coalesce(array_agg(key), '{}'), 0)"
_OUT_OF_ORDER = ("Sort", "Incremental Sort", "Seq Scan")


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
    """True if no key is ever null."""

    def led(self) -> str:
        """The query, by the index, for the number of rows, the sum of their places, and a hash of the keys in order."""
        if self.method == "gin":
            within = f"({self.condition}) AND {self.keys[0]} @> '{{}}'"
            return f"SELECT {_COUNT.format('')}, 0 FROM ONLY {self.relation} WHERE {within}"  # noqa: S608
        return f"SELECT {_COUNT.format('')}, {_KEYS} FROM ({self._in_order(f'ctid, {self._key} AS key')}) AS led"  # noqa: S608

    def known(self) -> str:
        """The index-only query for the keys in order, and the number of keys that do not ascend."""
        worse, names = "<=" if self.single else "<", [f"key{place}" for place in range(len(self.keys))]
        if self.filled:  # compared key by key: quicker than as rows, but undefined for nulls
            now, before = ", ".join(names), ", ".join(f"lag({name}) OVER () AS old_{name}" for name in names)
            wrong = f"({now}) {worse} ({', '.join(f'old_{name}' for name in names)})"
        else:
            now, before = f"ROW({', '.join(names)})", f"lag(ROW({', '.join(names)})) OVER () AS before"
            wrong = f"{now} {worse} before"
        wrong = "0" if self.turned else f"count(*) FILTER (WHERE {wrong})"
        each = self._in_order(", ".join(f"{key} AS {name}" for key, name in zip(self.keys, names, strict=True)))
        hashed = f"hash_record_extended(ROW({', '.join(names)}), 0) AS key"
        keys = f"SELECT *, {hashed}, {before} FROM ({each} OFFSET 0) AS one"  # noqa: S608 (the catalogue's words)
        return f"SELECT count(*), {wrong}, {_KEYS} FROM ({keys}) AS known"  # noqa: S608

    @property
    def _key(self) -> str:
        return f"hash_record_extended(ROW({', '.join(self.keys)}), 0)"

    def _in_order(self, what: str) -> str:
        order = ", ".join(self.sorted)
        return f"SELECT {what} FROM ONLY {self.relation} WHERE {self.condition} ORDER BY {order}"  # noqa: S608


def check(connection: Connection, holder: str | None) -> Differences:
    """Differences as findings in one holder's ledger.

    Never raises for the content; ``failure`` has the reason if it stopped.
    """
    found = Differences()
    try:
        with pinned(connection, PLAIN):
            for finding in _differences(connection):
                found.add(holder, finding)
    except Unreadable as error:
        found.failure = f"the ways to the rows were not compared: {damage.why(connection, error)}"
    return found


def _differences(connection: Connection) -> Iterator[Finding]:
    indexes = [_Index(*row) for row in connection.execute(text(_INDEXES))]
    for relation, its in groupby(indexes, lambda index: index.relation):
        ways = list(its)
        there = _there(connection, relation, ways)
        for index in ways:
            if not _leads_to(connection, index, there[index.condition]):
                detail = f"{index.name} of {relation} does not lead to each row once, by what is in it"
                yield Finding(None, "way", detail, relation, index.name)


def _there(connection: Connection, relation: str, indexes: Sequence[_Index]) -> Mapping[str, Count]:
    """For each condition the number of matching rows and the sum of their places, in one pass over the table."""
    conditions = list(dict.fromkeys(index.condition for index in indexes))
    counts = ", ".join(_COUNT.format(f" FILTER (WHERE {condition})") for condition in conditions)
    with pinned(connection, ONE_BY_ONE):
        question = f"SELECT {counts} FROM ONLY {relation}"  # noqa: S608 (the catalogue's words)
        row = driver(connection).execute(question.encode()).fetchone() or ()
    return dict(zip(conditions, zip(row[::2], row[1::2], strict=True), strict=True))


def _leads_to(connection: Connection, index: _Index, there: Count) -> bool:
    """True if the index finds the table's rows. An index that the server does not use for the query is skipped."""
    with pinned(connection, {**BY_INDEX, "enable_bitmapscan": "on"} if index.method == "gin" else BY_INDEX):
        led = _asked(connection, index, index.led())
        if led is None:
            return True
        if led[:2] != there:
            return False
        known = _asked(connection, index, index.known()) if index.method == "btree" else None
        return known is None or known == (there[0], 0, led[2])


def _asked(connection: Connection, index: _Index, question: str) -> tuple[Any, ...] | None:
    plan = driver(connection).execute(f"EXPLAIN (FORMAT JSON, COSTS false) {question}".encode()).fetchone()
    if plan is None or not _by(index.name, plan[0][0]["Plan"]):
        return None
    return driver(connection).execute(question.encode()).fetchone()


def _by(name: str, plan: Mapping[str, Any]) -> bool:
    """True if the plan uses this index alone and keeps its order."""
    mine = plan["Node Type"] not in _OUT_OF_ORDER and plan.get("Index Name", name) == name
    return mine and all(_by(name, part) for part in plan.get("Plans", ()))
