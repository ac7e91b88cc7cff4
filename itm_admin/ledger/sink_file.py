"""A sink of files: one entry a line, a file for each day, and further files when one grows too large.

Promise: acknowledged entries are on the disk; written lines never change. A line without its newline was cut off: it
does not count, and comes again in the next file. An index of the files and their sizes lies beside them, so that a
missing or shorter file is noticed.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from audit import durable, ocsf
from audit.durable import DISK
from audit.ocsf import Sealed

LARGEST = 64 * 2**20
"""Bytes after which a day continues in another file."""
INDEX = ".written.json"
"""Each file's name → its acknowledged bytes."""


class FileSink:
    """One folder, which only this process writes to."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        largest: int = LARGEST,
    ) -> None:
        self._folder, self._now, self._largest = folder, now, largest
        self._lock: int | None = None

    def send(self, batch: Sequence[Sealed]) -> None:
        """Appends the batch, on the disk when it returns. Raises OSError."""
        self._take()
        content = "".join(f"{ocsf.line(entry)}\n" for entry in batch).encode("ascii")
        path, size = self._current()
        new = size is None
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            _write(descriptor, content)
        except OSError:
            with suppress(OSError):  # a full disk: otherwise each try would leave a broken line and a new file
                os.ftruncate(descriptor, size or 0)
            raise
        finally:
            os.close(descriptor)
        if new:
            DISK.sync(self._folder)
        self._note({**self._index(), path.name: (size or 0) + len(content)})

    def lost(self, passed_on: bool) -> Sequence[str]:
        """Names of files that are gone or shorter than acknowledged; the folder's name if nothing is left.

        `passed_on`: True if this sink ever acknowledged an entry.
        """
        index = self._index()
        gone = [name for name, size in index.items() if _size(self._folder / name) < size]
        if not index and passed_on and not (self._folder / INDEX).exists():
            return [self._folder.name]
        return gone

    def forget(self, names: Sequence[str]) -> None:
        """Accepts the present state of these files."""
        durable.make_folder(self._folder, 0o750)
        left = {name: _size(self._folder / name) for name in names}
        self._note({name: size for name, size in {**self._index(), **left}.items() if size >= 0})

    def unsure(self) -> Mapping[uuid.UUID, int]:
        """Nothing: acknowledged entries are on the disk."""
        return {}

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _index(self) -> dict[str, int]:
        """The index; files from before there was one count as they are."""
        try:
            return dict(json.loads((self._folder / INDEX).read_text("ascii")))
        except (OSError, ValueError):
            return {path.name: path.stat().st_size for path in self._folder.glob("*.jsonl")}

    def _note(self, index: Mapping[str, int]) -> None:
        durable.replace(self._folder / INDEX, json.dumps(index, sort_keys=True).encode("ascii"), 0o640)

    def _take(self) -> None:
        if self._lock is not None:
            return
        durable.make_folder(self._folder, 0o750)
        descriptor = durable.open_lock(self._folder / ".lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def _current(self) -> tuple[Path, int | None]:
        """The file to write next and its size; None as the size if it does not exist yet."""
        day = self._now().astimezone(UTC).date().isoformat()
        names = {path.name for path in self._folder.glob(f"{day}.[0-9][0-9][0-9][0-9].jsonl")} | set(self._index())
        numbers = [int(name[11:15]) for name in names if name.startswith(day)]
        last = max(numbers, default=0)
        path = self._folder / f"{day}.{last:04}.jsonl"
        if not numbers:
            return path, None
        size = _size(path)
        if size < 0 or size >= self._largest or not _ends_with_a_line(path, size):
            return self._folder / f"{day}.{last + 1:04}.jsonl", None
        return path, size


def _size(path: Path) -> int:
    """The size in bytes; -1 if there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _ends_with_a_line(path: Path, size: int) -> bool:
    if size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)
