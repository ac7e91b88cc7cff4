"""Resume marks: the progress of a stopped full run, signed and held outside, so that no database owner can forge one.

Promise: a mark covers only entries that were read and found intact. It is used only with the signature of a key that
counts, for twelve hours, if nothing was found since, and if the ledger still matches it. Marks are an optimisation: if
one is missing or invalid, the next run starts from the first entry. Knows no database.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import uuid
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import durable, note
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError
from audit.compact_range import CompactRange
from audit.durable import DISK, Disk
from audit.key import SigningKey, canonical
from audit.merkle import HASH

log = logging.getLogger("audit.resume_mark")
MAX_AGE = timedelta(hours=12)
"""Counted from the first entry's reading: a nightly run never continues last night's."""
_FORMAT = "itm-ledger-watermark/v1"
_FILE = re.compile(r"([0-9a-f]{32})\.([0-9]{19})\.watermark", re.ASCII)
_TEXT = re.compile(
    _FORMAT
    + r"\n(?P<origin>[A-Za-z0-9_./-]+)\nrun (?P<run>[0-9a-f]{32})\nbegan (?P<began>\S+)\nsize (?P<size>[1-9][0-9]*)"
    r"\nroot (?P<root>\S+)\nhead (?P<head>\S+)\nrecorded (?P<recorded>\S+)\nrange (?P<range>\S+)"
    r"\nself-attested (?P<attested>[0-9]+)\nwitnessed (?P<witnessed>[0-9]+)\n",
    re.ASCII,
)


@dataclass(frozen=True)
class Watermark:
    """The first ``size`` entries are intact, read since ``began``; checkpoints vouch for the stated numbers of them."""

    origin: str
    run: str
    began: datetime
    size: int
    head: bytes
    recorded_at: str
    range: CompactRange
    attested: int = 0
    witnessed: int = 0

    @property
    def text(self) -> str:
        """The signed text. It cannot pass for a checkpoint: its second line is not a number."""
        return (
            f"{_FORMAT}\n{self.origin}\nrun {self.run}\nbegan {_written(self.began)}\nsize {self.size}\n"
            f"root {b64encode(self.range.root()).decode()}\nhead {b64encode(self.head).decode()}\n"
            f"recorded {self.recorded_at}\nrange {b64encode(self.range.to_bytes()).decode()}\n"
            f"self-attested {self.attested}\nwitnessed {self.witnessed}\n"
        )

    @classmethod
    def parse(cls, text: str) -> Watermark:
        """The inverse of `text`. Raises ValueError for any other text."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError("not a watermark")
        said = cls(
            found["origin"], found["run"], datetime.fromisoformat(found["began"]), int(found["size"]),
            canonical(found["head"]), found["recorded"], CompactRange.from_bytes(canonical(found["range"])),
            int(found["attested"]), int(found["witnessed"]),
        )  # fmt: skip
        if said.range.start or said.range.end != said.size or len(said.head) != HASH or said.text != text:
            raise ValueError("a watermark that contradicts itself")
        return said


@dataclass
class _Open:
    """One ledger's folder, locked for this run."""

    folder: Path
    lock: int
    run: str
    began: datetime


@dataclass
class Watermarks:
    """The marks of one round. ``keys`` sign; without keys none is written, and existing ones can still be used."""

    outside: CheckpointFolder
    keys: Sequence[SigningKey] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    disk: Disk = DISK
    _open: dict[str, _Open] = field(default_factory=dict)

    def open(self, origin: str) -> Watermark | None:
        """The mark to continue from; None: start at the first entry.

        While another run has the ledger, this run writes none.
        """
        try:
            folder = self._folder(origin)
            lock = durable.open_lock(folder / "lock")
        except (OSError, CheckpointFolderError) as error:
            log.warning("no watermarks: %s", error)
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        found = self._last(folder, origin)
        run, began = (found.run, found.began) if found else (uuid.uuid4().hex, self.now())
        self._open[origin] = _Open(folder, lock, run, began)
        return found

    def keep(
        self, origin: str, size: int, head: bytes, recorded_at: str, range: CompactRange, attested: int, witnessed: int
    ) -> None:
        """Writes a mark: no finding up to here. Best effort; the run does not depend on it."""
        at = self._open.get(origin)
        if at is None or not self.keys or not size:
            return
        mark = Watermark(origin, at.run, at.began, size, head, recorded_at, range, attested, witnessed)
        try:
            path = at.folder / f"{at.run}.{size:019d}.watermark"
            durable.create(path, bytes(note.sign(mark.text, *self.keys)), disk=self.disk)
        except FileExistsError:
            return
        except OSError as error:
            log.warning("a watermark was not kept: %s", error)

    def discard(self, origin: str) -> None:
        """Removes the mark after a finding or at the end of a run: the next run starts from the first entry."""
        at = self._open.get(origin)
        if at is None:
            return
        ended = at.folder / f"{at.run}.ended"
        try:
            with suppress(FileExistsError):
                durable.create(ended, b"", disk=self.disk)
            for path in at.folder.glob("*.watermark"):
                path.unlink()
            self.disk.sync(at.folder)
            for path in at.folder.glob("*.ended"):
                path.unlink()
        except OSError as error:  # where files cannot be removed, the file with the finding stays
            log.info("watermarks stay: %s", error)

    def close(self) -> None:
        """Releases the folders, so that other runs may continue from the marks."""
        for at in self._open.values():
            os.close(at.lock)
        self._open.clear()

    def _last(self, folder: Path, origin: str) -> Watermark | None:
        found = []
        for path in folder.glob("*.watermark"):
            named = _FILE.fullmatch(path.name)
            if named and not (folder / f"{named[1]}.ended").exists():
                found.append((int(named[2]), path))
        for _, path in sorted(found, reverse=True):
            try:
                return self._believed(path, origin)
            except (OSError, ValueError, CheckpointFolderError) as error:
                log.info("%s is not believed: %s", path, error)
        return None

    def _believed(self, path: Path, origin: str) -> Watermark:
        signed = note.parse(path.read_bytes())
        said = Watermark.parse(signed.text)
        if path.name != f"{said.run}.{said.size:019d}.watermark" or said.origin != origin:
            raise ValueError("another watermark than it says")
        if not self.outside.keys().require(signed, origin, said.size):
            raise ValueError("signed by a key that was compromised")
        if not timedelta() <= self.now() - said.began <= MAX_AGE:
            raise ValueError("too old, or begun in what the clock says is to come")
        return said

    def _folder(self, origin: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_./-]*", origin) or ".." in origin:
            raise CheckpointFolderError(f"not an origin that can be held: {origin!r}")
        folder = self.outside.folder / "watermarks" / origin.replace("/", "~")
        durable.make_folder(folder)
        return folder


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
