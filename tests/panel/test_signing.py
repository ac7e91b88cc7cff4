"""Rounds of checkpoints: when they come, what they sign, and over what nothing is signed."""

from __future__ import annotations

import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from audit import note
from audit.checkpoint import Checkpoint
from audit.checkpoint_folder import HeldCheckpoint
from audit.merkle import root
from audit.store import checkpoints
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    return SigningWorld(superuser, database, tmp_path)


def _leaves(world: SigningWorld, code: str, size: int) -> list[bytes]:
    rows = world.run(
        "select hash from audit.leaf f join audit.ledger l on l.id = f.ledger_id where l.code = :code and f.seq < :size"
        " order by seq",
        code=code,
        size=size,
    )
    return [bytes(row.hash) for row in rows]


def test_a_round_signs_every_ledger_and_is_one_entry_of_the_presidency_that_names_them_all(
    world: SigningWorld,
) -> None:
    world.act("JGK", 3)
    sizes = {code: world.size(code) for code in world.ids}
    done = world.round()
    assert len(done.signed) == 3
    assert done.refused == []
    assert done.failed is None
    (entry,) = world.events("ledger.checkpoint")
    named = {each["origin"]: (each["size"], each["root"]) for each in entry.detail["checkpoints"]}
    assert entry.code == "GIB"
    for code, size in sizes.items():
        held = world.held(code)
        assert held == Checkpoint(world.origin(code), size, root(_leaves(world, code, size)))
        assert named[world.origin(code)] == (size, held.text.split("\n")[2])
        (row,) = world.recorded(code)
        assert (row.size, bytes(row.root)) == (size, held.root)
        assert note.verified(note.parse(row.note.encode()), world.keys().active)


def test_checkpoints_and_verification_never_cause_another_round(world: SigningWorld) -> None:
    signing, engine = world.signing(), world.database.engine("signer")
    assert signing.tick(engine)
    world.later(61)
    assert signing.tick(engine), "the entry that names the first key is news"
    for _ in range(3):
        world.later(61)
        world.verify("JGK")
        assert signing.tick(engine) is None
    assert len(world.events("ledger.checkpoint")) == 2


def test_entries_wait_a_minute_and_a_thousand_of_them_do_not(world: SigningWorld) -> None:
    signing, engine = world.signing(), world.database.engine("signer")
    assert signing.tick(engine)
    world.act("JGK")
    world.later(59)
    assert signing.tick(engine) is None
    world.later(1)
    assert signing.tick(engine)
    assert world.held("JGK") == Checkpoint.parse(world.recorded("JGK")[-1].note.partition("\n\n")[0] + "\n")
    world.act_together("ASHB", 999)
    assert signing.tick(engine) is None
    world.act("ASHB")
    assert signing.tick(engine)
    held = world.held("ASHB")
    assert held
    assert held.size == world.size("ASHB")


def test_a_clock_that_jumps_back_delays_nothing_and_changes_no_order(world: SigningWorld) -> None:
    signing, engine = world.signing(), world.database.engine("signer")
    assert signing.tick(engine)
    world.act("JGK")
    world.later(60)
    world.wall = world.wall.replace(year=2001)
    done = signing.tick(engine)
    assert done
    assert done.refused == []
    assert world.verify("JGK")["assurance"] == "self-attested"


def test_nobody_else_may_read_the_key_or_what_is_held(world: SigningWorld) -> None:
    world.round()
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_first_key_is_named_in_the_ledger(world: SigningWorld) -> None:
    world.round()
    (entry,) = world.events("ledger.key")
    (key,) = world.keys().active
    assert (entry.code, entry.detail["key"], entry.detail["statement"]) == ("GIB", str(key), "named")
    assert key.name == world.scalar("select name from audit.deployment")


@pytest.mark.parametrize("regrown", [False, True])
def test_over_a_ledger_that_was_cut_or_restored_nothing_is_signed(world: SigningWorld, regrown: bool) -> None:
    world.act("JGK", 5)
    world.round()
    before, size = world.held("JGK"), world.size("JGK")
    world.truncate("JGK", size - 3)
    if regrown:
        world.act("JGK", 9)
    world.act("ASHB")
    done = world.round()
    assert [refused.reason for _, refused in done.refused] == ["rewritten" if regrown else "truncated"]
    assert world.held("JGK") == before
    held = world.held("ASHB")
    assert held
    assert held.size == world.size("ASHB"), "the others are signed"
    (alert,) = world.alerts("ledger.refused")
    assert (alert.subject, alert.severity) == ("JGK", "critical")
    assert (alert.detail["held"], alert.detail["size"]) == (size, world.size("JGK"))
    row = world.verify("JGK")
    assert row["verdict"] == "tampered"
    assert row["assurance"] == "unsigned"


def test_over_an_entry_that_contradicts_itself_nothing_is_signed(world: SigningWorld) -> None:
    world.round()
    seq = world.size("JGK")
    world.act("JGK", 3)
    world.tamper("JGK", seq + 1)
    done = world.round()
    ((_, refused),) = done.refused
    assert (refused.reason, refused.found) == ("broken", seq + 1)
    (alert,) = world.alerts("ledger.refused")
    assert alert.first_broken == seq + 1


def test_a_refusal_that_was_acknowledged_is_not_told_again_and_a_new_one_is(world: SigningWorld) -> None:
    world.act("JGK", 5)
    world.round()
    world.truncate("JGK", world.size("JGK") - 2)
    world.round()
    world.run("update alert set acknowledged_at = now() where kind = 'ledger.refused'")
    world.round()
    assert len(world.alerts("ledger.refused")) == 1
    shutil.rmtree(world.folder / "checkpoints" / "ledgers" / world.origin("ASHB").replace("/", "~"))
    world.round()
    assert {alert.subject for alert in world.alerts("ledger.refused")} == {"JGK", "ASHB"}


