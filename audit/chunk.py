"""Says of a run of entries that nothing is wrong with it, or says nothing at all. Made for speed.

Promise: a `Chunk` exists only where the verifier, reading the same entries one by one, would find nothing within;
whatever is not beyond doubt here is read again there. So findings have one author. Knows rows as bytes, no database.
"""

from __future__ import annotations

import json
import re
import uuid
from binascii import b2a_base64, unhexlify
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any

from audit.compact import CompactRange
from audit.leaf import VERSION

Row = tuple[Any, ...]
LeafRow = tuple[int, bytes, bytes, bytes, bytes, bytes]
"""Sequence number, event's id, recorded time, previous hash, commitment, hash."""

# An event as audit.write composes it. Any other spelling is left to the verifier.
_T = rb'"([^"\\\x00-\x1f]*)"'
_S = rb'"[^"\\\x00-\x1f]*"'
_N, _SKIPPED = rb"(?:null|" + _T + rb")", rb"(?:null|" + _S + rb")"
_EVENT = re.compile(
    rb'\{"id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"'
    rb',"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"'
    rb',"action":' + _T + rb',"outcome":' + _T + rb',"via":' + _T + rb',"actor":\{"user":' + _N + rb',"name":' + _N
    + rb',"institution":' + _N + rb',"role":' + _N + rb',"session":' + _SKIPPED + rb',"transaction":' + _SKIPPED
    + rb',"client":' + _SKIPPED + rb'\},"on_behalf_of":' + _SKIPPED + rb',"target":(?:null|\{"kind":' + _N
    + rb',"id":' + _N + rb',"institution":' + _N + rb'\}),"subjects":\[((?:' + _S + rb"(?:," + _S + rb")*)?)\]"
    + rb',"purpose":' + _N + rb',"request":\{"id":' + _N + rb',"route":' + _SKIPPED
    + rb',"address":' + _SKIPPED + rb"\}"
)  # fmt: skip
_HEAD = frozenset(("id", "time", "action", "outcome", "via", "actor", "target", "subjects", "purpose", "request"))
_PURGE = b"ledger.purge"
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_scan: Callable[[str, int], tuple[Any, int]] = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009 (typeshed)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


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
class Mark:
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
    marks: tuple[Mark, ...] = ()


class Examiner:
    """Feed pages in order; `chunk` then says what can be said of all."""

    def __init__(self, task: Task) -> None:
        self._task, self._next = task, task.start
        self._frame = b"\x00" + f"{VERSION}\n{task.origin}\n".replace("%", "%%").encode() + b"%d\n%b\n%b%b"
        self._holder = task.holder.encode() if task.holder else None
        self._prev = self._first_at = self._hash = self._at = b""
        self._range, self._marks = CompactRange(task.start, task.start), list[Mark]()

    def page(self, leaves: Sequence[LeafRow], events: Mapping[bytes, Row]) -> bool:
        """Whether all is as it was sealed. After False nothing more may be fed."""
        if not leaves:
            return True
        if self._next == self._task.start:
            self._prev = self._hash = leaves[0][3]
            self._first_at = leaves[0][2]
        try:
            if not self._chained(leaves, events):
                return False
            if self._task.columns and not all(self._as_sealed(events[leaf[1]]) for leaf in leaves):
                return False
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return False
        self._hash, self._at = leaves[-1][5], leaves[-1][2]
        if self._task.tree:
            self._grow([leaf[5] for leaf in leaves])
        self._next += len(leaves)
        return True

    def chunk(self) -> Chunk | None:
        """None unless every entry was there."""
        if self._next != self._task.stop or self._next == self._task.start:
            return None
        return Chunk(
            self._task.start, self._next, self._prev, self._first_at.decode(), self._hash, self._at.decode(),
            self._range, tuple(self._marks),
        )  # fmt: skip

    def _chained(self, leaves: Iterable[LeafRow], events: Mapping[bytes, Row]) -> bool:
        expected, prev, last, frame = self._next, self._hash, self._at, self._frame
        hashed, encoded, moment = sha256, b2a_base64, _MOMENT.fullmatch
        for seq, event_id, recorded_at, named, committed, hash in leaves:
            event = events[event_id]
            if (
                seq != expected
                or named != prev
                or hashed(frame % (seq, recorded_at, encoded(prev), encoded(committed))).digest() != hash
                or hashed(event[1] + event[2]).digest() != committed
            ):
                return False
            if recorded_at != last and (recorded_at < last or not moment(recorded_at)):
                return False
            expected, prev, last = seq + 1, hash, recorded_at
        return True

    def _as_sealed(self, event: Row) -> bool:
        """Whether the search columns are what the content says, and it is an event of this ledger."""
        id, _, content, at, *shown, target_holder, subjects, purpose, request_id, in_place = event
        match = _EVENT.match(content)
        if match is None or not in_place or not _ends_well(content, match.end()):
            return False
        if shown[0] == _PURGE:  # it may stand for what is missing elsewhere: the verifier must see it
            return False
        said, time, *sealed, institution, listed, why, asked = match.groups()
        holder = None if target_holder is None else _text_of(target_holder)
        if sealed[2] != b"append" and institution not in (None, self._holder):
            return False
        return (
            sealed == shown
            and unhexlify(said.replace(b"-", b"")) == id
            and institution == holder
            and why == purpose
            and asked == request_id
            and subjects == (listed[1:-1].split(b'","') if listed else [])
            and int.from_bytes(at, "big", signed=True) == _second(time[:19]) + int(time[20:26])
        )

    def _grow(self, hashes: list[bytes]) -> None:
        first, stop = self._next, self._next + len(hashes)
        cuts = [size for size in self._task.sizes if first < size <= stop]
        for start, size in pairwise((first, *cuts, stop)):
            self._range.extend(hashes[start - first : size - first])
            if size in cuts and (not self._marks or self._marks[-1].size != size):
                so_far = CompactRange(self._range.start, self._range.end, list(self._range.hashes))
                self._marks.append(Mark(size, hashes[size - first - 1], so_far))


def _ends_well(content: bytes, at: int) -> bool:
    """Whether what follows is the rest of a JSON object, none of whose members says anew what was read before."""
    if content[at:] == b"}":
        return True
    if content[at : at + 1] != b",":
        return False
    rest = "{" + content[at + 1 :].decode()
    try:
        said, end = _scan(rest, 0)
    except StopIteration:
        return False
    return end == len(rest) and _HEAD.isdisjoint(said)


@lru_cache(4096)
def _text_of(id: bytes) -> bytes:
    return str(uuid.UUID(bytes=id)).encode()


@lru_cache(4096)
def _second(moment: bytes) -> int:
    """Microseconds since 2000 of a whole second, as PostgreSQL counts them."""
    past = datetime.fromisoformat(f"{moment.decode()}+00:00") - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000
