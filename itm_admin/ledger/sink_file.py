"""A sink of files: one entry a line, a file for each day and another where it grows too large.

Promise: what is acknowledged is on the disk; nothing that was written is changed. A line without its newline was cut
off, is no line, and comes again in the next file. An index of the files and their sizes lies beside them, so that a
file that is gone or shorter is noticed.
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
"""Bytes after which a day goes on in another file."""
INDEX = ".written.json"
"""Each file's name and the bytes of it that were acknowledged."""


class FileSink:
    """One folder, which no other process writes to meanwhile."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        largest: int = LARGEST,
    ) -> None:
        self._folder, self._now, self._largest = folder, now, largest
        self._lock: int | None = None

    def send(self, batch: Sequence[Sealed]) -> None:
        """On the disk when it returns. Raises OSError."""
        self._take()
        content = "".join(f"{ocsf.line(entry)}\n" for entry in batch).encode("ascii")
        path, size = self._current()
        new = size is None
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            _write(descriptor, content)
        except OSError:
            with suppress(OSError):  # a full disk: without this each try would leave a broken line and a new file
                os.ftruncate(descriptor, size or 0)
            raise
        finally:
            os.close(descriptor)
        if new:
            DISK.sync(self._folder)
        self._note({**self._index(), path.name: (size or 0) + len(content)})

    def lost(self, passed_on: bool) -> Sequence[str]:
        """Names of files that are gone, or shorter than what was acknowledged; the folder's where nothing is left.

        `passed_on` says whether this sink ever acknowledged an entry.
        """
        index = self._index()
        gone = [name for name, size in index.items() if _size(self._folder / name) < size]
        if not index and passed_on and not (self._folder / INDEX).exists():
            return [self._folder.name]
        return gone

    def forget(self, names: Sequence[str]) -> None:
        """What is left of these files is what counts from now on."""
        durable.make_folder(self._folder, 0o750)
        left = {name: _size(self._folder / name) for name in names}
        self._note({name: size for name, size in {**self._index(), **left}.items() if size >= 0})

    def unsure(self) -> Mapping[uuid.UUID, int]:
        """Nothing: what is on the disk is there."""
        return {}

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _index(self) -> dict[str, int]:
        """Files of a time before there was an index are in it as they are."""
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
        """The file that is written next, and how large it is; none: there is no such file yet."""
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
    """-1 where there is no such file."""
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
