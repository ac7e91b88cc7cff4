"""A ledger in memory with its signed checkpoints, bundles and proofs of it, and ways to take a bundle apart.

No database: what is judged here is what a file says.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Any

from audit import canonical_json, checkpoint, event, merkle, note
from audit.bundle import MANIFEST, BundleWriter, EventFilter
from audit.canonical_json import Event, SignedCheckpoint
from audit.canonical_zip import Archive, Writer
from audit.checkpoint import Checkpoint
from audit.compact_range import CompactRange
from audit.evidence_report import Report
from audit.key import Algorithm, SigningKey
from audit.leaf import EMPTY, Entry, leaf_hash
from audit.merkle import full_subtrees
from audit.policy import Policy
from audit.proof import Proof
from audit.verify import judge

DEPLOYMENT = "itm-0123456789ab"
ORIGIN = f"{DEPLOYMENT}/ledger/JGK/1"
KEY = SigningKey(DEPLOYMENT, b"k" * 32)
OTHER = SigningKey(DEPLOYMENT, b"o" * 32)
WITNESS = SigningKey("witness.example", b"w" * 32, Algorithm.COSIGNATURE)
TIME = 1_780_000_000
POLICY = Policy((KEY.verifier,))
WITNESSED = Policy((KEY.verifier,), (WITNESS.verifier,), 1)
POLICY_TEXT = f"log {KEY.verifier}\nwitness w {WITNESS.verifier}\nquorum w\n"


@dataclass(frozen=True)
class History:
    """A ledger's entries; from entry ``fork`` on, this history's own."""

    fork: int = 10**9
    origin: str = ORIGIN

    def content(self, seq: int) -> str:
        said = {
            "id": f"00000000-0000-4000-8000-{seq:012}",
            "time": moment(seq),
            "action": "record.read",
            "outcome": "success",
            "via": "append",
            "actor": {"user": f"user-{seq % 3}", "name": f"Ayşe {seq % 3}", "institution": None, "role": None},
            "target": {"kind": "case", "id": f"case-{seq % 5}", "institution": None} if seq % 7 else None,
            "subjects": [f"person-{seq % 4}"] if seq % 2 else [],
            "purpose": "“görev” \u2028 \U0001f512" if self.fork > seq else "another",
            "request": {"id": None},
        }
        return json.dumps(said, ensure_ascii=seq % 2 == 0)

    def entries(self, size: int) -> list[Entry]:
        return list(_entries(self, size))

    def nodes(self, size: int) -> merkle.Nodes:
        return _nodes(self, size)

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, CompactRange.of(e.hash for e in self.entries(size)).root())

    def note(self, size: int, *keys: SigningKey, cosigned: bool = True) -> str:
        signed = checkpoint.sign(self.checkpoint(size), *(keys or (KEY,)))
        if cosigned:
            signed = signed.with_signatures([note.cosign(signed.text, WITNESS, TIME + size)])
        return bytes(signed).decode()

    def subtrees(self, start: int, stop: int) -> tuple[bytes, ...]:
        return tuple(self.nodes(stop)(height, index) for height, index in full_subtrees(start, stop))

    def signed(self, size: int, stop: int, *keys: SigningKey) -> SignedCheckpoint:
        return SignedCheckpoint(self.note(size, *keys), self.subtrees(stop, size) if size > stop else ())

    def proof(self, seq: int, size: int) -> Proof:
        path = merkle.inclusion_proof(seq, size, self.nodes(size))
        return Proof(self.origin, self.entries(size)[seq], tuple(path), self.note(size).encode())


def moment(seq: int) -> str:
    return f"2026-01-01T{seq // 3600:02}:{seq // 60 % 60:02}:{seq % 60:02}.{seq * 7919 % 1_000_000:06}Z"


@lru_cache(maxsize=32)
def _entries(history: History, size: int) -> tuple[Entry, ...]:
    made: list[Entry] = []
    for seq in range(size):
        content, salt = history.content(seq), sha256(f"salt {seq}".encode()).digest()
        prev, committed = made[-1].hash if made else EMPTY, event.commitment(salt, content)
        hash = leaf_hash(history.origin, seq, moment(seq), prev, committed)
        id = f"00000000-0000-4000-8000-{seq:012}"
        made.append(Entry(seq, id, moment(seq), prev, committed, hash, salt, content))
    return tuple(made)


@lru_cache(maxsize=32)
def _nodes(history: History, size: int) -> merkle.Nodes:
    return merkle.nodes_of([entry.hash for entry in _entries(history, size)])


TRUE = History()


def bundle(
    size: int,
    asked: EventFilter | None = None,
    first: int = 0,
    stop: int | None = None,
    history: History = TRUE,
    checkpoints: Iterable[int] | None = None,
    keys: tuple[SigningKey, ...] = (),
) -> bytes:
    """A bundle of entries first to stop - 1 under the checkpoint of ``size``, beside one in the middle."""
    asked, stop, sink = asked or EventFilter(), size if stop is None else stop, BytesIO()
    writer = BundleWriter(sink, history.origin, first, asked)
    for entry in history.entries(size)[first:stop]:
        writer.entry(entry, _asked(entry, asked))
    middle = (first + stop) // 2
    sizes = checkpoints if checkpoints is not None else sorted({each for each in (middle, size) if each > first})
    writer.checkpoints([history.signed(each, stop, *keys) for each in sizes])
    writer.add("policy.txt", POLICY_TEXT.encode())
    writer.add("timestamps/presidency.tsr", b"\x30\x03\x02\x01\x00")
    writer.close(history.subtrees(0, first))
    return sink.getvalue()


def _asked(entry: Entry, asked: EventFilter) -> Event | None:
    assert entry.content is not None
    assert entry.salt is not None
    if asked.before(entry.seq, entry.recorded_at) or asked.after(entry.seq, entry.recorded_at):
        return None
    if not asked.matches(canonical_json.meaning(entry.content)):
        return None
    return Event(entry.seq, entry.event_id, entry.salt, entry.content)


@dataclass
class Parts:
    """A bundle taken apart, as somebody would who wants to change it."""

    files: dict[str, bytes]
    extra: dict[str, bytes] = field(default_factory=dict)
    """Files that the manifest will not name."""

    @classmethod
    def of(cls, data: bytes) -> Parts:
        archive = Archive(BytesIO(data))
        return cls({name: archive.read(name) for name in archive.members})

    @property
    def manifest(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.files[MANIFEST])
        return said

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[name].decode().split("\n")[:-1]]

    def write(self, name: str, said: Iterable[Any]) -> None:
        self.files[name] = b"".join(map(canonical_json.written, said))

    def edit(self, name: str, place: int, change: Callable[[dict[str, Any]], object]) -> None:
        """Changes one line; a file that has it elsewhere than in its first is not looked for."""
        said = self.lines(name)
        change(said[place])
        self.write(name, said)

    def said(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Changes the manifest."""
        manifest = self.manifest
        change(manifest)
        self.files[MANIFEST] = canonical_json.written(manifest)

    def hashed(self) -> Parts:
        """The manifest names the files as they are now, as a careful forger would have it."""
        names = [name for name in self.files if name != MANIFEST]
        self.said(
            lambda manifest: manifest.update(
                files=[
                    {"name": name, "bytes": len(self.files[name]), "sha256": sha256(self.files[name]).hexdigest()}
                    for name in names
                ]
            )
        )
        return self

    def __bytes__(self) -> bytes:
        return packed(
            [(name, each) for name, each in self.files.items() if name != MANIFEST]
            + list(self.extra.items())
            + [(MANIFEST, self.files[MANIFEST])]
        )


def packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    sink = BytesIO()
    writer = Writer(sink)
    for name, content in files:
        writer.add(name, content)
    writer.close()
    return sink.getvalue()


def report(data: bytes, policy: Policy = WITNESSED, outside: bytes | None = None) -> Report:
    return judge(BytesIO(data), policy, outside)


def summary(found: Report) -> tuple[str, str, int | None, list[tuple[int | None, str]]]:
    """Verdict, assurance, place, and of each finding its place and kind."""
    return found.verdict, found.assurance, found.first_broken, [(each.seq, each.kind) for each in found.findings]


def rehashed(entry: Entry, **changes: Any) -> Entry:
    """An entry with other fields, and the hash that belongs to them."""
    changed = replace(entry, **changes)
    framed = (changed.seq, changed.recorded_at, changed.prev, changed.commitment)
    return replace(changed, hash=leaf_hash(ORIGIN, *framed))


def base64(data: bytes) -> str:
    return b64encode(data).decode()
