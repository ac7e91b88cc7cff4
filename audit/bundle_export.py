"""Exports evidence from the database: bundles, proofs of single entries, directories of tiles.

Promise: one snapshot, constant memory, no repair: evidence from a broken ledger shows the damage. An export holds only
entries that a checkpoint covers; if there is no checkpoint yet, all entries, unsigned. Talks to the store only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from audit import canonical_json, merkle, note
from audit.bundle import MAX_CHECKPOINTS, POLICY, BundleManifest, BundleWriter, EventFilter
from audit.bundle_stamps import FOLDER
from audit.canonical_json import Event, LineError, SignedCheckpoint
from audit.canonical_zip import ByteSink
from audit.checkpoint import Checkpoint
from audit.compact_range import CompactRange
from audit.leaf import Entry, frame
from audit.proof import Proof
from audit.store import Database, Ledger, Progress, entries, reading, timestamps
from audit.store import evidence as stored
from audit.store.evidence import Snapshot, Spoken
from audit.store.snapshot import purges
from audit.store.tiling import tree
from audit.tiles import TiledTree, content, tiles
from audit.timestamp_message import message


class NotCovered(ValueError):
    """The entries do not exist, or no checkpoint covers them yet."""


@dataclass(frozen=True)
class Taken:
    """Result of an export. ``newer``: entries left out because no checkpoint covers them yet."""

    manifest: BundleManifest
    newer: int


def bundle(
    engine: Database,
    ledger: Ledger,
    sink: ByteSink,
    asked: EventFilter | None = None,
    policy: str | None = None,
    progress: Progress | None = None,
) -> Taken:
    """Writes a bundle, as itm_signer. ``policy``: the operator's, for information; no verifier trusts it.

    Raises the database's errors, and ArchiveError or LineError if a bundle cannot hold an entry.
    """
    with reading(engine) as connection:
        steps = _steps(connection, ledger, sink, asked or EventFilter(), policy)
        while True:
            try:
                done = next(steps)
            except StopIteration as end:
                taken: Taken = end.value
                return taken
            if progress:
                progress(*done)


def streamed(connection: Snapshot, ledger: Ledger, asked: EventFilter, policy: str | None = None) -> Iterator[bytes]:
    """Yields a bundle in pieces. A receiver of only some pieces has no bundle: the list of files is the last piece."""
    sink = _Pieces()
    for _ in _steps(connection, ledger, sink, asked, policy):
        yield from sink.taken()
    yield from sink.taken()


def reach(connection: Snapshot, ledger: Ledger, asked: EventFilter) -> tuple[int, int, int]:
    """A bundle's first entry, its end (exclusive), and the number of covered entries.

    Raises NotCovered if content was purged and the entry of that purge is not covered yet.
    """
    size = stored.covered(connection, ledger.id)
    covered = ledger.size if size is None else size
    first, stop = stored.bounds(connection, ledger.id, covered, asked)
    return first, _as_far_as_purged(connection, ledger, first, stop, covered), covered


class _Pieces:
    """Collects the bytes that were written since the last `taken`."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes, /) -> None:
        self._written.append(data)

    def taken(self) -> list[bytes]:
        taken, self._written = self._written, []
        return taken


def _steps(
    connection: Snapshot, ledger: Ledger, sink: ByteSink, asked: EventFilter, policy: str | None
) -> Generator[tuple[int, int], None, Taken]:
    """Writes a bundle; yields (entries written, entries to write) now and then."""
    first, stop, covered = reach(connection, ledger, asked)
    writer = BundleWriter(sink, ledger.origin, first, asked)
    among = CompactRange(first, first)
    for entry in _each(connection, ledger, first, stop):
        writer.entry(entry, _event(entry, asked))
        if entry.seq == among.end:
            among.append(entry.hash)
        if writer.leaves % 1000 == 0:
            yield writer.leaves, stop - first
    speaking = stored.spoken(connection, ledger.id, first, stop)
    before, signed = _surroundings(connection, ledger, among, stop, speaking)
    writer.checkpoints(signed[:MAX_CHECKPOINTS])
    if policy is not None:
        writer.add(POLICY, policy.encode())
    _add_stamps(connection, ledger, writer, signed[:MAX_CHECKPOINTS])
    return Taken(writer.close(before, stop - first), max(0, ledger.size - covered))


def _add_stamps(connection: Snapshot, ledger: Ledger, writer: BundleWriter, signed: Sequence[SignedCheckpoint]) -> None:
    """Adds the stamps of the checkpoints in the bundle."""
    sizes: dict[bytes, int] = {}
    for each in signed:
        with suppress(ValueError):  # a checkpoint that is not a note has no stamp
            read = note.parse(each.note.encode())
            sizes[sha256(message(read)).digest()] = Checkpoint.parse(read.text).size
    for stamped in timestamps.at(connection, ledger.id, sorted(set(sizes.values()))):
        if sizes.get(stamped.digest) == stamped.size:
            writer.add(f"{FOLDER}{stamped.size}.tsr", stamped.answer)


