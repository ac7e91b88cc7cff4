"""A whole ledger is verified: how fast over bare SHA-256 of the same bytes, and in how much memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import text

from audit.leaf import frame
from tests.benchmarks import others
from tests.benchmarks.figures import Figure, Scale
from tests.benchmarks.full_run import run
from tests.benchmarks.trees import Ledgers
from tests.conftest import Database

BARE = 100_000
"""Entries whose bytes are held in memory and hashed."""
SQL_ONLY = """
SELECT count(*) FROM (
    SELECT f.*, e.salt, e.content, l.origin,
           lag(f.hash, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY f.seq) AS before
    FROM audit.leaf f JOIN audit.event e ON e.id = f.event_id JOIN audit.ledger l ON l.id = f.ledger_id
    WHERE l.code = 'JGK'
) x
WHERE x.commitment <> sha256(x.salt || convert_to(x.content, 'UTF8')) OR x.prev <> x.before
   OR x.hash <> audit.leaf_hash(x.origin, x.seq, x.recorded_at, x.prev, x.commitment)
"""


def measure(ledgers: Ledgers, scale: Scale) -> Sequence[Figure]:
    address, runs = ledgers.large.url("signer"), 3 if scale >= 1 else 1
    committed, framed = _bytes(ledgers.large, max(300, int(BARE * scale)))
    rates: dict[str, list[float]] = {"frames": [], "roots": [], "": []}
    ratios: dict[str, list[float]] = {"frames": [], "roots": [], "": []}
    megabytes = []
    for _ in range(runs):
        for what in rates:
            bare = _bare(committed, framed)
            told = run(address, what)
            if told["verdict"] != "intact" or told["entries"] < ledgers.many:
                raise AssertionError(told)
            rates[what].append(told["entries"] / told["seconds"])
            ratios[what].append(rates[what][-1] / statistics.mean((bare, _bare(committed, framed))))
        megabytes.append(told["megabytes"])
    bare = _bare(committed, framed)
    single = run(address, "alone")
    beside = {
        "entries/s": statistics.median(rates["frames"]),
        "bare SHA-256, entries/s": bare,
        "with roots, over bare": statistics.median(ratios["roots"]),
        "hashes, links and commitments as one SQL statement, over bare": _sql_only(ledgers) / bare,
    }
    whole = {
        "entries/s": statistics.median(rates[""]),
        "read by one process, over bare": single["entries"] / single["seconds"] / bare,
    }
    if others.installed():
        answer = others.ask("sqlite_tree", {"leaves": len(framed), "proofs": 3})
        beside["pymerkle's root over entries in memory, over bare"] = float(answer["entries_per_second"]) / bare
    small = run(ledgers.small.url("signer"))
    return [
        Figure(
            "full verification, both cores: frames, links, commitments; over bare",
            statistics.median(ratios["frames"]), least=0.28, beside=beside,
        ),
        Figure(
            "full verification, all that it asks: columns, indexes, records; over bare",
            statistics.median(ratios[""]), least=0.15, beside=whole,
        ),
        Figure(
            f"MB of a full verification at {ledgers.many:,} entries, all processes",
            statistics.median(megabytes), "MB", most=200,
            beside={f"MB at {ledgers.few:,} entries": small["megabytes"]},
        ),
    ]  # fmt: skip


def _bytes(database: Database, entries: int) -> tuple[list[bytes], list[bytes]]:
    """The inputs of an entry's two hashes: salt and content; the frame."""
    asked = text(
        "SELECT l.origin, f.seq, f.recorded_at, f.prev, f.commitment, e.salt, e.content FROM audit.leaf f"
        " JOIN audit.event e ON e.id = f.event_id JOIN audit.ledger l ON l.id = f.ledger_id"
        " WHERE l.code = 'JGK' AND f.seq < :n ORDER BY f.seq"
    )
    with database.engine("superuser").connect() as connection:
        rows = connection.execute(asked, {"n": entries}).all()
    committed = [bytes(row.salt) + row.content.encode() for row in rows]
    framed = [
        b"\x00" + frame(row.origin, row.seq, row.recorded_at, bytes(row.prev), bytes(row.commitment)) for row in rows
    ]
    return committed, framed


def _bare(committed: list[bytes], framed: list[bytes]) -> float:
    """Entries a second, with both hashes and nothing else."""
    begun = time.perf_counter()
    for each in committed:
        sha256(each).digest()
    for each in framed:
        sha256(each).digest()
    return len(framed) / (time.perf_counter() - begun)


def _sql_only(ledgers: Ledgers) -> float:
    with ledgers.large.engine("superuser").connect() as connection:
        connection.execute(text("SET jit = off"))
        begun = time.perf_counter()
        wrong = connection.execute(text(SQL_ONLY)).scalar_one()
        seconds = time.perf_counter() - begun
    if wrong:
        raise AssertionError(wrong)
    return ledgers.many / seconds
