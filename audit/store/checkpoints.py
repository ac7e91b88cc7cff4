"""Checkpoints, keys and cosignatures in the database: copies of signed data, and the entries that name them.

Promise: a copy is recorded with its entry, in one transaction, by the ledger's own functions. None of this is evidence
against the database's owner; that is in `audit.checkpoint_folder`.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine, Row

from audit import note
from audit.checkpoint_comparison import Evidence, Recorded
from audit.checkpoint_folder import HeldCheckpoint
from audit.key_statements import Keys, Statement
from audit.leaf import EMPTY
from audit.note import Signature
from audit.store.snapshot import Ledger
from audit.verification import Finding

LOCK = 0x49544D02
"""The signer's advisory lock; advisory locks are per database."""
_MOST = 200
"""Checkpoints in one entry, which holds at most 64 KiB."""

_GROWTH = """
SELECT l.id, l.size, coalesce(c.size, 0) AS signed, l.presidency
FROM ONLY audit.ledger l
LEFT JOIN LATERAL (SELECT size FROM ONLY audit.checkpoint WHERE ledger_id = l.id ORDER BY size DESC LIMIT 1) c ON true
WHERE l.closed_at IS NULL
"""
_DUE = """
SELECT EXISTS (SELECT FROM ONLY audit.leaf f JOIN ONLY audit.event e ON e.id = f.event_id
               WHERE f.ledger_id = :id AND f.seq >= :start AND f.seq < :stop
                 AND NOT audit.is_upkeep(e.action, e.target_kind, e.target_id))
"""
_UNCOVERED = """
SELECT EXISTS (SELECT FROM ONLY audit.leaf f JOIN ONLY audit.event e ON e.id = f.event_id
               WHERE f.ledger_id = :id AND f.seq >= :start
                 AND (f.recorded_at < to_char((now() - interval '5 minutes') AT TIME ZONE 'UTC',
                                              'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                      OR e.at < clock_timestamp() - interval '5 minutes'
                      OR e.at > clock_timestamp() + interval '1 minute' OR f.seq >= :start + 10000)
                 AND NOT audit.is_upkeep(e.action, e.target_kind, e.target_id))
"""
_TOLD = """
SELECT c.size FROM ONLY audit.checkpoint c
LEFT JOIN ONLY audit.event e ON e.id = c.event_id AND e.action = 'ledger.checkpoint'
WHERE c.ledger_id = :id AND strpos(coalesce(e.content, ''), '{"origin":' || to_json(cast(:origin AS text))::text
    || ',"size":' || c.size || ',"root":"' || replace(encode(c.root, 'base64'), E'\\n', '') || '","signed_at":"'
    || to_char(c.signed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"}') = 0 ORDER BY c.size LIMIT 100
"""
# A pattern, not a JSON cast: one damaged text must not keep the other ledgers from being signed.
_NAMED = """
SELECT said[1] AS origin, max(said[2]::bigint) AS size, max(f.seq) AS seq
FROM ONLY audit.event e JOIN ONLY audit.leaf f ON f.event_id = e.id,
     regexp_matches(e.content, '\\{"origin":"([^"]+)","size":([0-9]{1,18}),"root":"', 'g') said
WHERE e.ledger_id = :id AND e.action = 'ledger.checkpoint' AND e.via = 'append' AND f.seq >= :start
GROUP BY 1
"""
_ROUNDS = """
SELECT f.seq FROM ONLY audit.event e JOIN ONLY audit.leaf f ON f.event_id = e.id
WHERE e.ledger_id = :id AND e.action = 'ledger.checkpoint' AND e.via = 'append'
  AND (length(e.content) - length(replace(e.content, '{"origin":', ''))) / length('{"origin":')
      <> (SELECT count(*) FROM ONLY audit.checkpoint c WHERE c.event_id = e.id) ORDER BY f.seq LIMIT 100
"""
_NOBODYS = """
SELECT DISTINCT c.ledger_id FROM ONLY audit.checkpoint c
WHERE NOT EXISTS (SELECT FROM ONLY audit.ledger l WHERE l.id = c.ledger_id) LIMIT 100
"""
_KEYS = """
SELECT coalesce(k.event_id, e.id) AS id FROM ONLY audit.key k
FULL JOIN (SELECT id, content, at FROM ONLY audit.event WHERE action = 'ledger.key') e ON e.id = k.event_id
WHERE (e.at = k.said_at AND strpos(e.content, ',"detail":{"key":' || to_json(k.verifier)::text || ',"statement":"'
    || k.statement || '","sizes":' || k.sizes::text || '}') > 0) IS NOT TRUE LIMIT 100
"""


