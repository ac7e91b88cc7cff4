"""The witness as a service: what it says over HTTP, what it does not put up with, and `kill -9` at work."""

from __future__ import annotations

import http.client
import random
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from itertools import combinations, count
from pathlib import Path
from threading import Lock, Thread

import pytest

from audit import note
from audit.checkpoint import Checkpoint
from audit.key import VerifierKey
from audit.witness_rules import MAX_REQUEST, Request
from tests.audit.go.questions import LOG
from tests.audit.witnesses import ALL, ROOT, TRUE, History, Running, cosigned, post, running, service, started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "witness"


def test_the_process_tells_its_key_cosigns_remembers_and_ends_when_asked(folder: Path) -> None:
    with running(folder) as witness:
        connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=30)
        connection.request("GET", "/")
        assert VerifierKey.parse(connection.getresponse().read().decode().rstrip("\n")) == witness.key
        request = TRUE.request(0, 8)
        for body in (request, TRUE.request(8, 300)):
            connection.request("POST", "/add-checkpoint", bytes(body))  # on the kept connection
            response = connection.getresponse()
            assert response.status == 200
            assert cosigned(body, witness.key, response.read().decode()) == Checkpoint.parse(body.note.text)
        connection.close()
    with running(folder) as again:
        assert again.key == witness.key
        assert again.post(TRUE.request(8, 9)) == (409, "300\n")


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        (History(origin="elsewhere/1").request(0, 8), 404, "text/plain"),
        (History(signer=History(origin="x").signer.generate("stranger")).request(0, 8), 403, "text/plain"),
        (TRUE.request(3, 8), 409, "text/x.tlog.size"),
        (TRUE.request(9, 8), 400, "text/plain"),
        (Request(0, (bytes(32),), TRUE.note(8)), 422, "text/plain"),
        (b"old 0\n\n", 400, "text/plain"),
    ],
)
def test_refusals_are_told_with_their_status(folder: Path, request_: Request | bytes, status: int, kind: str) -> None:
    with service(folder) as serving:
        connection = http.client.HTTPConnection("127.0.0.1", serving.server_address[1], timeout=30)
        connection.request("POST", "/add-checkpoint", bytes(request_))
        response = connection.getresponse()
        assert (response.status, response.headers.get_content_type()) == (status, kind)
        assert response.read() == b"0\n" if status == 409 else True
        connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_REQUEST + 1), 413),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n", 413),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 3\r\n\r\n", 404),
        (b"GET /elsewhere HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
        (b"DELETE / HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_requests_that_are_too_large_or_strange_are_refused_unread(folder: Path, sent: bytes, status: int) -> None:
    with service(folder) as serving, socket.create_connection(("127.0.0.1", serving.server_address[1]), 30) as peer:
        peer.sendall(sent)
        answer = peer.makefile("rb").read(600)
        assert b" %d " % status in answer[:60] or b"Error code: %d" % status in answer


@pytest.mark.parametrize(
    "sent", [b"", b"POST /add-checkpoint HT", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\n."]
)
def test_a_peer_that_falls_silent_is_hung_up_on(folder: Path, sent: bytes) -> None:
    with service(folder, seconds=0.2) as serving:
        with socket.create_connection(("127.0.0.1", serving.server_address[1]), 30) as peer:
            peer.sendall(sent)
            assert peer.recv(1000) == b""
        assert post(serving.server_address[1], bytes(TRUE.request(0, 3)))[0] == 200


def test_a_peer_that_sends_a_byte_at_a_time_is_hung_up_on(folder: Path) -> None:
    """It never falls silent for as long as the time-out: the time is the whole request's."""
    with (
        service(folder, seconds=0.3) as serving,
        socket.create_connection(("127.0.0.1", serving.server_address[1])) as peer,
    ):
        peer.settimeout(0.05)
        for _ in count():
            try:
                peer.sendall(b"a")
                assert peer.recv(1000) == b""
                break
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break


def test_more_peers_than_there_is_room_for_are_told_so(folder: Path) -> None:
    with service(folder, at_once=1, seconds=30) as serving:
        address = ("127.0.0.1", serving.server_address[1])
        with socket.create_connection(address) as first:
            first.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"200 OK" in first.recv(1000)
            with socket.create_connection(address, 30) as second:
                assert b"503" in second.recv(1000)
        connection = http.client.HTTPConnection(*address, timeout=30)
        connection.request("GET", "/")
        assert connection.getresponse().status in (200, 503)
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "no --log"),
        (["--log", "nonsense"], "not VKEY:ORIGIN"),
        (["--logs", "/nowhere"], "No such file"),
        (["--listen", "127.0.0.1:x"], "invalid literal"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_code_2(folder: Path, arguments: list[str], why: str) -> None:
    log = (
        []
        if "--log" in arguments or "--logs" in arguments or not arguments
        else ["--log", f"{LOG.verifier}:{ALL.origin}"]
    )
    command = [sys.executable, "-m", "audit.witness", "--listen", "127.0.0.1:0", "--state", str(folder), "--name", "w"]
    done = subprocess.run(
        [*command, "--key", str(folder / "k"), *log, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert why in done.stderr


def test_logs_can_stand_in_a_file(folder: Path) -> None:
    logs = folder.with_name("logs")
    logs.write_text(f"# ours\n\n{LOG.verifier} another/*\n")
    with running(folder, "--logs", str(logs)) as witness:
        assert witness.post(History(origin="another/9").request(0, 3))[0] == 200


def test_a_second_process_does_not_share_a_memory(folder: Path) -> None:
    with running(folder):
        command = [sys.executable, "-m", "audit.witness", "--listen", "127.0.0.1:0", "--state", str(folder)]
        command += ["--key", str(folder.with_suffix(".key")), "--log", f"{LOG.verifier}:{ALL.origin}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "in use" in done.stderr


HISTORIES = tuple(History(fork=fork) for fork in (3, 6, 9, 10**6))


class Clients:
    """Several at once, each with a history of its own, who take whatever size the witness says as their next start."""

    def __init__(self) -> None:
        self.cosigned: list[Checkpoint] = []
        self._lock = Lock()

    def work(self, witness: Running, history: History, seed: int) -> None:
        chance, old = random.Random(seed), 0
        for _ in range(40):
            request = history.request(old, old + chance.randrange(3))
            try:
                status, content = witness.post(request)
            except (OSError, http.client.HTTPException):
                return  # killed
            if status == 200:
                with self._lock:
                    self.cosigned.append(cosigned(request, witness.key, content))
                old = self.cosigned[-1].size if chance.random() < 0.5 else Checkpoint.parse(request.note.text).size
            elif status == 409:
                old = int(content)
            else:
                assert status == 422

    def at(self, witness: Running, seed: int, kill_after: int) -> None:
        threads = [Thread(target=self.work, args=(witness, each, seed + at)) for at, each in enumerate(HISTORIES * 2)]
        before = len(self.cosigned)
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and len(self.cosigned) < before + kill_after:
            threads[0].join(0.001)
        witness.kill()
        for thread in threads:
            thread.join()


def test_killed_again_and_again_at_work_a_witness_cosigns_one_history(folder: Path) -> None:
    """Eight clients, four histories, `kill -9` in the middle: every two cosigned checkpoints lie on one."""
    clients = Clients()
    for round in range(4):
        clients.at(started(folder), seed=10 * round, kill_after=1 + 3 * round)
        with running(folder) as witness:
            status, content = witness.post(TRUE.request(0, 0))
            remembered = int(content) if status == 409 else 0
            assert remembered >= max((each.size for each in clients.cosigned), default=0)
            assert witness.process.poll() is None
            witness.process.send_signal(signal.SIGTERM)
    assert len(clients.cosigned) > 4
    for one, other in combinations(set(clients.cosigned), 2):
        assert any(
            history.checkpoint(one.size) == one and history.checkpoint(other.size) == other for history in HISTORIES
        )


def test_a_monitor_reads_the_last_cosigned_checkpoint_by_the_hash_of_its_origin(folder: Path) -> None:
    request = TRUE.request(0, 8)
    origin = Checkpoint.parse(request.note.text).origin
    path = f"/{sha256(origin.encode()).hexdigest()}/checkpoint"
    with service(folder) as serving:
        port = serving.server_address[1]
        assert _got(port, path)[0] == 404, "nothing was cosigned yet"
        status, cosignature = post(port, bytes(request))
        assert status == 200
        assert _got(port, path) == (
            200,
            f"{request.note.text}\n{''.join(map(str, request.note.signatures))}{cosignature}",
        )
        assert _got(port, path.upper())[0] == 404
        assert _got(port, f"/{'0' * 64}/checkpoint")[0] == 404


def _got(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.headers["Link"] == '<https://c2sp.org/tlog-witness>; rel="profile"', "the protocol is named"
    content = response.read().decode()
    connection.close()
    return response.status, content


def test_an_empty_ledger_with_another_root_is_answered_like_a_wrong_proof(folder: Path) -> None:
    text = f"{Checkpoint.parse(TRUE.note(8).text).origin}\n0\n{b64encode(bytes(32)).decode()}\n"
    with service(folder) as serving:
        signed = note.sign(text, TRUE.signer)
        assert post(serving.server_address[1], b"old 0\n\n" + bytes(signed))[0] == 422
        extended = note.sign(f"{TRUE.note(8).text}extension\n", TRUE.signer)
        assert post(serving.server_address[1], b"old 0\n\n" + bytes(extended))[0] == 400, "extension lines are refused"
