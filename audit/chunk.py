"""Says of a run of entries that nothing is wrong with it, or says nothing at all. Made for speed.

Promise: a `Chunk` exists only where the verifier, reading the same entries one by one, would find nothing within;
whatever is not beyond doubt here is read again there. So findings have one author. Knows rows as bytes, no database.
"""

from __future__ import annotations

import json
import re
import uuid
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
_ACT = b'{"id":"%b","time":"%b.%06dZ","action":%b,"outcome":%b,"via":%b,"actor":{"user":%b,"name":%b'
_ACT += b',"institution":%b,"role":%b,"session":'
_TARGET = b'{"kind":%b,"id":%b,"institution":%b}'
_OBJECT = b',"target":%b,"subjects":%b,"purpose":%b,"request":{"id":%b,"route":'
_S = rb'(?:null|"[^"\\\x00-\x1f]*")'
_SESSION = re.compile(_S + rb',"transaction":' + _S + rb',"client":' + _S + rb'\},"on_behalf_of":' + _S)
_ROUTE = re.compile(_S + rb',"address":' + _S + rb"\}")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
"""What JSON writes as it is, between two quotation marks."""
_HEAD = frozenset(("id", "time", "action", "outcome", "via", "actor", "target", "subjects", "purpose", "request"))
_PURGE = b"ledger.purge"
_NOTHING = _TARGET % (b"null", b"null", b"null")
_SHORT = 256
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
        """Whether the search columns are what the content says, and it is an event of this ledger.

        What they make the content begin with is composed again, and compared as it is spelled.
        """
        (_, _, content, at, id, action, outcome, via, user, name, institution, role, kind, target, holder, subjects,
         purpose, asked, in_place) = event  # fmt: skip
        if not in_place or action == _PURGE:  # a purge may stand for what is missing: the verifier must see it
            return False
        if via != b"append" and holder not in (None, self._holder):
            return False
        second, micros = divmod(int.from_bytes(at, "big", signed=True), 1_000_000)
        act = _ACT % (id, _second(second), micros, _word(action), _word(outcome), _word(via), _quoted(user),
                      _word(name), _word(institution), _word(role))  # fmt: skip
        if not content.startswith(act) or (match := _SESSION.match(content, len(act))) is None:
            return False
        whom = _TARGET % (_word(kind), _quoted(target), _word(holder))
        if whom == _NOTHING:  # both spellings leave the three columns empty
            whom = b"null" if content.startswith(b',"target":null', match.end()) else whom
        told = _OBJECT % (whom, subjects, _word(purpose), _quoted(asked))
        at_ = match.end()
        if not content.startswith(told, at_) or (match := _ROUTE.match(content, at_ + len(told))) is None:
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
                self._marks.append(Mark(size, hashes[size - first - 1], so_far))


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


def _quoted(value: bytes | None) -> bytes:
    """A column's text as JSON. ValueError where JSON would spell it otherwise."""
    if value is None:
        return b"null"
    if _PLAIN.fullmatch(value) is None:
        raise ValueError
    return b'"%b"' % value


_word = lru_cache(4096)(_quoted)
"""For columns with few values."""


@lru_cache(4096)
def _second(moment: int) -> bytes:
    """The second that many after the beginning of 2000, from which PostgreSQL counts. OverflowError beyond 9999."""
    return (_EPOCH + timedelta(seconds=moment)).strftime("%Y-%m-%dT%H:%M:%S").encode()
