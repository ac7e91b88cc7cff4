"""The signed cookie of a session, and its lifetime.

A cookie cannot be revoked, so it names a row (session_rows.py) that can end: by signing out, or with all others of the
account. After an end the cookie keeps the reason, for the sign-in page. Knows neither database nor account.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from itm_admin.foundation.forgery import FIELD
from itm_admin.foundation.i18n import SESSION_KEY

IDLE = 30 * 60
ABSOLUTE = 12 * 60 * 60
WARNING = 5 * 60
"""Seconds before the end in which the page announces it."""
ENDED = "ended"
PEEK = "OwnSessionView.left"
"""The endpoint for the time left, which a script requests: it does not extend the session."""
_TOUCH = 60
"""Seconds that may pass before the cookie is written again: not with every request."""


@dataclass(frozen=True)
class Claim:
    """The cookie's content. Times are seconds since 1970."""

    account: uuid.UUID
    institution: uuid.UUID
    session: uuid.UUID
    since: int
    seen: int


def begin(cookie: MutableMapping[str, Any], claim: Claim, token: str) -> None:
    """Begins a session and drops the cookie's former content. `token` is the account's (forgery.py)."""
    cookie.clear()
    cookie.update(
        account=str(claim.account),
        institution=str(claim.institution),
        session=str(claim.session),
        since=claim.since,
        seen=claim.seen,
    )
    cookie[FIELD] = token


def new(account: uuid.UUID, institution: uuid.UUID, session: uuid.UUID) -> Claim:
    moment = int(time.time())
    return Claim(account, institution, session, moment, moment)


def read(cookie: MutableMapping[str, Any], now: float | None = None) -> Claim | None:
    """The claim, if it is well-formed and neither idle too long nor over. An ended one is removed from the cookie."""
    if "account" not in cookie:
        return None
    moment = time.time() if now is None else now
    try:
        claim = Claim(
            uuid.UUID(cookie["account"]),
            uuid.UUID(cookie["institution"]),
            uuid.UUID(cookie["session"]),
            int(cookie["since"]),
            int(cookie["seen"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        end(cookie)
        return None
    reason = "idle" if moment - claim.seen > IDLE else "absolute" if moment - claim.since > ABSOLUTE else None
    if reason:
        end(cookie, reason)
        return None
    return claim


def keep_alive(cookie: MutableMapping[str, Any], claim: Claim, now: float | None = None) -> None:
    moment = int(time.time() if now is None else now)
    if moment - claim.seen >= _TOUCH:
        cookie["seen"] = moment


def left(cookie: MutableMapping[str, Any], now: float | None = None) -> dict[str, int] | None:
    """Seconds until the session ends when idle, and in any case. None: there is no session.

    `surely`: the time that is left after a page was sent, regardless of the cookie's last update.
    """
    claim = read(cookie, now)
    moment = int(time.time() if now is None else now)
    if claim is None:
        return None
    idle, absolute = claim.seen + IDLE - moment, claim.since + ABSOLUTE - moment
    return {"idle": idle, "absolute": absolute, "surely": min(IDLE - _TOUCH, absolute), "warning": WARNING}


def go_on(cookie: MutableMapping[str, Any], session: uuid.UUID) -> None:
    """Continues this session under a new id after all others ended (one's own new password)."""
    cookie["session"] = str(session)


def end(cookie: MutableMapping[str, Any], reason: str | None = None) -> None:
    """Drops all but the language, and the reason for the sign-in page."""
    language = cookie.get(SESSION_KEY)
    cookie.clear()
    if language:
        cookie[SESSION_KEY] = language
    if reason:
        cookie[ENDED] = reason
