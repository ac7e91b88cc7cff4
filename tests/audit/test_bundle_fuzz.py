"""The parsers neither fail on any bytes nor take garbage for evidence.

A mutated bundle, proof or note is good only if it says the same as before.
"""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit import canonical_json, note
from audit.bundle import BundleError, BundleManifest
from audit.canonical_json import LineError
from audit.canonical_zip import Archive, ArchiveError
from audit.checkpoint import Checkpoint, CheckpointFormatError
from audit.note import NoteFormatError
from audit.proof import Proof, ProofFormatError
from tests.audit.evidence import TRUE, Parts, bundle, report

SIZE = 5
WHOLE = bundle(SIZE)
PROOF = bytes(TRUE.proof(2, SIZE))
NOTE = TRUE.note(SIZE).encode()
PARTS = Parts.of(WHOLE)
CONTENT = TRUE.content(3).encode()
UNBELIEVED = ("policy.txt", "timestamps/presidency.tsr")


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """A few bytes changed, taken out, put in, or moved."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        stop = draw(st.integers(start, min(start + 40, len(data))))
        how = draw(st.sampled_from(["set", "insert", "cut", "double", "bit"]))
        if how == "set":
            data = data[:start] + draw(st.binary(min_size=stop - start, max_size=stop - start)) + data[stop:]
        elif how == "insert":
            data = data[:start] + draw(st.binary(min_size=1, max_size=9)) + data[start:]
        elif how == "cut":
            data = data[:start] + data[stop:]
        elif how == "double":
            data = data[:stop] + data[start:stop] + data[stop:]
        elif data:
            data = data[:start] + bytes([data[start] ^ 1 << draw(st.integers(0, 7))]) + data[start + 1 :]
    return data


@settings(max_examples=600, deadline=None)
@given(mutated(WHOLE))
def test_a_bundle_whose_bytes_were_changed_is_not_intact(data: bytes) -> None:
    if data != WHOLE:
        assert report(data).verdict != "intact"


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([name for name in PARTS.files if name not in UNBELIEVED]), st.data())
def test_a_bundle_whose_files_were_changed_by_a_careful_forger_is_intact_only_if_it_says_the_same(
    name: str, draws: st.DataObject
) -> None:
    parts = Parts(dict(PARTS.files))
    parts.files[name] = draws.draw(mutated(parts.files[name]))
    try:
        changed = bytes(parts if name == "manifest.json" else parts.hashed())
    except ArchiveError:
        return
    found = report(changed)
    if found.verdict == "intact":
        assert found.assurance == "witnessed" or name == "checkpoints.jsonl"
        assert parts.files["leaves/000000.jsonl"] == PARTS.files["leaves/000000.jsonl"]
        assert parts.files["events/000000.jsonl"] == PARTS.files["events/000000.jsonl"]
        assert _said(parts.files["manifest.json"]) == _said(PARTS.files["manifest.json"])


def _said(manifest: bytes) -> tuple[object, ...]:
    """The ledger by its manifest: a bound that asks for the same entries says the same."""
    said = BundleManifest.parse(manifest)
    inside = [
        not said.filter.before(e.seq, e.recorded_at) and not said.filter.after(e.seq, e.recorded_at)
        for e in TRUE.entries(SIZE)
    ]
    return said.origin, said.first, said.leaves, said.events, said.before, said.filter.target, said.filter.actor, inside


@settings(max_examples=600, deadline=None)
@given(mutated(PROOF))
def test_a_proof_that_was_changed_proves_nothing_but_what_it_proved(data: bytes) -> None:
    found = report(data)
    if data != PROOF and found.verdict == "intact":
        assert (Proof.parse(data).entry, Proof.parse(data).path) == (Proof.parse(PROOF).entry, Proof.parse(PROOF).path)
        assert note.parse(Proof.parse(data).checkpoint).text == note.parse(Proof.parse(PROOF).checkpoint).text


@settings(max_examples=600, deadline=None)
@given(st.one_of(mutated(NOTE), st.binary(max_size=300)))
def test_a_note_is_read_in_one_way_or_not_at_all(data: bytes) -> None:
    try:
        read = note.parse(data)
    except NoteFormatError:
        return
    assert bytes(read) == data
    try:
        assert Checkpoint.parse(read.text).text == read.text
    except CheckpointFormatError:
        return


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=400), mutated(WHOLE)))
@example(b"PK\x05\x06" + bytes(18))
def test_an_archive_is_read_in_one_way_or_not_at_all(data: bytes) -> None:
    try:
        archive = Archive(BytesIO(data))
        for name in archive.members:
            archive.read(name)
    except ArchiveError:
        return
    if archive.members:
        assert data == WHOLE or {*archive.members} <= {*PARTS.files}


def test_an_archive_whose_files_would_not_fit_into_any_is_none() -> None:
    packed = WHOLE.index(b"PK\x01\x02") + 20
    assert report(WHOLE[:packed] + b"\xff" * 4 + WHOLE[packed + 4 :]).verdict == "cannot tell"


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300))
@example(b"PK\x05\x06" + bytes(18))
@example(b"c2sp.org/tlog-proof@v1\n\n")
def test_garbage_is_no_evidence(data: bytes) -> None:
    assert report(data).verdict == "cannot tell"


TEXT, SHORT = (st.text(st.characters(codec=None), max_size=most) for most in (40, 4))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SHORT, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=500, deadline=None)
@given(JSON)
def test_json_is_written_so_that_it_reads_the_same(said: object) -> None:
    try:
        line = canonical_json.written(said)
    except LineError:
        return
    assert canonical_json.written(canonical_json.read(line)) == line


@pytest.mark.parametrize("reader", [canonical_json.read_entry, canonical_json.read_event, canonical_json.read_signed])
@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), *[mutated(PARTS.files[name].split(b"\n")[0] + b"\n") for name in PARTS.files])
)
def test_a_line_is_read_or_refused(reader: object, line: bytes) -> None:
    assert callable(reader)
    try:
        reader(line)
    except LineError:
        return


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        TEXT,
        JSON.map(str),
        mutated(CONTENT).map(lambda said: said.decode("latin-1")),
    )
)
def test_content_is_an_event_or_refused(content: str) -> None:
    try:
        canonical_json.meaning(content)
    except LineError:
        return


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), mutated(PARTS.files["manifest.json"])))
def test_a_manifest_is_read_in_one_way_or_not_at_all(data: bytes) -> None:
    try:
        assert bytes(BundleManifest.parse(data)) == data
    except BundleError:
        return


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), mutated(PROOF)))
def test_a_proof_is_read_in_one_way_or_not_at_all(data: bytes) -> None:
    try:
        assert bytes(Proof.parse(data)) == data
    except ProofFormatError:
        return
