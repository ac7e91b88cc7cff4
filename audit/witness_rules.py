"""A witness's rules: it cosigns a checkpoint only if that extends the last one it cosigned.

Promise: no two cosignatures on histories of one ledger of which neither begins with the other. Checking and
remembering are one step; a cosignature is sent only after it is on the disk. Source: C2SP tlog-witness. Knows no HTTP.
"""

from __future__ import annotations

import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from audit import merkle, note
from audit.checkpoint import Checkpoint, EmptyRootError
from audit.durable import Unsettled
from audit.key import Algorithm, SigningKey, VerifierKey, canonical
from audit.merkle import MAX_PROOF, MAX_SIZE, ProofError
from audit.note import Note, Signature, SignatureError
from audit.witness_memory import Full, Memory, MemoryRefused

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_LOG = re.compile(r"([^+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*)[: ](.+)")
MAX_REQUEST = note.MAX_BYTES + (MAX_PROOF + 1) * 64


@dataclass(frozen=True, slots=True)
class WitnessedLog:
    """A log whose checkpoints are cosigned. An origin that ends in ``/*`` matches all ledgers and generations of a
    deployment, also future ones.
    """

    key: VerifierKey
    origin: str

    @classmethod
    def parse(cls, text: str) -> WitnessedLog:
        """``VKEY:ORIGIN`` or ``VKEY ORIGIN``. Raises ValueError."""
        found = _LOG.fullmatch(text)
        if not found or found[2] != found[2].strip() or "*" in found[2].removesuffix("/*"):
            raise ValueError(f"not VKEY:ORIGIN or VKEY:PREFIX/*: {text!r}")
        key = VerifierKey.parse(found[1])
        if key.algorithm is not Algorithm.NOTE:
            raise ValueError(f"{key.name} is a witness's key, not a log's")
        return cls(key, found[2])

    def covers(self, origin: str) -> bool:
        if self.origin.endswith("/*"):
            return origin.startswith(self.origin[:-1]) and len(origin) >= len(self.origin)
        return origin == self.origin


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint, and the proof that it extends the one of size ``old``."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __bytes__(self) -> bytes:
        lines = [f"old {self.old}", *(b64encode(each).decode() for each in self.proof)]
        return ("\n".join(lines) + "\n\n").encode() + bytes(self.note)

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """Reads a request. Raises ValueError unless it is in its only spelling."""
        head, blank, rest = data.partition(b"\n\n")
        if len(data) > MAX_REQUEST or not blank:
            raise ValueError("not a request")
        first, *lines = head.decode("ascii").split("\n")
        old = _OLD.fullmatch(first)
        if not old or int(old[1]) > MAX_SIZE or len(lines) > MAX_PROOF:
            raise ValueError("no old size, or too long a proof")
        proof = tuple(canonical(line) for line in lines)
        if any(len(each) != merkle.HASH for each in proof):
            raise ValueError("not a SHA-256 hash")
        return cls(int(old[1]), proof, note.parse(rest))


class WitnessRefusal(Exception):
    """The HTTP status and the reason of a refusal; ``size`` if the witness is at another size."""

    def __init__(self, status: int, why: str, size: int | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.size = status, why, size


class Cosigner:
    """One witness. Thread-safe."""

    def __init__(
        self,
        key: SigningKey,
        logs: Iterable[WitnessedLog],
        memory: Memory,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key, self._logs, self._memory, self._clock = key, tuple(logs), memory, clock
        self._one_at_a_time = threading.Lock()
        self._unsettled: str | None = None

    def add_checkpoint(self, data: bytes) -> tuple[Checkpoint, Signature]:
        """Cosigns a checkpoint. Raises WitnessRefusal."""
        try:
            request = Request.parse(data)
            offered = Checkpoint.parse(request.note.text)
        except EmptyRootError as error:
            self._by_known_log(error.origin, request.note)
            raise WitnessRefusal(422, str(error)) from None
        except ValueError as error:
            raise WitnessRefusal(400, f"malformed: {error}") from None
        signed = self._by_known_log(offered.origin, request.note)
        if request.old > offered.size:
            raise WitnessRefusal(400, "the old size is larger than the checkpoint's")
        with self._one_at_a_time:
            if self._unsettled:
                raise WitnessRefusal(503, self._unsettled)
            self._check_growth(request, offered)
            return offered, self._cosign(signed)

    def last(self, origin_hash: str) -> Note | None:
        """The last cosigned note of the origin with this SHA-256 (lower-case hexadecimal)."""
        with self._one_at_a_time:
            return None if self._unsettled else self._memory.note(origin_hash)

    def _by_known_log(self, origin: str, offered: Note) -> Note:
        """The note with the log's own signatures only: no others are remembered."""
        keys = [log.key for log in self._logs if log.covers(origin)]
        if not keys:
            raise WitnessRefusal(404, "no log of this origin is known")
        try:
            found = note.verified(offered, keys)
        except SignatureError as error:
            raise WitnessRefusal(403, str(error)) from None
        return Note(offered.text, tuple(each.signature for each in found))

    def _check_growth(self, request: Request, offered: Checkpoint) -> None:
        try:
            last = self._memory.last(offered.origin)
        except (MemoryRefused, OSError) as error:
            raise WitnessRefusal(503, f"the memory cannot be read: {error}") from error
        size, root = (last.size, last.root) if last else (0, merkle.EMPTY_ROOT)
        if request.old != size:
            raise WitnessRefusal(409, "another size was cosigned last", size)
        if offered.size == size and offered.root != root:
            raise WitnessRefusal(422, "another root of this size was cosigned")
        try:
            merkle.verify_consistency(size, offered.size, root, offered.root, request.proof)
        except ProofError as error:
            raise WitnessRefusal(422, str(error)) from None

    def _cosign(self, signed: Note) -> Signature:
        cosignature = note.cosign(signed.text, self._key, int(self._clock()))
        try:
            self._memory.keep(signed.with_signatures([cosignature]))
        except Unsettled as error:
            self._unsettled = f"the memory may not be on the disk ({error.strerror}): start the witness again"
            raise WitnessRefusal(503, self._unsettled) from error
        except (OSError, Full) as error:
            raise WitnessRefusal(503, f"the memory cannot be written: {error}") from error
        return cosignature
