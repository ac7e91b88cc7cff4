"""Contradictions: a witness knew another history of a ledger than the one that was signed.

Held outside the database, so that neither a restored backup nor a deleted alert makes one forgotten. Promise: one stays
until two people open the ledger's next generation, which has an origin of its own. Knows no database.
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
    """On the disk when this returns; the first of each witness stays. The caller has the folder's lock.

    ``size``: of the checkpoint that was refused; ``at``: what the witness had cosigned, if it said so.
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
    """By origin, the witness that contradicted it first. A file that cannot be read still counts. Raises OSError."""
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
