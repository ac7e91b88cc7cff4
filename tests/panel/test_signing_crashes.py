"""Crash points of the signer as a table: stopped, or told of an error, at each step; the next round is right each time.

*Not persisted*: the step did not take effect. *Persisted but reported failed*: it did, and the process does not know.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit import note
from audit.checkpoint import Checkpoint
from audit.compact_range import CompactRange
from itm_admin.ledger.signing import Round, Signing, SigningPlace
from tests.conftest import Database
from tests.panel.assurance_world import until
from tests.panel.signing_world import Breaking, SigningWorld, Stopped


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    world = SigningWorld(superuser, database, tmp_path)
    world.act("JGK", 2)
    world.round()
    return world


def _right(world: SigningWorld) -> None:
    """Held and recorded agree, each signature is good, each root is that of the entries, and all is covered."""
    done = world.round()
    assert (done.refused, done.failed) == ([], None)
    keys = world.keys()
    for code in ("JGK", "ASHB", "GIB"):
        origin = world.origin(code)
        rows = world.recorded(code)
        leaves = world.run(
            "select hash from audit.leaf f join audit.ledger l on l.id = f.ledger_id where l.code = :code order by seq",
            code=code,
        )
        hashes = [bytes(row.hash) for row in leaves]
        assert {row.size for row in rows} == set(world.outside.sizes(origin))
        for row in rows:
            signed = note.parse(row.note.encode())
            assert keys.require(signed, origin, row.size)
            assert Checkpoint.parse(signed.text).root == CompactRange.of(hashes[: row.size]).root()
        if code != "GIB":  # its newest entry is the one that tells of this round
            assert rows[-1].size == world.size(code)
        assert world.verify(code)["assurance"] == "self-attested"
    assert world.alerts("ledger.refused") == []


def _steps(world: SigningWorld) -> int:
    """The number of steps that the disk takes in a round over JGK and GIB, whose folders are there."""
    disk = Breaking(0, Stopped, persisted=False)
    world.act("JGK")
    world.round(world.place(disk))
    return disk.count


def _io_error() -> OSError:
    return OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("error", "persisted"),
    [
        pytest.param(Stopped, False, id="stopped-not persisted"),
        pytest.param(_io_error, True, id="error-persisted but reported failed"),
        pytest.param(Stopped, True, id="stopped-persisted", marks=pytest.mark.wide),
        pytest.param(_io_error, False, id="error-not persisted", marks=pytest.mark.wide),
    ],
)
def test_each_step_on_the_disk(world: SigningWorld, error: Callable[[], BaseException], persisted: bool) -> None:
    steps = _steps(world)
    assert steps >= 14
    told = 0
    for at in range(1, steps + 1):
        world.act("JGK")
        place = world.place(Breaking(at, error, persisted))
        before = {row.note for row in world.recorded("JGK")}
        if error is Stopped:
            with pytest.raises(Stopped):
                world.round(place)
            assert {row.note for row in world.recorded("JGK")} <= {*before, *_notes_held(world, "JGK")}
        else:
            told += world.round(place).failed is not None
        # What stands in the database was held outside first, whatever happened.
        assert {row.size for row in world.recorded("JGK")} <= set(world.outside.sizes(world.origin("JGK")))
    assert told == (steps if error is _io_error else 0)
    assert bool(world.alerts("ledger.unsigned")) == (error is _io_error)
    _right(world)


def _notes_held(world: SigningWorld, code: str) -> set[str]:
    origin = world.origin(code)
    return {bytes(world.outside.at(origin, size).note).decode() for size in world.outside.sizes(origin)}


class Dying(Signing):
    """A process that is stopped at a step between the folder, the database and the key's file."""

    step, persisted = "", False

    def _publish(self, engine: Engine, done: Round) -> None:
        self._around("publish", lambda: super(Dying, self)._publish(engine, done))

    def _finish_replacement(self, engine: Engine) -> None:
        self._around("finish", lambda: super(Dying, self)._finish_replacement(engine))

    def _around(self, step: str, act: Callable[[], None]) -> None:
        if step != self.step:
            act()
            return
        if self.persisted:
            act()
        raise Stopped


