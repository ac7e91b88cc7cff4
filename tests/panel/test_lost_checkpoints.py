"""Checkpoint files that vanish from the folder outside: never more than *cannot tell*, with what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit.read_plan import Level
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld

Choose = Callable[[list[Path]], list[Path]]
GONE: dict[str, Choose] = {
    "the first": lambda files: files[:1],
    "two in a row": lambda files: files[2:4],
    "all in the middle": lambda files: files[1:-1],
    "the newest": lambda files: files[-1:],
    "all": lambda files: files,
}


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    made = SigningWorld(superuser, database, tmp_path)
    for _ in range(5):
        made.act("JGK", 2)
        made.round()
    return made


def _files(world: SigningWorld) -> list[Path]:
    folder = world.folder / "checkpoints" / "ledgers" / world.origin("JGK").replace("/", "~")
    return sorted(folder.rglob("*.checkpoint"))


@pytest.mark.parametrize("level", ["incremental", "full"])
@pytest.mark.parametrize("which", GONE)
def test_a_signed_checkpoint_that_is_not_held_any_more_is_told(world: SigningWorld, which: str, level: Level) -> None:
    assert world.verify("JGK", level)["verdict"] == "intact"
    gone = GONE[which](_files(world))
    for path in gone:
        path.unlink()
    row = world.verify("JGK", level)
    assert row["verdict"] == "cannot tell"
    told = str(row["findings"])
    if which != "all":
        assert f"{len(gone)} signed checkpoints are not held outside" in told
        assert f"that of {int(gone[0].name[:19])} entries" in told


@pytest.mark.parametrize("which", ["the first", "two in a row", "all in the middle"])
def test_the_folder_knows_its_gaps_when_the_database_has_forgotten_them_too(world: SigningWorld, which: str) -> None:
    gone = GONE[which](_files(world))
    world.attack("delete from audit.verification")
    for path in gone:
        path.unlink()
        world.attack("delete from audit.checkpoint where size = :size", size=int(path.name[:19]))
    row = world.verify("JGK")
    assert "not held outside: the checkpoint of" in str(row["findings"])


def test_nothing_is_signed_when_the_newest_file_and_its_row_are_gone_but_an_entry_names_its_size(
    world: SigningWorld,
) -> None:
    newest = _files(world)[-1]
    newest.unlink()
    world.attack("delete from audit.checkpoint where size = :size", size=int(newest.name[:19]))
    world.act("JGK")
    refused = {ledger.code: why.reason for ledger, why in world.round().refused if ledger}
    assert refused == {"JGK": "older"}


def test_an_entry_that_somebody_damaged_keeps_no_other_ledger_from_being_signed(world: SigningWorld) -> None:
    """The rounds' entries are read as they stand; that one of them is damaged is the verification's to tell."""
    world.attack("update audit.event set content = 'no JSON' where action = 'ledger.checkpoint'")
    world.act("JGK")
    done = world.round()
    assert "JGK" in {ledger.code for ledger, _ in done.signed}
