"""Asking witnesses: several at once, each answered for itself, none waited for too long."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from audit import note
from audit.checkpoint import opened
from audit.key import Algorithm, SigningKey, VerifierKey
from audit.merkle import EMPTY_ROOT
from audit.policy import Policy
from audit.witness import Service
from audit.witness_client import Prove, Witness, WitnessAnswer, ask, collect
from tests.audit.go.questions import LOG, WITNESS
from tests.audit.witnesses import TRUE, History, service


def proofs(size: int, asked: list[int], history: History = TRUE) -> Prove:
    def prove(old: int) -> Sequence[bytes]:
        asked.append(old)
        return history.proof(old, size)

    return prove


def known(serving: Service) -> Witness:
    port = serving.server_address[1]
    return Witness(f"http://127.0.0.1:{port}", VerifierKey.parse(serving.verifier_key))


def hung_up(peer: socket.socket, wait: float) -> bool:
    """True if no more comes from it. All that came is read and forgotten: else closing would cut off our answer."""
    return bool(select.select([peer], [], [], wait)[0]) and not peer.recv(100_000)


@contextmanager
def says(answer: bytes, without_end: bytes = b"", wait: float = 0) -> Iterator[str]:
    """Something at an address that says this to everybody, whatever it is told; or nothing, and holds on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                held.append(peer)
                if answer:
                    with suppress(OSError):
                        peer.sendall(answer)
                        while without_end and not hung_up(peer, wait):
                            peer.sendall(without_end)
                        peer.shutdown(socket.SHUT_WR)
                        while not hung_up(peer, 1):
                            pass
                    peer.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(30)
            assert not thread.is_alive(), "nobody hung up"
            for peer in held:
                peer.close()


def http(status: int, content: str, kind: str = "text/plain") -> bytes:
    body = content.encode()
    return f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answered(content: bytes, seconds: float = 10.0) -> WitnessAnswer:
    with says(content) as url:
        return collect([Witness(url, WITNESS.verifier)], TRUE.note(8), proofs(8, []), seconds=seconds)[0]


def test_cosignatures_of_several_witnesses_make_a_checkpoint_witnessed(tmp_path: Path) -> None:
    with service(tmp_path / "a") as a, service(tmp_path / "b") as b:
        witnesses = [known(a), known(b)]
        answers = collect(witnesses, TRUE.note(8), proofs(8, []))
        assert [each.kind for each in answers] == ["cosigned", "cosigned"]
        signed = TRUE.note(8).with_signatures([each.cosignature for each in answers if each.cosignature])
        by = Policy((LOG.verifier,), tuple(each.key for each in witnesses), 2)
        seen = opened(bytes(signed), by)
        assert seen.assurance == "witnessed"
        assert seen.cosigned == {each.witness.key.name: each.time for each in answers}


def test_each_witness_gets_the_proof_from_where_it_is(tmp_path: Path) -> None:
    with service(tmp_path / "a") as a, service(tmp_path / "b") as b, service(tmp_path / "c") as c:
        a.cosigner.add_checkpoint(bytes(TRUE.request(0, 3)))
        b.cosigner.add_checkpoint(bytes(TRUE.request(0, 5)))
        asked: list[int] = []
        sizes = {known(a).key.name: 3, known(b).key.name: 4, known(c).key.name: 9}
        answers = collect([known(a), known(b), known(c)], TRUE.note(8), proofs(8, asked), sizes)
        assert [each.kind for each in answers] == ["cosigned"] * 3
        assert sorted(asked) == [3, 4, 5, 8]  # c, said to be at 9, is asked from 8; it answers 0, which needs no proof
        assert [each.kind for each in collect([known(a)], TRUE.note(8), proofs(8, asked))] == ["cosigned"]


def test_a_witness_that_cosigned_more_or_otherwise_is_told_apart(tmp_path: Path) -> None:
    with service(tmp_path / "a") as a:
        a.cosigner.add_checkpoint(bytes(TRUE.request(0, 8)))
        (ahead,) = collect([known(a)], TRUE.note(6), proofs(6, []))
        assert (ahead.kind, ahead.size, ahead.status) == ("ahead", 8, 409)
        forked = History(fork=5)
        (root,) = collect([known(a)], forked.note(8), proofs(8, [], forked))
        assert (root.kind, root.size, root.status) == ("disagrees", None, 422)
        (proof,) = collect([known(a)], forked.note(9), proofs(9, [], forked))
        assert (proof.kind, proof.status) == ("disagrees", 422)


def test_a_witness_that_does_not_answer_does_not_hold_up_one_that_does(tmp_path: Path) -> None:
    with service(tmp_path / "a") as a, says(b"") as silent:
        quick, slow = known(a), Witness(silent, WITNESS.verifier)
        answers = collect([slow, quick], TRUE.note(8), proofs(8, []), seconds=0.5)
        assert [each.kind for each in answers] == ["silent", "cosigned"]


