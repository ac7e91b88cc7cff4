"""A ledger of a million entries: proofs from it, and whether it is still written as fast as a small one."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, Engine, event, text

from audit import store
from audit.merkle import folded, verify_inclusion
from audit.store import evidence, tiling
from itm_admin.foundation import tenancy
from tests.benchmarks import others
from tests.benchmarks.figures import Figure, Scale
from tests.benchmarks.loading import load
from tests.benchmarks.place import Place
from tests.benchmarks.taking import in_turn
from tests.conftest import Database
from tests.factories import Factory, Somebody

MILLION, THOUSAND = 1_000_000, 1_000


class Ledgers:
    """A large ledger and a small one, each in a database of its own; made once for all that asks for them."""

    def __init__(self, place: Place, scale: Scale) -> None:
        self.many, self.few = max(600, int(MILLION * scale)), max(300, int(THOUSAND * scale))
        self.large, self.small = place.database(), place.database()
        self.writers: dict[Database, Somebody] = {}
        for database, entries in ((self.large, self.many), (self.small, self.few)):
            make = Factory(database)
            self.writers[database] = make.focal_point()
            load(database.url("superuser"), make.institution().id, entries)

    def ledger(self, database: Database) -> store.Ledger:
        with database.engine("signer").connect() as connection:
            return next(each for each in store.ledgers(connection) if each.code == "JGK")


@contextmanager
def rows_read(engine: Engine) -> Iterator[list[int]]:
    seen: list[int] = []

    def note(_connection: object, cursor: object, *_more: object) -> None:
        seen.append(max(0, getattr(cursor, "rowcount", 0)))

    event.listen(engine, "after_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "after_cursor_execute", note)


def proofs(ledgers: Ledgers, scale: Scale) -> Sequence[Figure]:
    """An entry's proof, from the tiles that the signer leaves, verified before its time is taken."""
    proofs = max(5, int(400 * scale))
    large, rows = _proof_seconds(ledgers, ledgers.large, proofs)
    small, few_rows = _proof_seconds(ledgers, ledgers.small, proofs)
    beside = {
        "ms a proof in the small ledger": small * 1000,
        "rows read a proof, at most": rows,
        "rows read a proof in the small ledger, at most": few_rows,
    }
    if others.installed():
        leaves = max(100, int(100_000 * scale))
        answer = others.ask("sqlite_tree", {"leaves": leaves, "proofs": max(3, int(40 * scale))})
        beside[f"ms a proof, pymerkle's SqliteTree of {leaves:,} entries"] = float(answer["milliseconds"])
    name = f"ms an inclusion proof at {ledgers.many:,} entries"
    return [Figure(name, large * 1000, "ms", most=5, beside=beside)]


def _proof_seconds(ledgers: Ledgers, database: Database, proofs: int) -> tuple[float, int]:
    """The median of so many, and the most rows that one of them read."""
    ledger, engine = ledgers.ledger(database), database.engine("signer")
    with engine.begin() as connection:
        tiling.extend(connection, ledger.id, ledger.size)
    chance, seconds, most = random.Random(1), [], 0
    with engine.connect() as connection:
        root = folded(evidence.subtrees(connection, ledger.id, 0, ledger.size))
        for _ in range(proofs):
            seq = chance.randrange(ledger.size)
            with rows_read(engine) as rows:
                begun = time.perf_counter()
                proof = evidence.inclusion(connection, ledger.id, seq, ledger.size)
                seconds.append(time.perf_counter() - begun)
            most = max(most, sum(rows))
            verify_inclusion(seq, ledger.size, _hash(connection, ledger, seq), proof, root)
    return statistics.median(seconds), most


def _hash(connection: Connection, ledger: store.Ledger, seq: int) -> bytes:
    asked = text("SELECT hash FROM audit.leaf WHERE ledger_id = :id AND seq = :seq")
    return bytes(connection.execute(asked, {"id": ledger.id, "seq": seq}).scalar_one())


def appends(ledgers: Ledgers, scale: Scale) -> Sequence[Figure]:
    """A look is appended and sealed: in the large ledger as fast as in the small one."""
    looks, turns = max(1, int(10 * scale)), max(3, int(150 * scale))

    def append(database: Database) -> None:
        with tenancy.acting(ledgers.writers[database].context()):
            for _ in range(looks):
                with database.engine("app").begin() as connection:
                    tenancy.apply(connection)
                    store.append(connection, "record.read", kind="case", id="1", detail={"page": "case"})

    work = {"large": partial(append, ledgers.large), "small": partial(append, ledgers.small)}
    taken = in_turn(turns, work, warm_up=max(1, int(15 * scale)))
    beside = {
        "appends/s at the large one": looks / taken.median("large"),
        "appends/s at the small one": looks / taken.median("small"),
    }
    name = f"append rate at {ledgers.many:,} entries over that at {ledgers.few:,}"
    return [Figure(name, taken.ratio("large", "small"), least=0.9, beside=beside)]
