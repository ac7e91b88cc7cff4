"""Leaves: an event's place in its ledger, as a frame and its hash. The format is final since the first entry.

One hash is both the link of the chain and the RFC 6962 leaf hash. Verifying it needs no content.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass

from audit.event import Columns

VERSION = "itm-ledger-entry/v1"
EMPTY = bytes(32)
"""The head of a ledger without entries, and the previous hash of its first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf with its event as stored. ``content`` is None if the event is missing."""

    seq: int
    event_id: str
    recorded_at: str
    prev: bytes
    commitment: bytes
    hash: bytes
    salt: bytes | None = None
    content: str | None = None
    columns: Columns | None = None
    in_place: bool = True
    """False if the event names another ledger."""


def frame(origin: str, seq: int, recorded_at: str, prev: bytes, commitment: bytes) -> bytes:
    """Six lines, a newline after each; hashes in base64."""
    lines = (VERSION, origin, str(seq), recorded_at, b64encode(prev).decode(), b64encode(commitment).decode())
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def leaf_hash(origin: str, seq: int, recorded_at: str, prev: bytes, commitment: bytes) -> bytes:
    """SHA-256(0x00 ‖ frame)."""
    return hashlib.sha256(b"\x00" + frame(origin, seq, recorded_at, prev, commitment)).digest()
