"""At commit every event gets its place: without gaps, forks or deadlocks, or the transaction does not happen."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.audit.conftest import OURS, PRESIDENCY, THEIRS, World
from tests.stating import say

THREADS = 8


def _together(work: Callable[[int], None]) -> list[BaseException]:
    """Runs `work` in eight threads that start at once; what they raised."""
    ready, raised = threading.Barrier(THREADS), []

    def one(number: int) -> None:
        try:
            ready.wait()
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def _add(connection: Connection, holder: uuid.UUID) -> None:
    connection.execute(text("INSERT INTO thing (holder) VALUES (:h)"), {"h": holder})


def _sequence(world: World, holder: uuid.UUID) -> list[int]:
    statement = "SELECT array_agg(seq ORDER BY seq) FROM audit.entry WHERE holder = :h"
    found: list[int] = world.run(statement, "superuser", h=holder) or []
    return found


def test_eight_writers_of_one_ledger_leave_no_gap(world: World) -> None:
    engine = world.engine("app")

    def work(number: int) -> None:
        for _ in range(15):
            with engine.begin() as connection:
                _add(connection, OURS)

    assert _together(work) == []
    assert _sequence(world, OURS) == list(range(THREADS * 15))
    assert world.verify().verdict.verdict == "intact"


def test_writers_over_several_ledgers_never_wait_in_a_circle(world: World) -> None:
    engine = world.engine("app")

    def work(number: int) -> None:
        order = random.Random(number)
        for _ in range(15):
            holders = [OURS, THEIRS, PRESIDENCY]
            order.shuffle(holders)
            with engine.begin() as connection:
                for holder in holders:
                    _add(connection, holder)

    assert _together(work) == []
    for holder in (OURS, THEIRS, PRESIDENCY):
        assert _sequence(world, holder) == list(range(THREADS * 15))
        assert world.verify(holder).verdict.verdict == "intact"


def test_a_rollback_leaves_nothing(world: World) -> None:
    world.add()
    with world.engine("app").connect() as connection:
        _add(connection, OURS)
        connection.rollback()
        with connection.begin_nested():
            _add(connection, OURS)
        savepoint = connection.begin_nested()
        _add(connection, THEIRS)
        savepoint.rollback()
        connection.commit()
    assert _sequence(world, OURS) == [0, 1]
    assert _sequence(world, THEIRS) == []
    assert world.run("SELECT count(*) FROM audit.event", "superuser") == 2


def test_entries_of_one_transaction_stand_in_the_order_of_their_statements(world: World) -> None:
    with world.engine("app").begin() as connection:
        for number in range(5):
            connection.execute(text("INSERT INTO thing (holder, name) VALUES (:h, :n)"), {"h": OURS, "n": str(number)})
    assert [content["changes"]["name"]["new"] for content in world.contents()] == list("01234")


BREAK = {
    "no right to the leaves": "REVOKE INSERT ON audit.leaf FROM itm_owner",
    "no policy that moves the head": "DROP POLICY functions_move ON audit.ledger",
    "no policy that stores the leaf": "DROP POLICY functions_seal ON audit.leaf",
    "no policy that stores the event": "DROP POLICY functions_write ON audit.event",
    "a closed ledger": "UPDATE audit.ledger SET closed_at = now()",
}


@pytest.mark.parametrize("what", BREAK)
def test_what_cannot_be_sealed_is_not_stored(world: World, what: str) -> None:
    world.run(BREAK[what], "superuser")
    with pytest.raises(DBAPIError):
        world.add()
    assert world.run("SELECT count(*) FROM thing", "superuser") == 0
    assert world.run("SELECT count(*) FROM audit.event", "superuser") == 0


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_higher_isolation_level_fails_and_never_forks(world: World, level: str) -> None:
    first = world.engine("app").execution_options(isolation_level=level)
    with first.connect() as connection:
        _add(connection, OURS)
        world.add()
        with pytest.raises(OperationalError, match="could not serialize"):
            connection.commit()
    assert _sequence(world, OURS) == [0]
    assert world.verify().verdict.verdict == "intact"


FORGED = ["", "nonsense", str(uuid.UUID(int=5)), "all"]


@pytest.mark.parametrize("setting", ["audit.pending", "audit.locked"])
@pytest.mark.parametrize("value", FORGED)
def test_forged_settings_cost_the_forger_a_failure_at_most(world: World, setting: str, value: str) -> None:
    everything = " ".join(str(world.ledger(holder).id) for holder in (THEIRS, OURS, PRESIDENCY)) + " "
    engine = world.engine("app")

    def work(number: int) -> None:
        for _ in range(8):
            with engine.connect() as connection:
                _add(connection, OURS)
                connection.execute(
                    text("SELECT set_config(:s, :v, true)"),
                    {"s": setting, "v": everything if value == "all" else value},
                )
                _add(connection, THEIRS)
                try:
                    connection.commit()
                except DBAPIError:
                    connection.rollback()

    assert _together(work) == []
    stored = world.run("SELECT count(*) FROM thing WHERE holder = :h", "superuser", h=OURS)
    assert _sequence(world, OURS) == list(range(stored))
    for holder in (OURS, THEIRS):
        assert world.verify(holder).verdict.verdict == "intact"


def test_a_forged_lock_waits_for_the_head_all_the_same_and_makes_no_duplicate(world: World) -> None:
    everything = " ".join(str(world.ledger(holder).id) for holder in (OURS, THEIRS, PRESIDENCY))
    failed: list[str] = []
    with world.engine("app").connect() as holding, world.engine("app").connect() as forging:
        _add(holding, OURS)
        holding.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        _add(forging, OURS)
        for setting in ("audit.locked", "audit.pending"):
            forging.execute(text("SELECT set_config(:s, :v, true)"), {"s": setting, "v": everything})

        def commit() -> None:
            try:
                forging.commit()
            except DBAPIError as error:
                failed.append(str(error))

        thread = threading.Thread(target=commit)
        thread.start()
        while not world.run("SELECT count(*) FROM pg_locks WHERE NOT granted", "superuser"):
            assert thread.is_alive()
        holding.commit()
        thread.join()
    assert failed == []
    assert _sequence(world, OURS) == [0, 1]
    assert world.verify().verdict.verdict == "intact"


def test_whoever_holds_a_head_makes_others_time_out_and_nothing_is_stored(world: World) -> None:
    with world.engine("app").connect() as holding:
        _add(holding, OURS)
        holding.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        world.run("ALTER FUNCTION audit.seal() SET lock_timeout = '50ms'", "owner")
        with pytest.raises(OperationalError, match="lock timeout"):
            world.add()
        world.add(THEIRS)
        holding.commit()
    assert _sequence(world, OURS) == [0]
    assert _sequence(world, THEIRS) == [0]


def test_a_seal_waits_at_most_ten_seconds(world: World) -> None:
    settings = "SELECT proconfig FROM pg_proc WHERE oid = 'audit.seal()'::regprocedure"
    assert "lock_timeout=10s" in world.run(settings, "superuser")


def test_sealing_at_once_and_writing_on_keeps_the_chain(world: World) -> None:
    with world.engine("app").begin() as connection:
        _add(connection, OURS)
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        _add(connection, THEIRS)
        _add(connection, OURS)
    assert _sequence(world, OURS) == [0, 1]
    assert world.verify().verdict.verdict == "intact"


def test_a_commit_is_durable_although_the_session_asked_for_less(world: World) -> None:
    with world.engine("app").connect() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        _add(connection, OURS)
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


def test_time_never_runs_backwards_in_a_ledger(world: World) -> None:
    with world.engine("superuser").begin() as connection:
        connection.execute(text("UPDATE audit.ledger SET recorded_at = '2999-01-01Z' WHERE holder = :h"), {"h": OURS})
    world.fill(2)
    recorded = world.run("SELECT array_agg(recorded_at) FROM audit.entry", "superuser")
    assert recorded == ["2999-01-01T00:00:00.000000Z"] * 2


def test_a_released_savepoint_keeps_its_events(world: World) -> None:
    with world.engine("app").begin() as connection:
        say(connection, actor={"user": "outer"})
        with connection.begin_nested():
            _add(connection, OURS)
        _add(connection, THEIRS)
    assert (_sequence(world, OURS), _sequence(world, THEIRS)) == ([0], [0])


@pytest.mark.parametrize("begun", ["code = 'a code'", "generation = 0", "size = 1", "head = sha256('x')"])
def test_a_ledger_begins_empty_and_with_a_code(world: World, begun: str) -> None:
    column, _, value = begun.partition(" = ")
    given = {"holder": "gen_random_uuid()", "code": "'NEW'", "origin": "'x/ledger/NEW/1'", column: value}
    with pytest.raises(DBAPIError, match="a ledger begins empty"):
        world.run(f"INSERT INTO audit.ledger ({', '.join(given)}) VALUES ({', '.join(given.values())})", "superuser")
