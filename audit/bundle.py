"""Evidence bundles: their format, a streaming writer and a strict reader.

A bundle is an archive of leaves, events, checkpoints and a manifest. Promise: reading gives exactly what was written,
or raises; it judges nothing. Knows no database and no key.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from audit.canonical_json import (
    Event,
    LineError,
    Meaning,
    SignedCheckpoint,
    entry_line,
    event_line,
    hashes,
    listed,
    number,
    read,
    shaped,
    signed_line,
    text,
    written,
)
from audit.canonical_zip import MAX_MEMBER, Archive, ByteSink, Writer
from audit.leaf import Entry
from audit.merkle import full_subtrees
from audit.numerals import MAX_NUMBER

FORMAT = "itm-evidence/v1"
MANIFEST, CHECKPOINTS, POLICY = "manifest.json", "checkpoints.jsonl", "policy.txt"
MAX_CHECKPOINTS = 1000
SEGMENT = 8 << 20
"""Bytes, about: leaves and events are cut into files of this size, so that a verifier holds one of each in memory."""
_NAMES = re.compile(r"(leaves|events)/([0-9]{6})\.jsonl|checkpoints\.jsonl|policy\.txt|timestamps/[a-z0-9-]{1,40}\.tsr")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_HEX = re.compile(r"[0-9a-f]{64}")
Bound = int | str | None
"""A sequence number, a recorded time, or no bound."""


class BundleError(ValueError):
    """The file is not a bundle."""


@dataclass(frozen=True)
class EventFilter:
    """The entries whose events the bundle's reader asked for. A filter with only None asks for everything.

    ``since`` and ``until`` are both inclusive. ``target`` matches the event's target, or its id among the event's
    subjects; ``actor`` matches a user's id or name.
    """

    since: Bound = None
    until: Bound = None
    target: tuple[str, str] | None = None
    actor: str | None = None

    @property
    def chooses(self) -> bool:
        """True if entries inside the bounds may lack their events."""
        return self.target is not None or self.actor is not None

    def before(self, seq: int, recorded_at: str) -> bool:
        """True if the entry lies before the lower bound."""
        if isinstance(self.since, str):
            return recorded_at < self.since
        return self.since is not None and seq < self.since

    def after(self, seq: int, recorded_at: str) -> bool:
        if isinstance(self.until, str):
            return recorded_at > self.until
        return self.until is not None and seq > self.until

    def matches(self, meaning: Meaning) -> bool:
        """True if the filter asks for an event that lies inside the bounds."""
        if self.actor is not None and self.actor not in meaning.names:
            return False
        return self.target is None or meaning.target == self.target or self.target[1] in meaning.subjects


@dataclass(frozen=True)
class File:
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BundleManifest:
    """A bundle's table of contents: entries ``first`` to ``first + leaves - 1`` of a ledger."""

    origin: str
    first: int
    leaves: int
    events: int
    filter: EventFilter = EventFilter()
    before: tuple[bytes, ...] = ()
    """Roots of the full subtrees over all entries before the first."""
    files: tuple[File, ...] = ()

    @property
    def stop(self) -> int:
        return self.first + self.leaves

    def named(self, kind: str) -> list[str]:
        """The files of this kind (leaves or events), in their order."""
        return [file.name for file in self.files if file.name.startswith(f"{kind}/")]

    def __bytes__(self) -> bytes:
        asked = self.filter
        said = {
            "format": FORMAT,
            "origin": self.origin,
            "first": self.first,
            "leaves": self.leaves,
            "events": self.events,
            "filter": {
                "from": asked.since,
                "to": asked.until,
                "target": None if asked.target is None else {"kind": asked.target[0], "id": asked.target[1]},
                "actor": asked.actor,
            },
            "before": [b64encode(each).decode() for each in self.before],
            "files": [{"name": each.name, "bytes": each.bytes, "sha256": each.sha256} for each in self.files],
        }
        return written(said)

    @classmethod
    def parse(cls, data: bytes) -> BundleManifest:
        """Raises BundleError unless `data` is a manifest in its only spelling."""
        try:
            said = shaped(read(data), "format origin first leaves events filter before files")
            asked = shaped(said["filter"], "from to target actor")
            target = None if asked["target"] is None else shaped(asked["target"], "kind id")
            manifest = cls(
                text(said["origin"]),
                number(said["first"]),
                number(said["leaves"]),
                number(said["events"]),
                EventFilter(
                    _bound(asked["from"]),
                    _bound(asked["to"]),
                    None if target is None else (text(target["kind"]), text(target["id"])),
                    None if asked["actor"] is None else text(asked["actor"]),
                ),
                hashes(said["before"]),
                tuple(_file(each) for each in listed(said["files"])),
            )
            if said["format"] != FORMAT or manifest.stop > MAX_NUMBER:
                raise LineError("a bundle of another format")
            if len(manifest.before) != sum(1 for _ in full_subtrees(0, manifest.first)):
                raise LineError("other subtrees than lie before the first entry")
            _numbered(manifest)
        except LineError as error:
            raise BundleError(f"{MANIFEST}: {error}") from None
        return manifest


