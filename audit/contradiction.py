"""Contradictions: a witness knows another history of a ledger than the signed one.

Held outside the database, so that no restored backup and no deleted alert can remove one. Promise: it stays until two
people open the ledger's next generation, which has an origin of its own. Knows no database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from audit import durable

if TYPE_CHECKING:
    from audit.checkpoint_folder import CheckpointFolder

_ORIGIN = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", re.ASCII)
_FOLDER, _SUFFIX = "contradictions", ".contradiction"


def hold(outside: CheckpointFolder, origin: str, witness: str, size: int, at: int | None) -> None:
    """Stores a contradiction, on the disk when this returns; each witness's first stays. The caller holds the lock.

    ``size``: that of the refused checkpoint; ``at``: the size that the witness had cosigned, if it said so.
    """
    folder = outside.folder / _FOLDER
    durable.make_folder(folder)
    outside.disk.sync(outside.folder)
    told = {"origin": origin, "witness": witness, "size": size, "witnessed": at}
    name = f"{origin.replace('/', '~')}.{sha256(witness.encode()).hexdigest()[:16]}{_SUFFIX}"
    try:
        durable.create(folder / name, f"{json.dumps(told, ensure_ascii=False)}\n".encode(), disk=outside.disk)
    except FileExistsError:
        outside.disk.sync(folder)


def held(outside: CheckpointFolder) -> Mapping[str, str]:
    """Origin → the witness that contradicted it first. An unreadable file still counts. Raises OSError."""
    folder = outside.folder / _FOLDER
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        origin = path.name.removesuffix(_SUFFIX).rpartition(".")[0].replace("~", "/")
        if path.name.endswith(_SUFFIX) and _ORIGIN.fullmatch(origin):
            found.setdefault(origin, _witness(path.read_bytes()))
    return found


def _witness(content: bytes) -> str:
    try:
        return str(json.loads(content)["witness"])
    except (ValueError, KeyError, TypeError):
        return "a witness"
