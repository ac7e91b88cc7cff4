"""The demonstration's witness: a process of its own on this machine, with its own key and its own folder.

Promise: it takes whatever port is free, and nothing waits for it; it is told the ledger's public keys and no secret.
It adds a second process to defeat and no second party, and the pages say so.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from audit import durable
from audit.checkpoint_folder import CheckpointFolderError
from audit.keyfile import KeyRefused
from audit.witness_memory import MemoryRefused, identity
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.ledger.keyring import KeyTrouble
from itm_admin.local import signing_setup


@dataclass(frozen=True)
class LocalWitness:
    """Listens before it runs, and while it is started again: whoever asks waits for a moment."""

    folder: Path
    listening: socket.socket
    address: str
    """As in ITM_WITNESSES."""

    def words(self) -> list[str]:
        place = ["--state", str(self.folder / "memory"), "--key", str(self.folder / "key")]
        logs = ["--logs", str(self.folder / "logs"), "--quiet"]
        return ["-m", "audit.witness", "--listen", f"fd:{self.listening.fileno()}", *place, *logs]

    def close(self) -> None:
        self.listening.close()


def forget(home: Path) -> None:
    """Nobody runs one here now, as far as `itm ledger` is told."""
    (home / "witness" / "address").unlink(missing_ok=True)


def begin(settings: Settings, deployment: str) -> LocalWitness:
    """Its key, made on the first run; a port; and which keys of the ledger it believes. Refusal says why not."""
    folder = settings.home / "witness"
    try:
        key = identity(folder / "memory", folder / "key", f"witness.localhost/{secrets.token_hex(4)}").verifier
        keyring = signing_setup.of(settings).keyring
        believed = keyring.outside.keys().active or (keyring.first(deployment).verifier,)
        logs = "".join(f"{each}:{deployment}/ledger/*\n" for each in believed)
        durable.replace(folder / "logs", logs.encode())
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    except (MemoryRefused, KeyRefused, KeyTrouble, CheckpointFolderError, OSError, ValueError) as error:
        raise Refusal(f"the demonstration's witness cannot run: {error}") from None
    address = f"http://127.0.0.1:{listening.getsockname()[1]}={key}"
    durable.replace(folder / "address", f"{address}\n".encode())
    return LocalWitness(folder, listening, address)
