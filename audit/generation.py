"""Generations: the record, outside the database, of a ledger's end and its next generation's beginning.

Promise: a generation after the first needs a file outside that names the ledger it follows, the part of that ledger
that is still proved, and its known findings; without the file it counts for nothing. The file exists before the
generation does. Knows no database, and people only by the ids that it is given.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audit import durable
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError
from audit.compact_range import CompactRange
from audit.durable import DISK, Disk
from audit.key import canonical
from audit.merkle import EMPTY_ROOT, HASH
from audit.note import SignatureError
from audit.verification import CAP, Finding, Verdict

_FILE = re.compile(r"[A-Za-z0-9_.~-]+\.opened", re.ASCII)
_MEMBERS = ("opens", "closes", "size", "root", "reason", "decision", "gone", "found", "known")


@dataclass(frozen=True)
class Closure:
    """``opens`` follows ``closes``, whose first ``size`` entries with this ``root`` are still proved.

    ``gone``: origins held outside that the database had lost by then. ``found``: the number of findings in the closed
    ledger, ``known`` the first hundred of them.
    """

    opens: str
    closes: str
    size: int
    root: bytes
    reason: str
    decision: str
    gone: tuple[str, ...] = ()
    found: int = 0
    known: tuple[str, ...] = ()

    def __bytes__(self) -> bytes:
        """One line of JSON, always the same for the same closure."""
        said = {name: getattr(self, name) for name in _MEMBERS}
        said |= {"root": b64encode(self.root).decode(), "gone": list(self.gone), "known": list(self.known)}
        return (json.dumps(said, ensure_ascii=True, separators=(",", ":")) + "\n").encode("ascii")

    @classmethod
    def parse(cls, data: bytes) -> Closure:
        """Raises ValueError unless the closure is in its only spelling."""
        try:
            said: dict[str, Any] = json.loads(data)
            made = cls(
                **{**said, "root": canonical(said["root"]), "gone": tuple(said["gone"]), "known": tuple(said["known"])}
            )
            if bytes(made) != data or len(made.root) != HASH or made.size < 0 or generation_of(made.opens) < 2:
                raise ValueError("written in another way")
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(str(error)) from None
        return made

    def knows(self, verdict: Verdict) -> Verdict:
        """The verdict on the closed ledger with its known findings marked; the verdict's word stays the same."""
        findings = tuple(
            replace(each, acknowledged=True) if _named(each) in self.known else each for each in verdict.findings
        )
        return replace(verdict, findings=findings)

    def allows(self, verdict: Verdict) -> bool:
        """True if the closed ledger has no finding that was unknown when it was closed."""
        marked = self.knows(verdict).findings
        return verdict.found <= self.found and all(each.acknowledged for each in marked)

    def with_known(self, verdict: Verdict) -> Closure:
        return replace(self, found=verdict.found, known=tuple(dict.fromkeys(map(_named, verdict.findings)))[:CAP])


def generation_of(origin: str) -> int:
    """The generation's number: the origin's end; 0 for text that is no origin."""
    number = origin.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def next_origin(origin: str, known: Iterable[str]) -> str:
    """The origin after this one and after every known generation of the same ledger."""
    stem = origin.rpartition("/")[0]
    numbers = [generation_of(each) for each in (origin, *known) if each.rpartition("/")[0] == stem]
    return f"{stem}/{max(numbers) + 1}"


def trusted(outside: CheckpointFolder, origin: str, hashes: Iterable[bytes]) -> tuple[int, bytes]:
    """The last size at which the entries have the held root, and that root; 0 and the empty root if there is none.

    ``hashes`` are the leaf hashes from the first entry on. A checkpoint that is damaged, or not signed by a key that
    counts, is skipped. Raises CheckpointFolderError if the folder cannot be read.
    """
    keys, sizes = outside.keys(), iter(outside.sizes(origin))
    grown, found = CompactRange(), (0, EMPTY_ROOT)
    size = next(sizes, None)
    for hash in hashes:
        if size is None:
            break
        grown.append(hash)
        if grown.end < size:
            continue
        try:
            held = outside.at(origin, size)
            if keys.require(held.note, origin, size):
                if held.checkpoint.root != grown.root():
                    break
                found = size, grown.root()
        except (CheckpointFolderError, SignatureError):
            pass
        size = next(sizes, None)
    return found


@dataclass(frozen=True)
class Closures:
    """All closures in the folder."""

    each: tuple[Closure, ...] = field(default=())

    def opening(self, origin: str) -> Closure | None:
        return next((closure for closure in self.each if closure.opens == origin), None)

    def closing(self, origin: str) -> Closure | None:
        """The last closure of this origin; for an earlier one no generation was ever opened."""
        return next((closure for closure in reversed(self.each) if closure.closes == origin), None)

    def decided(self, decision: str) -> Closure | None:
        return next((closure for closure in self.each if closure.decision == decision), None)

    @property
    def gone(self) -> frozenset[str]:
        """Origins that the database had lost when people closed them."""
        return frozenset(origin for closure in self.each for origin in closure.gone)


def closures(outside: CheckpointFolder) -> Closures:
    """Reads all closures. Raises CheckpointFolderError for a changed file."""
    found = []
    for path in _files(outside):
        try:
            closure = Closure.parse(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CheckpointFolderError(f"{path}: {error}") from None
        if path != _path(outside, closure):
            raise CheckpointFolderError(f"{path}: it tells of another ledger")
        found.append(closure)
    return Closures(tuple(sorted(found, key=lambda each: (each.opens.rpartition("/")[0], generation_of(each.opens)))))


def hold(outside: CheckpointFolder, closure: Closure, disk: Disk = DISK) -> None:
    """Stores a closure, on the disk when this returns.

    The caller holds the lock. Raises OSError or durable.Unsettled.
    """
    path = _path(outside, closure)
    durable.make_folder(path.parent)
    disk.sync(outside.folder)
    try:
        durable.create(path, bytes(closure), disk=disk)
    except FileExistsError:
        disk.sync(path.parent)


def _path(outside: CheckpointFolder, closure: Closure) -> Path:
    name = f"{closure.opens.replace('/', '~')}.opened"
    if not _FILE.fullmatch(name):
        raise CheckpointFolderError(f"not an origin that can be held: {closure.opens!r}")
    return outside.folder / "generations" / name


def _files(outside: CheckpointFolder) -> Iterator[Path]:
    folder = outside.folder / "generations"
    try:
        yield from sorted(path for path in folder.iterdir() if _FILE.fullmatch(path.name) and path.name[0] != ".")
    except FileNotFoundError:
        return
    except OSError as error:
        raise CheckpointFolderError(f"{folder}: {error.strerror}") from None


def _named(finding: Finding) -> str:
    """The subject of a finding, the same at every level of verification."""
    parts: Sequence[object] = (finding.kind, finding.seq, finding.table, finding.id)
    return " ".join("-" if part is None else str(part) for part in parts)
