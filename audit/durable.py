"""Durable files: whole and on the disk when a call returns, even if the process or the machine stops.

Promise: a reader sees the old content or the new content, never a part. `Unsettled` means that nobody can know which of
the two a restart will find. Knows nothing of the content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Unsettled(OSError):
    """The new content may be in place, and may be gone after a restart. The caller must not rely on it."""


class Disk:
    """The single steps, so that a test can stop at any of them."""

    def write(self, path: Path, content: bytes, mode: int) -> None:
        """Writes a new file with this content, on the disk when it returns."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, mode), "wb") as file:
            _belong(file.fileno(), mode, path.parent)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, new: Path, path: Path) -> None:
        new.replace(path)

    def link(self, new: Path, path: Path) -> None:
        os.link(new, path)

    def sync(self, directory: Path) -> None:
        """Flushes the directory's names to the disk."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


DISK = Disk()


def replace(path: Path, content: bytes, mode: int = 0o600, disk: Disk = DISK) -> None:
    """Replaces a file's content. One writer at a time for each path.

    Raises OSError if the old content remains, `Unsettled` if that is not known.
    """
    temporary = _fresh(path)
    try:
        disk.write(temporary, content, mode)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _settle(path, lambda: disk.replace(temporary, path), disk)


def create(path: Path, content: bytes, mode: int = 0o600, disk: Disk = DISK) -> None:
    """Creates a file. Raises FileExistsError if it exists, and leaves it unchanged."""
    temporary = _fresh(path)
    try:
        disk.write(temporary, content, mode)
        disk.link(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _settle(path, lambda: None, disk)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Makes the folder and its parents. If root makes them, they get the owner of the folder above."""
    if path.is_dir():
        return
    make_folder(path.parent, mode)
    with suppress(FileExistsError):
        path.mkdir(mode)
        if os.geteuid() == 0:
            above = path.parent.stat()
            os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)


def open_lock(path: Path) -> int:
    """Opens a lock file, and creates it if needed. Returns its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    _belong(descriptor, 0o600, path.parent)
    return descriptor


def _belong(descriptor: int, mode: int, folder: Path) -> None:
    """Sets mode and owner: root gives the file to its folder's owner; in a setgid folder the group may read it."""
    found = folder.stat()
    if os.geteuid() in (0, os.fstat(descriptor).st_uid):
        os.fchmod(descriptor, mode | (0o040 if found.st_mode & stat.S_ISGID else 0))
    if os.geteuid() == 0:
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _fresh(path: Path) -> Path:
    """The path of the temporary file. A rest from a stopped process is removed."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    return temporary


def _settle(path: Path, put: Callable[[], None], disk: Disk) -> None:
    try:
        put()
        disk.sync(path.parent)
    except OSError as error:
        raise Unsettled(error.errno, error.strerror, str(path)) from error
