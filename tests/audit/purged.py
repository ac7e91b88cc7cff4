"""Evidence from a ledger whose first eight entries' content was purged, and what forgers make of it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass

from audit import canonical_json
from audit.bundle import EventFilter
from audit.compact_range import CompactRange
from tests.audit.evidence import TRUE, History, Parts, bundle

SAYS, SIZE = 12, 20
"""The entry that says so, and how many there are."""
GONE = frozenset(range(8))


@dataclass(frozen=True)
class Purged(History):
    """Entry 12 says that the content of entries ``first`` to ``last`` was purged, with the hashes of ``hashed``."""

    first: int = 0
    last: int = 7
    hashed: History = TRUE

    def content(self, seq: int) -> str:
        said = json.loads(super().content(seq))
        return (
            json.dumps({**said, "action": "ledger.purge", "detail": self.detail()}) if seq == SAYS else json.dumps(said)
        )

    def detail(self) -> dict[str, object]:
        covered = CompactRange(self.first, self.first)
        covered.extend([entry.hash for entry in _Plain(self.hashed.fork).entries(SIZE)[self.first : self.last + 1]])
        return {"first": self.first, "last": self.last, "hashes": b64encode(covered.to_bytes()).decode()}


@dataclass(frozen=True)
class _Plain(History):
    """The same entries, none of which purges anything."""

    def content(self, seq: int) -> str:
        return json.dumps(json.loads(super().content(seq)))


def without(
    gone: Collection[int] = GONE, history: History | None = None, asked: EventFilter | None = None, stop: int = SIZE
) -> Callable[[], bytes]:
    """A bundle that lacks these entries' events, and says so in its manifest."""

    def forge() -> bytes:
        parts = Parts.of(bundle(SIZE, EventFilter(), 0, stop, history or Purged(), checkpoints=(SIZE,)))
        kept = [each for each in parts.lines("events/000000.jsonl") if each["seq"] not in gone]
        parts.write("events/000000.jsonl", kept)
        if not kept:
            del parts.files["events/000000.jsonl"]
        parts.said(lambda manifest: manifest.update(events=len(kept)))
        if asked is not None:
            target = None if asked.target is None else {"kind": asked.target[0], "id": asked.target[1]}
            parts.said(lambda manifest: manifest["filter"].update({"to": asked.until, "target": target}))
        return bytes(parts.hashed())

    return forge


def claiming_more() -> bytes:
    """The event of the purge was changed afterwards, to stand for one entry more."""
    parts = Parts.of(without(GONE | {8})())
    told = Purged(last=8).content(SAYS)
    parts.write(
        "events/000000.jsonl",
        [{**each, "content": told} if each["seq"] == SAYS else each for each in parts.lines("events/000000.jsonl")],
    )
    assert canonical_json.meaning(told).purges
    return bytes(parts.hashed())
