"""The demonstration's passwords: random for each installation, kept in one file that its owner alone may read.

They are written before the first account is made, so that an interrupted demonstration finds them again.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from itm_admin.demonstration.staff import ADMINISTRATOR, TEAM, StaffMember
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.roles import ROLES

FILE = "demo-logins.json"
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def kept(settings: Settings) -> list[dict[str, str]] | None:
    """The stored logins; None if there are none. Raises Refusal if the file is not ours any more."""
    path = settings.home / FILE
    try:
        logins = json.loads(path.read_text("utf-8"))
        return [{key: str(login[key]) for key in ("username", "password", "role", "institution")} for login in logins]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        raise Refusal(f"ITM_HOME: {path} cannot be read as the demonstration's logins") from None


def complete(settings: Settings) -> dict[str, str]:
    """User name → password for the whole team; adds the missing passwords."""
    passwords = {login["username"]: login["password"] for login in kept(settings) or ()}
    members = sorted((*TEAM, ADMINISTRATOR), key=lambda member: list(ROLES).index(member.role))
    logins = [_login(member, passwords.get(member.username) or _password()) for member in members]
    if logins != kept(settings):
        _write(settings.home / FILE, logins)
    return {login["username"]: login["password"] for login in logins}


def _login(member: StaffMember, password: str) -> dict[str, str]:
    return {
        "username": member.username,
        "password": password,
        "role": member.role,
        "institution": member.institution,
    }


def _password() -> str:
    """Four groups of four letters that can be read aloud: about 49 bits."""
    return "-".join("".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(2)) for _ in range(4))


def _write(path: Path, logins: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(logins, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
