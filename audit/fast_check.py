"""Fast path: checks a block of entries in bulk. Gives a `Chunk` only if every check passes.

Promise: a `Chunk` exists only if the verifier, reading the same entries one by one, would find nothing in them. On any
doubt the verifier reads them again, so only the verifier reports findings. Knows rows as bytes, no database.
"""

from __future__ import annotations

import json
import re
import uuid
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any

from audit.compact_range import CompactRange
from audit.leaf import VERSION

Row = tuple[Any, ...]
"""The leaf's sequence number, event id, recorded time, previous hash, commitment and hash; then the event's id, salt,
content, a flag that it names this ledger, and its search columns in the order of the content."""
_COLUMNS = 10
"""The index of the first search column."""

# An event as audit.write composes it; its groups are the search columns. Any other spelling is left to the verifier.
_ANY = rb'(?:null|"[^"\\\x00-\x1f]*+")'
_SAID = rb'(?:null|"([^"\\\x00-\x1f]*+)")'
_EVENT = re.compile(
    rb'\{"id":S,"time":S,"action":S,"outcome":S,"via":S,"actor":\{"user":S,"name":S,"institution":S,"role":S'
    rb',"session":_,"transaction":_,"client":_\},"on_behalf_of":_,"target":(?:null|\{"kind":S,"id":S,"institution":S\})'
    rb',"subjects":(\[(?:"[^"\\\x00-\x1f]*+",?+)*+\]),"purpose":S,"request":\{"id":S,"route":_,"address":_\}'
    .replace(b":S", b":" + _SAID).replace(b":_", b":" + _ANY)
)  # fmt: skip
_HEAD = frozenset(("id", "time", "action", "outcome", "via", "actor", "target", "subjects", "purpose", "request"))
_PURGE = b"ledger.purge"
_SHORT = 256
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_scan: Callable[[str, int], tuple[Any, int]] = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009 (typeshed)


@dataclass(frozen=True)
class Task:
    """Entries start to stop - 1 of a ledger, with a mark at each of the ``sizes``.

    Only benchmarks set ``columns`` or ``tree`` to False; the result then vouches for less.
    """

    ledger: uuid.UUID
    origin: str
    holder: str | None
    start: int
    stop: int
    sizes: tuple[int, ...] = ()
    columns: bool = True
    tree: bool = True


@dataclass(frozen=True)
class SizeMark:
    """A size within a chunk: the hash of the last entry below it, and the range from the chunk's start to it."""

    size: int
    hash: bytes
    range: CompactRange


@dataclass(frozen=True)
class Chunk:
    """Entries start to stop - 1: complete, each as it was sealed, each the successor of the one before.

    ``prev`` and ``first_at``: the first entry's previous hash and time, for the caller to compare with its predecessor.
    """

    start: int
    stop: int
    prev: bytes
    first_at: str
    hash: bytes
    last_at: str
    range: CompactRange
    marks: tuple[SizeMark, ...] = ()


class Examiner:
    """Checks pages, which must come in order; `chunk` gives the result."""

    def __init__(self, task: Task) -> None:
        self._task, self._next = task, task.start
        self._frame = b"\x00" + f"{VERSION}\n{task.origin}\n".replace("%", "%%").encode() + b"%d\n%b\n%b%b"
        self._holder = task.holder.encode() if task.holder else None
        self._prev = self._first_at = self._hash = self._at = b""
        self._range, self._marks = CompactRange(task.start, task.start), list[SizeMark]()

    def page(self, rows: Sequence[Row]) -> bool:
        """True if every entry of the page is as it was sealed. After False no further page may be fed."""
        if not rows:
            return True
        if self._next == self._task.start:
            self._prev = self._hash = rows[0][3]
            self._first_at = rows[0][2]
        try:
            if not self._chained(rows) or (self._task.columns and not all(map(self._as_sealed, rows))):
                return False
        except (TypeError, ValueError, RecursionError):
            return False
        self._hash, self._at = rows[-1][5], rows[-1][2]
        if self._task.tree:
            self._grow([row[5] for row in rows])
        self._next += len(rows)
        return True

    def chunk(self) -> Chunk | None:
        """The chunk; None if an entry is missing."""
        if self._next != self._task.stop or self._next == self._task.start:
            return None
        return Chunk(
            self._task.start, self._next, self._prev, self._first_at.decode(), self._hash, self._at.decode(),
            self._range, tuple(self._marks),
        )  # fmt: skip

    def _chained(self, rows: Iterable[Row]) -> bool:
        expected, prev, last, frame = self._next, self._hash, self._at, self._frame
        hashed, encoded, moment = sha256, b2a_base64, _MOMENT.fullmatch
        for seq, event_id, recorded_at, named, committed, hash, id, salt, content, *_ in rows:
            if (
                seq != expected
                or id != event_id
                or named != prev
                or hashed(frame % (seq, recorded_at, encoded(prev), encoded(committed))).digest() != hash
                or hashed(salt + content).digest() != committed
            ):
                return False
            if recorded_at != last and (recorded_at < last or not moment(recorded_at)):
                return False
            expected, prev, last = seq + 1, hash, recorded_at
        return True

    def _as_sealed(self, row: Row) -> bool:
        """True if the search columns match the content and the event belongs to this ledger."""
        content, columns = row[8], row[_COLUMNS:]
        _, _, action, _, via, _, _, _, _, _, _, holder, _, _, _ = columns
        if not row[9] or action == _PURGE:  # a purge may explain missing content: the verifier must see it
            return False
        if via != b"append" and holder not in (None, self._holder):
            return False
        match = _EVENT.match(content)
        if match is None or match.groups() != columns:
            return False
        tail = content[match.end() :]
        return _ends_well(tail) if len(tail) < _SHORT else _ends(tail)

    def _grow(self, hashes: list[bytes]) -> None:
        first, stop = self._next, self._next + len(hashes)
        cuts = [size for size in self._task.sizes if first < size <= stop]
        for start, size in pairwise((first, *cuts, stop)):
            self._range.extend(hashes[start - first : size - first])
            if size in cuts and (not self._marks or self._marks[-1].size != size):
                so_far = CompactRange(self._range.start, self._range.end, list(self._range.hashes))
                self._marks.append(SizeMark(size, hashes[size - first - 1], so_far))


def _ends(tail: bytes) -> bool:
    """True if this is the rest of a JSON object without a second member of a name that was read before."""
    if tail == b"}":
        return True
    if tail[:1] != b",":
        return False
    rest = "{" + tail[1:].decode()
    try:
        said, end = _scan(rest, 0)
    except StopIteration:
        return False
    return end == len(rest) and _HEAD.isdisjoint(said)


_ends_well = lru_cache(4096)(_ends)
"""Cached: most events end with the same text."""