def _die(world: SigningWorld, step: str, persisted: bool, place: SigningPlace | None = None) -> None:
    signing = Dying(place or world.place(), world.clock, lambda: world.wall)
    signing.step, signing.persisted = step, persisted
    with pytest.raises(Stopped):
        signing.round(world.database.engine("signer"))


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted but reported failed"])
def test_between_the_folder_and_the_database(world: SigningWorld, persisted: bool) -> None:
    world.act("JGK", 3)
    size = world.size("JGK")
    _die(world, "publish", persisted)
    held = world.held("JGK")
    assert held
    assert held.size == size
    assert (world.recorded("JGK")[-1].size == size) is persisted
    world.act("JGK")
    _right(world)
    assert size in {row.size for row in world.recorded("JGK")}


def test_the_first_round_of_all_stopped_anywhere(database: Database, superuser: Engine, tmp_path: Path) -> None:
    """Deployment, key, statement, folders and first checkpoints: none of them is taken for a loss afterwards."""
    world = SigningWorld(superuser, database, tmp_path)
    for at in itertools.count(1):
        place = world.place(Breaking(at, Stopped, persisted=at % 2 == 0))
        try:
            world.round(place)
        except Stopped:
            continue
        break
    assert at > 10, "what was done before a stop is not done again"
    _right(world)
    assert len(world.keys().active) == 1


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted but reported failed"])
@pytest.mark.parametrize("step", ["prepare", "publish", "finish"])
def test_replacing_a_key(world: SigningWorld, step: str, persisted: bool) -> None:
    (old,) = world.keys().active
    place = world.place()
    place.keyring.prepare(old.name)
    if step != "prepare":
        _die(world, step, persisted)
    world.act("JGK")
    _right(world)
    (new,) = world.keys().active
    assert new != old
    assert world.keys().said(old, "retired")
    assert not place.keyring.next_file.exists()
    statements = [(each.detail["key"], each.detail["statement"]) for each in world.events("ledger.key")]
    assert statements == [(str(old), "named"), (str(new), "named"), (str(old), "retired")]


def test_the_steps_of_replacing_a_key_on_the_disk(world: SigningWorld) -> None:
    for at in range(1, 60):
        old = world.keys().active[0]
        place = world.place(Breaking(at, Stopped, persisted=at % 2 == 0))
        if not place.keyring.next_file.exists():
            place.keyring.prepare(old.name)
        try:
            world.round(place)
        except Stopped:
            continue
        break
    assert at > 5
    _right(world)
    assert not world.place().keyring.next_file.exists()


def test_two_signers_at_once_never_sign_two_histories(world: SigningWorld) -> None:
    def work(_: int) -> int:
        signing, done = world.signing(), 0
        for _number in range(6):
            world.act("JGK")
            done += signing.round(world.database.engine("signer")) is not None
        return done

    with ThreadPoolExecutor(4) as threads:
        rounds = sum(threads.map(work, range(4)))
    assert rounds >= 2, "the others found the signer at work, and left it to that"
    world.act("JGK")
    _right(world)
    sizes = [row.size for row in world.recorded("JGK")]
    assert sizes == sorted(set(sizes))


@contextmanager
def _writing(world: SigningWorld, writers: int) -> Iterator[None]:
    stop = threading.Event()

    def write(_: int) -> None:
        while not stop.is_set():
            world.act("JGK")

    with ThreadPoolExecutor(writers) as threads:
        running = [threads.submit(write, number) for number in range(writers)]
        try:
            yield
        finally:
            stop.set()
        for each in running:
            each.result()


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.wide)])
def test_kill_9_under_eight_writers(world: SigningWorld, times: int) -> None:
    """A signer that never rests is killed; two of them run at a time."""
    environment = {**os.environ, "SIGNER": world.database.url("signer"), "FOLDER": str(world.folder)}
    command = [sys.executable, "-m", "tests.panel.signing_process"]
    origin = world.origin("JGK")
    with _writing(world, 8):
        for _ in range(times):
            before = len(world.outside.sizes(origin))
            processes = [subprocess.Popen(command, env=environment) for _number in range(2)]
            try:
                until(lambda before=before: len(world.outside.sizes(origin)) > before + 3, "signatures")  # type: ignore[misc]
            finally:
                for process in processes:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
    world.act("JGK")
    until(lambda: world.signing().round(world.database.engine("signer")), "the locks of the dead to be free")
    world.act("JGK")
    _right(world)