@dataclass(frozen=True)
class Growth:
    """A ledger's size and its largest signed size, as recorded."""

    ledger: uuid.UUID
    size: int
    signed: int
    presidency: bool


@contextmanager
def signing_alone(engine: Engine) -> Iterator[bool]:
    """Gives True if this process holds the signer's lock, on a connection of its own."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        alone = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}).scalar())
        try:
            yield alone
        finally:
            if alone:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})


def deployment(connection: Connection) -> str:
    found: str = connection.execute(text("SELECT name FROM ONLY audit.deployment")).scalar_one()
    return found


def growth(connection: Connection) -> list[Growth]:
    """The growth of every open ledger; cheap enough for each second."""
    return [Growth(row.id, row.size, row.signed, row.presidency) for row in connection.execute(text(_GROWTH))]


def due(connection: Connection, ledger: uuid.UUID, start: int, stop: int) -> bool:
    """True if one of these entries is more than the ledger's own upkeep."""
    return bool(connection.execute(text(_DUE), {"id": ledger, "start": start, "stop": stop}).scalar())


def uncovered(connection: Connection, ledger: uuid.UUID, start: int) -> bool:
    """True if an entry from ``start`` on waits too long for its checkpoint, or may do so.

    It may if more entries wait than a signer leaves unsigned, or if a clock ran ahead.
    """
    return bool(connection.execute(text(_UNCOVERED), {"id": ledger, "start": start}).scalar())


def record_checkpoints(connection: Connection, signed: Sequence[tuple[uuid.UUID, HeldCheckpoint]]) -> None:
    """Records checkpoints and appends the round's entry; skips recorded ones. As itm_signer."""
    for start in range(0, len(signed), _MOST):
        rows = [
            {
                "ledger": str(ledger),
                "size": held.checkpoint.size,
                "root": b64encode(held.checkpoint.root).decode(),
                "note": bytes(held.note).decode(),
                "signed_at": held.signed_at,
            }
            for ledger, held in signed[start : start + _MOST]
        ]
        statement = text("SELECT audit.record_checkpoints(cast(:rows AS jsonb))")
        connection.execute(statement, {"rows": json.dumps(rows, ensure_ascii=False)})


def record_cosignatures(connection: Connection, ledger: uuid.UUID, size: int, lines: Sequence[Signature]) -> None:
    statement = text("SELECT audit.record_cosignatures(:ledger, :size, cast(:lines AS text[]))")
    connection.execute(statement, {"ledger": ledger, "size": size, "lines": [str(line) for line in lines]})


def trusted_sizes(connection: Connection, presidency: uuid.UUID, size: int) -> dict[str, int]:
    """By origin, the largest signed sizes that the Presidency's first ``size`` entries name."""
    rows = connection.execute(
        text(
            "SELECT l.origin, max(c.size) AS size FROM ONLY audit.checkpoint c"
            " JOIN ONLY audit.leaf f ON f.event_id = c.event_id JOIN ONLY audit.ledger l ON l.id = c.ledger_id"
            " WHERE f.ledger_id = :id AND f.seq < :size GROUP BY l.origin"
        ),
        {"id": presidency, "size": size},
    )
    return {row.origin: row.size for row in rows}


def state_key(connection: Connection, statement: Statement) -> None:
    """Records a key statement with its entry; skips a recorded one. As itm_signer."""
    connection.execute(
        text("SELECT audit.state_key(:key, :word, cast(:sizes AS jsonb))"),
        {"key": str(statement.key), "word": statement.word, "sizes": json.dumps(dict(statement.sizes))},
    )


def keys(connection: Connection) -> Keys:
    """The recorded key statements. Raises ValueError if one cannot be read."""
    rows = connection.execute(text("SELECT verifier, statement, sizes FROM ONLY audit.key ORDER BY said_at"))
    return Keys.of(Statement.of(row.verifier, row.statement, row.sizes) for row in rows)


def recorded(connection: Connection, ledger: uuid.UUID, start: int = 0) -> Iterator[Recorded]:
    """The ledger's recorded checkpoints from size ``start`` on."""
    rows = connection.execute(
        text(
            "SELECT size, root, note FROM ONLY audit.checkpoint WHERE ledger_id = :id AND size >= :start"
            " ORDER BY size, id"
        ),
        {"id": ledger, "start": start},
    )
    return (Recorded(row.size, bytes(row.root), row.note) for row in rows)