def test_nobody_there_is_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (answer,) = collect([Witness(f"http://127.0.0.1:{port}", WITNESS.verifier)], TRUE.note(8), proofs(8, []))
    assert (answer.kind, answer.why.split(":")[0]) == ("silent", "ConnectionRefusedError")


GOOD = note.cosign(TRUE.note(8).text, WITNESS, 1)
STRANGE = note.cosign(TRUE.note(8).text, SigningKey("stranger", bytes(32), Algorithm.COSIGNATURE), 1)
MOVED = note.cosign(TRUE.note(9).text, WITNESS, 1)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (http(200, str(GOOD)), "cosigned"),
        (http(200, f"{STRANGE}{GOOD}"), "cosigned"),
        (http(200, str(STRANGE)), "refused"),
        (http(200, str(MOVED)), "silent"),
        (http(200, f"{GOOD}{GOOD}"), "silent"),
        (http(200, ""), "silent"),
        (http(200, "thanks"), "silent"),
        (http(200, "x" * 200_000), "silent"),
        (http(302, ""), "refused"),
        (http(403, "no"), "refused"),
        (http(500, "oh"), "refused"),
        (http(409, "7\n"), "refused"),
        (http(409, "many\n", "text/x.tlog.size"), "refused"),
        (http(409, "9" * 30, "text/x.tlog.size"), "refused"),
        (http(409, "٣\n", "text/x.tlog.size"), "refused"),
        (http(409, "9\n", "text/x.tlog.size"), "ahead"),
        (http(422, "no"), "disagrees"),
        (b"HTTP/1.1 200 OK\r\n", "silent"),
        (b"\xff\x00\r\n\r\n", "silent"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n", "silent"),
    ],
)
def test_only_a_good_cosignature_of_this_checkpoint_counts(content: bytes, kind: str) -> None:
    answer = answered(content)
    assert answer.kind == kind
    assert (answer.cosignature == GOOD) == (kind == "cosigned")


def test_an_answer_without_end_is_not_read_to_the_end() -> None:
    with says(b"HTTP/1.1 200 OK\r\n\r\n", without_end=b"x" * 65_536) as url:
        (answer,) = collect([Witness(url, WITNESS.verifier)], TRUE.note(8), proofs(8, []))
    assert (answer.kind, answer.why) == ("silent", "ValueError: too long an answer")


def test_an_answer_that_comes_a_byte_at_a_time_is_hung_up_on() -> None:
    with says(b"HTTP/1.1 200 OK\r\n\r\n", without_end=b"x", wait=0.05) as url:
        (answer,) = collect([Witness(url, WITNESS.verifier)], TRUE.note(8), proofs(8, []), seconds=0.3)
    assert (answer.kind, answer.why) == ("silent", "no answer in time")


def test_one_that_is_always_behind_is_asked_twice_and_no_more() -> None:
    answer = answered(http(409, "3\n", "text/x.tlog.size"))
    assert (answer.kind, answer.size) == ("disagrees", 3)


@pytest.mark.parametrize(
    "url", ["", "ftp://a/", "http://", "a.example", "http://a/?x", "file:///etc/passwd", "http://a:x/"]
)
def test_a_witness_is_asked_over_http_only(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Witness(url, WITNESS.verifier)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(("127.0.0.1", True), ("127.8.9.1", True), ("127.1", True), ("0.0.0.0", True), ("2130706433", True)),  # noqa: S104
        *(("localhost", True), ("LOCALHOST.", True), ("witness.localhost", True), ("[::1]", True), ("[::]", True)),
        *(("[::ffff:127.0.0.1]", True), ("10.0.0.7", False), ("[2001:db8::1]", False), ("localhost.example", False)),
        *(("witness.example", False), ("127.0.0.1.example", False)),
    ],
)
def test_a_witness_on_this_machine_is_known_by_its_address(host: str, here: bool) -> None:
    assert Witness(f"http://{host}:8600", WITNESS.verifier).is_here is here


def test_a_logs_key_is_no_witnesss() -> None:
    with pytest.raises(ValueError, match="not a witness's"):
        Witness("http://a/", LOG.verifier)


def test_a_prefix_of_the_address_is_kept() -> None:
    with says(http(200, str(GOOD))) as url:
        assert ask(Witness(f"{url}/a/prefix/", WITNESS.verifier), TRUE.request(0, 8)).kind == "cosigned"


def test_an_empty_ledger_is_cosigned(tmp_path: Path) -> None:
    with service(tmp_path / "a") as a:
        assert TRUE.checkpoint(0).root == EMPTY_ROOT
        assert collect([known(a)], TRUE.note(0), proofs(0, []))[0].kind == "cosigned"
