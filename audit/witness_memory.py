"""A witness's memory: the last checkpoint that it cosigned for each ledger, one file a ledger.

A file, not a database: it is the checkpoint with the cosignature, evidence that any C2SP tool reads, and one rename is
atomic. Promise: when `Memory.keep` returns, the checkpoint is on the disk; one process at a time has the memory; a
memory that is lost, or another key's, refuses to serve. Knows no HTTP and no proofs.
"""

from __future__ import annotations

import fcntl
import os
from hashlib import sha256
from pathlib import Path

from audit import durable, keyfile, note
from audit.checkpoint import Checkpoint
from audit.durable import DISK, Disk
from audit.key import Algorithm, SigningKey, VerifierKey
from audit.note import Note

MAX_LEDGERS = 10_000
_SUFFIX = ".checkpoint"


class MemoryRefused(Exception):
    """The memory must not be used; the reason is for the person who starts the witness."""


class Full(Exception):
    """The memory has no room for another ledger."""


class Memory:
    """The memory of one witness key, from opening to `close`. The caller serialises calls."""

    def __init__(self, folder: Path, key: VerifierKey, disk: Disk = DISK) -> None:
        self._folder, self._key, self._disk = folder, key, disk
        self._lock = _locked(folder)
        try:
            said = (folder / "key").read_text(encoding="utf-8") if (folder / "key").exists() else None
            if said != f"{key}\n":
                raise MemoryRefused(f"{folder} is not the memory of {key}")
            self._count = sum(1 for path in folder.iterdir() if self._read(path))
            disk.sync(folder)
        except BaseException:
            self.close()
            raise

    def last(self, origin: str) -> Checkpoint | None:
        """The last cosigned checkpoint of this origin. Raises MemoryRefused if its file was changed."""
        path = self._path(origin)
        return self._read(path) if path.exists() else None

    def note(self, origin_hash: str) -> Note | None:
        """The last checkpoint with its cosignature, by its origin's SHA-256. Raises MemoryRefused if it was changed."""
        path = self._folder / f"{origin_hash}{_SUFFIX}"
        return note.parse(path.read_bytes()) if path.is_file() and self._read(path) else None

    def keep(self, cosigned: Note) -> None:
        """Replaces the last checkpoint. Raises Full, OSError, or durable.Unsettled."""
        path = self._path(Checkpoint.parse(cosigned.text).origin)
        is_new = not path.exists()
        if is_new and self._count >= MAX_LEDGERS:
            raise Full(f"{MAX_LEDGERS} ledgers are remembered already")
        durable.replace(path, bytes(cosigned), disk=self._disk)
        self._count += is_new

    def close(self) -> None:
        os.close(self._lock)

    def _path(self, origin: str) -> Path:
        return self._folder / (sha256(origin.encode()).hexdigest() + _SUFFIX)

    def _read(self, path: Path) -> Checkpoint | None:
        """None for files of other kinds. The witness trusts only its own cosignature."""
        if path.suffix != _SUFFIX or path.name.startswith("."):
            return None
        try:
            read = note.parse(path.read_bytes())
            note.verified(read, [self._key])
            remembered = Checkpoint.parse(read.text)
        except ValueError as error:
            raise MemoryRefused(f"{path}: {error}") from None
        if self._path(remembered.origin) != path:
            raise MemoryRefused(f"{path}: the checkpoint of another ledger")
        return remembered


def identity(folder: Path, key_file: Path, name: str | None) -> SigningKey:
    """The witness's key: the first run makes it, with an empty memory; later both must exist.

    Raises MemoryRefused if one is missing: a witness that forgot its cosignatures must not sign with that key again.
    """
    durable.make_folder(folder)
    lock = _locked(folder)
    try:
        remembers = any(path.suffix == _SUFFIX for path in folder.iterdir())
        try:
            key = keyfile.load(key_file)
        except FileNotFoundError:
            if remembers:
                raise MemoryRefused(f"{folder} remembers checkpoints, but its key {key_file} is gone") from None
            return _first_run(folder, key_file, name)
        if not (folder / "key").exists():
            raise MemoryRefused(f"the memory of {key_file} in {folder} is gone: it needs a new key, and a new name")
    finally:
        os.close(lock)
    if key.algorithm is not Algorithm.COSIGNATURE:
        raise MemoryRefused(f"{key_file} is a log's key, not a witness's")
    return key


def _first_run(folder: Path, key_file: Path, name: str | None) -> SigningKey:
    if not name:
        raise MemoryRefused(f"{key_file} is not there: the first run needs a name for the new key")
    key = SigningKey.generate(name, Algorithm.COSIGNATURE)
    # The memory first: a key without a memory would look like a loss.
    durable.replace(folder / "key", f"{key.verifier}\n".encode(), 0o644)
    keyfile.create(key_file, key)
    return key


def _locked(folder: Path) -> int:
    descriptor = durable.open_lock(folder / "lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise MemoryRefused(f"{folder} is in use by another witness") from None
    return descriptor
