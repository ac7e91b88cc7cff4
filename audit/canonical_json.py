"""JSON lines of evidence: one spelling is written, and only that spelling is read.

Promise: a line reads the same in every language, or not at all: no member twice, none missing, no other spelling, no
text that is not Unicode, no number that another language would round. Knows no files, and judges nothing.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

from audit.key import canonical
from audit.leaf import Entry
from audit.merkle import HASH
from audit.numerals import MAX_NUMBER, decoder
from audit.purge import ACTION as PURGE

"""The largest integer that JSON keeps exact in every language."""
MAX_DEPTH = 64
"""The deepest nesting of an event's content."""


# Made once: json.loads and json.dumps would make them for every line.
_DECODER = decoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class LineError(ValueError):
    """The line is not in the one spelling of evidence."""


class Event(NamedTuple):
    """An event with the sequence number of its entry."""

    seq: int
    id: str
    salt: bytes
    content: str


class SignedCheckpoint(NamedTuple):
    """A checkpoint's note, and the subtrees between the bundle's last entry and its size."""

    note: str
    after: tuple[bytes, ...]


class Meaning(NamedTuple):
    """The members of an event that a filter needs."""

    id: str
    names: frozenset[str | None]
    target: tuple[str | None, str | None]
    subjects: tuple[str, ...]
    purges: bool
    """True for a purge of earlier content: each bundle that holds part of its range holds this event."""


def written(said: Any) -> bytes:
    """JSON without spaces, in UTF-8, and a newline. Raises LineError for a value that has no such spelling."""
    try:
        return (_ENCODER.encode(said) + "\n").encode()
    except (ValueError, RecursionError):
        raise LineError("not Unicode text") from None


def read(line: bytes) -> Any:
    """The inverse of `written`. Raises LineError for any other spelling."""
    try:
        said = loaded(line.decode())
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    if written(said) != line:
        raise LineError("JSON that is written in another way")
    return said


def loaded(text: str) -> Any:
    """Reads JSON in any spelling; refuses NaN and the like."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise LineError("not JSON") from None


def lines(content: bytes) -> Iterator[bytes]:
    """Splits into lines, each with its newline. A rest without a newline comes last and does not read as a line."""
    start = 0
    while start < len(content):
        stop = content.find(b"\n", start) + 1 or len(content)
        yield content[start:stop]
        start = stop


def entry_line(entry: Entry) -> bytes:
    """Writes a leaf as a line."""
    prev, commitment, hash = (b64encode(each).decode() for each in (entry.prev, entry.commitment, entry.hash))
    said = {"seq": entry.seq, "recorded_at": entry.recorded_at, "prev": prev, "commitment": commitment, "hash": hash}
    return written(said)


def read_entry(line: bytes) -> Entry:
    """Reads a leaf. Raises LineError. The event's id stays empty: leaves do not hold it."""
    said = shaped(read(line), "seq recorded_at prev commitment hash")
    prev, commitment, hash = (hash32(said[name]) for name in ("prev", "commitment", "hash"))
    return Entry(number(said["seq"]), "", text(said["recorded_at"]), prev, commitment, hash)


def event_line(event: Event) -> bytes:
    return written({**event._asdict(), "salt": b64encode(event.salt).decode()})


def read_event(line: bytes) -> Event:
    """Reads an event. Raises LineError."""
    said = shaped(read(line), "seq id salt content")
    return Event(number(said["seq"]), text(said["id"]), hash32(said["salt"]), text(said["content"]))


def signed_line(signed: SignedCheckpoint) -> bytes:
    return written({"note": signed.note, "after": [b64encode(each).decode() for each in signed.after]})


def read_signed(line: bytes) -> SignedCheckpoint:
    """Reads a checkpoint's line. Raises LineError."""
    said = shaped(read(line), "note after")
    return SignedCheckpoint(text(said["note"]), hashes(said["after"]))


def meaning(content: str) -> Meaning:
    """The members of an event that a filter needs. Raises LineError if the content is not an event."""
    if content.count("[") + content.count("{") > MAX_DEPTH and _depth(content) > MAX_DEPTH:
        raise LineError("not an event: nested too deeply")
    said = loaded(content)
    try:
        actor, target = said["actor"], said["target"]
        text(said["time"])
        return Meaning(
            text(said["id"]),
            frozenset((or_none(actor["user"]), or_none(actor["name"]))),
            (None, None) if target is None else (or_none(target["kind"]), or_none(target["id"])),
            tuple(text(each) for each in listed(said["subjects"])),
            text(said["action"]) == PURGE,
        )
    except (KeyError, TypeError, LineError):
        raise LineError("not an event") from None


def shaped(said: Any, members: str) -> dict[str, Any]:
    """An object with exactly these members, in this order. Raises LineError."""
    if not isinstance(said, dict) or list(said) != members.split(" "):
        raise LineError(f"not an object of {members}")
    return said


def text(said: Any) -> str:
    if not isinstance(said, str):
        raise LineError("not text")
    return said


def or_none(said: Any) -> str | None:
    return None if said is None else text(said)


def number(said: Any) -> int:
    """A whole number from 0 to the largest exact integer. Raises LineError."""
    if type(said) is not int or not 0 <= said <= MAX_NUMBER:
        raise LineError("not a number")
    return said


def listed(said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise LineError("not a list")
    return said


def hash32(said: Any) -> bytes:
    """32 bytes from base64. Raises LineError."""
    try:
        found = canonical(text(said))
    except ValueError:
        found = b""
    if len(found) != HASH:
        raise LineError("not 32 bytes in base64")
    return found


def hashes(said: Any) -> tuple[bytes, ...]:
    return tuple(hash32(each) for each in listed(said))


def _depth(content: str) -> int:
    """The nesting depth of brackets outside strings."""
    deepest = depth = 0
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"', "", content, flags=re.DOTALL):
        depth += (mark in "[{") - (mark in "]}")
        deepest = max(deepest, depth)
    return deepest
