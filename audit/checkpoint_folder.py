"""The checkpoint folder, outside the database: every signed checkpoint and every statement about a key.

The folder only gains files, so it may lie on storage where files cannot be changed. Promise: when `keep` or `state`
returns, the file is on the disk; one process at a time has the folder; a changed file is refused, never skipped. Knows
no database and no signing key.
"""

from __future__ import annotations

import fcntl
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from audit import durable, note
from audit.checkpoint import Checkpoint
from audit.compact_range import CompactRange
from audit.durable import DISK, Disk
from audit.key import canonical
from audit.key_statements import WORDS, Keys, Statement
from audit.merkle import HASH
from audit.note import Note

_PER_FOLDER = 100_000
_NAME = re.compile(r"([0-9]{19})\.([0-9]{1,3})\.(checkpoint|tsr)", re.ASCII)
_ORIGIN = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", re.ASCII)
_AFTER = re.compile(r"after (0|[1-9][0-9]{0,18}) [0-9a-f]{16}", re.ASCII)
_MOMENT = re.compile(r"signed (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)", re.ASCII)


class CheckpointFolderError(Exception):
    """The folder cannot be used, or a file in it was changed."""


class Busy(CheckpointFolderError):
    """Another process has the folder."""


@dataclass(frozen=True)
class HeldCheckpoint:
    """A held checkpoint, with the last entry's hash and the compact range from which the next checkpoint is built."""

    note: Note
    signed_at: str
    head: bytes
    range: CompactRange
    after: int | None = field(default=None, compare=False)
    """The size of the checkpoint before it (0: none): so the folder itself shows gaps. None: an older file."""

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(self.note.text)

    def __bytes__(self) -> bytes:
        """The note, a blank line, and three lines of ours; a fourth in files that record gaps."""
        lines = (
            f"signed {self.signed_at}",
            *([] if self.after is None else [_after_line(self.note, self.after)]),
            f"head {b64encode(self.head).decode()}",
            f"range {b64encode(self.range.to_bytes()).decode()}",
        )
        return bytes(self.note) + b"\n" + "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def parse(cls, data: bytes) -> HeldCheckpoint:
        """Raises ValueError unless note, range and root belong together."""
        signed, blank, ours = data.rpartition(b"\n\n")
        lines = ours.decode("ascii").split("\n")
        moment = _MOMENT.fullmatch(lines[0])
        after = _after(lines.pop(1)) if len(lines) == 5 else None  # not last: a cut file would read as an older one
        if not blank or len(lines) != 4 or not moment or not lines[1].startswith("head "):
            raise ValueError("not a checkpoint with what goes on from it")
        held = cls(
            note.parse(signed + b"\n"),
            moment[1],
            canonical(lines[1].removeprefix("head ")),
            CompactRange.from_bytes(canonical(lines[2].removeprefix("range "))),
            after,
        )
        said = held.checkpoint
        if len(held.head) != HASH or held.range.start or held.range.end != said.size or held.range.root() != said.root:
            raise ValueError("the range is not that of the checkpoint")
        if bytes(held) != data:
            raise ValueError("written in another way")
        return held


def _after(line: str) -> int:
    found = _AFTER.fullmatch(line)
    if not found:
        raise ValueError("it does not say after which one it was held")
    return int(found[1])


def _after_line(signed: Note, after: int) -> str:
    """Written with a digest, so that a changed digit is detected."""
    return f"after {after} {sha256(bytes(signed) + str(after).encode()).hexdigest()[:16]}"


