"""The fuzzing targets: each parser of outside input, the errors it may raise, and the input it may accept.

Promise of each: only its documented errors, and accepted input is written back as the very same bytes. Seeds are good
files. Knows no fuzzer.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from audit import canonical_json, note, policy
from audit.bundle import BundleError, BundleManifest
from audit.canonical_json import LineError
from audit.canonical_zip import Archive, ArchiveError
from audit.checkpoint import Checkpoint, CheckpointFormatError
from audit.checkpoint_folder import HeldCheckpoint
from audit.compact_range import CompactRange
from audit.event import derived
from audit.key import KeyFormatError, SigningKey, VerifierKey, canonical
from audit.key_statements import Statement, StatementFormatError
from audit.note import NoteFormatError
from audit.policy import PolicyFormatError
from audit.proof import Proof, ProofFormatError
from audit.tiles import Tile
from audit.witness_rules import Request, WitnessedLog
from tests.audit.evidence import TRUE, Parts, bundle, report
from tests.audit.go.questions import LOG, WITNESS

SIZE = 5
WHOLE = bundle(SIZE)
PARTS = Parts.of(WHOLE)
NAMES = sorted(PARTS.files)
BELIEVED = ("leaves/000000.jsonl", "events/000000.jsonl")
PROOF = bytes(TRUE.proof(2, SIZE))
NOTE = TRUE.note(SIZE).encode()
RANGE = CompactRange.of([entry.hash for entry in TRUE.entries(SIZE)])
HELD = (
    NOTE
    + (
        f"\nsigned 2026-11-24T12:00:00.000000Z\nhead {b64encode(TRUE.entries(SIZE)[-1].hash).decode()}\n"
        f"range {b64encode(RANGE.to_bytes()).decode()}\n"
    ).encode()
)
POLICY = (
    f"log {LOG.verifier}\nwitness a {WITNESS.verifier} https://witness.example/\n# none\ngroup g 1 a\nquorum g\n"
).encode()


@dataclass(frozen=True)
class Target:
    """``check`` raises for what must not be."""

    check: Callable[[bytes], None]
    seeds: Sequence[bytes]


def _same(made: bytes, data: bytes) -> None:
    if made != data:
        raise AssertionError(f"read as if it were {made!r}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def read_note(data: bytes) -> None:
    try:
        read = note.parse(data)
    except NoteFormatError:
        return
    _same(bytes(read), data)
    try:
        _same(Checkpoint.parse(read.text).text.encode(), read.text.encode())
    except CheckpointFormatError:
        return


def read_checkpoint(data: bytes) -> None:
    """The text of a note, so it is Unicode."""
    try:
        _same(Checkpoint.parse(data.decode()).text.encode(), data)
    except (CheckpointFormatError, UnicodeDecodeError):
        return


_KEYS: Sequence[Callable[[str], str]] = (
    lambda text: str(VerifierKey.parse(text)),
    lambda text: SigningKey.parse(text).secret_text,
)


def read_key(data: bytes) -> None:
    for parse in _KEYS:
        try:
            _same(parse(_text(data)).encode(), data)
        except KeyFormatError:
            continue


def read_base64(data: bytes) -> None:
    try:
        _same(b64encode(canonical(_text(data))), data)
    except ValueError:
        return


def read_request(data: bytes) -> None:
    try:
        _same(bytes(Request.parse(data)), data)
    except ValueError:
        return


def read_log(data: bytes) -> None:
    try:
        WitnessedLog.parse(_text(data))
    except ValueError:
        return


def read_policy(data: bytes) -> None:
    try:
        read = policy.parse(_text(data))
    except PolicyFormatError:
        return
    if not read.logs or read.quorum > len({key.name for key in read.witnesses}):
        raise AssertionError("a policy that nobody can fulfil, or that everybody does")


def read_statement(data: bytes) -> None:
    try:
        _same(bytes(Statement.parse(data)), data)
    except StatementFormatError:
        return


def read_held(data: bytes) -> None:
    try:
        _same(bytes(HeldCheckpoint.parse(data)), data)
    except ValueError:
        return


def read_range(data: bytes) -> None:
    try:
        _same(CompactRange.from_bytes(data).to_bytes(), data)
    except ValueError:
        return


def read_tile_path(data: bytes) -> None:
    try:
        _same(Tile.at(_text(data)).path.encode(), data)
    except ValueError:
        return


_READERS: Sequence[tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = (
    (canonical_json.read, canonical_json.written),
    (canonical_json.read_entry, canonical_json.entry_line),
    (canonical_json.read_event, canonical_json.event_line),
    (canonical_json.read_signed, canonical_json.signed_line),
)


def read_line(data: bytes) -> None:
    for read, write in _READERS:
        try:
            _same(write(read(data)), data)
        except LineError:
            continue


def read_content(data: bytes) -> None:
    """An event's content: two readers, which must agree on what is none."""
    with suppress(LineError):
        canonical_json.meaning(_text(data))
    try:
        derived(_text(data))
    except ValueError:
        return


