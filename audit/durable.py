"""Files that are whole and on the disk when a call returns, whatever stops the process or the machine.

Promise: a reader sees the content before or the content after, never a part. `Unsettled` says the one thing that
a caller must not guess: that nobody can know which of the two a restart will find. Knows nothing of what it writes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Unsettled(OSError):
    """The new content may be in place, and may be gone after a restart. Nothing may be said on its strength."""


class Disk:
    """The steps, each apart, so that a test can stop at any of them."""

    def write(self, path: Path, content: bytes, mode: int) -> None:
        """A new file with this content, on the disk."""
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
        """The directory's names are on the disk."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


DISK = Disk()


def replace(path: Path, content: bytes, mode: int = 0o600, disk: Disk = DISK) -> None:
    """Puts new content in the place of what was there. One writer at a time for each path.

    Raises OSError if the old content stands, `Unsettled` if that is not known.
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
    """A file where there was none. Raises FileExistsError where there is one, and leaves that alone."""
    temporary = _fresh(path)
    try:
        disk.write(temporary, content, mode)
        disk.link(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _settle(path, lambda: None, disk)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """With its parents. What root makes belongs to whom the folder above belongs to."""
    if path.is_dir():
        return
    make_folder(path.parent, mode)
    with suppress(FileExistsError):
        path.mkdir(mode)
        if os.geteuid() == 0:
            above = path.parent.stat()
            os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)


def open_lock(path: Path) -> int:
    """A descriptor of a lock's file, made where there is none."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    _belong(descriptor, 0o600, path.parent)
    return descriptor


def _belong(descriptor: int, mode: int, folder: Path) -> None:
    """Root writes for the process whose folder it is; one with the setgid bit is shared by several."""
    found = folder.stat()
    if os.geteuid() in (0, os.fstat(descriptor).st_uid):
        os.fchmod(descriptor, mode | (0o040 if found.st_mode & stat.S_ISGID else 0))
    if os.geteuid() == 0:
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _fresh(path: Path) -> Path:
    """Where the new content is written first. What a stopped process left there is no use to anybody."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    return temporary


def _settle(path: Path, put: Callable[[], None], disk: Disk) -> None:
    try:
        put()
        disk.sync(path.parent)
    except OSError as error:
        raise Unsettled(error.errno, error.strerror, str(path)) from error
