"""Checkpoints: a ledger's size and root as a signed note; made, read and judged by a policy.

Promise: what `opened` returns was signed by every key name that must sign, and its assurance never exceeds the
witnesses' valid signatures. Sources: C2SP tlog-checkpoint, tlog-cosignature. Knows no storage and no network.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from audit import note
from audit.key import SigningKey, canonical
from audit.merkle import EMPTY_ROOT, HASH
from audit.note import Note, SignatureError
from audit.numerals import MAX_NUMBER
from audit.policy import Policy

MAX_ORIGIN = 255
"""Bytes of an origin in UTF-8; C2SP's newer cosignatures hold no more."""
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class CheckpointFormatError(ValueError):
    """The note's text is not a checkpoint."""


class EmptyRootError(CheckpointFormatError):
    """Size 0 with a root that is not the empty tree's. A witness answers it like a wrong proof."""

    def __init__(self, origin: str) -> None:
        super().__init__("an empty ledger has another root")
        self.origin = origin


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A ledger's root at one size. ``text`` is the signed text."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Reads exactly three lines. Nobody can audit extension lines: we write none and refuse those of others.

        A size is at most 2**53 - 1.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise CheckpointFormatError("a checkpoint has three lines")
        origin, size, encoded, _ = lines
        if not 0 < len(origin.encode(errors="replace")) <= MAX_ORIGIN:
            raise CheckpointFormatError("an origin that is empty or too long")
        if not _SIZE.fullmatch(size) or int(size) > MAX_NUMBER:
            raise CheckpointFormatError("not a size")
        try:
            root = canonical(encoded)
        except ValueError as error:
            raise CheckpointFormatError(str(error)) from None
        if len(root) != HASH:
            raise CheckpointFormatError("not a SHA-256 root")
        if size == "0" and root != EMPTY_ROOT:
            raise EmptyRootError(origin)
        return cls(origin, int(size), root)


def sign(checkpoint: Checkpoint, *keys: SigningKey) -> Note:
    """Signs the note; during a key replacement with the old and the new key."""
    if Checkpoint.parse(checkpoint.text) != checkpoint:
        raise CheckpointFormatError("not a checkpoint that can be read again")
    return note.sign(checkpoint.text, *keys)


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint that the policy's logs signed. ``cosigned``: witness name → time of its signature."""

    checkpoint: Checkpoint
    note: Note
    cosigned: Mapping[str, int]
    assurance: Literal["self-attested", "witnessed"]


def opened(data: bytes, policy: Policy, origin: str | None = None) -> OpenedCheckpoint:
    """Reads and verifies a checkpoint; if an origin is given, only of that origin.

    Raises NoteFormatError or CheckpointFormatError if it is not a checkpoint, SignatureError if a log's signature is
    missing or a known key's signature is bad.
    """
    read = note.parse(data)
    found = note.verified(read, (*policy.logs, *policy.witnesses))
    checkpoint = Checkpoint.parse(read.text)
    if origin is not None and checkpoint.origin != origin:
        raise SignatureError("the checkpoint of another ledger")
    signed = {each.key.name for each in found if each.time is None}
    for name in sorted({key.name for key in policy.logs}):
        if name not in signed:
            raise SignatureError(f"not signed by {name}")
        if not f"{checkpoint.origin}/".startswith(f"{name}/"):
            raise SignatureError(f"{name} does not speak for this ledger")
    times: dict[str, int] = {}
    for each in found:
        if each.time is not None:
            times[each.key.name] = min(each.time, times.get(each.key.name, each.time))
    witnessed = 0 < policy.quorum <= len(times)
    return OpenedCheckpoint(checkpoint, read, MappingProxyType(times), "witnessed" if witnessed else "self-attested")
