"""The master key: from a file, from two files that are shares of it, or from a command that prints it.

The next key, while one is being replaced, comes from the same place: the file beside with `.next`, or the command with
the word `next`. Promise: a refusal names the setting and never repeats a byte of what was read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import shlex
import subprocess
from pathlib import Path

from audit import durable
from itm_admin.foundation.config import Refusal, SettingError, Settings, private

BYTES = 32
NEXT, FORMER = ".next", ".former"
_SECONDS = 30
_FILE, _SHARE, _COMMAND = "ITM_MASTER_KEY_FILE", "ITM_MASTER_KEY_SHARE_FILE", "ITM_MASTER_KEY_COMMAND"


def read(settings: Settings) -> bytes:
    """The present key. Raises SettingError."""
    if settings.master_key_command:
        return _printed(settings.master_key_command)
    if settings.master_key_file is None:
        raise SettingError(_FILE, "is missing")
    return _joined(settings.master_key_file, settings.master_key_share_file)


def read_next(settings: Settings) -> bytes | None:
    """The key that follows; None if none is being prepared."""
    if settings.master_key_command:
        try:
            return _printed(settings.master_key_command, "next")
        except SettingError:
            return None
    if settings.master_key_file is None or not beside(settings.master_key_file, NEXT).exists():
        return None
    return _joined(beside(settings.master_key_file, NEXT), settings.master_key_share_file)


def all_of(settings: Settings) -> tuple[bytes, ...]:
    """The present key, and the next one if there is one that can be read. Raises SettingError."""
    following = None
    with contextlib.suppress(SettingError):
        following = read_next(settings)
    return (read(settings), following) if following else (read(settings),)


def prepare(settings: Settings) -> bytes:
    """The next key, made if needed, on the disk before anything is wrapped with it."""
    if (known := read_next(settings)) is not None:
        return known
    if settings.master_key_file is None:
        raise Refusal(f"{_COMMAND}: called with the word next, it must print the key that follows")
    key = secrets.token_bytes(BYTES)
    file, share = beside(settings.master_key_file, NEXT), settings.master_key_share_file
    other = _decoded(_SHARE, share) if share else bytes(BYTES)  # the second share stays: one file alone is replaced
    try:
        durable.create(file, _written(_combined(key, other)))
        _give(file, settings.master_key_file)
    except OSError as error:
        raise Refusal(f"{_FILE}: {file}: {error.strerror}: put the next key there yourself") from None
    return key


def split(settings: Settings, share: Path) -> None:
    """Keeps the present key in two shares from now on: a new file, and the key's own file, replaced by the rest."""
    if settings.master_key_file is None or settings.master_key_share_file is not None:
        raise Refusal(f"{_FILE}: a key in one file is split, and this is none")
    other = secrets.token_bytes(BYTES)
    rest = _combined(read(settings), other)
    try:
        durable.create(share, _written(other))
        owner = settings.master_key_file.stat()
        durable.replace(settings.master_key_file, _written(rest))
        for path in (share, settings.master_key_file):
            _give(path, owner)
    except OSError as error:
        raise Refusal(f"{error.filename or share}: {error.strerror}") from None


def _give(path: Path, like: Path | os.stat_result) -> None:
    """The process that reads the present key reads the other as well, also where root writes it."""
    owner = like.stat() if isinstance(like, Path) else like
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _written(key: bytes) -> bytes:
    return base64.b64encode(key) + b"\n"


def promote(settings: Settings) -> bool:
    """Makes the next key the present one and keeps the former beside it; False where that is the operator's."""
    path = settings.master_key_file
    if path is None:
        return False
    try:
        durable.replace(beside(path, FORMER), path.read_bytes())
        durable.DISK.replace(beside(path, NEXT), path)
        durable.DISK.sync(path.parent)
    except OSError:
        return False
    return True


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _joined(file: Path, share: Path | None) -> bytes:
    first = _decoded(_FILE, file)
    return first if share is None else _combined(first, _decoded(_SHARE, share))


def _combined(one: bytes, other: bytes) -> bytes:
    """Each share alone is random: it tells nothing of the key."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _decoded(name: str, path: Path) -> bytes:
    private(name, path)
    try:
        text = path.read_text("ascii")
    except OSError as error:
        raise SettingError(name, f"{path}: {error.strerror}") from None
    except UnicodeError:
        text = ""
    return _checked(name, text, f"{path}: ")


def _printed(command: str, *more: str) -> bytes:
    try:
        done = subprocess.run(
            [*shlex.split(command), *more], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SettingError(_COMMAND, f"it cannot be run ({type(error).__name__})") from None
    if done.returncode:
        raise SettingError(_COMMAND, f"it ended with {done.returncode}")
    return _checked(_COMMAND, done.stdout.decode("ascii", "replace"), "it printed something else: ")


def _checked(name: str, text: str, begin: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != BYTES:
        raise SettingError(name, f"{begin}32 bytes in base64 are expected")
    return key
