"""The folders of an installation's secrets: one for each process that needs some, and one for none.

An earlier layout had all secrets in one folder. Promise: `arrange` moves each by one rename, so that the next run
completes an interrupted move; until then both layouts are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from audit.durable import DISK
from itm_admin.foundation.config import SettingError

WEB, SCHEDULER, OPERATOR = "web", "scheduler", "operator"
SIGNING_KEY = "ledger-signing-key"
_FOLDERS: Mapping[str, str] = {
    "session_key": WEB,
    "master_key": WEB,
    "database_app": WEB,
    "database_signer": SCHEDULER,
    SIGNING_KEY: SCHEDULER,
    f"{SIGNING_KEY}.next": SCHEDULER,
    "database_superuser": OPERATOR,
    "database_owner": OPERATOR,
    "database_purger": OPERATOR,
}
"""The operator's secrets are for commands; no serving process gets them."""


def path(home: Path, name: str) -> Path:
    """The path of a secret's file, existing or future."""
    old, new = _places(home, name)
    return old if old.exists() and not new.exists() else new


def folders(home: Path) -> dict[str, Path]:
    """The folders by the process that they are for."""
    return {each: home / "secrets" / each for each in (WEB, SCHEDULER, OPERATOR)}


def make_folders(home: Path) -> None:
    (home / "secrets").mkdir(mode=0o700, exist_ok=True)
    for folder in folders(home).values():
        folder.mkdir(mode=0o700, exist_ok=True)


def arrange(home: Path) -> None:
    """Moves files from an earlier layout. Raises SettingError if a secret exists twice and differs."""
    make_folders(home)
    for name, folder in _FOLDERS.items():
        old, new = _places(home, name)
        if not old.is_file() or old.is_symlink():
            continue
        if not new.exists():
            old.rename(new)
        elif old.read_bytes() == new.read_bytes():
            old.unlink()
        else:
            raise SettingError("ITM_HOME", f"{old} and {new} differ: keep the one that belongs to the database")
        for each in (home / "secrets" / folder, home / "secrets"):
            DISK.sync(each)


def _places(home: Path, name: str) -> tuple[Path, Path]:
    return home / "secrets" / name, home / "secrets" / _FOLDERS[name] / name
