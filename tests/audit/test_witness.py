"""A witness's judgement and memory: what it answers; and never two histories, wherever it is stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import durable, keyfile, note
from audit.checkpoint import Checkpoint
from audit.durable import DISK, Disk
from audit.key import SigningKey
from audit.witness_memory import MAX_LEDGERS, Memory, MemoryRefused, identity
from audit.witness_rules import Cosigner, Request, WitnessedLog, WitnessRefusal
from tests.audit.go.questions import DEPLOYMENT, LOG, NEXT, STRANGER, WITNESS
from tests.audit.witnesses import ALL, ORIGIN, ROOT, TRUE, History, cosigner, remembered

FORKED = History(fork=5)
GOOD = bytes(TRUE.request(0, 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "witness"


def refused(witness: Cosigner, request: Request | bytes) -> tuple[int, int | None]:
    with pytest.raises(WitnessRefusal) as caught:
        witness.add_checkpoint(bytes(request))
    return caught.value.status, caught.value.size


def with_proof(request: Request, *proof: bytes) -> Request:
    return replace(request, proof=proof)


def test_a_ledger_that_goes_on_is_cosigned_from_step_to_step(folder: Path) -> None:
    with cosigner(folder) as witness:
        for old, size in ((0, 0), (0, 3), (3, 8), (8, 8), (8, 300)):
            request = TRUE.request(old, size)
            checkpoint, cosignature = witness.add_checkpoint(bytes(request))
            assert checkpoint == TRUE.checkpoint(size)
            key = keyfile.load(folder.with_suffix(".key")).verifier
            assert note.verified(request.note.with_signatures([cosignature]), [key])[0].time


@pytest.mark.parametrize(
    ("request_", "status", "size"),
    [
        (TRUE.request(0, 8), 409, 5),
        (TRUE.request(4, 8), 409, 5),
        (TRUE.request(6, 8), 409, 5),
        (TRUE.request(0, 5), 409, 5),
        (TRUE.request(0, 3), 409, 5),
        (TRUE.request(9, 8), 400, None),
        (TRUE.request(5, 4), 400, None),
        (with_proof(TRUE.request(5, 8)), 422, None),
        (with_proof(TRUE.request(5, 8), *TRUE.proof(4, 8)), 422, None),
        (with_proof(TRUE.request(5, 8), *TRUE.proof(5, 8), bytes(32)), 422, None),
        (with_proof(TRUE.request(5, 5), bytes(32)), 422, None),
        (History(fork=4).request(5, 8), 422, None),
        (History(fork=4).request(5, 5), 422, None),
        (History(origin=f"{DEPLOYMENT}/other").request(0, 8), 404, None),
        (History(origin=f"{DEPLOYMENT}/ledger/").request(0, 8), 404, None),
        (History(origin=f"{DEPLOYMENT}x/ledger/JGK/1").request(0, 8), 404, None),
        (History(origin=f"{DEPLOYMENT}/ledgers/JGK/1").request(0, 8), 404, None),
        (History(signer=STRANGER).request(5, 8), 403, None),
        (History(signer=NEXT).request(5, 8), 403, None),
        (replace(TRUE.request(5, 8), note=replace(TRUE.note(8), text=TRUE.note(9).text)), 403, None),
    ],
)
def test_every_refusal_has_the_specifications_status_and_changes_nothing(
    folder: Path, request_: Request, status: int, size: int | None
) -> None:
    with cosigner(folder) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 5)))
        before = {path: path.read_bytes() for path in folder.iterdir()}
        assert refused(witness, request_) == (status, size)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        assert witness.add_checkpoint(bytes(TRUE.request(5, 8)))


def test_a_proof_from_nothing_must_be_empty(folder: Path) -> None:
    with cosigner(folder) as witness:
        assert refused(witness, with_proof(TRUE.request(0, 8), bytes(32))) == (422, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD.replace(b"old 0", b"old 00"),
        GOOD.replace(b"old 0", b"old -1"),
        GOOD.replace(b"old 0", b"old  0"),
        GOOD.replace(b"old 0", b"Old 0"),
        GOOD.replace(b"old 0", b"old 0 "),
        GOOD.replace(b"old 0", b"old 0\r"),
        GOOD.replace(b"old 0", b"old 9999999999999999999"),
        GOOD.replace(b"old 0", b"old 0\nAAAA"),
        GOOD.replace(b"old 0", b"old 0\n" + b"A" * 43),
        GOOD.replace(b"old 0", b"old 0\n\xff"),
        GOOD.replace(b"old 0", b"old 0" + b"\n" + b"\n".join([b"A" * 43 + b"="] * 64)),
        GOOD.replace(b"\n8\n", b"\n08\n"),
        GOOD.replace(b"\n8\n", b"\n8\nmore\n"),
        b"x" * 200_000,
        b"old 0\n\n" + b"x" * 200_000,
    ],
)
def test_what_is_not_written_just_so_is_malformed(folder: Path, body: bytes) -> None:
    with cosigner(folder) as witness:
        assert refused(witness, body) == (400, None)


@given(st.binary(max_size=80), st.integers(0, len(GOOD)), st.integers(0, 5))
def test_garbage_is_refused_and_what_is_read_is_written_back_the_same(put: bytes, at: int, less: int) -> None:
    body = GOOD[:at] + put + GOOD[at + less :]
    try:
        assert bytes(Request.parse(body)) == body
    except ValueError:
        assert body != GOOD


def test_new_generations_and_new_ledgers_of_a_deployment_need_no_new_setting(folder: Path) -> None:
    with cosigner(folder) as witness:
        for origin in (ORIGIN, f"{DEPLOYMENT}/ledger/JGK/2", f"{DEPLOYMENT}/ledger/GİB/1"):
            history = History(origin=origin)
            witness.add_checkpoint(bytes(history.request(0, 4)))
            witness.add_checkpoint(bytes(history.request(4, 6)))
            assert refused(witness, history.request(4, 6)) == (409, 6)


def test_while_a_key_is_replaced_either_key_is_believed(folder: Path) -> None:
    with cosigner(folder, logs=(ALL, WitnessedLog(NEXT.verifier, ORIGIN))) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
        witness.add_checkpoint(bytes(History(signer=NEXT).request(4, 6)))


def test_signatures_by_others_are_not_remembered_and_cannot_fill_the_memory(folder: Path) -> None:
    strays = [SigningKey(f"stray{number}.example", bytes(32)) for number in range(99)]
    with cosigner(folder) as witness:
        request = TRUE.request(0, 4)
        lines = [note.Signature(key.name, key.verifier.id, bytes(900)) for key in strays]
        witness.add_checkpoint(bytes(replace(request, note=request.note.with_signatures(lines))))
        witness.add_checkpoint(bytes(TRUE.request(4, 5)))
    (kept,) = folder.glob("*.checkpoint")
    assert len(note.parse(kept.read_bytes()).signatures) == 2


def test_what_is_remembered_is_the_cosigned_checkpoint_itself(folder: Path) -> None:
    with cosigner(folder) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
        key = keyfile.load(folder.with_suffix(".key")).verifier
    (kept,) = folder.glob("*.checkpoint")
    found = note.verified(note.parse(kept.read_bytes()), [LOG.verifier, key])
    assert [each.key for each in found] == [LOG.verifier, key]
    assert kept.stat().st_mode & 0o077 == 0


def test_of_many_histories_at_once_one_is_cosigned(folder: Path) -> None:
    """Sixteen threads offer checkpoints of histories that part at 5; whatever is cosigned lies on one of them."""
    histories = [History(fork=fork) for fork in (2, 3, 4, 5)]
    requests = [history.request(old, size) for history in histories for old, size in ((0, 6), (0, 7), (6, 9), (7, 9))]
    done: list[Checkpoint] = []
    statuses: list[int] = []
    with cosigner(folder) as witness:
        barrier = Barrier(len(requests))

        def offer(request: Request) -> None:
            barrier.wait()
            try:
                done.append(witness.add_checkpoint(bytes(request))[0])
            except WitnessRefusal as refusal:
                statuses.append(refusal.status)

        threads = [Thread(target=offer, args=(request,)) for request in requests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert done
    assert len(done) + len(statuses) == len(requests)
    assert set(statuses) <= {409, 422}
    for one, other in combinations(done, 2):
        assert any({one, other} <= {history.checkpoint(n) for n in (6, 7, 9)} for history in histories)


class Fall(BaseException):
    """The process ends here."""


class Falling(Disk):
    """Ends before or after one step."""

    def __init__(self, step: str, after: bool, fall: Callable[[], None]) -> None:
        self.step, self.after, self.fall, self.armed = step, after, fall, False

    def _at(self, step: str, act: Callable[[], None]) -> None:
        falls = self.armed and step == self.step
        if falls and not self.after:
            self.fall()
        act()
        if falls:
            self.fall()

    def write(self, path: Path, content: bytes, mode: int) -> None:
        self._at("write", lambda: DISK.write(path, content, mode))

    def replace(self, new: Path, path: Path) -> None:
        self._at("replace", lambda: DISK.replace(new, path))

    def sync(self, directory: Path) -> None:
        self._at("sync", lambda: DISK.sync(directory))


def _fall() -> None:
    raise Fall


def _fail() -> None:
    raise OSError(5, "Input/output error")


POINTS = [
    ("write", False, "not persisted"),
    ("write", True, "not persisted"),
    ("replace", False, "not persisted"),
    ("replace", True, "persisted but reported failed"),
    ("sync", False, "persisted but reported failed"),
    ("sync", True, "persisted but reported failed"),
]


@pytest.mark.parametrize(("step", "after", "outcome"), POINTS)
def test_a_witness_that_falls_comes_back_on_one_history(folder: Path, step: str, after: bool, outcome: str) -> None:
    disk = Falling(step, after, _fall)
    with cosigner(folder, disk) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
        disk.armed = True
        with pytest.raises(Fall):
            witness.add_checkpoint(bytes(TRUE.request(4, 8)))
    _goes_on(folder, outcome)


@pytest.mark.parametrize(("step", "after", "outcome"), POINTS)
def test_a_witness_that_is_killed_comes_back_on_one_history(folder: Path, step: str, after: bool, outcome: str) -> None:
    with cosigner(folder) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
    program = (
        "import os, signal, sys; from pathlib import Path; from tests.audit.test_witness import *\n"
        "disk = Falling(sys.argv[2], sys.argv[3] == 'True', lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        "with cosigner(Path(sys.argv[1]), disk) as witness:\n"
        "    disk.armed = True\n"
        "    witness.add_checkpoint(bytes(TRUE.request(4, 8)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, folder, step, str(after)], cwd=ROOT, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    _goes_on(folder, outcome)


def _goes_on(folder: Path, outcome: str) -> None:
    """Another history of the unanswered request, and then its own: only what fits the memory is cosigned."""
    with cosigner(folder) as witness:
        if outcome == "not persisted":
            assert refused(witness, TRUE.request(8, 8)) == (409, 4)
            assert witness.add_checkpoint(bytes(TRUE.request(4, 8)))
        else:
            assert refused(witness, TRUE.request(4, 8)) == (409, 8)
            assert refused(witness, FORKED.request(4, 8)) == (409, 8)
            assert refused(witness, FORKED.request(8, 8)) == (422, None)
            assert witness.add_checkpoint(bytes(TRUE.request(8, 8)))
        assert refused(witness, FORKED.request(8, 9)) == (422, None)
        assert witness.add_checkpoint(bytes(TRUE.request(8, 9)))
    assert not list(folder.glob(".*.new"))


def test_a_disk_that_fails_before_the_file_is_in_place_costs_one_answer(folder: Path) -> None:
    disk = Falling("write", True, _fail)
    with cosigner(folder, disk) as witness:
        disk.armed = True
        assert refused(witness, TRUE.request(0, 4)) == (503, None)
        assert not list(folder.glob("*.checkpoint"))
        disk.armed = False
        assert witness.add_checkpoint(bytes(TRUE.request(0, 4)))


@pytest.mark.parametrize(("step", "after"), [("replace", False), ("replace", True), ("sync", False), ("sync", True)])
def test_a_witness_that_cannot_know_what_it_will_remember_says_no_more(folder: Path, step: str, after: bool) -> None:
    """After a restart of the machine the file may be the old one: nothing is signed on the strength of the new."""
    disk = Falling(step, after, _fail)
    with cosigner(folder, disk) as witness:
        disk.armed = True
        assert refused(witness, TRUE.request(0, 4)) == (503, None)
        disk.armed = False
        for request in (TRUE.request(4, 4), TRUE.request(0, 4), TRUE.request(4, 5)):
            assert refused(witness, request) == (503, None)
    with cosigner(folder) as witness:
        assert refused(witness, TRUE.request(9, 9))[0] == 409


def test_the_first_run_makes_a_key_and_a_memory_and_needs_a_name(folder: Path) -> None:
    key_file = folder.with_suffix(".key")
    with pytest.raises(MemoryRefused, match="name"):
        identity(folder, key_file, None)
    key = identity(folder, key_file, "tihek.example/witness")
    assert identity(folder, key_file, None) == identity(folder, key_file, "another") == key


def test_a_first_run_that_was_cut_off_is_done_again(folder: Path) -> None:
    folder.mkdir()
    (folder / "key").write_text("of a key that was never kept\n")
    key, memory = remembered(folder)
    memory.close()
    assert (folder / "key").read_text() == f"{key.verifier}\n"


@pytest.mark.parametrize("remembers", [True, False])
def test_a_witness_whose_memory_is_gone_does_not_start(folder: Path, remembers: bool) -> None:
    with cosigner(folder) as witness:
        if remembers:
            witness.add_checkpoint(bytes(TRUE.request(0, 4)))
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(MemoryRefused, match="new key"):
        remembered(folder)


def test_a_memory_whose_key_is_gone_or_another_is_refused(folder: Path) -> None:
    with cosigner(folder) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
    key_file = folder.with_suffix(".key")
    key_file.unlink()
    with pytest.raises(MemoryRefused, match="gone"):
        remembered(folder)
    keyfile.create(key_file, WITNESS)
    with pytest.raises(MemoryRefused, match="not the memory"):
        remembered(folder)
    key_file.unlink()
    keyfile.create(key_file, LOG)
    with pytest.raises(MemoryRefused, match="log's key"):
        remembered(folder)


def test_a_memory_has_one_user_at_a_time(folder: Path) -> None:
    with cosigner(folder), pytest.raises(MemoryRefused, match="in use"):
        remembered(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n4\n", "\n3\n"),
        lambda text: text[:-3],
        lambda text: "",
        lambda text: text.rsplit("— ", 1)[0],
        lambda text: text.replace(ORIGIN, f"{DEPLOYMENT}/ledger/JGK/2"),
    ],
)
def test_a_changed_memory_is_refused_at_the_start_and_while_serving(folder: Path, change: Callable[[str], str]) -> None:
    with cosigner(folder) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
        (kept,) = folder.glob("*.checkpoint")
        kept.write_text(change(kept.read_text()))
        assert refused(witness, TRUE.request(4, 5)) == (503, None)
    with pytest.raises(MemoryRefused):
        remembered(folder)


def test_a_checkpoint_under_another_ledgers_name_is_no_memory(folder: Path) -> None:
    with cosigner(folder) as witness:
        witness.add_checkpoint(bytes(TRUE.request(0, 4)))
    (kept,) = folder.glob("*.checkpoint")
    kept.rename(folder / ("0" * 64 + ".checkpoint"))
    with pytest.raises(MemoryRefused, match="another ledger"):
        remembered(folder)


def test_ledgers_are_remembered_up_to_a_number(folder: Path) -> None:
    key, memory = remembered(folder)
    memory._count = MAX_LEDGERS
    witness = Cosigner(key, (ALL,), memory)
    assert refused(witness, TRUE.request(0, 4)) == (503, None)
    memory.close()


@pytest.mark.parametrize("origin", [ORIGIN, f"{DEPLOYMENT}/ledger/*", "a:b c"])
@pytest.mark.parametrize("between", [":", " "])
def test_a_log_is_named_by_its_key_and_origin(origin: str, between: str) -> None:
    assert WitnessedLog.parse(f"{LOG.verifier}{between}{origin}") == WitnessedLog(LOG.verifier, origin)


@pytest.mark.parametrize(
    "text", ["", str(LOG.verifier), f"{LOG.verifier}:", f"{LOG.verifier}:*", f"{LOG.verifier}:a*/b", f"x:{ORIGIN}",
             f"{WITNESS.verifier}:{ORIGIN}", f"{LOG.verifier}: {ORIGIN}", f"{LOG.verifier}:{ORIGIN}\n"]
)  # fmt: skip
def test_no_other_text_names_a_log(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        WitnessedLog.parse(text)


@pytest.mark.parametrize("make", [durable.create, durable.replace])
def test_files_are_written_for_their_owner_whatever_was_left_behind(
    tmp_path: Path, make: Callable[[Path, bytes], None]
) -> None:
    (tmp_path / ".file.new").write_text("of a process that fell")
    make(tmp_path / "file", b"content")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"content")]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_memory_reads_no_other_files(folder: Path) -> None:
    _, memory = remembered(folder)
    assert isinstance(memory, Memory)
    (folder / "README").write_text("?")
    (folder / ".x.checkpoint").write_text("?")
    memory.close()
    remembered(folder)[1].close()
