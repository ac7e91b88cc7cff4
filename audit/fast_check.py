"""Says of a run of entries that nothing is wrong with it, or says nothing at all. Made for speed.

Promise: a `Chunk` exists only where the verifier, reading the same entries one by one, would find nothing within;
whatever is not beyond doubt here is read again there. So findings have one author. Knows rows as bytes, no database.
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
"""Of the leaf: sequence number, event's id, recorded time, previous hash, commitment, hash. Of the event: its id, salt,
content, whether it names this ledger, and its columns in the order in which the content has them."""
_COLUMNS = 10
"""Where those begin."""

# An event as audit.write composes it; groups are what columns repeat. Any other spelling is left to the verifier.
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
    """Entries start to stop - 1 of a ledger; at each of the ``sizes`` a mark is wanted.

    ``columns`` and ``tree`` are left out only to measure what they cost: then the result vouches for less.
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
    """A size within a chunk: the hash of the entry before it, and the range from the chunk's start to there."""

    size: int
    hash: bytes
    range: CompactRange


@dataclass(frozen=True)
class Chunk:
    """Entries start to stop - 1: all there, each as it was sealed, and each the successor of the one before.

    What the first one names as its predecessor, and its time, are for whoever knows what came before.
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
    """Feed pages in order; `chunk` then says what can be said of all."""

    def __init__(self, task: Task) -> None:
        self._task, self._next = task, task.start
        self._frame = b"\x00" + f"{VERSION}\n{task.origin}\n".replace("%", "%%").encode() + b"%d\n%b\n%b%b"
        self._holder = task.holder.encode() if task.holder else None
        self._prev = self._first_at = self._hash = self._at = b""
        self._range, self._marks = CompactRange(task.start, task.start), list[SizeMark]()

    def page(self, rows: Sequence[Row]) -> bool:
        """Whether all is as it was sealed. After False nothing more may be fed."""
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
        """None unless every entry was there."""
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
        """Whether the search columns are what the content says, and it is an event of this ledger."""
        content, columns = row[8], row[_COLUMNS:]
        _, _, action, _, via, _, _, _, _, _, _, holder, _, _, _ = columns
        if not row[9] or action == _PURGE:  # a purge may stand for what is missing: the verifier must see it
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
    """Whether this is the rest of a JSON object, none of whose members says anew what was read before."""
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
"""Most looks end alike."""
