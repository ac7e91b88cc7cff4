"""Recovery of a lost checkpoint folder or key beside an intact database: by two people, and by nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from audit.store import checkpoints
from audit.witness_client import Witness
from itm_admin.commands import signing_keys
from itm_admin.foundation.config import Settings
from itm_admin.ledger.signing import SigningPlace
from tests.conftest import Cluster, Database
from tests.panel.generation_world import Backup, GenerationWorld
from tests.panel.signing_world import Breaking, Stopped
from tests.panel.test_signing_witnesses import _witness


@pytest.fixture
def world(database: Database, tmp_path: Path) -> GenerationWorld:
    world = GenerationWorld(database, tmp_path)
    for _ in range(2):
        world.act("JGK", 2)
        world.round()
    return world


def _lose(world: GenerationWorld) -> None:
    shutil.rmtree(world.outside.folder)


def _decided(world: GenerationWorld, reason: str = "FOLDER_LOST") -> None:
    world.decided(world.proposed("GIB", reason, "recovery"))


def _held(world: GenerationWorld) -> dict[str, bytes]:
    folder = world.outside.folder
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock" and path.name[0] != "."
    }


def test_a_lost_folder_is_filled_again_from_what_proves_itself(world: GenerationWorld) -> None:
    world.opened("JGK", "TAMPERED")
    world.round()
    before = _held(world)
    _lose(world)
    assert {refused.reason for _, refused in world.round().refused} == {"missing"}
    assert world.carry_out() == []
    assert world.outside.deployment() is None
    _decided(world)
    world.carry_out()
    assert _held(world) == before
    assert world.round().refused == []
    assert world.verdicts()[world.origin("JGK")]["assurance"] == "self-attested"
    assert [alert.detail["reason"] for alert in world.alerts("ledger.recovered")] == ["FOLDER_LOST"]


def test_a_checkpoint_that_does_not_prove_itself_is_not_held_again(world: GenerationWorld) -> None:
    origin, sizes = world.origin("JGK"), world.outside.sizes(world.origin("JGK"))
    _lose(world)
    world.attack(
        "update audit.checkpoint set note = replace(note, '— itm', '— it') where size = :size and"
        " ledger_id = (select id from audit.ledger where code = 'JGK')", size=sizes[0],
    )  # fmt: skip
    _decided(world)
    world.carry_out()
    assert world.outside.sizes(origin) == sizes[1:]


def test_what_a_stolen_key_signed_is_held_again_so_that_nothing_seems_lost(world: GenerationWorld) -> None:
    for _ in range(2):
        world.act("JGK")
        world.round()
    (stolen,) = world.keys().active
    trust_nothing = 0
    settings = Settings(
        home=world.folder,
        signer_url=world.database.url("signer"),
        signing_key_file=world.folder / "key",
        checkpoints=world.folder / "checkpoints",
    )
    signing_keys.compromise(settings, stolen.id.hex(), trust_nothing)
    assert world.verdicts()[world.origin("JGK")]["verdict"] == "intact"
    before = _held(world)
    _lose(world)
    _decided(world)
    world.carry_out()
    assert _held(world) == before
    assert world.verdicts()[world.origin("JGK")]["verdict"] == "intact"


def test_a_rewritten_ledger_is_not_vouched_for_by_an_empty_folder(world: GenerationWorld) -> None:
    _lose(world)
    world.attack(
        "update audit.leaf set hash = sha256(hash) where seq = 2 and"
        " ledger_id = (select id from audit.ledger where code = 'JGK')"
    )
    _decided(world)
    world.carry_out()
    assert [refused.reason for _, refused in world.round().refused if "JGK" in refused.origin] != []


def test_a_key_that_the_database_names_alone_is_not_believed(world: GenerationWorld) -> None:
    _lose(world)
    (world.folder / "key").rename(world.folder / "key.lost")
    _decided(world)
    world.carry_out()
    assert world.outside.deployment() is None
    assert "too" in world.alerts("ledger.unsigned")[0].detail["note"]


def test_a_witness_that_remembers_more_forbids_it(world: GenerationWorld, cluster: Cluster) -> None:
    with ExitStack() as stack:
        place: SigningPlace = world.place(witnesses=[stack.enter_context(_witness(world, "tihek"))], quorum=1)
        world.round(place)
        backup = Backup.of(cluster, world.database)
        stack.callback(backup.drop)
        world.act("JGK", 2)
        world.round(place)
        backup.restore()
        _lose(world)
        _decided(world)
        assert world.carry_out(place) == []
        assert world.outside.deployment() is None
        assert "another history" in world.alerts("ledger.unsigned")[0].detail["note"]


def test_a_witness_that_remembers_the_same_agrees_and_one_that_is_silent_does_not(world: GenerationWorld) -> None:
    with ExitStack() as witnessing:
        place: SigningPlace = world.place(witnesses=[witnessing.enter_context(_witness(world, "tihek"))], quorum=1)
        world.round(place)
        _lose(world)
        _decided(world)
        world.carry_out(world.place(witnesses=[_gone(place)], quorum=1))
        assert world.outside.deployment() is None
        world.carry_out(place)
        assert world.outside.deployment() is not None


def _gone(place: SigningPlace) -> Witness:
    """A witness at an address where nobody listens."""
    return Witness("http://127.0.0.1:1", place.witnesses[0].key)


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted but reported failed"])
def test_each_step_of_filling_the_folder_again(world: GenerationWorld, persisted: bool) -> None:
    """A folder that is not whole is nobody's, and the next try makes it whole."""
    before = _held(world)
    _lose(world)
    _decided(world)
    at, steps = 1, 0
    while world.outside.deployment() is None:
        disk = Breaking(at, Stopped, persisted)
        try:
            world.carry_out(disk=disk)
        except Stopped:
            steps += 1
        at += 3
    world.carry_out()
    assert steps >= 3
    assert _held(world) == before
    assert world.round().refused == []
    assert world.scalar("select outcome from ledger_decision") == "done"


def test_a_lost_key_is_replaced_and_the_ledger_names_both(world: GenerationWorld) -> None:
    (old,) = world.keys().active
    size = world.held("JGK").size  # type: ignore[union-attr]
    (world.folder / "key").unlink()
    world.act("JGK", 2)
    assert world.round().failed is not None
    _decided(world, "KEY_LOST")
    world.carry_out()
    done = world.round()
    assert (done.failed, done.refused) == (None, [])
    (new,) = world.keys().active
    assert new != old
    assert world.keys().counts(old, world.origin("JGK"), size)
    assert not world.keys().counts(old, world.origin("JGK"), size + 1)
    with world.database.engine("signer").connect() as connection:
        assert checkpoints.keys(connection).active == (new,)
    assert world.verdicts()[world.origin("JGK")]["assurance"] == "self-attested"


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted but reported failed"])
def test_each_step_of_replacing_a_lost_key(world: GenerationWorld, persisted: bool) -> None:
    error: Callable[[], BaseException] = Stopped
    (world.folder / "key").unlink()
    _decided(world, "KEY_LOST")
    stopped = 0
    for at in range(1, 20):
        try:
            world.carry_out(disk=Breaking(at, error, persisted))
        except Stopped:
            stopped += 1
        else:
            break
    assert stopped >= 3
    assert len(world.keys().named) == 2
    assert world.round().failed is None
    assert len(world.keys().active) == 1
