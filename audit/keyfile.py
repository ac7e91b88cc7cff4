"""Signing keys kept as files that nobody else may read.

One line, as Go's ``sumdb/note`` writes private keys, and not PKCS #8: name, kind and secret stay together, and
the id in the line shows when one of them was exchanged. Promise: never overwritten, never half written, and a file
that others could have read is refused. Knows no ledger.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from audit import durable
from audit.key import KeyFormatError, SigningKey

_MAX_BYTES = 2048


class KeyRefused(Exception):
    """A key file that cannot be used, and why. Never says what is in it."""


def create(path: Path, key: SigningKey) -> None:
    """Writes a new key file, mode 0600, on the disk when this returns. Raises FileExistsError where there is one."""
    durable.make_folder(path.parent)
    durable.create(path, f"{key.secret_text}\n".encode())


def load(path: Path) -> SigningKey:
    """Raises FileNotFoundError where there is none, KeyRefused for one that others may read or that is no key."""
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
        if os.geteuid() and found.st_uid not in (0, os.geteuid()):  # root reads for whom the key belongs to
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