def test_after_files_outside_are_gone_nothing_is_signed(world: SigningWorld) -> None:
    world.act("JGK")
    world.round()
    world.act("JGK")
    world.round()
    folder = world.folder / "checkpoints" / "ledgers" / world.origin("JGK").replace("/", "~")
    sizes = world.outside.sizes(world.origin("JGK"))
    newest = max(folder.rglob("*.checkpoint"))
    kept = newest.read_bytes()
    newest.unlink()
    ((_, refused),) = world.round().refused
    assert (refused.reason, refused.held) == ("older", sizes[-2])
    newest.write_bytes(kept)
    assert world.round().refused == []
    shutil.rmtree(folder)
    ((_, refused),) = world.round().refused
    assert refused.reason == "missing"


def test_an_empty_folder_is_begun_only_for_a_database_that_never_signed(world: SigningWorld) -> None:
    world.round()
    shutil.move(world.folder / "checkpoints", world.folder / "away")
    (world.folder / "checkpoints").mkdir()
    ((_, refused),) = world.round().refused
    assert refused.reason == "missing"
    assert world.outside.deployment() is None
    assert world.verify("JGK")["verdict"] == "cannot tell"
    (alert,) = world.alerts("ledger.refused")
    assert alert.subject == "GIB"


def test_the_folder_of_another_database_is_refused(world: SigningWorld) -> None:
    world.outside.begin("itm-another")
    ((_, refused),) = world.round().refused
    assert refused.reason == "another"
    assert world.recorded("JGK") == []


def test_a_ledger_that_came_back_under_another_name_is_missed(world: SigningWorld) -> None:
    """A whole new generation with fresh hashes would look like a ledger that was never signed."""
    world.act("JGK", 3)
    world.round()
    origin = world.origin("JGK")
    world.attack(
        "delete from audit.checkpoint where ledger_id = (select id from audit.ledger where code = 'JGK')",
        "update audit.ledger set origin = replace(origin, '/1', '/2'), generation = 2 where code = 'JGK'",
    )
    world.rewrite("JGK", 0)
    done = world.round()
    assert [(refused.origin, refused.reason) for _, refused in done.refused] == [
        (origin.replace("/1", "/2"), "unopened"),
        (origin, "gone"),
    ]
    (alert,) = world.alerts("ledger.refused")
    assert alert.subject == "JGK"


def test_a_damaged_file_outside_is_refused(world: SigningWorld) -> None:
    world.round()
    (file,) = (world.folder / "checkpoints" / "ledgers" / world.origin("JGK").replace("/", "~")).rglob("*.checkpoint")
    content = file.read_bytes()
    for damaged in (b"", content[:-5], content.replace(b"head ", b"heap "), content + b"\n"):
        file.write_bytes(damaged)
        ((_, refused),) = world.round().refused
        assert refused.reason == "damaged"
    forged = note.parse(content.rpartition(b"\n\n")[0] + b"\n")
    signature = forged.signatures[0]
    bad = note.Note(forged.text, (note.Signature(signature.name, signature.key_id, bytes(64)),))
    file.write_bytes(bytes(replace(HeldCheckpoint.parse(content), note=bad)))
    ((_, refused),) = world.round().refused
    assert (refused.reason, "signature" in refused.detail) == ("damaged", True)


def test_events_of_rounds_hold_only_what_was_signed(world: SigningWorld) -> None:
    world.act("JGK")
    world.round()
    content = world.scalar("select content from audit.event where action = 'ledger.checkpoint'")
    assert set(json.loads(content)["detail"]) == {"checkpoints"}


def test_while_another_process_signs_this_one_does_not(world: SigningWorld) -> None:
    signing, engine = world.signing(), world.database.engine("signer")
    with world.superuser.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": checkpoints.LOCK})
        assert signing.round(engine) is None
    with world.outside.locked():
        assert signing.round(engine) is None
    assert signing.round(engine)


@pytest.mark.parametrize("wrong", ["another ledger", "another root", "another size", "too large", "no time"])
def test_the_database_records_no_checkpoint_that_is_not_its_ledgers(world: SigningWorld, wrong: str) -> None:
    world.act("JGK", 3)
    world.round()
    row = world.recorded("JGK")[-1]
    said = {
        "ledger": str(row.ledger_id), "size": row.size - 1, "root": note.parse(row.note.encode()).text.split("\n")[2],
        "signed_at": "2026-11-24T12:00:00Z",
    }  # fmt: skip
    lines = [world.origin("JGK"), str(said["size"]), said["root"]]
    if wrong == "another ledger":
        said["ledger"] = str(world.recorded("ASHB")[-1].ledger_id)
    elif wrong == "another root":
        lines[2] = "AAAA"
    elif wrong == "another size":
        lines[1] = "1"
    elif wrong == "too large":
        said["size"], lines[1] = row.size + 1, str(row.size + 1)
    else:
        said["signed_at"] = None
    said["note"] = "\n".join(lines) + "\n\n— x AAAA\n"
    statement, rows = text("select audit.record_checkpoints(cast(:rows as jsonb))"), json.dumps([said])
    with world.database.engine("signer").begin() as connection, pytest.raises(DBAPIError, match="not a checkpoint"):
        connection.execute(statement, {"rows": rows})
