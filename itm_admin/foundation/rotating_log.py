"""A log that several processes write to, of bounded size.

Each line is one write at the file's end, so that lines of several processes do not mix. A process that finds the file
too large renames it, under a lock; the others notice that their file was renamed, and open the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from pathlib import Path

LARGEST = 10 * 2**20
"""Bytes of one file."""
KEPT = 9
"""The number of older files that are kept."""


class RotatingLog:
    """Opened on the first write. A log that cannot be written does not stop work."""

    def __init__(self, path: Path, largest: int = LARGEST, kept: int = KEPT) -> None:
        self._path, self._largest, self._kept = path, largest, kept
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def write(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            descriptor = self._current()
            os.write(descriptor, line.encode("utf-8"))
            if os.fstat(descriptor).st_size >= self._largest:
                self._put_aside(descriptor)

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _current(self) -> int:
        """A descriptor of the file that has the name now."""
        if self._descriptor is not None and not _is_same(self._descriptor, self._path):
            self._forget()
        if self._descriptor is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor

    def _put_aside(self, descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if _is_same(descriptor, self._path):  # otherwise another process was faster
                _number(self._path, self._kept)
                self._path.rename(_older(self._path, 1))
        finally:
            self._forget()  # releases the lock

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def cut(path: Path, largest: int = LARGEST, kept: int = KEPT) -> bool:
    """For a log that another program keeps open: copies it aside and empties the file."""
    try:
        if path.stat().st_size < largest:
            return False
        _number(path, kept)
        shutil.copy2(path, _older(path, 1), follow_symlinks=False)
        os.truncate(path, 0)
    except OSError:
        return False
    return True


def _number(path: Path, kept: int) -> None:
    """Renames each older file to the next number, so that the first number is free."""
    for number in range(kept - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            _older(path, number).rename(_older(path, number + 1))


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False