def opened(archive: Archive) -> BundleManifest:
    """Reads the archive's manifest. Raises BundleError or ArchiveError."""
    if MANIFEST not in archive.members:
        raise BundleError("an archive without a manifest")
    return BundleManifest.parse(archive.read(MANIFEST))


@dataclass
class BundleWriter:
    """Streaming writer: call `entry` in order, then `checkpoints`, then `close`."""

    sink: ByteSink
    origin: str
    first: int
    filter: EventFilter = EventFilter()
    leaves: int = 0
    events: int = 0
    _files: list[File] = field(default_factory=list)
    _lines: dict[str, list[bytes]] = field(default_factory=lambda: {"leaves": [], "events": []})
    _sizes: dict[str, int] = field(default_factory=lambda: {"leaves": 0, "events": 0})
    _counts: dict[str, int] = field(default_factory=lambda: {"leaves": 0, "events": 0})

    def __post_init__(self) -> None:
        self._archive = Writer(self.sink)

    def entry(self, entry: Entry, event: Event | None) -> None:
        """Writes the next entry. Raises LineError or ArchiveError if a bundle cannot hold it."""
        self._line("leaves", entry_line(entry))
        self.leaves += 1
        if event is not None:
            self._line("events", event_line(event))
            self.events += 1

    def checkpoints(self, signed: Sequence[SignedCheckpoint]) -> None:
        """Writes the checkpoints: after the last entry, in ascending size, at most 1,000."""
        self._flush("leaves")
        self._flush("events")
        self.add(CHECKPOINTS, b"".join(map(signed_line, signed)))

    def add(self, name: str, content: bytes) -> None:
        self._archive.add(name, content)
        self._files.append(File(name, len(content), sha256(content).hexdigest()))

    def close(self, before: Sequence[bytes], leaves: int | None = None) -> BundleManifest:
        """Ends the bundle. ``leaves``: the expected number of entries, if some were missing."""
        leaves = self.leaves if leaves is None else leaves
        said = (self.origin, self.first, leaves, self.events, self.filter, tuple(before), tuple(self._files))
        manifest = BundleManifest(*said)
        self._archive.add(MANIFEST, bytes(manifest))
        self._archive.close()
        return manifest

    def _line(self, kind: str, line: bytes) -> None:
        if self._sizes[kind] + len(line) > SEGMENT:
            self._flush(kind)
        self._lines[kind].append(line)
        self._sizes[kind] += len(line)

    def _flush(self, kind: str) -> None:
        if self._lines[kind]:
            self.add(f"{kind}/{self._counts[kind]:06d}.jsonl", b"".join(self._lines[kind]))
            self._lines[kind], self._sizes[kind] = [], 0
            self._counts[kind] += 1


def _bound(said: Any) -> Bound:
    if isinstance(said, str) and not _TIME.fullmatch(said):
        raise LineError("not a time")
    return said if said is None or isinstance(said, str) else number(said)


def _file(said: Any) -> File:
    found = shaped(said, "name bytes sha256")
    file = File(text(found["name"]), number(found["bytes"]), text(found["sha256"]))
    if not _NAMES.fullmatch(file.name) or not _HEX.fullmatch(file.sha256) or file.bytes > MAX_MEMBER:
        raise LineError("a file that no bundle has")
    return file


def _numbered(manifest: BundleManifest) -> None:
    """Raises unless each file is listed once, and files of leaves and events are numbered from 0 in order."""
    names = [file.name for file in manifest.files]
    for kind in ("leaves", "events"):
        if manifest.named(kind) != [f"{kind}/{number:06d}.jsonl" for number in range(len(manifest.named(kind)))]:
            raise LineError(f"files of {kind} that are not in order")
    if len(set(names)) < len(names):
        raise LineError("a file that is named twice")
