"""The client of witnesses: asks several at once to cosign a checkpoint, each within a time limit.

Promise: every cosignature that counts was verified with the caller's key. A witness at a smaller size gets the proof it
needs, once; one at a larger size, or with another history, is reported as such. Knows no storage.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from audit import note
from audit.checkpoint import Checkpoint
from audit.key import Algorithm, VerifierKey
from audit.note import Note, Signature
from audit.witness_rules import Request

MAX_ANSWER = note.MAX_BYTES
Prove = Callable[[int], Sequence[bytes]]
"""The consistency proof from this size to the checkpoint's. Called in the caller's thread."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness's address, and the key whose signature counts."""

    url: str
    key: VerifierKey

    def __post_init__(self) -> None:
        if self.key.algorithm is not Algorithm.COSIGNATURE:
            raise ValueError(f"{self.key.name} is not a witness's key")
        parts = urlsplit(self.url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.port == 0
        ):
            raise ValueError(f"not where a witness can be asked: {self.url!r}")

    @property
    def is_here(self) -> bool:
        """True if the URL names this machine: then the witness is no second party."""
        host = (urlsplit(self.url).hostname or "").rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(host if ":" in host else socket.inet_aton(host))  # also 127.1
        except (OSError, ValueError):
            return False
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return address.is_loopback or address.is_unspecified

    @classmethod
    def parse(cls, text: str) -> Witness:
        """``URL=VKEY``. Raises ValueError."""
        url, equals, key = text.partition("=")
        if not equals:
            raise ValueError("URL=VKEY is expected")
        return cls(url, VerifierKey.parse(key))


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """One witness's answer: ``cosignature`` with its ``time`` in seconds since 1970, or else the reason ``why`` not.

    ``size``: the witness's last cosigned size, if it said another. ``kind``: *ahead*, it cosigned more entries than
    this checkpoint has; *disagrees*, another history. For the ledger's only signer both mean a rewritten or restored
    past.
    """

    witness: Witness
    kind: Literal["cosigned", "behind", "ahead", "disagrees", "refused", "silent"]
    cosignature: Signature | None = None
    time: int | None = None
    why: str = ""
    size: int | None = None
    status: int | None = None


def collect(
    witnesses: Iterable[Witness],
    signed: Note,
    prove: Prove,
    known: Mapping[str, int] | None = None,
    seconds: float = 10.0,
) -> list[WitnessAnswer]:
    """Asks all witnesses at once, and again those that were at another size than ``known`` (by key name) says.

    ``seconds`` is for each of the two rounds. Never raises for a witness's answer; raises the errors of ``prove``.
    """
    listed = list(witnesses)
    sizes = dict(known or {})
    size = Checkpoint.parse(signed.text).size
    asked = [(witness, min(sizes.get(witness.key.name, 0), size)) for witness in listed]
    answers = _round(asked, signed, prove, seconds)
    again = [(each.witness, each.size) for each in answers if each.kind == "behind" and each.size is not None]
    later = {each.witness: each for each in _round(again, signed, prove, seconds)}
    return [later.get(each.witness, each) for each in answers]


def ask(witness: Witness, request: Request, seconds: float = 10.0) -> WitnessAnswer:
    """Sends one request to one witness."""
    return _all([(witness, request)], seconds)[0]


def _round(asked: Sequence[tuple[Witness, int]], signed: Note, prove: Prove, seconds: float) -> list[WitnessAnswer]:
    proofs = {old: tuple(prove(old)) if old else () for old in {old for _, old in asked}}
    return _all([(witness, Request(old, proofs[old], signed)) for witness, old in asked], seconds)


def _all(asked: Sequence[tuple[Witness, Request]], seconds: float) -> list[WitnessAnswer]:
    """Asks in daemon threads, which end with the process: an unresponsive name server cannot be interrupted."""
    until = time.monotonic() + seconds
    exchanges = [_Exchange(witness, request, until) for witness, request in asked]
    came: queue.SimpleQueue[None] = queue.SimpleQueue()
    for exchange in exchanges:
        threading.Thread(target=exchange.run, args=(came,), daemon=True).start()
    for _ in exchanges:
        try:
            came.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            break
    return [exchange.end() for exchange in exchanges]


class _Exchange:
    """One request to one witness; ``end`` takes the answer so far and closes the connection."""

    def __init__(self, witness: Witness, request: Request, until: float) -> None:
        self._witness, self._request, self._until = witness, request, until
        self._socket: socket.socket | None = None
        self._answer: WitnessAnswer | None = None

    def run(self, came: queue.SimpleQueue[None]) -> None:
        try:
            self._answer = self._judged(*self._post())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._answer = WitnessAnswer(self._witness, "silent", why=f"{type(error).__name__}: {error}")
        finally:
            came.put(None)

    def end(self) -> WitnessAnswer:
        answer = self._answer or WitnessAnswer(self._witness, "silent", why="no answer in time")
        if self._socket is not None and self._answer is None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        return answer

    def _post(self) -> tuple[int, str, str]:
        """Status, content type and content."""
        parts = urlsplit(self._witness.url)
        left = max(self._until - time.monotonic(), 0.001)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=left, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=left)
        try:
            connection.connect()
            self._socket = connection.sock  # kept here: http.client forgets the socket once the answer has begun
            path = parts.path.rstrip("/") + "/add-checkpoint"
            connection.request("POST", path, bytes(self._request), {"Content-Type": "text/plain; charset=utf-8"})
            response = connection.getresponse()
            content = response.read(MAX_ANSWER + 1)
        finally:
            connection.close()
        if len(content) > MAX_ANSWER:
            raise ValueError("too long an answer")
        return response.status, response.headers.get_content_type(), content.decode()

    def _judged(self, status: int, kind: str, content: str) -> WitnessAnswer:
        if status == 200:
            return self._cosigned(content)
        why = " ".join(content.split())[:200]
        if status == 409:
            return self._conflict(content if kind == "text/x.tlog.size" else "")
        # 422: our history does not extend the one that it cosigned, or our proof is wrong.
        return WitnessAnswer(self._witness, "disagrees" if status == 422 else "refused", why=why, status=status)

    def _cosigned(self, content: str) -> WitnessAnswer:
        """The witness's own signature. Signatures by others are ignored, as C2SP asks."""
        key = self._witness.key
        for signature in note.signature_lines(content):
            if signature.is_by(key):
                time = key.verify(self._request.note.text, signature.value)
                return WitnessAnswer(self._witness, "cosigned", signature, time, status=200)
        return WitnessAnswer(self._witness, "refused", why="no cosignature by its key", status=200)

    def _conflict(self, content: str) -> WitnessAnswer:
        digits = content.removesuffix("\n")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
            return WitnessAnswer(self._witness, "refused", why="another size, and does not say which", status=409)
        size, ours = int(digits), Checkpoint.parse(self._request.note.text).size
        if size == self._request.old:
            return WitnessAnswer(self._witness, "disagrees", why="another root of this size", size=size, status=409)
        if size > ours:
            return WitnessAnswer(self._witness, "ahead", why=f"has cosigned {size} entries", size=size, status=409)
        return WitnessAnswer(self._witness, "behind", why=f"has cosigned {size} entries", size=size, status=409)
