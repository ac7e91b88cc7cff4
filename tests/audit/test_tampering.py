"""Every single thing that somebody with the database's files could change is found, and named where it is.

Each case tampers as the superuser with the triggers switched off, verifies, and rolls back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit import store
from audit.fast_check import Chunk, Task
from audit.leaf import leaf_hash
from audit.verification import Verdict
from tests.audit.conftest import OURS, Migrated, World, build

SIZE = 9
PLACES = {"first": 0, "middle": 4, "last": SIZE - 1}

# What of a ledger's row is not history: these say how it is used, and no entry repeats them.
NOT_HISTORY = {("ledger", "presidency"), ("ledger", "opened_at"), ("ledger", "closed_at")}

OTHER = {
    "uuid": "gen_random_uuid()",
    "bytea": "sha256({0})",
    "int8": "{0} + 1000",
    "int4": "{0} + 1",
    "timestamptz": "{0} + interval '1 microsecond'",
    "_text": "array_append({0}, 'x')",
    "text": "coalesce({0}, '') || 'x'",
}
SPECIAL = {
    ("event", "outcome"): "'failure'",
    ("event", "via"): "'baseline'",
    ("leaf", "recorded_at"): "'2020-01-01T00:00:00.000000Z'",
}
COLUMNS = {
    "event": "id ledger_id salt content at action outcome via actor_id actor_name actor_institution actor_role "
    "target_kind target_id target_holder subjects purpose request_id",
    "leaf": "ledger_id seq event_id recorded_at prev commitment hash",
    "ledger": "id holder code generation origin size head recorded_at",
}
PAIRS = [(table, column) for table, columns in COLUMNS.items() for column in columns.split()]


@pytest.fixture(scope="module")
def filled(shared_database: Migrated) -> World:
    world = build(shared_database)
    world.fill(SIZE)
    return world


@pytest.fixture
def attacker(filled: World) -> Iterator[Connection]:
    with filled.engine("superuser").connect() as connection:
        for table in ("ledger", "event", "leaf", "verification"):
            connection.execute(text(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL"))
        yield connection
        connection.rollback()


def _verdict(filled: World, attacker: Connection) -> Verdict:
    """The verdict is that of reading in order, for each way of cutting the ledger and for each reader."""
    ledger = filled.ledger()
    verdict = store.verify(attacker, ledger, "full", chunks=_one_by_one).verdict
    for entries in (1, 4, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("audit.store.verifying.CHUNK", entries)
            assert store.verify(attacker, ledger, "full").verdict == verdict
    return verdict


def _one_by_one(tasks: Iterable[Task]) -> Iterator[tuple[Task, Chunk | None]]:
    return ((task, None) for task in tasks)


def _event(world: World, seq: int) -> uuid.UUID:
    statement = (
        "SELECT event_id FROM audit.leaf f JOIN audit.ledger l ON l.id = f.ledger_id WHERE holder = :h AND seq = :s"
    )
    found: uuid.UUID = world.run(statement, "superuser", h=OURS, s=seq)
    return found


def test_untouched_is_intact(filled: World, attacker: Connection) -> None:
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.assurance, verdict.size) == ("intact", "unsigned", SIZE)
    assert (verdict.first_broken, verdict.findings) == (None, ())


def test_every_column_is_attacked_here(attacker: Connection) -> None:
    rows = attacker.execute(
        text(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'audit' AND table_name IN ('event', 'leaf', 'ledger')"
        )
    )
    assert {(row.table_name, row.column_name) for row in rows} == set(PAIRS) | NOT_HISTORY


def _other(attacker: Connection, table: str, column: str) -> str:
    kind = attacker.execute(
        text(
            "SELECT udt_name FROM information_schema.columns WHERE table_name = :t AND column_name = :c"
            " AND table_schema = 'audit'"
        ),
        {"t": table, "c": column},
    ).scalar_one()
    return SPECIAL.get((table, column), OTHER[kind]).format(column)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("table", "column"), [pair for pair in PAIRS if pair[0] != "ledger"])
def test_a_changed_column_is_found_where_it_is(
    filled: World, attacker: Connection, table: str, column: str, place: str
) -> None:
    seq = PLACES[place]
    key = "event_id" if table == "leaf" else "id"
    other = _other(attacker, table, column)
    changed = attacker.execute(
        text(f"UPDATE audit.{table} SET {column} = {other} WHERE {key} = :id"), {"id": _event(filled, seq)}
    )
    assert changed.rowcount == 1
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", seq)


@pytest.mark.parametrize("column", COLUMNS["ledger"].split())
def test_a_changed_ledger_is_found(filled: World, attacker: Connection, column: str) -> None:
    other = _other(attacker, "ledger", column)
    attacker.execute(text(f"UPDATE audit.ledger SET {column} = {other} WHERE holder = :h"), {"h": OURS})
    assert _verdict(filled, attacker).verdict == "tampered"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("table", ["event", "leaf"])
def test_a_deleted_row_is_found(filled: World, attacker: Connection, table: str, place: str) -> None:
    key = "event_id" if table == "leaf" else "id"
    attacker.execute(text(f"DELETE FROM audit.{table} WHERE {key} = :id"), {"id": _event(filled, PLACES[place])})
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", PLACES[place])


def test_two_entries_that_changed_places_are_found(filled: World, attacker: Connection) -> None:
    first, second = _event(filled, 3), _event(filled, 6)
    move = text("UPDATE audit.leaf SET seq = :to WHERE event_id = :id")
    for event_id, to in ((first, 999), (second, 3), (first, 6)):
        attacker.execute(move, {"id": event_id, "to": to})
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 3)


def test_two_events_that_changed_leaves_are_found(filled: World, attacker: Connection) -> None:
    first, second = _event(filled, 3), _event(filled, 6)
    swap = text("UPDATE audit.leaf SET event_id = :to WHERE event_id = :id")
    for was, to in ((first, uuid.UUID(int=9)), (second, first), (uuid.UUID(int=9), second)):
        attacker.execute(swap, {"id": was, "to": to})
    assert _verdict(filled, attacker).first_broken == 3


def _rewrite(filled: World, attacker: Connection, seq: int, content: str) -> bytes:
    """Changes an event and recomputes its own leaf, as a careful attacker would. The new hash."""
    event_id = _event(filled, seq)
    attacker.execute(text("UPDATE audit.event SET content = :c WHERE id = :id"), {"c": content, "id": event_id})
    row = attacker.execute(
        text(
            "UPDATE audit.leaf f SET commitment = sha256(e.salt || convert_to(e.content, 'UTF8')) FROM audit.event e"
            " WHERE e.id = f.event_id AND e.id = :id RETURNING f.*"
        ),
        {"id": event_id},
    ).one()
    hash = leaf_hash(filled.ledger().origin, seq, row.recorded_at, bytes(row.prev), bytes(row.commitment))
    attacker.execute(text("UPDATE audit.leaf SET hash = :h WHERE event_id = :id"), {"h": hash, "id": event_id})
    return hash


@pytest.mark.parametrize("place", PLACES)
def test_a_recomputed_hash_breaks_the_link_of_the_next_entry(filled: World, attacker: Connection, place: str) -> None:
    seq = PLACES[place]
    content = attacker.execute(
        text("SELECT content FROM audit.event WHERE id = :id"), {"id": _event(filled, seq)}
    ).scalar_one()
    _rewrite(filled, attacker, seq, content + " ")
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", seq + 1)


def test_an_inserted_entry_is_found(filled: World, attacker: Connection) -> None:
    attacker.execute(
        text(
            "INSERT INTO audit.leaf SELECT ledger_id, :size, gen_random_uuid(), recorded_at, hash, commitment, hash"
            " FROM audit.leaf WHERE event_id = :id"
        ),
        {"id": _event(filled, SIZE - 1), "size": SIZE},
    )
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", SIZE)


def test_an_event_that_was_never_sealed_is_found(filled: World, attacker: Connection) -> None:
    attacker.execute(
        text(
            "INSERT INTO audit.event (id, ledger_id, salt, content, at, action, outcome, via)"
            " SELECT gen_random_uuid(), ledger_id, salt, content, at, action, outcome, via FROM audit.event"
            " WHERE id = :id"
        ),
        {"id": _event(filled, 0)},
    )
    verdict = _verdict(filled, attacker)
    assert verdict.verdict == "tampered"
    assert [finding.kind for finding in verdict.findings] == ["unsealed"]


def test_a_ledger_that_was_deleted_with_its_entries_left_is_found(filled: World, attacker: Connection) -> None:
    lost = filled.ledger()
    attacker.execute(text("DELETE FROM audit.ledger WHERE id = :id"), {"id": lost.id})
    found = next(ledger for ledger in store.ledgers(attacker) if ledger.id == lost.id)
    assert found.lost
    assert store.verify(attacker, found, "full").verdict.verdict == "tampered"


def test_an_event_without_an_actor_time_is_found_although_it_cannot_be_read(
    filled: World, attacker: Connection
) -> None:
    _rewrite(filled, attacker, 2, "no event at all")
    verdict = _verdict(filled, attacker)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 2)
