"""Verification with checkpoints: the assurance it may claim, and the place where history was rewritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from audit import store
from audit.read_plan import Level
from audit.store import checkpoints, tiling
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld


@pytest.fixture(params=(3, pytest.param(16_384, marks=pytest.mark.wide)))
def world(
    database: Database,
    superuser: Engine,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> SigningWorld:
    """However few entries are read at once: three are fewer than lie between two checkpoints."""
    monkeypatch.setattr("audit.store.verifying.CHUNK", request.param)
    return SigningWorld(superuser, database, tmp_path)


@pytest.fixture
def thrice(world: SigningWorld) -> SigningWorld:
    """JGK's ledger was signed three times, with five entries in between."""
    for _ in range(3):
        world.act("JGK", 5)
        world.round()
    return world


def _sizes(world: SigningWorld) -> list[int]:
    return world.outside.sizes(world.origin("JGK"))


def _seen(row: dict[str, Any]) -> list[tuple[int | None, str, str]]:
    return [(each["seq"], each["kind"], each["detail"]) for each in row["findings"]]


@pytest.mark.parametrize("level", ["incremental", "full"])
def test_a_verdict_is_self_attested_once_signatures_cover_it(world: SigningWorld, level: Level) -> None:
    world.act("JGK")
    assert (world.verify("JGK", level)["verdict"], world.verify("JGK", level)["assurance"]) == ("intact", "unsigned")
    world.round()
    for code in world.ids:
        row = world.verify(code, level)
        assert (row["verdict"], row["assurance"]) == ("intact", "self-attested"), row
    world.act("JGK")
    world.round()
    assert world.verify("JGK", level)["assurance"] == "self-attested"


def test_without_what_is_held_outside_nothing_is_more_than_unsigned(thrice: SigningWorld) -> None:
    ledger = next(each for each in _ledgers(thrice) if each.code == "JGK")
    verdict = store.verify(thrice.database.engine("signer"), ledger, "full").verdict
    assert (verdict.verdict, verdict.assurance) == ("intact", "unsigned")


def _ledgers(world: SigningWorld) -> list[store.Ledger]:
    with world.database.engine("signer").connect() as connection:
        return store.ledgers(connection)


def test_entries_that_have_waited_too_long_for_a_signature_are_not_attested(thrice: SigningWorld) -> None:
    thrice.act("JGK")
    assert thrice.verify("JGK")["assurance"] == "self-attested", "it is newer than a few minutes"
    size = thrice.size("JGK")
    with thrice.database.engine("signer").connect() as connection:
        ledger = next(each.id for each in _ledgers(thrice) if each.code == "JGK")
        assert not checkpoints.uncovered(connection, ledger, size - 1)
        thrice.age("JGK", 0, 20)
        connection.rollback()
        assert checkpoints.uncovered(connection, ledger, size - 1)
        assert not checkpoints.uncovered(connection, ledger, size)


def test_an_unsigned_tail_that_is_old_makes_the_verdict_unsigned(world: SigningWorld) -> None:
    world.act("JGK", 2)
    world.age("JGK", 0, 20)
    world.round()
    seq = world.size("JGK")
    world.act("JGK")
    world.age("JGK", seq, 10)
    world.run("alter table audit.verification disable trigger all")
    row = world.verify("JGK")
    assert (row["verdict"], row["assurance"]) == ("intact", "unsigned"), row


@pytest.mark.parametrize("level", ["incremental", "full"])
def test_history_that_was_rewritten_is_found_between_the_last_root_that_matches_and_the_first_that_does_not(
    thrice: SigningWorld, level: Level
) -> None:
    first, second, _third = _sizes(thrice)
    thrice.rewrite("JGK", first + 2)
    row = thrice.verify("JGK", level)
    assert (row["verdict"], row["assurance"], row["first_broken"]) == ("tampered", "unsigned", first)
    assert _seen(row) == [(first, "signed", f"entries {first} to {second - 1} are not those that were signed")]


def test_an_incremental_run_reads_from_one_signed_root_to_another_whatever_the_database_says_of_earlier_runs(
    thrice: SigningWorld,
) -> None:
    """The forger also records the rewritten head as verified, so that nothing in the database contradicts."""
    _first, second, third = _sizes(thrice)
    thrice.rewrite("JGK", second + 1)
    with thrice.superuser.begin() as connection:
        connection.execute(
            text(
                "insert into audit.verification (ledger_id, origin, level, started, seconds, first_seq, checked,"
                " next_seq, size, head, verdict, assurance) select id, origin, 'full', now(), 1, 0, size, size, size,"
                " head, 'intact', 'self-attested' from audit.ledger where code = 'JGK'"
            )
        )
    row = thrice.verify("JGK", "incremental")
    assert _seen(row) == [(second, "signed", f"entries {second} to {third - 1} are not those that were signed")]


