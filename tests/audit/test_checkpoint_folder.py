"""The folder outside the database: what is read is what was written, or is refused; nothing in it is ever changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import checkpoint
from audit.checkpoint import Checkpoint
from audit.checkpoint_folder import Busy, CheckpointFolder, CheckpointFolderError, HeldCheckpoint
from audit.compact_range import CompactRange
from audit.key import SigningKey
from audit.key_statements import Keys, Statement, StatementFormatError
from audit.note import SignatureError

ORIGIN = "itm-0123456789ab/ledger/JGK/1"
KEY = SigningKey.generate("itm-0123456789ab")
MOMENT = "2026-11-24T12:00:00.000000Z"


def held(size: int, origin: str = ORIGIN, *keys: SigningKey) -> HeldCheckpoint:
    leaves = CompactRange.of([bytes([number % 256]) * 32 for number in range(size)])
    signed = checkpoint.sign(Checkpoint(origin, size, leaves.root()), *(keys or (KEY,)))
    return HeldCheckpoint(signed, MOMENT, bytes([(size - 1) % 256]) * 32, leaves)


@pytest.fixture
def outside(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "outside")


def test_what_is_kept_is_read_again(outside: CheckpointFolder) -> None:
    assert outside.last(ORIGIN) is None
    assert not outside.begun(ORIGIN)
    outside.open(ORIGIN)
    assert (outside.begun(ORIGIN), outside.last(ORIGIN), outside.sizes(ORIGIN)) == (True, None, [])
    for size in (1, 255, 99_999, 100_000, 100_001, 3):
        outside.keep(held(size))
    assert outside.sizes(ORIGIN) == [1, 3, 255, 99_999, 100_000, 100_001]
    assert outside.last(ORIGIN) == held(100_001)
    assert outside.at(ORIGIN, 255) == held(255)
    assert outside.origins() == [ORIGIN]


def test_two_checkpoints_of_one_size_are_both_kept_and_the_later_one_counts(outside: CheckpointFolder) -> None:
    other = SigningKey.generate(KEY.name)
    outside.keep(held(7))
    outside.keep(held(7, ORIGIN, KEY, other))
    assert outside.sizes(ORIGIN) == [7]
    assert len(outside.at(ORIGIN, 7).note.signatures) == 2
    assert len(list((outside.folder / "ledgers").rglob("*.checkpoint"))) == 2


def test_every_change_of_a_file_is_refused(outside: CheckpointFolder) -> None:
    outside.keep(held(5))
    (file,) = (outside.folder / "ledgers").rglob("*.checkpoint")
    content = file.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        if not content[place:].startswith(b"\n\nsigned"):
            file.write_bytes(bytes(changed))
            try:
                read = outside.last(ORIGIN)
            except CheckpointFolderError:
                continue
            # What is neither root, range nor form is the signature's, the time's or the last hash's to tell.
            assert read is not None
            assert read.checkpoint == held(5).checkpoint
            with pytest.raises(AssertionError):
                assert read == held(5)
    for cut in range(len(content)):
        file.write_bytes(content[:cut])
        with pytest.raises(CheckpointFolderError):
            outside.last(ORIGIN)


def test_a_file_under_another_name_is_refused(outside: CheckpointFolder) -> None:
    outside.keep(held(5))
    (file,) = (outside.folder / "ledgers").rglob("*.checkpoint")
    file.rename(file.with_name("0000000000000000006.0.checkpoint"))
    with pytest.raises(CheckpointFolderError, match="another checkpoint than it says"):
        outside.last(ORIGIN)


def test_a_checkpoint_of_another_ledger_in_its_folder_is_refused(outside: CheckpointFolder) -> None:
    outside.keep(held(5, ORIGIN.replace("JGK", "EGM")))
    outside.open(ORIGIN)
    (outside.folder / "ledgers" / ORIGIN.replace("/", "~")).rmdir()
    (outside.folder / "ledgers" / ORIGIN.replace("JGK", "EGM").replace("/", "~")).rename(
        outside.folder / "ledgers" / ORIGIN.replace("/", "~")
    )
    with pytest.raises(CheckpointFolderError, match="another checkpoint than it says"):
        outside.last(ORIGIN)


@pytest.mark.parametrize("origin", ["", "../x", "a/../b", "a//b", "a~b", "a b", "/a"])
def test_an_origin_that_could_leave_the_folder_is_refused(outside: CheckpointFolder, origin: str) -> None:
    with pytest.raises(CheckpointFolderError):
        outside.open(origin)


def test_one_process_at_a_time_has_the_folder(outside: CheckpointFolder) -> None:
    with outside.locked(), pytest.raises(Busy), CheckpointFolder(outside.folder).locked():
        pass
    with CheckpointFolder(outside.folder).locked():
        pass


def test_a_folder_is_begun_once_and_only_empty(outside: CheckpointFolder) -> None:
    assert outside.deployment() is None
    outside.begin("itm-one")
    assert outside.deployment() == "itm-one"
    with pytest.raises(FileExistsError):
        outside.begin("itm-two")
    assert outside.deployment() == "itm-one"
    other = CheckpointFolder(outside.folder.with_name("other"))
    other.keep(held(1))
    with pytest.raises(CheckpointFolderError, match="does not say whose"):
        other.begin("itm-one")


def test_what_a_stopped_process_left_half_done_is_passed_over(outside: CheckpointFolder) -> None:
    outside.keep(held(5))
    (file,) = (outside.folder / "ledgers").rglob("*.checkpoint")
    file.with_name(".0000000000000000009.0.checkpoint.new").write_bytes(b"half")
    assert outside.sizes(ORIGIN) == [5]
    outside.keep(held(9))
    assert outside.last(ORIGIN) == held(9)


def test_what_was_said_of_keys_is_read_again_and_stays(outside: CheckpointFolder) -> None:
    named = Statement(KEY.verifier, "named", {ORIGIN: 3})
    outside.state(named)
    outside.state(Statement(KEY.verifier, "named", {ORIGIN: 99}))
    outside.state(Statement(KEY.verifier, "retired", {ORIGIN: 7}))
    assert outside.keys().statements == (named, Statement(KEY.verifier, "retired", {ORIGIN: 7}))
    file = outside.folder / "keys" / f"{KEY.verifier.id.hex()}.named"
    for content in (b"", b"{}", b"[1]", bytes(named).replace(b":", b": "), bytes(named).replace(b"named", b"loved")):
        file.write_bytes(content)
        with pytest.raises(CheckpointFolderError):
            outside.keys()
    for statement in (bytes(named).replace(b"3", b"-3"), b"[" * 100_000):
        with pytest.raises(StatementFormatError):
            Statement.parse(statement)


def test_a_key_counts_as_far_as_was_said() -> None:
    old, new, stranger = KEY, SigningKey.generate(KEY.name), SigningKey.generate(KEY.name)
    keys = Keys.of(
        [
            Statement(old.verifier, "named", {}),
            Statement(old.verifier, "retired", {ORIGIN: 10}),
            Statement(new.verifier, "named", {}),
        ]
    )
    assert keys.active == (new.verifier,)
    assert keys.require(held(10, ORIGIN, old).note, ORIGIN, 10)
    assert keys.require(held(11, ORIGIN, old, new).note, ORIGIN, 11)
    for signed in (held(11, ORIGIN, old), held(11, ORIGIN, stranger)):
        with pytest.raises(SignatureError):
            keys.require(signed.note, ORIGIN, 11)
    with pytest.raises(SignatureError):
        Keys().require(held(1).note, ORIGIN, 1)
    stolen = Keys.of([*keys.statements, Statement(new.verifier, "compromised", {ORIGIN: 12})])
    assert stolen.active == ()
    assert stolen.require(held(12, ORIGIN, new).note, ORIGIN, 12)
    assert not stolen.require(held(13, ORIGIN, new).note, ORIGIN, 13), "no proof, and no forgery either"
    other = ORIGIN.replace("JGK", "EGM")
    assert not stolen.require(held(1, other, new).note, other, 1), "of a ledger that nobody named then"
