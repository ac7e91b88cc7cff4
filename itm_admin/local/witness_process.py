"""The demonstration's witness: a process on this machine, with its own key and its own folder.

Promise: it takes any free port, and nothing waits for it; it gets the ledger's public keys and no secret. It is a
second process to defeat but no second party, and the pages say so.
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
    """The witness and its listening socket, which stays open across restarts: clients wait for a moment."""

    folder: Path
    listening: socket.socket
    address: str
    """In the form of ITM_WITNESSES."""

    def words(self) -> list[str]:
        place = ["--state", str(self.folder / "memory"), "--key", str(self.folder / "key")]
        logs = ["--logs", str(self.folder / "logs"), "--quiet"]
        return ["-m", "audit.witness", "--listen", f"fd:{self.listening.fileno()}", *place, *logs]

    def close(self) -> None:
        self.listening.close()


def forget(home: Path) -> None:
    """Records for `itm ledger` that no witness runs here now."""
    (home / "witness" / "address").unlink(missing_ok=True)


def begin(settings: Settings, deployment: str) -> LocalWitness:
    """Makes its key on the first run, a port, and the list of trusted ledger keys. Raises Refusal with the reason."""
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
