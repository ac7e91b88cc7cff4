"""Somebody with the application's role seals at once, keeps a ledger's head and puts all time limits away."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg
import pytest

from audit.store import checkpoints
from itm_admin.ledger import scheduler, sink_process
from itm_admin.local import lock_watch
from tests.conftest import Database
from tests.factories import Factory

PATIENCE = 60
_LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
_APPEND = b"select itm.refuse_passkey()"


def _address(database: Database) -> str:
    return database.url("app").replace("postgresql+psycopg://", "postgresql://", 1)


def _seal(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for name in _LIMITS:
        connection.execute(f"set {name} = 0".encode())
    connection.execute(_APPEND)
    connection.execute(b"set constraints all immediate")


def _work(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """One statement after the other in the same transaction, until somebody ends it."""
    with suppress(psycopg.OperationalError):
        while True:
            connection.execute(b"select 1")


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "never idle"])
def test_a_session_that_keeps_a_head_is_ended_and_the_next_one_writes(database: Database, idle: bool) -> None:
    Factory(database).institution()
    address, ended = _address(database), threading.Event()
    watching = threading.Thread(target=lock_watch.watch, args=(address, ended.wait))
    watching.start()
    try:
        with psycopg.connect(address) as holding, psycopg.connect(address) as waiting:
            _seal(holding)
            busy = threading.Thread(target=_work, args=(holding,))
            if not idle:
                busy.start()
            waiting.execute(_APPEND)
            waiting.execute(b"set constraints all immediate")  # with its own ten seconds
            waiting.commit()
            if not idle:
                busy.join(PATIENCE)
            with pytest.raises(psycopg.OperationalError):
                holding.execute(b"select 1")
    finally:
        ended.set()
        watching.join(PATIENCE)


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "never idle"])
def test_a_session_that_keeps_anothers_lock_without_a_transaction_is_ended(database: Database, idle: bool) -> None:
    lock = b"select pg_advisory_%slock(hashtextextended('record.search', 1))"
    address, ended = _address(database), threading.Event()
    watching = threading.Thread(target=lock_watch.watch, args=(address, ended.wait))
    watching.start()
    try:
        with (
            psycopg.connect(address, autocommit=True) as holding,
            psycopg.connect(address) as waiting,
        ):
            for name in _LIMITS:
                holding.execute(f"set {name} = 0".encode())
            holding.execute(lock % b"")
            busy = threading.Thread(target=_work, args=(holding,))
            if not idle:
                busy.start()
            waiting.execute(lock % b"xact_")  # with its own ten seconds
            if not idle:
                busy.join(PATIENCE)
            with pytest.raises(psycopg.OperationalError):
                holding.execute(b"select 1")
    finally:
        ended.set()
        watching.join(PATIENCE)


def test_a_session_that_is_in_nobodys_way_is_left_alone(database: Database) -> None:
    Factory(database).institution()
    with (
        psycopg.connect(_address(database)) as holding,
        psycopg.connect(_address(database), autocommit=True) as looking,
    ):
        _seal(holding)
        assert lock_watch.look(looking) == 0
        holding.execute(b"select 1")


def test_a_session_that_keeps_an_advisory_lock_without_a_transaction_is_ended(database: Database) -> None:
    Factory(database).institution()
    address, ended = _address(database), threading.Event()
    watching = threading.Thread(target=lock_watch.watch, args=(address, ended.wait))
    watching.start()
    try:
        with psycopg.connect(address, autocommit=True) as holding, psycopg.connect(address) as waiting:
            holding.execute(b"select pg_advisory_lock(1)")
            waiting.execute(b"select pg_advisory_xact_lock(1)")  # with its own ten seconds
            with pytest.raises(psycopg.OperationalError):
                holding.execute(b"select 1")
    finally:
        ended.set()
        watching.join(PATIENCE)


def test_the_schedulers_locks_are_known() -> None:
    assert set(lock_watch.THE_SCHEDULERS) == {scheduler.LEADER, checkpoints.LOCK, sink_process.LEADER}


@pytest.mark.parametrize("number", lock_watch.THE_SCHEDULERS)
@pytest.mark.parametrize("kept_by", ["a session", "a transaction"])
def test_nobody_keeps_the_scheduler_from_its_work_with_its_lock(database: Database, number: int, kept_by: str) -> None:
    """It asks and does not wait, so no one is seen waiting."""
    with (
        psycopg.connect(_address(database)) as holding,
        psycopg.connect(_address(database), autocommit=True) as looking,
    ):
        of = "" if kept_by == "a session" else "xact_"
        holding.execute(f"select pg_advisory_{of}lock(%s)".encode(), [number])
        if kept_by == "a session":
            holding.commit()
        assert lock_watch.look(looking) == 1
        with pytest.raises(psycopg.OperationalError):
            holding.execute(b"select 1")
    url = database.url("signer").replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url) as signer, psycopg.connect(_address(database), autocommit=True) as looking:
        signer.execute(b"select pg_advisory_lock(%s)", [number])
        assert lock_watch.look(looking) == 0