def test_entries_that_were_signed_and_are_gone_are_found_at_the_end(thrice: SigningWorld) -> None:
    _first, second, third = _sizes(thrice)
    thrice.truncate("JGK", second)
    row = thrice.verify("JGK")
    assert _seen(row) == [(second, "truncated", f"{third} entries were signed, {second} are left")]


def test_a_recomputed_tail_that_is_newer_than_every_checkpoint_passes(thrice: SigningWorld) -> None:
    """Nothing outside has seen it: that is the limit of what is proved, and why a checkpoint comes every minute."""
    size = thrice.size("JGK")
    thrice.act("JGK", 3)
    thrice.rewrite("JGK", size + 1)
    assert thrice.verify("JGK")["verdict"] == "intact"
    thrice.act("JGK")
    assert thrice.round().refused == [], "and the next checkpoint covers it"


def test_a_ledger_that_only_the_folder_outside_remembers_is_told(thrice: SigningWorld) -> None:
    thrice.attack(
        "update audit.ledger set origin = replace(origin, '/1', '/2'), generation = 2 where code = 'JGK'",
        "delete from audit.checkpoint where ledger_id = (select id from audit.ledger where code = 'JGK')",
        "delete from audit.verification where ledger_id = (select id from audit.ledger where code = 'JGK')",
    )
    thrice.rehash("JGK")
    evidence = thrice.place().evidence()
    lost = store.unlisted(_ledgers(thrice), evidence)
    assert len(lost) == 1
    verdict = store.verify(thrice.database.engine("signer"), lost[0], "full", evidence=evidence).verdict
    assert verdict.verdict == "tampered"
    assert [each.kind for each in verdict.findings] == ["ledger", "truncated"]


FORGED = {
    "ledger_id": "update audit.checkpoint set ledger_id = (select id from audit.ledger where code = 'ASHB')"
    " where size = :size and ledger_id = (select id from audit.ledger where code = 'JGK')",
    "size": "update audit.checkpoint set size = size + 1 where size = :size",
    "root": "update audit.checkpoint set root = sha256(root) where size = :size",
    "note": "update audit.checkpoint set note = replace(note, E'\\n\\n', E'\\n\\n\\n') where size = :size",
    "text": "update audit.checkpoint set note = replace(note, '/JGK/', '/JGX/') where size = :size",
    "signature": "update audit.checkpoint set note = overlay(note placing 'AAAAAAAA' from length(note) - 12)"
    " where size = :size",
    "signed_at": "update audit.checkpoint set signed_at = signed_at + interval '1 second' where size = :size",
    "event_id": "update audit.checkpoint set event_id = gen_random_uuid() where size = :size",
    "row": "delete from audit.checkpoint where size = :size",
    "key verifier": "update audit.key set verifier = replace(verifier, '+', '-')",
    "key statement": "update audit.key set statement = 'retired'",
    "key sizes": "update audit.key set sizes = '{}'",
    "key time": "update audit.key set said_at = said_at - interval '1 second'",
    "key event": "update audit.key set event_id = gen_random_uuid()",
    "key row": "delete from audit.key",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_changed_copy_of_a_checkpoint_or_a_key_is_found(thrice: SigningWorld, what: str) -> None:
    size = _sizes(thrice)[1]
    thrice.attack(FORGED[what], size=size)
    rows = {code: thrice.verify(code) for code in ("JGK", "GIB", "ASHB")}
    tampered = {code for code, row in rows.items() if row["verdict"] == "tampered"}
    assert tampered, rows
    kinds = {each["kind"] for code in tampered for each in rows[code]["findings"]}
    assert kinds <= {"signature", "row", "unread"}, kinds  # of another size or ledger no file is held outside


def test_a_changed_tile_changes_no_verdict_and_no_proof(world: SigningWorld) -> None:
    world.act_together("JGK", 700)
    world.round()
    old = world.held("JGK")
    world.act_together("JGK", 300)
    world.round()
    new = world.held("JGK")
    assert old
    assert new
    assert world.scalar("select count(*) from audit.tile") == 3
    ledger = next(each.id for each in _ledgers(world) if each.code == "JGK")
    sides = ((old.size, old.root), (new.size, new.root))
    with world.database.engine("signer").connect() as connection:
        proof = tiling.consistency(connection, ledger, *sides)
    world.run("update audit.tile set hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1), root = sha256(root)")
    with world.database.engine("signer").connect() as connection:
        assert tiling.consistency(connection, ledger, *sides) == proof
    assert world.verify("JGK")["verdict"] == "intact"


def test_a_damaged_file_outside_is_found_by_verification_too(thrice: SigningWorld) -> None:
    folder = thrice.folder / "checkpoints" / "ledgers" / thrice.origin("JGK").replace("/", "~")
    file = sorted(folder.rglob("*.checkpoint"))[1]
    file.write_bytes(file.read_bytes().replace(b"head ", b"heap "))
    row = thrice.verify("JGK")
    assert (row["verdict"], row["assurance"], [each["kind"] for each in row["findings"]]) == (
        "tampered", "unsigned", ["signature"],
    )  # fmt: skip
