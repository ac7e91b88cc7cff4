"""The demonstration's passwords and apps' secrets: random for each installation, in one file that its owner may read.

They are written before the first account is made, so that an interrupted demonstration finds them again.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from itm_admin.accounts import passwords, totp
from itm_admin.demonstration.staff import ADMINISTRATOR, TEAM, StaffMember
from itm_admin.foundation import vocabulary
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.roles import ROLES

FILE = "demo-logins.json"
_KEYS = ("username", "password", "totp", "role", "institution")
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def kept(settings: Settings) -> list[dict[str, str]] | None:
    """The stored logins; None if there are none. Raises Refusal if the file is not ours any more."""
    path = settings.home / FILE
    try:
        logins = json.loads(path.read_text("utf-8"))
        return [
            {key: str(login.get(key, "")) if key == "totp" else str(login[key]) for key in _KEYS} for login in logins
        ]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        raise Refusal(f"ITM_HOME: {path} cannot be read as the demonstration's logins") from None


@dataclass(frozen=True)
class Login:
    """One person's password, and the secret of the authenticator app."""

    password: str
    totp: str


def complete(settings: Settings) -> dict[str, Login]:
    """User name → login for the whole team; adds what is missing."""
    before = {login["username"]: login for login in kept(settings) or ()}
    members = sorted((*TEAM, ADMINISTRATOR), key=lambda member: list(ROLES).index(member.role))
    logins = [_login(member, before.get(member.username, {})) for member in members]
    if logins != kept(settings):
        _write(settings.home / FILE, logins)
    return {login["username"]: Login(login["password"], login["totp"]) for login in logins}


def _login(member: StaffMember, before: Mapping[str, str]) -> dict[str, str]:
    return {
        "username": member.username,
        "password": before.get("password") or _good_password(member),
        "totp": before.get("totp") or totp.new_secret(),
        "role": member.role,
        "institution": member.institution,
    }


def _good_password(member: StaffMember, draw: Callable[[], str] | None = None) -> str:
    """A password that the first sign-in takes: chance too draws one that is guessed soon, and then draws again."""
    home = next(each for each in vocabulary.institutions() if each.code == member.institution)
    names = (member.first_name, member.last_name, member.email, home.code, home.name_tr, home.name_en)
    while True:
        drawn = (draw or _password)()
        with contextlib.suppress(Invalid):
            passwords.require_good(drawn, member.username, names)
            return drawn


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
