"""Ledgers of chosen sizes in one database, each under two checkpoints that a witness cosigned, and one entry beyond.

For attacks: everything that the schema `audit` can hold is there, and an attacker's connection may write all of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit import note, report, store
from audit.checkpoint_comparison import Evidence, Witnesses
from audit.checkpoint_folder import CheckpointFolder, HeldCheckpoint
from audit.key import Algorithm, SigningKey
from audit.key_statements import Statement
from audit.leaf import leaf_hash
from audit.signer import Signer
from audit.store import checkpoints, tiling
from audit.verification import Head, Verdict
from tests.audit.conftest import PRESIDENCY, Migrated, World, build

WITNESS = SigningKey("witness.example", b"w" * 32, Algorithm.COSIGNATURE)
NOW = "2026-11-24T12:00:00.000000Z"
_FILL = """
SELECT set_config('audit.context', '{"actor":{"user":"u-1","name":"Ayşe","institution":"i-1","role":"focal_point"},'
    '"purpose":"statistics","request":{"id":"r-1"}}', true);
INSERT INTO public.thing (holder, name) SELECT '%s', 'thing ' || number FROM generate_series(1, %s) AS number
"""
_STAND_INS = {
    "timestamp": "INSERT INTO audit.timestamp (ledger_id, size, digest, stamped_at, answer)"
    " SELECT ledger_id, size, root, signed_at, root FROM audit.checkpoint",
    "sink": "INSERT INTO audit.sink (name, failing_since, trouble, behind_since) VALUES ('file', now(), 'full', now())",
    "sink_cursor": "INSERT INTO audit.sink_cursor (sink, ledger_id, next_seq) SELECT 'file', id, 0 FROM audit.ledger",
}
"""Rows of tables that this world does not work with."""


def holder(size: int) -> uuid.UUID:
    return uuid.UUID(int=1_000_000 + size)


class SignedWorld:
    """``sizes``: how many entries of each ledger are signed; half of them by a checkpoint before."""

    def __init__(self, database: Migrated, folder: Path, sizes: Sequence[int]) -> None:
        self.world: World = build(database)
        self.outside = CheckpointFolder(folder)
        with self.world.engine("owner").begin() as connection:
            for size in sizes:
                values = {"holder": holder(size), "code": f"S{size}"}
                connection.execute(text("SELECT audit.open_ledger(:holder, :code, false)"), values)
        with self.world.engine("signer").connect() as connection:
            deployment = checkpoints.deployment(connection)
        self.key = SigningKey.generate(deployment)
        self.outside.begin(deployment)
        self.outside.state(Statement(self.key.verifier, "named", {}))
        with self.world.engine("signer").begin() as connection:
            for statement in self.outside.keys().statements:
                checkpoints.state_key(connection, statement)
        for share in (2, 1):
            for size in sizes:
                self._grow(holder(size), size // share)
                self._sign(holder(size))
        self._sign(PRESIDENCY)
        report.run(self.world.engine("signer"), "full", evidence=self.evidence())
        for size in sizes:
            self._grow(holder(size), size + 1)

    def evidence(self) -> Evidence:
        return Evidence.now(self.outside, Witnesses((WITNESS.verifier,), 1))

    def ledger(self, size: int) -> store.Ledger:
        return self.world.ledger(holder(size))

    def _grow(self, whose: uuid.UUID, size: int) -> None:
        with self.world.engine("app").begin() as connection:
            connection.exec_driver_sql(_FILL % (whose, size - self.world.ledger(whose).size))

    def _sign(self, whose: uuid.UUID) -> None:
        ledger = self.world.ledger(whose)
        head = Head(ledger.origin, ledger.size, ledger.head, ledger.recorded_at, ledger.holder)
        signer = Signer(self.outside, (self.key,))
        with self.world.engine("signer").begin() as connection:
            entries = partial(store.entries, connection, ledger.id)
            made = signer.sign(head, signer.last(ledger.origin, 0), entries, NOW)
            if made is None:
                return
            checkpoints.record_checkpoints(connection, [(ledger.id, made)])
            checkpoints.record_cosignatures(connection, ledger.id, ledger.size, [self._cosigned(made)])
            tiling.extend(connection, ledger.id, ledger.size)

    def _cosigned(self, made: HeldCheckpoint) -> note.Signature:
        return note.cosign(made.note.text, WITNESS, 1_790_000_000)

    @contextmanager
    def attacker(self) -> Iterator[Connection]:
        """A superuser for whom no trigger fires and no key is checked. What is done is undone."""
        with self.world.engine("superuser").connect() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            tables = connection.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'audit' ORDER BY tablename")
            ).scalars()
            for table in tables.all():
                connection.execute(text(f'ALTER TABLE audit."{table}" DISABLE TRIGGER ALL'))
                if table in _STAND_INS:
                    connection.execute(text(_STAND_INS[table]))
            yield connection
            connection.rollback()


def verdict(connection: Connection, ledger: store.Ledger, evidence: Evidence) -> Verdict:
    return store.verify(connection, ledger, "full", evidence=evidence).verdict


def rehash(connection: Connection, ledger: store.Ledger, seq: int) -> None:
    """Commitment, links, hashes and head anew from an entry on, as a careful forger would have them."""
    connection.execute(
        text(
            "UPDATE audit.leaf f SET commitment = sha256(e.salt || convert_to(e.content, 'UTF8')) FROM audit.event e"
            " WHERE e.id = f.event_id AND f.ledger_id = :id AND f.seq = :seq"
        ),
        {"id": ledger.id, "seq": seq},
    )
    rows = connection.execute(
        text("SELECT seq, recorded_at, prev, commitment FROM audit.leaf WHERE ledger_id = :id AND seq >= :seq"
             " ORDER BY seq"),
        {"id": ledger.id, "seq": seq},
    ).all()  # fmt: skip
    prev, changed = bytes(rows[0].prev), []
    for row in rows:
        hash = leaf_hash(ledger.origin, row.seq, row.recorded_at, prev, bytes(row.commitment))
        changed.append({"id": ledger.id, "seq": row.seq, "prev": prev, "hash": hash})
        prev = hash
    connection.execute(
        text("UPDATE audit.leaf SET prev = :prev, hash = :hash WHERE ledger_id = :id AND seq = :seq"), changed
    )
    connection.execute(text("UPDATE audit.ledger SET head = :head WHERE id = :id"), {"id": ledger.id, "head": prev})
