"""Signing keys in files that only their owner may read.

The file has one line, as Go's ``sumdb/note`` writes private keys, and not PKCS #8: name, algorithm and secret stay
together, and the id in the line shows if one of them was exchanged. Promise: never overwritten, never half written, and
a file that others could have read is refused. Knows no ledger.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from audit import durable
from audit.key import KeyFormatError, SigningKey

_MAX_BYTES = 2048


class KeyRefused(Exception):
    """The key file cannot be used, with the reason. Never holds the file's content."""


def create(path: Path, key: SigningKey) -> None:
    """Writes a new key file, mode 0600, on the disk when this returns. Raises FileExistsError if it exists."""
    durable.make_folder(path.parent)
    durable.create(path, f"{key.secret_text}\n".encode())


def load(path: Path) -> SigningKey:
    """Reads a key. Raises FileNotFoundError, or KeyRefused if others may read the file or it is not a key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyRefused(f"{path}: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeyRefused(f"{path}: not a plain file")
        if os.geteuid() and found.st_uid not in (0, os.geteuid()):  # root may read a key on behalf of its owner
            raise KeyRefused(f"{path}: belongs to somebody else")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise KeyRefused(f"{path}: others may read it (mode {stat.S_IMODE(found.st_mode):04o}): chmod 0600")
        content = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        text = content.decode()
        if len(content) > _MAX_BYTES or not text.endswith("\n"):
            raise KeyFormatError("not one line")
        return SigningKey.parse(text[:-1])
    except ValueError:
        raise KeyRefused(f"{path}: not a signing key") from None
