"""One entry's proof in one small text file: checkpoint, index, inclusion proof, and the entry with its event.

The format is C2SP `tlog-proof`; the entry is its extra data. Promise: read in one spelling or not at all; *intact*
needs the entry under a root that a given key signed. Knows no database.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from audit import canonical_json, merkle
from audit.bundle import EventFilter
from audit.canonical_json import Event, LineError
from audit.evidence_report import Judge, Report, UnsignedCheckpoint, spoken, unreadable
from audit.key import canonical
from audit.leaf import EMPTY, VERSION, Entry, frame
from audit.policy import Policy
from audit.verification import Finding, Head

HEADER = "c2sp.org/tlog-proof@v1"
MAX_BYTES = 8 << 20
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")


class ProofFormatError(ValueError):
    """The bytes are not an entry's proof."""


@dataclass(frozen=True)
class Proof:
    """An entry of the ledger named ``origin``, its event if there is one, and the proof of its place."""

    origin: str
    entry: Entry
    path: tuple[bytes, ...]
    checkpoint: bytes

    def __bytes__(self) -> bytes:
        entry, event = self.entry, None
        if entry.content is not None and entry.salt is not None:
            event = {"id": entry.event_id, "salt": b64encode(entry.salt).decode(), "content": entry.content}
        framed = frame(self.origin, entry.seq, entry.recorded_at, entry.prev, entry.commitment).decode()
        extra = b64encode(canonical_json.written({"frame": framed, "event": event})).decode()
        hashes = "".join(f"{b64encode(each).decode()}\n" for each in self.path)
        return f"{HEADER}\nextra {extra}\nindex {entry.seq}\n{hashes}\n".encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Raises ProofFormatError unless the proof is in its only spelling.

        The entry's hash is computed from its frame.
        """
        head, blank, checkpoint = data.partition(b"\n\n")
        try:
            header, extra, index, *hashes = head.decode("ascii").split("\n")
            if (
                len(data) > MAX_BYTES
                or not blank
                or header != HEADER
                or not _INDEX.fullmatch(index)
                or not extra.startswith("extra ")
            ):
                raise ProofFormatError("not a proof of an entry")
            said = canonical_json.shaped(canonical_json.read(canonical(extra.removeprefix("extra "))), "frame event")
            origin, entry = _entry(canonical_json.text(said["frame"]), said["event"])
            proof = cls(origin, entry, canonical_json.hashes(hashes), checkpoint)
            if len(hashes) > merkle.MAX_PROOF or bytes(proof) != data:
                raise ProofFormatError("a proof that is written in another way")
        except (ValueError, LineError) as error:
            raise ProofFormatError(f"not a proof of an entry: {error}") from None
        return proof


def judge(data: bytes, policy: Policy, outside: bytes | None = None) -> Report:
    """Judges a proof. ``outside``: a checkpoint that the caller kept."""
    try:
        proof = Proof.parse(data)
    except ProofFormatError as error:
        return unreadable(str(error))
    entry = proof.entry
    judge = Judge(Head(proof.origin, entry.seq + 1, EMPTY, None))
    judge.begin(entry.seq)
    if entry.content is None:
        judge.cannot("event", "the event is not there")
        judge.asked = EventFilter(actor="")
    judge.feed(entry)
    _compare(judge, proof, policy)
    if outside is not None:
        _compare_outside(judge, proof, policy, outside)
    return judge.conclude("proof", entry.seq, int(entry.content is not None))


def _compare(judge: Judge, proof: Proof, policy: Policy) -> None:
    seq = proof.entry.seq
    try:
        signed = spoken(proof.checkpoint, policy, proof.origin)
    except UnsignedCheckpoint as error:
        return judge.cannot("key", str(error))
    except ValueError as error:
        return judge.report(Finding(None, "checkpoint", str(error)))
    try:
        said = signed.checkpoint
        merkle.verify_inclusion(seq, said.size, proof.entry.hash, proof.path, said.root)
    except merkle.ProofError as error:
        return judge.report(Finding(seq, "signed", str(error)))
    return judge.vouch(signed)


def _compare_outside(judge: Judge, proof: Proof, policy: Policy, outside: bytes) -> None:
    """Compares the caller's checkpoint, if it has the same size."""
    seq = proof.entry.seq
    try:
        kept = spoken(outside, policy, proof.origin).checkpoint
    except ValueError as error:
        return judge.cannot("outside", f"the checkpoint that was given: {error}")
    try:
        merkle.verify_inclusion(seq, kept.size, proof.entry.hash, proof.path, kept.root)
    except merkle.ProofError:
        if kept.size == judge.size:
            return judge.report(Finding(seq, "signed", "the entry is not in the tree of the checkpoint that was given"))
        return judge.cannot(
            "outside", f"the checkpoint that was given is of {kept.size} entries, the proof is of others"
        )
    return None


def _entry(framed: str, event: object) -> tuple[str, Entry]:
    """Raises ValueError for anything but a frame, and an event or none."""
    version, origin, seq, recorded_at, prev, commitment, end = framed.split("\n")
    if version != VERSION or end or not re.fullmatch(r"0|[1-9][0-9]{0,15}", seq, re.ASCII):
        raise ProofFormatError("not an entry's frame")
    number = canonical_json.number(int(seq))
    place = (canonical_json.hash32(prev), canonical_json.hash32(commitment))
    hash = sha256(b"\x00" + framed.encode()).digest()
    if event is None:
        return origin, Entry(number, "", recorded_at, *place, hash)
    said = canonical_json.shaped(event, "id salt content")
    happened = Event(
        number,
        canonical_json.text(said["id"]),
        canonical_json.hash32(said["salt"]),
        canonical_json.text(said["content"]),
    )
    return origin, Entry(number, happened.id, recorded_at, *place, hash, happened.salt, happened.content)
