"""The signing key's file, the key statements, and the replacement of a key.

Promise: a key signs nothing before it is named outside the database; the next round completes an interrupted
replacement. Called by the scheduler's process and by `itm ledger`, which hold the folder's lock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audit import durable, keyfile
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError
from audit.key import SigningKey, VerifierKey
from audit.key_statements import Keys, Statement
from audit.keyfile import KeyRefused


class KeyTrouble(Exception):
    """The key cannot sign, with the reason."""


@dataclass(frozen=True)
class SigningKeyFile:
    """The file of the signing key and, during a replacement, of its successor beside it."""

    file: Path
    outside: CheckpointFolder

    @property
    def next_file(self) -> Path:
        return self.file.with_name(self.file.name + ".next")

    def signing(self, deployment: str, sizes: Mapping[str, int], recorded: Keys) -> tuple[SigningKey, ...]:
        """The keys to sign with: two during a replacement. Makes and names the first one.

        ``sizes``: the ledgers' sizes now; ``recorded``: the key statements in the database. Raises KeyTrouble.
        """
        said = self.outside.keys()
        if any(each not in said.statements for each in recorded.statements):
            raise KeyTrouble("the ledger names keys of which nothing is held outside")
        successor = self._load(self.next_file)
        key = self._load(self.file)
        if key is None and successor is None:
            key = self.first(deployment)
        if key and not said.named:
            self.outside.state(Statement(key.verifier, "named", sizes))
        if successor and not said.said(successor.verifier, "named"):
            self.outside.state(Statement(successor.verifier, "named", sizes))
        active = self.outside.keys().active
        signing = tuple(each for each in (key, successor) if each and each.verifier in active)
        if not signing or any(each.name != deployment for each in signing):
            raise KeyTrouble(f"the key in {self.file} is not one that the ledger names")
        return signing

    def first(self, deployment: str) -> SigningKey:
        """The file's key; makes it, unless another one was named before. Raises KeyTrouble."""
        key = self._load(self.file) or self._load(self.next_file)
        if key is None:
            if self.outside.keys().named:
                raise KeyTrouble(f"{self.file} is gone: put it back, or declare its key compromised")
            key = SigningKey.generate(deployment)
            keyfile.create(self.file, key)
        return key

    def active(self) -> tuple[SigningKey, ...]:
        """The keys that sign now, if this process may read them; makes and names none."""
        try:
            keys, active = (self._load(self.file), self._load(self.next_file)), self.outside.keys().active
        except (KeyTrouble, CheckpointFolderError, OSError):
            return ()
        return tuple(key for key in keys if key and key.verifier in active)

    def prepare(self, deployment: str) -> None:
        """Makes a successor if there is none: the next round names it and signs with both."""
        if self._load(self.next_file) is None:
            keyfile.create(self.next_file, SigningKey.generate(deployment))
            self._give_next()

    def _give_next(self) -> None:
        """If root made the successor, gives it to the owner of the key."""
        if os.geteuid() == 0 and self.file.exists():
            found = self.file.stat()
            os.chown(self.next_file, found.st_uid, found.st_gid, follow_symlinks=False)

    def finish(self, sizes: Mapping[str, int]) -> None:
        """Ends a replacement: the old key counts up to these sizes, and the successor's file takes its place."""
        successor = self._load(self.next_file)
        if successor is None:
            return
        old = self._load(self.file)
        if old and old.verifier != successor.verifier and old.verifier in self.outside.keys().active:
            self.outside.state(Statement(old.verifier, "retired", sizes))
        os.replace(self.next_file, self.file)  # noqa: PTH105 (the promise of durable's own step)
        durable.DISK.sync(self.file.parent)

    def distrust(self, key: VerifierKey, sizes: Mapping[str, int]) -> None:
        """Declares the key compromised: it counts up to these sizes and signs no more."""
        current = self._load(self.file)
        if current is None or current.verifier == key:
            self.prepare(key.name)
        successor = self._load(self.next_file)
        if successor:
            self.outside.state(Statement(successor.verifier, "named", sizes))
        self.outside.state(Statement(key, "compromised", sizes))

    def current(self) -> SigningKey | None:
        """The file's key; None if it is gone. Raises KeyTrouble."""
        return self._load(self.file)

    def replace_lost(self, deployment: str, sizes: Mapping[str, int], held: Mapping[str, int]) -> None:
        """Names another key in place of one whose file is lost; the old one counts up to its signed sizes.

        ``sizes``: the ledgers' sizes now; ``held``: the signed ones. Completes an interrupted replacement.
        """
        key, active = self._load(self.file), self.outside.keys().active
        if self._load(self.next_file) is not None:
            raise KeyTrouble(f"{self.next_file} is there: the next round puts it in the place of the lost one")
        if key is None:
            key = SigningKey.generate(deployment)
            keyfile.create(self.file, key)
        if not self.outside.keys().said(key.verifier, "named"):
            self.outside.state(Statement(key.verifier, "named", sizes))
        for lost in active:
            if lost != key.verifier:
                self.outside.state(Statement(lost, "retired", held))

    def find(self, name: str) -> VerifierKey:
        """A named key, by its verifier key, its id, or its name if only one is active. Raises KeyTrouble."""
        said = self.outside.keys()
        found = [key for key in said.named if name in (str(key), key.id.hex())]
        found = found or [key for key in said.active if key.name == name]
        if len(found) != 1:
            raise KeyTrouble(f"{name} names {'several keys' if found else 'no key'}: give its id, see `itm ledger key`")
        return found[0]

    def _load(self, path: Path) -> SigningKey | None:
        try:
            return keyfile.load(path)
        except FileNotFoundError:
            return None
        except KeyRefused as error:
            raise KeyTrouble(str(error)) from None
