"""Puts synthetic entries into a ledger by the hundred thousand, as the superuser: for figures that need a large one.

Promise: what it leaves behind verifies as intact, and every trigger is again what it was. It goes around the
ledger's own functions, so it says nothing of how fast they are.
"""

from __future__ import annotations

import random
import uuid
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from audit.leaf import VERSION

CHUNK = 20_000
_TABLES = ("event", "leaf", "ledger")
_STATES = """
SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'audit'::regnamespace AND c.relname = ANY (%s) AND NOT t.tgisinternal
"""
_SWITCH = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}
_EVENT = (
    "COPY audit.event (id, ledger_id, salt, content, at, action, outcome, via, actor_id, actor_name, actor_institution,"
    " actor_role, target_kind, target_id, target_holder, subjects, purpose, request_id) FROM STDIN"
)
_LEAF = "COPY audit.leaf (ledger_id, seq, event_id, recorded_at, prev, commitment, hash) FROM STDIN"


@dataclass
class _Head:
    """A ledger's row while entries are added to it."""

    id: uuid.UUID
    origin: str
    holder: uuid.UUID
    size: int
    head: bytes
    at: datetime


def load(superuser_url: str, holder: uuid.UUID, entries: int, seed: int = 1) -> None:
    """Adds so many entries to the holder's open ledger: three looks for each change, about 700 characters each.

    One transaction, so that nobody ever sees the ledger without its triggers. The same seed gives the same events.
    """
    conninfo = make_url(superuser_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo) as connection:
        head = _head(connection, holder, entries)
        states = connection.execute(_STATES, (list(_TABLES),)).fetchall()
        for table in _TABLES:
            connection.execute(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL".encode())
        chance = random.Random(seed + head.size)
        for start in range(0, entries, CHUNK):
            _copy(connection, head, min(CHUNK, entries - start), chance)
        connection.execute(
            "UPDATE audit.ledger SET size = %s, head = %s, recorded_at = %s WHERE id = %s",
            (head.size, head.head, head.at, head.id),
        )
        for table in _TABLES:
            connection.execute(f"ALTER TABLE audit.{table} ENABLE TRIGGER ALL".encode())
        for table, name, enabled in states:
            connection.execute(f'ALTER TABLE audit.{table} {_SWITCH[enabled]} TRIGGER "{name}"'.encode())
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE audit.event, audit.leaf")


def _head(connection: psycopg.Connection[Any], holder: uuid.UUID, entries: int) -> _Head:
    row = connection.execute(
        "SELECT id, origin, holder, size, head, nullif(recorded_at, '-infinity') FROM audit.ledger"
        " WHERE holder = %s AND closed_at IS NULL FOR UPDATE",
        (holder,),
    ).fetchone()
    if row is None:
        raise LookupError(f"holder {holder} has no open ledger")
    began = datetime.now(UTC) - timedelta(microseconds=entries)
    id, origin, holder, size, head, at = row
    return _Head(id, origin, holder, size, head, at.astimezone(UTC) if at else began)


def _copy(connection: psycopg.Connection[Any], head: _Head, entries: int, chance: random.Random) -> None:
    rows = list(_rows(head, entries, chance))
    with connection.cursor() as cursor:
        for statement, column in ((_EVENT, 0), (_LEAF, 1)):
            with cursor.copy(statement) as copy:
                copy.write("".join(row[column] for row in rows))


def _rows(head: _Head, entries: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Lines for both tables, in PostgreSQL's text format; moves the head."""
    for _ in range(entries):
        head.at += timedelta(microseconds=1)  # no entry of a million lies in the future
        moment = head.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        id, salt = str(uuid.UUID(int=chance.getrandbits(128), version=4)), chance.randbytes(32)
        change = chance.randrange(4) == 0
        content, columns = (_change if change else _look)(id, moment, str(head.holder), chance)
        commitment = sha256(salt + content.encode()).digest()
        lines = (VERSION, head.origin, head.size, moment, b64encode(head.head).decode(), b64encode(commitment).decode())
        hash = sha256(b"\x00" + "".join(f"{line}\n" for line in lines).encode()).digest()
        yield (
            f"{id}\t{head.id}\t\\\\x{salt.hex()}\t{content}\t{moment}\t{columns}\n",
            f"{head.id}\t{head.size}\t{id}\t{moment}\t\\\\x{head.head.hex()}\t\\\\x{commitment.hex()}\t\\\\x{hash.hex()}\n",
        )
        head.size, head.head = head.size + 1, hash


def _look(id: str, moment: str, holder: str, chance: random.Random) -> tuple[str, str]:
    user, target, asked = (_id(chance) for _ in range(3))
    content = (
        f'{{"id":"{id}","time":"{moment}","action":"record.read","outcome":"success","via":"append",'
        f'"actor":{{"user":"{user}","name":"sentetik.kullanıcı","institution":"SYNTH","role":"caseworker",'
        f'"session":"itm_app","transaction":"{chance.randrange(10**6)}","client":null}},"on_behalf_of":null,'
        f'"target":{{"kind":"case","id":"{target}","institution":null}},"subjects":["{target}"],'
        f'"purpose":"casework","request":{{"id":"{asked}","route":"CaseView.show","address":"127.0.0.1"}},'
        f'"detail":{{"page": "case", "fields": 12}}}}'
    )
    columns = (
        f"record.read\tsuccess\tappend\t{user}\tsentetik.kullanıcı\tSYNTH\tcaseworker\tcase\t{target}\t\\N"
        f"\t{{{target}}}\tcasework\t{asked}"
    )
    return content, columns


def _change(id: str, moment: str, holder: str, chance: random.Random) -> tuple[str, str]:
    """Of a kind that no table is watched as: no record has to be there for it."""
    user, target, asked = (_id(chance) for _ in range(3))
    content = (
        f'{{"id":"{id}","time":"{moment}","action":"record.update","outcome":"success","via":"trigger",'
        f'"actor":{{"user":"{user}","name":"sentetik.kullanıcı","institution":"SYNTH","role":"focal_point",'
        f'"session":"itm_app","transaction":"{chance.randrange(10**6)}","client":null}},"on_behalf_of":null,'
        f'"target":{{"kind":"synthetic","id":"{target}","institution":"{holder}"}},"subjects":[],'
        f'"purpose":null,"request":{{"id":"{asked}","route":"CaseView.edit","address":"127.0.0.1"}},'
        f'"changes":{{"status":{{"old":"open","new":"closed"}},"narrative":{{"private":true}}}},'
        f'"state":{{"shape":"synthetic/1","sha256":"{chance.randbytes(32).hex()}"}}}}'
    )
    columns = (
        f"record.update\tsuccess\ttrigger\t{user}\tsentetik.kullanıcı\tSYNTH\tfocal_point\tsynthetic\t{target}\t{holder}"
        f"\t{{}}\t\\N\t{asked}"
    )
    return content, columns


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
