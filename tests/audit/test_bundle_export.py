"""Evidence out of a real database verifies without it, and evidence of a broken ledger shows where it is broken."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from audit import bundle_export, checkpoint, merkle, note
from audit.bundle import EventFilter
from audit.canonical_zip import Archive
from audit.checkpoint import Checkpoint
from audit.checkpoint_folder import HeldCheckpoint
from audit.compact_range import CompactRange
from audit.key import SigningKey
from audit.policy import Policy
from audit.store import checkpoints, tiling
from audit.tiles import Tile, TiledTree, tiles
from tests.audit.conftest import OURS, THEIRS, Migrated, World, build
from tests.audit.evidence import WITNESS, report, summary

SIZE = 20
NINTH = "(SELECT event_id FROM audit.leaf WHERE ledger_id = :id AND seq = 9)"
USER = "8c0a3a53-5ad0-4a8e-b4f0-000000000001"


class Signed(World):
    """A world whose ledger was signed at several sizes."""

    key: SigningKey
    hashes: list[bytes]

    @property
    def policy(self) -> Policy:
        return Policy((self.key.verifier,), (WITNESS.verifier,), 1)

    def sign(self, size: int) -> str:
        """Signs so many entries, as the signer would, and has them cosigned; the note."""
        ledger = self.ledger()
        with self.engine("signer").begin() as connection:
            rows = connection.execute(
                text("SELECT hash FROM audit.hashes(:id, 0, :size)"), {"id": ledger.id, "size": size}
            ).scalars()
            grown = CompactRange.of(bytes(row) for row in rows)
            signed = checkpoint.sign(Checkpoint(ledger.origin, size, grown.root()), self.key)
            held = HeldCheckpoint(signed, "2026-01-01T00:00:00.000001Z", bytes(32), grown)
            checkpoints.record_checkpoints(connection, [(ledger.id, held)])
            cosignature = note.cosign(signed.text, WITNESS, 1_780_000_000)
            checkpoints.record_cosignatures(connection, ledger.id, size, [cosignature])
        return bytes(signed.with_signatures([cosignature])).decode()

    def taken(self, asked: EventFilter | None = None, policy: str | None = None) -> tuple[bytes, int]:
        sink = BytesIO()
        made = bundle_export.bundle(self.engine("signer"), self.ledger(), sink, asked, policy)
        return sink.getvalue(), made.newer

    def attack(self, statement: str, **values: Any) -> None:
        with self.engine("superuser").begin() as connection:
            for table in ("event", "leaf", "checkpoint", "tile"):
                connection.execute(text(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL"))
            connection.execute(text(statement), {"id": self.ledger().id, **values})


def _signed(database: Migrated) -> Signed:
    world = Signed(build(database).database)
    name = world.ledger().origin.split("/")[0]
    object.__setattr__(world, "key", SigningKey(name, b"k" * 32))
    for number in range(SIZE):
        context = {
            "ledger": str(OURS),
            "actor": {"user": USER if number % 4 == 0 else None, "name": f"user {number % 3}"},
        }
        world.run(
            "SELECT audit.append('record.read', target_kind => 'case', target_id => :id)",
            context=context,
            id=f"case-{number % 5}",
        )
        if number in (6, 13):
            world.sign(number)
    return world


@pytest.fixture(scope="module")
def signed(shared_database: Migrated) -> Signed:
    world = _signed(shared_database)
    world.sign(SIZE - 2)
    return world


@pytest.fixture
def own(database: Migrated) -> Signed:
    """One that a test may break."""
    world = _signed(database)
    world.sign(SIZE)
    return world


def test_a_bundle_holds_what_is_signed_and_says_what_is_newer(signed: Signed) -> None:
    content, newer = signed.taken(policy="quorum none\n")
    found = report(content, signed.policy)
    assert summary(found) == ("intact", "witnessed", None, [])
    assert (found.origin, found.first, found.leaves, found.events, found.size) == (
        signed.ledger().origin, 0, SIZE - 2, SIZE - 2, SIZE - 2,
    )  # fmt: skip
    assert newer == 2
    assert Archive(BytesIO(content)).read("policy.txt") == b"quorum none\n"


@pytest.mark.parametrize(
    ("asked", "first", "leaves", "events"),
    [
        (EventFilter(since=5), 4, 14, 13),
        (EventFilter(until=5), 0, 7, 6),
        (EventFilter(since=6, until=6), 5, 3, 1),
        (EventFilter(since=0, until=17), 0, 18, 18),
        (EventFilter(since=500), 17, 1, 0),
        (EventFilter(since="2000-01-01T00:00:00.000000Z"), 0, 18, 18),
        (EventFilter(until="2000-01-01T00:00:00.000000Z"), 0, 1, 0),
        (EventFilter(since="2999-01-01T00:00:00.000000Z"), 17, 1, 0),
        (EventFilter(target=("case", "case-3")), 0, 18, 3),
        (EventFilter(actor=USER), 0, 18, 5),
        (EventFilter(actor="user 1"), 0, 18, 6),
        (EventFilter(since=3, until=9, target=("case", "case-3"), actor="user 2"), 2, 9, 1),
    ],
)
def test_a_filter_takes_what_was_asked_for_and_shows_that_the_rest_is_there(
    signed: Signed, asked: EventFilter, first: int, leaves: int, events: int
) -> None:
    found = report(signed.taken(asked)[0], signed.policy)
    assert summary(found) == ("intact", "witnessed", None, [])
    assert (found.first, found.leaves, found.events, found.withheld) == (first, leaves, events, leaves - events)


def test_a_time_among_the_entries_takes_those_from_it_on(signed: Signed) -> None:
    moment = signed.run(
        "SELECT recorded_at FROM audit.leaf WHERE ledger_id = :id AND seq = 7", "superuser", id=signed.ledger().id
    )
    assert report(signed.taken(EventFilter(since=moment))[0], signed.policy).events == 11
    assert report(signed.taken(EventFilter(until=moment))[0], signed.policy).events == 8


def test_a_ledger_that_was_never_signed_is_taken_and_nobody_vouches_for_it(signed: Signed) -> None:
    signed.add(THEIRS)
    sink = BytesIO()
    bundle_export.bundle(signed.engine("signer"), signed.ledger(THEIRS), sink)
    found = report(sink.getvalue(), signed.policy)
    assert (found.verdict, found.assurance, found.events) == ("cannot tell", "unsigned", 1)
    with pytest.raises(bundle_export.NotCovered):
        bundle_export.proof(signed.engine("signer"), signed.ledger(THEIRS), 0)


@pytest.mark.parametrize("seq", [0, 5, 17])
def test_each_entry_has_a_proof(signed: Signed, seq: int) -> None:
    proof = bytes(bundle_export.proof(signed.engine("signer"), signed.ledger(), seq))
    found = report(proof, signed.policy)
    assert (summary(found), found.first, found.events) == (("intact", "witnessed", None, []), seq, 1)


@pytest.mark.parametrize("seq", [18, 19, 10_000])
def test_an_entry_that_nothing_covers_yet_has_none(signed: Signed, seq: int) -> None:
    with pytest.raises(bundle_export.NotCovered):
        bundle_export.proof(signed.engine("signer"), signed.ledger(), seq)


@pytest.mark.parametrize(
    ("statement", "place", "kind"),
    [
        (f"UPDATE audit.event SET content = replace(content, 'read', 'list') WHERE id = {NINTH}", 9, "content"),
        ("UPDATE audit.leaf SET recorded_at = '2020-01-01T00:00:00.0Z' WHERE ledger_id = :id AND seq = 9", 9, "hash"),
        ("DELETE FROM audit.leaf WHERE ledger_id = :id AND seq = 9", 9, "missing"),
        (f"DELETE FROM audit.event WHERE id = {NINTH}", 9, "event"),
        ("UPDATE audit.leaf SET hash = sha256(hash) WHERE ledger_id = :id AND seq = 19", 19, "hash"),
    ],
)  # fmt: skip
def test_a_broken_ledger_gives_evidence_that_shows_where(own: Signed, statement: str, place: int, kind: str) -> None:
    own.attack(statement)
    found = report(own.taken()[0], own.policy)
    assert (found.verdict, found.first_broken) == ("tampered", place)
    assert kind in {each.kind for each in found.findings}


def test_a_range_beside_a_missing_entry_is_taken_and_nothing_vouches_for_it(own: Signed) -> None:
    own.attack("DELETE FROM audit.leaf WHERE ledger_id = :id AND seq = 2")
    found = report(own.taken(EventFilter(since=8, until=9))[0], own.policy)
    assert (found.verdict, found.assurance) == ("tampered", "unsigned")


def test_tiles_that_lie_do_not_spoil_the_evidence(own: Signed) -> None:
    own.fill(300)
    own.sign(SIZE + 300)
    ledger = own.ledger()
    with own.engine("signer").begin() as connection:
        tiling.extend(connection, ledger.id, ledger.size)
    own.attack("UPDATE audit.tile SET hashes = overlay(hashes PLACING sha256(hashes) FROM 1) WHERE ledger_id = :id")
    asked = EventFilter(since=300, until=301)
    assert summary(report(own.taken(asked)[0], own.policy)) == ("intact", "witnessed", None, [])
    proof = bundle_export.proof(own.engine("signer"), ledger, 3)
    assert report(bytes(proof), own.policy).verdict == "intact"


def test_a_restored_backup_is_found_by_the_checkpoint_that_somebody_kept(own: Signed) -> None:
    kept = own.sign(SIZE).encode()
    own.attack("DELETE FROM audit.leaf WHERE ledger_id = :id AND seq >= 13")
    own.attack("DELETE FROM audit.checkpoint WHERE ledger_id = :id AND size > 13")
    content, _ = own.taken()
    assert report(content, own.policy).verdict == "intact", "an older state, and nothing in it says so"
    found = report(content, own.policy, kept)
    assert (found.verdict, [each.kind for each in found.findings]) == ("cannot tell", ["outside"])


def test_the_directory_of_tiles_is_a_log_that_others_read(own: Signed, tmp_path: Path) -> None:
    own.fill(300)
    own.sign(SIZE + 300)
    size = bundle_export.tile_directory(own.engine("signer"), own.ledger(), tmp_path / "log")
    signed = checkpoint.opened((tmp_path / "log" / "checkpoint").read_bytes(), own.policy)
    assert (size, signed.checkpoint.size, signed.assurance) == (320, 320, "witnessed")
    files = {str(path.relative_to(tmp_path / "log")) for path in (tmp_path / "log").rglob("*") if path.is_file()}
    assert files == {
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/64",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/64",
    }
    tree = TiledTree(320, lambda tile: (tmp_path / "log" / tile.path).read_bytes())
    assert merkle.span_root((0, 320), tree.node) == signed.checkpoint.root
    for tile in (each for each in tiles(320) if each.level == 0):
        assert _hashes(tmp_path / "log" / tile.path.replace("/0/", "/entries/", 1)) == _tile(tmp_path / "log", tile)


def _hashes(path: Path) -> list[bytes]:
    """The RFC 6962 hashes of an entry bundle's entries."""
    data, found = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:2], "big")
        found.append(sha256(b"\x00" + data[2 : 2 + length]).digest())
        data = data[2 + length :]
    return found


def _tile(folder: Path, tile: Tile) -> list[bytes]:
    data = (folder / tile.path).read_bytes()
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def test_a_broken_ledger_gives_no_directory(own: Signed, tmp_path: Path) -> None:
    own.attack("UPDATE audit.leaf SET commitment = sha256(commitment) WHERE ledger_id = :id AND seq = 3")
    with pytest.raises(bundle_export.NotCovered, match="entry 3"):
        bundle_export.tile_directory(own.engine("signer"), own.ledger(), tmp_path / "log")


def test_only_some_of_many_checkpoints_travel(own: Signed) -> None:
    own.fill(150)
    for size in range(SIZE + 1, SIZE + 151):
        own.sign(size)
    content, _ = own.taken()
    found = report(content, own.policy)
    assert summary(found) == ("intact", "witnessed", None, [])
    carried = Archive(BytesIO(content)).read("checkpoints.jsonl").decode().split("\n")[:-1]
    assert 50 < len(carried) <= 67
    assert json.loads(carried[-1])["note"].split("\n")[1] == str(SIZE + 150)


def test_evidence_is_the_same_for_whoever_takes_it(signed: Signed) -> None:
    assert signed.taken() == signed.taken()
    assert replace(signed.ledger(), size=3) != signed.ledger()
