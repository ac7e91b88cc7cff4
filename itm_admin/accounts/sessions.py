"""What the signed cookie says of a session, and for how long it holds.

The cookie cannot be called back, so it names the account's epoch: sign-out, reset, suspension and change of
roles raise the epoch, and every older cookie is worth nothing. Knows neither database nor account.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

IDLE = 30 * 60
ABSOLUTE = 12 * 60 * 60
_TOUCH = 60
"""So many seconds may pass before the cookie is written again: not with every request."""


@dataclass(frozen=True)
class Claim:
    """What a cookie says. Times are seconds since 1970."""

    account: uuid.UUID
    institution: uuid.UUID
    epoch: int
    since: int
    seen: int


def begin(
    cookie: MutableMapping[str, Any], account: uuid.UUID, institution: uuid.UUID, epoch: int, now: float | None = None
) -> None:
    """A new session: nothing of what the cookie held before stays in it."""
    moment = int(time.time() if now is None else now)
    cookie.clear()
    cookie.update(account=str(account), institution=str(institution), epoch=epoch, since=moment, seen=moment)


def read(cookie: MutableMapping[str, Any], now: float | None = None) -> Claim | None:
    """The claim, if it is whole and neither idle nor over. What is over is taken out of the cookie."""
    if "account" not in cookie:
        return None
    moment = time.time() if now is None else now
    try:
        claim = Claim(
            uuid.UUID(cookie["account"]),
            uuid.UUID(cookie["institution"]),
            int(cookie["epoch"]),
            int(cookie["since"]),
            int(cookie["seen"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        claim = None
    if claim is None or moment - claim.seen > IDLE or moment - claim.since > ABSOLUTE:
        end(cookie)
        return None
    return claim


def keep_alive(cookie: MutableMapping[str, Any], claim: Claim, now: float | None = None) -> None:
    moment = int(time.time() if now is None else now)
    if moment - claim.seen >= _TOUCH:
        cookie["seen"] = moment


def go_on(cookie: MutableMapping[str, Any], epoch: int) -> None:
    """This session outlives a change of epoch that ends all others (one's own new password)."""
    cookie["epoch"] = epoch


def end(cookie: MutableMapping[str, Any]) -> None:
    cookie.clear()