def read_manifest(data: bytes) -> None:
    try:
        _same(bytes(BundleManifest.parse(data)), data)
    except BundleError:
        return


def read_archive(data: bytes) -> None:
    try:
        archive = Archive(BytesIO(data))
        for name in archive.members:
            archive.read(name)
    except ArchiveError:
        return


def read_proof(data: bytes) -> None:
    try:
        _same(bytes(Proof.parse(data)), data)
    except ProofFormatError:
        return


def judge_proof(data: bytes) -> None:
    if report(data).verdict == "intact" and data != PROOF:
        good, read = Proof.parse(PROOF), Proof.parse(data)
        if (read.entry, read.path) != (good.entry, good.path):
            raise AssertionError("another entry was believed")


def judge_bundle(data: bytes) -> None:
    if report(data).verdict == "intact" and data != WHOLE:
        raise AssertionError("a changed bundle was believed")


def judge_forged(data: bytes) -> None:
    """One member exchanged by somebody who writes archive and manifest anew: the first byte says which."""
    if not data:
        return
    parts, name = Parts(dict(PARTS.files)), NAMES[data[0] % len(NAMES)]
    parts.files[name] = data[1:]
    try:
        changed = bytes(parts if name == "manifest.json" else parts.hashed())
    except ArchiveError:
        return
    if report(changed).verdict == "intact" and any(parts.files[each] != PARTS.files[each] for each in BELIEVED):
        raise AssertionError(f"{name} was believed")


_LINES = [line + b"\n" for name in NAMES if name.endswith("l") for line in PARTS.files[name].splitlines()[:2]]
TARGETS = {
    "note": Target(read_note, [NOTE]),
    "checkpoint": Target(read_checkpoint, [TRUE.note(SIZE).partition("\n\n")[0].encode() + b"\n"]),
    "key": Target(read_key, [str(LOG.verifier).encode(), LOG.secret_text.encode(), str(WITNESS.verifier).encode()]),
    "base64": Target(read_base64, [b64encode(bytes(32)), b"AA=="]),
    "request": Target(read_request, [b"old 3\n" + b64encode(bytes(32)) + b"\n\n" + NOTE]),
    "log": Target(read_log, [f"{LOG.verifier}:itm-0a1b2c/ledger/*".encode()]),
    "policy": Target(read_policy, [POLICY]),
    "statement": Target(read_statement, [bytes(Statement(LOG.verifier, "named", {"a/ledger/B/1": 3}))]),
    "held": Target(read_held, [HELD]),
    "range": Target(read_range, [RANGE.to_bytes(), CompactRange().to_bytes()]),
    "tile path": Target(read_tile_path, [b"tile/0/x001/234.p/5", b"tile/2/007"]),
    "line": Target(read_line, _LINES),
    "content": Target(read_content, [TRUE.content(3).encode()]),
    "manifest": Target(read_manifest, [PARTS.files["manifest.json"]]),
    "archive": Target(read_archive, [WHOLE]),
    "proof": Target(read_proof, [PROOF]),
    "judged proof": Target(judge_proof, [PROOF]),
    "judged bundle": Target(judge_bundle, [WHOLE]),
    "forged bundle": Target(judge_forged, [bytes([at]) + PARTS.files[name] for at, name in enumerate(NAMES)]),
}
