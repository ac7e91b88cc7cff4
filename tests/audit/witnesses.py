"""A ledger that goes on, one that was rewritten, and witnesses of them: in memory, and as the real process."""

from __future__ import annotations

import http.client
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Thread

from audit import checkpoint, merkle, note
from audit.checkpoint import Checkpoint
from audit.compact_range import CompactRange
from audit.durable import DISK, Disk
from audit.key import SigningKey, VerifierKey
from audit.witness import Service
from audit.witness_memory import Memory, identity
from audit.witness_rules import Cosigner, Request, WitnessedLog
from tests.audit.go.questions import DEPLOYMENT, LOG, TIME

ORIGIN = f"{DEPLOYMENT}/ledger/JGK/1"
ALL = WitnessedLog(LOG.verifier, f"{DEPLOYMENT}/ledger/*")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class History:
    """Entries 0 to ``fork`` are everybody's; those from there on are this history's own."""

    fork: int = 10**9
    origin: str = ORIGIN
    signer: SigningKey = LOG

    def leaves(self, size: int) -> list[bytes]:
        return [sha256(f"{each}/{each >= self.fork and self.fork}".encode()).digest() for each in range(size)]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, CompactRange.of(self.leaves(size)).root())

    def note(self, size: int) -> note.Note:
        return checkpoint.sign(self.checkpoint(size), self.signer)

    def proof(self, old: int, size: int) -> list[bytes]:
        return merkle.consistency_proof(old, size, merkle.nodes_of(self.leaves(size)))

    def request(self, old: int, size: int) -> Request:
        return Request(old, tuple(self.proof(old, size)) if old <= size else (), self.note(size))


TRUE = History()


def remembered(folder: Path, disk: Disk = DISK) -> tuple[SigningKey, Memory]:
    """A witness's key and memory, made on the first call and opened again on the next."""
    key = identity(folder, folder.with_suffix(".key"), f"{folder.name}.example")
    return key, Memory(folder, key.verifier, disk)


@contextmanager
def cosigner(folder: Path, disk: Disk = DISK, logs: tuple[WitnessedLog, ...] = (ALL,)) -> Iterator[Cosigner]:
    """A witness in this process, until its end or its fall."""
    key, memory = remembered(folder, disk)
    try:
        yield Cosigner(key, logs, memory, lambda: TIME)
    finally:
        memory.close()


@contextmanager
def service(folder: Path, at_once: int = 16, seconds: float = 10.0) -> Iterator[Service]:
    """A witness in this process that answers HTTP."""
    key, memory = remembered(folder)
    with Service(("127.0.0.1", 0), Cosigner(key, (ALL,), memory), str(key.verifier), at_once, seconds) as serving:
        thread = Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield serving
        finally:
            serving.shutdown()
            thread.join()
            memory.close()


@dataclass
class Running:
    """`python -m audit.witness`, in a process of its own."""

    process: subprocess.Popen[str]
    key: VerifierKey
    port: int

    def post(self, request: Request) -> tuple[int, str]:
        return post(self.port, bytes(request))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def started(folder: Path, *arguments: str) -> Running:
    command = [sys.executable, "-m", "audit.witness", "--listen", "127.0.0.1:0", "--state", str(folder)]
    command += ["--key", str(folder.with_suffix(".key")), "--name", f"{folder.name}.example"]
    command += ["--log", f"{LOG.verifier}:{ALL.origin}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 30)[0], "it did not start"
    _, key, _, address = process.stdout.readline().split()
    return Running(process, VerifierKey.parse(key), int(address.rpartition(":")[2]))


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    witness = started(folder, *arguments)
    try:
        yield witness
    finally:
        if witness.process.poll() is None:
            witness.process.send_signal(signal.SIGTERM)
        assert witness.process.wait(30) in (0, -signal.SIGKILL)


def post(port: int, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str]:
    """Status and content."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def cosigned(request: Request, key: VerifierKey, content: str) -> Checkpoint:
    """The signature in this answer. Raises ValueError if there is none."""
    (signature,) = note.signature_lines(content)
    key.verify(request.note.text, signature.value)
    return Checkpoint.parse(request.note.text)