def proof(engine: Database | Snapshot, ledger: Ledger, seq: int) -> Proof:
    """One entry's proof under the newest checkpoint. Raises NotCovered if no checkpoint covers it."""
    with reading(engine) as connection:
        found = list(_each(connection, ledger, seq, seq + 1))
        speaking = [each for each in stored.spoken(connection, ledger.id, seq, seq + 1) if each.size > seq]
        if not found or not speaking:
            raise NotCovered(f"entry {seq} is not there, or not under a checkpoint yet")
        entry, newest = found[0], speaking[-1]
        for leaves_only in (False, True):
            path = stored.inclusion(connection, ledger.id, seq, newest.size, leaves_only)
            with suppress(merkle.ProofError):
                merkle.verify_inclusion(seq, newest.size, entry.hash, path, newest.root)
                break
        return Proof(ledger.origin, entry, tuple(path), newest.note.encode())


def tile_directory(engine: Database, ledger: Ledger, folder: Path) -> int:
    """Writes a static C2SP tlog-tiles log: checkpoint, tiles and entry bundles of frames. Returns its size.

    Raises NotCovered if nothing is signed, FileExistsError if the folder exists, OSError.
    """
    with reading(engine) as connection:
        size = stored.covered(connection, ledger.id)
        if size is None:
            raise NotCovered("there is no checkpoint yet")
        signed = stored.spoken(connection, ledger.id, size, size)[-1]
        for leaves_only in (False, True):
            nodes = tree(connection, ledger.id, size, leaves_only)
            if merkle.span_root((0, size), nodes.node) == signed.root:
                break
        else:
            raise NotCovered("the entries are not those that were signed")
        folder.mkdir(parents=True)
        for tile in tiles(size):
            # A new tree for each tile, so that tiles already read are not kept in memory.
            path = folder / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(tile, TiledTree(size, nodes.read).node))
        _write_entries(connection, ledger, size, folder)
        (folder / "checkpoint").write_text(signed.note, "utf-8")
        return size


def _write_entries(connection: Snapshot, ledger: Ledger, size: int, folder: Path) -> None:
    """Writes frames, each after its length in two bytes: their RFC 6962 hashes are the leaf hashes."""
    each = _each(connection, ledger, 0, size)
    for tile in tiles(size):
        if tile.level == 0:
            frames = []
            for _, entry in zip(range(tile.width), each, strict=False):
                framed = frame(ledger.origin, entry.seq, entry.recorded_at, entry.prev, entry.commitment)
                if sha256(b"\x00" + framed).digest() != entry.hash:
                    raise NotCovered(f"entry {entry.seq} is not what was sealed")
                frames.append(len(framed).to_bytes(2, "big") + framed)
            path = folder / tile.path.replace("tile/0/", "tile/entries/", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(frames))


def _each(connection: Snapshot, ledger: Ledger, start: int, stop: int) -> Iterator[Entry]:
    for page in entries(connection, ledger.id, start, stop):
        yield from page


def _as_far_as_purged(connection: Snapshot, ledger: Ledger, first: int, stop: int, covered: int) -> int:
    """Extends the range to the entries that record purges in it: without them, missing content would be tampering."""
    for purge in purges(connection, ledger.id):
        if purge.first < stop and purge.stop > first and purge.seq >= stop:
            if purge.seq >= covered:
                raise NotCovered("content was purged, and no checkpoint covers the entry that says so yet")
            stop = purge.seq + 1
    return stop


def _event(entry: Entry, asked: EventFilter) -> Event | None:
    """The entry's event if it was asked for. An unreadable event is kept, so that the verifier reports it."""
    if entry.content is None or entry.salt is None:
        return None
    with suppress(LineError):
        if canonical_json.meaning(entry.content).purges:
            return Event(entry.seq, entry.event_id, entry.salt, entry.content)
    if asked.before(entry.seq, entry.recorded_at) or asked.after(entry.seq, entry.recorded_at):
        return None
    with suppress(LineError):
        if asked.chooses and not asked.matches(canonical_json.meaning(entry.content)):
            return None
    return Event(entry.seq, entry.event_id, entry.salt, entry.content)


def _surroundings(
    connection: Snapshot, ledger: Ledger, among: CompactRange, stop: int, speaking: Sequence[Spoken]
) -> tuple[list[bytes], list[SignedCheckpoint]]:
    """The subtrees before and after the entries. If the stored tiles give another root, computes them from leaves."""
    for leaves_only in (False, True):
        before = _subtrees(connection, ledger, 0, among.start, leaves_only)
        signed, good = [], True
        for each in speaking:
            after = _subtrees(connection, ledger, stop, each.size, leaves_only) if each.size > stop else []
            signed.append(SignedCheckpoint(each.note, tuple(after)))
            good = good and (each.size < stop or _root(among, before, after, stop, each.size) == each.root)
        if good:
            break
    return before, signed


def _subtrees(connection: Snapshot, ledger: Ledger, start: int, stop: int, leaves_only: bool) -> list[bytes]:
    """Roots of the full subtrees. If entries are missing, as many zero hashes, which give no valid root."""
    try:
        return stored.subtrees(connection, ledger.id, start, stop, leaves_only)
    except ValueError:
        return [bytes(merkle.HASH) for _ in merkle.full_subtrees(start, stop)]


def _root(among: CompactRange, before: Sequence[bytes], after: Sequence[bytes], stop: int, size: int) -> bytes | None:
    if among.end != stop:
        return None
    whole = CompactRange(0, among.start, list(before))
    whole.join(among)
    whole.join(CompactRange(stop, size, list(after)))
    return whole.root()