def copies(connection: Connection, ledger: uuid.UUID) -> Iterator[Row[Any]]:
    """The ledger's recorded checkpoints by size, with their time as it is held outside: size, note, signed_at."""
    rows = connection.execute(
        text(
            "SELECT size, note, to_char(signed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS signed_at"
            " FROM ONLY audit.checkpoint WHERE ledger_id = :id ORDER BY size, id"
        ),
        {"id": ledger},
    )
    return iter(rows.all())


def sizes(connection: Connection, ledger: uuid.UUID) -> list[int]:
    """The sizes of all the ledger's recorded checkpoints."""
    statement = text("SELECT DISTINCT size FROM ONLY audit.checkpoint WHERE ledger_id = :id")
    return list(connection.execute(statement, {"id": ledger}).scalars())


def named(connection: Connection, presidency: uuid.UUID, start: int) -> tuple[dict[str, int], int]:
    """By origin, the largest signed size that the Presidency's entries from ``start`` on name; and the end of those
    entries.

    Rows of checkpoints can be deleted; the entries about them cannot without breaking the Presidency's own ledger.
    """
    rows = connection.execute(text(_NAMED), {"id": presidency, "start": start}).all()
    return {row.origin: row.size for row in rows}, max((row.seq + 1 for row in rows), default=start)


def root_at(connection: Connection, ledger: uuid.UUID, size: int) -> bytes | None:
    """The recorded root of a checkpoint of this size, or None."""
    found = connection.execute(
        text("SELECT root FROM ONLY audit.checkpoint WHERE ledger_id = :id AND size = :size LIMIT 1"),
        {"id": ledger, "size": size},
    ).scalar()
    return None if found is None else bytes(found)


def last(connection: Connection, ledger: uuid.UUID) -> Row[Any] | None:
    """The newest recorded checkpoint: size, note, signed_at."""
    return connection.execute(
        text(
            "SELECT size, note, signed_at FROM ONLY audit.checkpoint WHERE ledger_id = :id"
            " ORDER BY size DESC, id DESC LIMIT 1"
        ),
        {"id": ledger},
    ).one_or_none()


def cosignatures(connection: Connection, ledger: uuid.UUID, start: int = 0) -> Mapping[int, list[Signature]]:
    """Witnesses' signatures by size, unverified; unreadable lines are left out."""
    found: dict[int, list[Signature]] = {}
    rows = connection.execute(
        text(
            "SELECT size, line FROM ONLY audit.cosignature WHERE ledger_id = :id AND size >= :start ORDER BY size, line"
        ),
        {"id": ledger, "start": start},
    )
    for row in rows:
        try:
            found.setdefault(row.size, []).extend(note.signature_lines(row.line))
        except ValueError:
            continue
    return found


def unlisted(found: Sequence[Ledger], evidence: Evidence) -> list[Ledger]:
    """Ledgers with checkpoints held outside that the database does not know any more."""
    origins = {ledger.origin for ledger in found}
    return [
        Ledger(uuid.uuid5(uuid.NAMESPACE_URL, origin), None, origin, 0, EMPTY, None, None, None, lost=True)
        for origin, sizes in evidence.sizes.items()
        if sizes and origin not in origins
    ]


def contradictions(connection: Connection, ledger: Ledger) -> list[Finding]:
    """Rows that do not match the sealed entries of their rounds, and entries without their rows."""
    values = {"id": ledger.id, "origin": ledger.origin}
    found = [
        Finding(None, "row", f"the checkpoint of {size} entries is not what its entry says", "audit.checkpoint")
        for size in connection.execute(text(_TOLD), values).scalars()
    ]
    if connection.execute(text("SELECT presidency FROM ONLY audit.ledger WHERE id = :id"), values).scalar():
        found += [
            Finding(None, "row", f"entry {seq} names other checkpoints than are recorded", "audit.checkpoint")
            for seq in connection.execute(text(_ROUNDS), values).scalars()
        ]
        found += [
            Finding(None, "row", f"a checkpoint of a ledger that is not there: {id}", "audit.checkpoint", str(id))
            for id in connection.execute(text(_NOBODYS)).scalars()
        ]
        found += [
            Finding(None, "row", "what is recorded of a key is not what its entry says", "audit.key", str(id))
            for id in connection.execute(text(_KEYS)).scalars()
        ]
    return found
