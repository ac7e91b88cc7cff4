"""Compares the rows of every watched table with the ledger, as itm_signer, in the snapshot of its connection.

Reads keys and digests only (audit.row_states), and each row's last event; both in pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.reconciliation import Differences, LastEvent, RecordRow, differences
from audit.store import damage
from audit.store.session import BY_INDEX, ONE_BY_ONE, driver, pinned
from audit.store.snapshot import Unreadable
from audit.store.verifying import Progress, Stop
from audit.verification import Finding

ROWS = 2_000
END = 200
"""The number of last characters of an event's content that hold its state."""

# A missing table has no rows here; the catalogue's comparison reports it.
_RELATIONS = """
SELECT w.relation, array_agg(DISTINCT w.kind),
       coalesce(array_agg(DISTINCT w.holder) FILTER (WHERE w.holder <> ''), '{}'),
       greatest(max(c.reltuples), 0)::bigint
FROM ONLY audit.watched w JOIN pg_class c ON c.oid = to_regclass(w.relation) GROUP BY w.relation ORDER BY w.relation
"""
_HOLDERS = "SELECT DISTINCT holder::text FROM ONLY audit.ledger"
_PRESIDENCY = "SELECT holder::text FROM ONLY audit.ledger WHERE presidency AND closed_at IS NULL"
_SUM = "hashtextextended(concat_ws(' ', key, holder, state), 0)"
_ROWS = f"SELECT {_SUM}, key, coalesce(holder::text, %s), state FROM audit.row_states(%s, %s, %s)"  # noqa: S608
_ALL = f"SELECT count(*), coalesce(sum({_SUM}), 0) FROM audit.row_states(%s, NULL, NULL)"  # noqa: S608
_TWICE = """
SELECT key, coalesce(max(holder::text), %s) FROM audit.row_states(%s, NULL, NULL)
GROUP BY key HAVING count(*) > 1 ORDER BY key LIMIT 100
"""
# A generation begins with a baseline of every row, so earlier generations do not count.
# The order of entries is the order of a row's changes: a second change waits for the first one's commit.
_TOLD = sql.SQL("""
SELECT DISTINCT ON (w.place, e.target_id, l.holder) w.place, e.target_id, l.holder::text, right(e.content, {end}),
       CASE WHEN {moved} THEN e.content END
FROM ONLY audit.event e
JOIN ROWS FROM (unnest({kinds}::text[]), unnest({places}::integer[])) AS w(kind, place) ON w.kind = e.target_kind
JOIN ONLY audit.leaf f ON f.event_id = e.id JOIN ONLY audit.ledger l ON l.id = f.ledger_id
WHERE e.via IN ('trigger', 'baseline') AND e.target_id IS NOT NULL AND l.closed_at IS NULL
ORDER BY w.place, e.target_id, l.holder, f.seq DESC
""")


@dataclass(frozen=True)
class Relation:
    """A watched table. Its rows' shapes have these ``kinds``; the columns ``holders`` name the row's holder."""

    name: str
    kinds: list[str]
    holders: list[str]
    estimate: int


def _told(relations: Sequence[Relation]) -> sql.Composed:
    """The query for each row's last believed event in each holder's ledger, by relation, sorted by key."""
    moved: list[sql.Composable] = [sql.SQL("false")]
    for place, relation in enumerate(relations):
        moved += [
            sql.SQL("w.place = {} AND strpos(e.content, {}) > 0").format(place, f'"{name}":{{"old":')
            for name in relation.holders
        ]
    pairs = [(kind, place) for place, relation in enumerate(relations) for kind in relation.kinds]
    return _TOLD.format(
        end=END,
        moved=sql.SQL(" OR ").join(moved),
        kinds=[kind for kind, _ in pairs],
        places=[place for _, place in pairs],
    )


Tick = Callable[[int], None]


class Halted(Exception):
    """The comparison was asked to stop."""


def compare(connection: Connection, progress: Progress | None = None, stop: Stop | None = None) -> Differences:
    """Compares every row of every watched table.

    Never raises for the content; ``failure`` has the reason if it stopped.
    """
    found = Differences()

    def tick(rows: int) -> None:
        found.rows += rows
        if progress:
            progress(found.rows, max(total, found.rows))
        if stop and stop():
            raise Halted

    try:
        relations = [Relation(*row) for row in connection.execute(text(_RELATIONS))]
        nobody = presidency(connection)
        holders = set(connection.execute(text(_HOLDERS)).scalars())
        total = sum(relation.estimate for relation in relations)
        for relation, told in _by_relation(connection, relations):
            seen = _Seen()
            rows = _rows(driver(connection), relation, nobody, tick, seen)
            for each in differences(rows, told, relation.holders, nobody):
                detail = f"{relation.name} {each.key}: {each.why}"
                # Rows of a holder without a ledger count for the Presidency
                whose = each.holder if each.holder in holders else nobody
                found.add(whose, Finding(None, each.kind, detail, relation.name, each.key))
            for key, holder in _otherwise(connection, relation, nobody, seen):
                detail = f"{relation.name} {key or ''}: not every way to its rows leads to the same ones"
                whose = holder if holder in holders else nobody
                found.add(whose, Finding(None, "twice", detail, relation.name, key))
    except Halted:
        found.failure = "stopped"
    except Unreadable as error:
        found.failure = f"records were not compared: {damage.why(connection, error)}"
    return found


def presidency(connection: Connection) -> str | None:
    """The holder whose ledger covers rows that belong to no institution."""
    holder: str | None = connection.execute(text(_PRESIDENCY)).scalar()
    return holder


@dataclass
class _Seen:
    """Rows read through the key's index: their number, and the sum of their digests."""

    rows: int = 0
    sum: int = 0


def _by_relation(
    connection: Connection, relations: Sequence[Relation]
) -> Iterator[tuple[Relation, Iterator[LastEvent]]]:
    """Each relation with its rows' last events, from one pass over all events."""
    with driver(connection).cursor(name="told") as cursor:
        cursor.itersize = ROWS
        cursor.execute(_told(relations))
        groups = groupby(cursor, key=lambda row: row[0])
        waiting = next(groups, None)
        for place, relation in enumerate(relations):
            if waiting is not None and waiting[0] == place:
                yield relation, (LastEvent._make(row[1:]) for row in waiting[1])
                waiting = next(groups, None)
            else:
                yield relation, iter(())


def _rows(
    asked: psycopg.Connection[Any], relation: Relation, nobody: str | None, tick: Tick, seen: _Seen
) -> Iterator[RecordRow]:
    after: str | None = None
    with asked.cursor() as cursor:
        while True:
            with pinned(asked, BY_INDEX):
                page = cursor.execute(_ROWS, (nobody, relation.name, after, ROWS)).fetchall()
            seen.rows += len(page)
            seen.sum += sum(row[0] for row in page)
            yield from (RecordRow._make(row[1:]) for row in page)
            tick(len(page))
            if len(page) < ROWS:
                return
            after = page[-1][1]


def _otherwise(
    connection: Connection, relation: Relation, nobody: str | None, seen: _Seen
) -> list[tuple[str | None, str | None]]:
    """Keys and holders of rows that differ when the table is read sequentially instead of by index."""
    asked = driver(connection)
    with pinned(connection, ONE_BY_ONE):
        if asked.execute(_ALL, (relation.name,)).fetchone() == (seen.rows, seen.sum):
            return []
        return asked.execute(_TWICE, (nobody, relation.name)).fetchall() or [(None, None)]
