"""The list of erasures outside the database, so that a restored backup brings no erased person back.

A folder that only gains files: an intention is written before the database commits, its end afterwards. Promise: when a
call returns, its file is on the disk. It holds ids and codes, never a value or a key.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from audit import durable
from audit.durable import DISK, Disk
from itm_admin.foundation.config import Refusal, Settings

End = Literal["erased", "abandoned"]
_NAME = re.compile(r"([0-9a-f-]{36})\.(intended|erased|abandoned)", re.ASCII)


class ListError(Refusal):
    """The list cannot be used. It is never skipped: persons missing from it would come back."""


@dataclass(frozen=True)
class Erasure:
    """One person's erasure: person, reason, and the cases whose narratives were shredded with it."""

    id: uuid.UUID
    institution: uuid.UUID
    person: uuid.UUID
    ground: str
    cases: tuple[uuid.UUID, ...] = ()

    def __bytes__(self) -> bytes:
        told = {**asdict(self), "cases": [str(case) for case in self.cases]}
        return json.dumps(told, default=str, sort_keys=True).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Erasure:
        """Raises ValueError unless this class would write it so."""
        try:
            told: dict[str, Any] = json.loads(data)
            found = cls(
                uuid.UUID(told["id"]),
                uuid.UUID(told["institution"]),
                uuid.UUID(told["person"]),
                told["ground"],
                tuple(uuid.UUID(case) for case in told["cases"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None
        if bytes(found) != data:
            raise ValueError("written in another way")
        return found


@dataclass(frozen=True)
class Listed:
    """An erasure and its end; None while it has none."""

    erasure: Erasure
    end: End | None


class Erasures:
    """The folder. Any number of processes may write: each erasure has its own files."""

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self.folder, self._disk = folder, disk

    @classmethod
    def of(cls, settings: Settings) -> Erasures:
        return cls(settings.erasures or settings.home / "erasures")

    def intend(self, erasure: Erasure) -> None:
        """Writes the intention before the database commits. On OSError nothing may be erased."""
        durable.make_folder(self.folder)
        durable.create(self.folder / f"{erasure.id}.intended", bytes(erasure), disk=self._disk)

    def end(self, erasure: Erasure, end: End) -> None:
        """Writes the end after the database has answered. Repeating it changes nothing."""
        try:
            durable.create(self.folder / f"{erasure.id}.{end}", bytes(erasure), disk=self._disk)
        except FileExistsError:
            return

    def listed(self) -> list[Listed]:
        """All erasures, by id. Raises ListError for a changed file."""
        found: dict[uuid.UUID, Listed] = {}
        for path, word in self._files():
            try:
                erasure = Erasure.parse(path.read_bytes())
            except (OSError, ValueError) as error:
                raise ListError(f"ITM_ERASURES: {path} cannot be read: {error}") from None
            known = found.get(erasure.id)
            if f"{erasure.id}.{word}" != path.name or (known and known.erasure != erasure):
                raise ListError(f"ITM_ERASURES: {path} is another's")
            end: End | None = "erased" if word == "erased" else "abandoned" if word == "abandoned" else None
            if known and (known.end == "erased" or end is None):
                end = known.end
            found[erasure.id] = Listed(erasure, end)
        return [found[key] for key in sorted(found)]

    def _files(self) -> Iterator[tuple[Path, str]]:
        if not self.folder.exists():
            return
        for path in sorted(self.folder.iterdir()):
            if name := _NAME.fullmatch(path.name):
                yield path, name[2]
            elif not path.name.startswith("."):  # a stopped write's temporary file
                raise ListError(f"ITM_ERASURES: {path} does not belong there")
