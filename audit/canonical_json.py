"""JSON lines as evidence has them: one way to write each, and only that way is read.

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

"""The largest number that every language's JSON keeps."""
MAX_DEPTH = 64
"""How deep an event's content may nest."""


# Made once: json.loads and json.dumps would make them for every line.
_DECODER = decoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class LineError(ValueError):
    """A line that is not as evidence has it."""


class Event(NamedTuple):
    """What happened, with the number of its entry."""

    seq: int
    id: str
    salt: bytes
    content: str


class SignedCheckpoint(NamedTuple):
    """A checkpoint's note, and the subtrees between the bundle's last entry and its size."""

    note: str
    after: tuple[bytes, ...]


class Meaning(NamedTuple):
    """What a filter asks of an event."""

    id: str
    names: frozenset[str | None]
    target: tuple[str | None, str | None]
    subjects: tuple[str, ...]
    purges: bool
    """Whether it says that earlier content was purged: such an event is in every bundle that it speaks for."""


def written(said: Any) -> bytes:
    """JSON without spaces, in UTF-8, and a newline. Raises LineError for what cannot be written so."""
    try:
        return (_ENCODER.encode(said) + "\n").encode()
    except (ValueError, RecursionError):
        raise LineError("not Unicode text") from None


def read(line: bytes) -> Any:
    """What `written` made it from. Raises LineError unless it is written just so."""
    try:
        said = loaded(line.decode())
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    if written(said) != line:
        raise LineError("JSON that is written in another way")
    return said


def loaded(text: str) -> Any:
    """JSON in any spelling; without NaN and the like."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise LineError("not JSON") from None


def lines(content: bytes) -> Iterator[bytes]:
    """Each with its newline; what follows the last newline comes without one, and reads as no line."""
    start = 0
    while start < len(content):
        stop = content.find(b"\n", start) + 1 or len(content)
        yield content[start:stop]
        start = stop


def entry_line(entry: Entry) -> bytes:
    """A leaf, as a line."""
    prev, commitment, hash = (b64encode(each).decode() for each in (entry.prev, entry.commitment, entry.hash))
    said = {"seq": entry.seq, "recorded_at": entry.recorded_at, "prev": prev, "commitment": commitment, "hash": hash}
    return written(said)


def read_entry(line: bytes) -> Entry:
    """Raises LineError. The event's id is in no leaf: it stays empty."""
    said = shaped(read(line), "seq recorded_at prev commitment hash")
    prev, commitment, hash = (hash32(said[name]) for name in ("prev", "commitment", "hash"))
    return Entry(number(said["seq"]), "", text(said["recorded_at"]), prev, commitment, hash)


def event_line(event: Event) -> bytes:
    return written({**event._asdict(), "salt": b64encode(event.salt).decode()})


def read_event(line: bytes) -> Event:
    """Raises LineError."""
    said = shaped(read(line), "seq id salt content")
    return Event(number(said["seq"]), text(said["id"]), hash32(said["salt"]), text(said["content"]))


def signed_line(signed: SignedCheckpoint) -> bytes:
    return written({"note": signed.note, "after": [b64encode(each).decode() for each in signed.after]})


def read_signed(line: bytes) -> SignedCheckpoint:
    """Raises LineError."""
    said = shaped(read(line), "note after")
    return SignedCheckpoint(text(said["note"]), hashes(said["after"]))


def meaning(content: str) -> Meaning:
    """What a filter needs to know of an event. Raises LineError for content that is no event."""
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
    """An object with just these members, in this order."""
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
    """A whole number from 0 that every language keeps."""
    if type(said) is not int or not 0 <= said <= MAX_NUMBER:
        raise LineError("not a number")
    return said


def listed(said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise LineError("not a list")
    return said


def hash32(said: Any) -> bytes:
    """32 bytes, from base64."""
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
    """How deep brackets nest, those inside strings left out."""
    deepest = depth = 0
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"', "", content, flags=re.DOTALL):
        depth += (mark in "[{") - (mark in "]}")
        deepest = max(deepest, depth)
    return deepest
