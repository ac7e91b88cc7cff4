"""Compares stored data with the ledger's entries, as superuser past every protection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

VERSIONED = ["public.case_file", "public.person", "public.case_person", "public.victim_profile"]
"""Tables whose every change raises the row's version by one."""
_PINNED = """
    set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'iso_8601';
    set local bytea_output = 'hex'; set local extra_float_digits = 1
"""
_WATCHED = text("""
    select distinct on (relation) relation, kind, array_to_string(array(
             select format('r.%I::text', part) from unnest(key) part), ' || '','' || ') as key,
           audit.state_expression('r', w) as state, relation = any (:versioned) as versioned
      from audit.watched w order by relation, shape desc
""")
_LAST = """
    select e.content::jsonb -> 'state' from audit.event e join audit.leaf f on f.event_id = e.id
     where e.target_kind = :kind and e.target_id = {key} and e.via in ('trigger', 'baseline')
     order by f.recorded_at desc, f.seq desc limit 1
"""


def differences(connection: Connection) -> dict[str, int]:
    """Findings by name, counted; empty where every stored change has its entry and every entry its change."""
    connection.execute(text(_PINNED))
    found: dict[str, int] = {}
    for table in connection.execute(_WATCHED, {"versioned": VERSIONED}).all():
        for name, statement in _questions(table).items():
            found[f"{table.relation}: {name}"] = connection.scalar(text(statement), {"kind": table.kind}) or 0
    found["entries without a place"] = _count(
        connection, "audit.event e where not exists (select from audit.leaf f where f.event_id = e.id)"
    )
    found["places without an entry"] = _count(
        connection, "audit.leaf f where not exists (select from audit.event e where e.id = f.event_id)"
    )
    found["gaps in a ledger"] = _count(
        connection,
        "audit.ledger l where size <> (select count(*) from audit.leaf f where f.ledger_id = l.id)"
        " or size <> (select coalesce(max(seq) + 1, 0) from audit.leaf f where f.ledger_id = l.id)",
    )
    return {name: count for name, count in found.items() if count}


def _count(connection: Connection, what: str) -> int:
    return connection.scalar(text(f"select count(*) from {what}")) or 0


def _questions(table: Any) -> dict[str, str]:
    key, state = table.key, table.state
    questions = {
        "rows that are not as their last entry says": f"select count(*) from {table.relation} r"
        f" where ({state})::jsonb is distinct from ({_LAST.format(key=key)})",
        "entries of rows that are not there": "select count(*) from audit.event e where e.target_kind = :kind"
        " and e.via = 'trigger' and e.content::jsonb -> 'state' <> 'null'"
        f" and not exists (select from {table.relation} r where {key} = e.target_id)",
    }
    if table.versioned:
        questions["rows with more or fewer versions than entries"] = (
            f"select count(*) from {table.relation} r where row_version <> (select count(*) from audit.event e"
            f" where e.target_kind = :kind and e.target_id = {key} and e.via = 'trigger')"
        )
    return questions