class CheckpointFolder:
    """The folder. Reading needs no lock; a writer holds `locked`."""

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self.folder, self.disk = folder, disk

    @contextmanager
    def locked(self, wait: bool = False) -> Iterator[None]:
        """Admits one writer. Raises Busy unless it waits, CheckpointFolderError if there can be no folder."""
        try:
            durable.make_folder(self.folder)
            descriptor = durable.open_lock(self.folder / "lock")
        except OSError as error:
            raise CheckpointFolderError(f"{self.folder}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        except BlockingIOError:
            raise Busy(f"{self.folder} is in use by another signer") from None
        finally:
            os.close(descriptor)

    def deployment(self) -> str | None:
        """The deployment whose checkpoints are held here; None for a folder that was not begun."""
        try:
            return (self.folder / "deployment").read_text("ascii").removesuffix("\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise CheckpointFolderError(f"{self.folder / 'deployment'}: {error}") from None

    def begin(self, deployment: str) -> None:
        """Binds an empty folder to a deployment for ever. Raises CheckpointFolderError if it holds anything."""
        if self.origins() or self.keys().statements:
            raise CheckpointFolderError(f"{self.folder}: checkpoints are held, and it does not say whose")
        self._directory(self.folder)
        self._create(self.folder / "deployment", f"{deployment}\n".encode())

    def finish(self, deployment: str) -> None:
        """Ends the recovery of a lost folder: from now on it belongs to this deployment, for ever."""
        try:
            self._create(self.folder / "deployment", f"{deployment}\n".encode())
        except FileExistsError:
            self.disk.sync(self.folder)

    def origins(self) -> list[str]:
        """The origins with held checkpoints, or with a begun ledger."""
        return sorted(path.name.replace("~", "/") for path in _listed(self.folder / "ledgers"))

    def begun(self, origin: str) -> bool:
        return self._ledger(origin).is_dir()

    def open(self, origin: str) -> None:
        """Begins a ledger that was never signed before."""
        self._directory(self._ledger(origin))

    def sizes(self, origin: str) -> list[int]:
        """The sizes of all held checkpoints, in order."""
        return sorted({size for size, _, _ in self._files(origin)})

    def last(self, origin: str) -> HeldCheckpoint | None:
        """The newest checkpoint; None if none is held. Raises CheckpointFolderError if its file was changed."""
        newest = max((path.name for path in _listed(self._ledger(origin))), default=None)
        while newest is not None:
            files = list(self._within(self._ledger(origin) / newest))
            if files:
                return self._read(max(files)[2], origin)
            newest = max((p.name for p in _listed(self._ledger(origin)) if p.name < newest), default=None)
        return None

    def at(self, origin: str, size: int) -> HeldCheckpoint:
        """The checkpoint of this size: during a key replacement the one that both keys signed.

        Raises CheckpointFolderError if there is none.
        """
        files = [each for each in self._within(self._shard(origin, size)) if each[0] == size]
        if not files:
            raise CheckpointFolderError(f"no checkpoint of {size} entries of {origin} is held")
        return self._read(max(files)[2], origin)

    def keep(self, held: HeldCheckpoint) -> HeldCheckpoint:
        """On the disk when this returns, with the size before it. Raises OSError, or durable.Unsettled."""
        said = held.checkpoint
        shard = self._shard(said.origin, said.size)
        self._directory(shard)
        number = 1 + max((n for size, n, _ in self._within(shard) if size == said.size), default=-1)
        held = replace(held, after=self._before(said.origin, said.size))
        self._create(shard / f"{said.size:019d}.{number}.checkpoint", bytes(held))
        self.settle(held)
        return held

    def _before(self, origin: str, size: int) -> int:
        """The largest size below this one that is held; 0 for none."""
        last = self._shard(origin, size).name
        for shard in sorted(_listed(self._ledger(origin)), reverse=True):
            smaller = [found for found, _, _ in self._within(shard) if found < size] if shard.name <= last else []
            if smaller:
                return max(smaller)
        return 0

    def settle(self, held: HeldCheckpoint) -> None:
        """The names above a held checkpoint are on the disk, also where a stopped process did not come to that."""
        shard = self._shard(held.checkpoint.origin, held.checkpoint.size)
        for folder in (shard, shard.parent, shard.parent.parent, self.folder):
            self.disk.sync(folder)

    def stamp(self, held: HeldCheckpoint, answer: bytes) -> None:
        """Keeps an authority's answer for ever, beside the checkpoint that it stamps.

        Raises CheckpointFolderError if that checkpoint is not held.
        """
        size, shard = held.checkpoint.size, self._shard(held.checkpoint.origin, held.checkpoint.size)
        for found, _, path in sorted(self._within(shard)):
            if found == size and path.read_bytes() == bytes(held):
                try:
                    return self._create(path.with_suffix(".tsr"), answer)
                except FileExistsError:
                    return self.disk.sync(shard)
        raise CheckpointFolderError(f"no such checkpoint of {size} entries of {held.checkpoint.origin} is held")

    def stamps(self, origin: str) -> Iterator[tuple[HeldCheckpoint, bytes]]:
        """The checkpoints that have an answer of an authority, the newest first. Nobody has judged it."""
        for shard in sorted(_listed(self._ledger(origin)), reverse=True):
            for _, _, path in sorted(self._within(shard, "tsr"), reverse=True):
                held = self._read(path.with_suffix(".checkpoint"), origin)
                try:
                    yield held, path.read_bytes()
                except OSError as error:
                    raise CheckpointFolderError(f"{path}: {error.strerror}") from None

    def keys(self) -> Keys:
        """All that was said of keys, in the order of what can be said. Raises CheckpointFolderError."""
        statements = []
        for path in sorted(_listed(self.folder / "keys"), key=lambda path: (WORDS.index(_word(path)), path.name)):
            try:
                statement = Statement.parse(path.read_bytes())
            except (OSError, ValueError) as error:
                raise CheckpointFolderError(f"{path}: {error}") from None
            if path != self._statement(statement):
                raise CheckpointFolderError(f"{path}: a statement about another key")
            statements.append(statement)
        return Keys.of(statements)

    def state(self, statement: Statement) -> None:
        """Records one statement about a key, for ever; an earlier statement stays."""
        path = self._statement(statement)
        self._directory(path.parent)
        try:
            self._create(path, bytes(statement))
        except FileExistsError:
            self.disk.sync(path.parent)

    def _create(self, path: Path, content: bytes) -> None:
        durable.create(path, content, disk=self.disk)

    def _ledger(self, origin: str) -> Path:
        if not _ORIGIN.fullmatch(origin) or {".", ".."} & set(origin.split("/")):
            raise CheckpointFolderError(f"not an origin that can be held: {origin!r}")
        return self.folder / "ledgers" / origin.replace("/", "~")

    def _shard(self, origin: str, size: int) -> Path:
        return self._ledger(origin) / f"{size // _PER_FOLDER:014d}"

    def _statement(self, statement: Statement) -> Path:
        return self.folder / "keys" / f"{statement.key.id.hex()}.{statement.word}"

    def _files(self, origin: str) -> Iterator[tuple[int, int, Path]]:
        for shard in _listed(self._ledger(origin)):
            yield from self._within(shard)

    def _within(self, shard: Path, kind: str = "checkpoint") -> Iterator[tuple[int, int, Path]]:
        for path in _listed(shard):
            found = _NAME.fullmatch(path.name)
            if found and found[3] == kind:
                yield int(found[1]), int(found[2]), path

    def _read(self, path: Path, origin: str) -> HeldCheckpoint:
        try:
            held = HeldCheckpoint.parse(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CheckpointFolderError(f"{path}: {error}") from None
        if held.checkpoint.origin != origin or int(path.name[:19]) != held.checkpoint.size:
            raise CheckpointFolderError(f"{path}: another checkpoint than it says")
        return held

    def _directory(self, path: Path) -> None:
        """With its parents, each on the disk."""
        if not path.is_dir():
            self._directory(path.parent)
            durable.make_folder(path)
            self.disk.sync(path.parent)


def _listed(folder: Path) -> list[Path]:
    """The files of a folder without a stopped process's temporary ones; empty if there is no folder."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointFolderError(f"{folder}: {error.strerror}") from None


def _word(path: Path) -> str:
    word = path.suffix.removeprefix(".")
    if word not in WORDS:
        raise CheckpointFolderError(f"{path}: nothing that can be said of a key")
    return word
