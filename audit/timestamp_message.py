"""The part of a checkpoint that is stamped with a time. Knows nothing of RFC 3161 itself.

Promise: the same bytes regardless of cosignatures: the checkpoint as the log's own keys signed it.
"""

from __future__ import annotations

from audit.checkpoint import Checkpoint
from audit.note import Note

MAX_ANSWER = 1 << 16
"""Bytes of an authority's answer, with all its certificates."""


def message(signed: Note) -> bytes:
    """The note with its log's signatures alone: of names that may speak for its origin. Raises ValueError."""
    origin = Checkpoint.parse(signed.text).origin
    lines = tuple(line for line in signed.signatures if f"{origin}/".startswith(f"{line.name}/"))
    return bytes(Note(signed.text, lines))
