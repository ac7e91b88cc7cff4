"""The answers of directories about a person: why a password was not taken, and that an account is closed there.

Active Directory tells by the sub-code of its message ("data 532"), others by the password policy's control
(draft-behera-ldap-password-policy). Only what the server says to the right password alone is told to people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

NO_SUCH_OBJECT, SIZE_LIMIT = 32, 4
POLICY = ("1.3.6.1.4.1.42.2.27.8.5.1", False, None)
"""Asks the server to say more about a refused password."""
RENEW = ("password_expired", "password_must_change")
CLOSED = ("directory_disabled", "directory_expired")
CLOSED_BY = ("userAccountControl", "accountExpires", "pwdAccountLockedTime", "nsAccountLock", "loginDisabled")
_SUCCESS = 0
_NOT_TAKEN = (19, 32, 34, 48, 49, 50, 53)
"""Result codes of a refused bind: of a name that is not there or no name, a wrong password, a policy."""
_SUB_CODE = re.compile(r"\bdata ([0-9a-f]{2,4})\b")
_SUB_CODES: Mapping[str, str] = {
    "532": "password_expired", "773": "password_must_change", "533": "directory_disabled", "701": "directory_expired",
    "775": "directory_locked", "530": "directory_hours", "531": "directory_hours",
}  # fmt: skip
_POLICY_CODES: Mapping[int, str] = {0: "password_expired", 1: "directory_locked", 2: "password_must_change"}
_FOR_EVER = "000001010000Z"
_FILETIME = 116_444_736_000_000_000
"""1 January 1970 in intervals of 100 ns since 1601."""
_NEVER = (0, 0x7FFF_FFFF_FFFF_FFFF)


class Refused(Exception):
    """The directory does not let this name in with this password. The reason is a word of the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def told(self) -> bool:
        """True if the person may learn the reason: servers say it only to those who know the password."""
        return self.reason in (*RENEW, *CLOSED)


def refusal(result: Mapping[str, Any]) -> str | None:
    """'' if the password was taken; else the reason. None: no answer to the question."""
    policy = _POLICY_CODES.get(_policy_error(result))
    if result["result"] == _SUCCESS:
        return policy or ""
    if result["result"] not in _NOT_TAKEN:
        return None
    sub_code = _SUB_CODE.search(str(result.get("message") or ""))
    return policy or (_SUB_CODES.get(sub_code[1]) if sub_code else None) or "directory_refused"


def closed(attributes: Mapping[str, Sequence[bytes]], now: datetime | None = None) -> str | None:
    """The reason why a directory lets this person in no more; None: it does. Locked for a while is not closed."""
    now = now or datetime.now(UTC)
    if _number(attributes, "userAccountControl") & 2:
        return "directory_disabled"
    expires = _number(attributes, "accountExpires")
    if expires not in _NEVER and (expires - _FILETIME) / 10_000_000 <= now.timestamp():
        return "directory_expired"
    locked = _text(attributes, "pwdAccountLockedTime") == _FOR_EVER
    others = any(_text(attributes, each).upper() == "TRUE" for each in ("nsAccountLock", "loginDisabled"))
    return "directory_disabled" if locked or others else None


def _policy_error(result: Mapping[str, Any]) -> int:
    """The error of the password policy's control: SEQUENCE { [0] warning, [1] ENUMERATED error }. -1: none."""
    value = ((result.get("controls") or {}).get(POLICY[0]) or {}).get("value")
    if not isinstance(value, bytes) or value[:1] != b"\x30":
        return -1
    rest = value[2:]
    while len(rest) >= 2:
        tag, length = rest[0], rest[1]
        if tag == 0x81 and length == 1 and len(rest) >= 3:
            return rest[2]
        rest = rest[2 + length :]
    return -1


def _text(attributes: Mapping[str, Sequence[bytes]], name: str) -> str:
    values = attributes.get(name.lower()) or (b"",)
    return values[0].decode("ascii", "replace").strip()


def _number(attributes: Mapping[str, Sequence[bytes]], name: str) -> int:
    text = _text(attributes, name)
    return int(text) if text.isascii() and text.isdigit() else 0
