"""The signed cookie of a session: a secret that the database knows by its digest, and names nobody.

The row (session_rows.py) has the account and all times; the database's clock judges. After an end the cookie keeps the
reason, for the sign-in page. Knows neither database nor account.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from itm_admin.foundation.actor import Here
from itm_admin.foundation.forgery import FIELD
from itm_admin.foundation.i18n import SESSION_KEY

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
WARNING = 2 * 60
"""Seconds before the end in which the page announces it."""
TOUCH = 60
"""Seconds that may pass before an act moves the row's time: not with every request."""
SECRET_BYTES = 32
COOKIE_KEY = "secret"
ENDED = "ended"
PEEK = "OwnSessionView.left"
"""The endpoint for the time left, which a script requests: it does not extend the session."""


def begin(cookie: MutableMapping[str, Any], secret: bytes, token: str) -> None:
    """Begins a session and drops the cookie's former content. `token` is the account's (forgery.py)."""
    cookie.clear()
    go_on(cookie, secret)
    cookie[FIELD] = token


def go_on(cookie: MutableMapping[str, Any], secret: bytes) -> None:
    """Continues in this browser under a new secret: after a step-up, or one's own new password."""
    cookie[COOKIE_KEY] = base64.urlsafe_b64encode(secret).decode("ascii")


def read(cookie: MutableMapping[str, Any]) -> bytes | None:
    """The secret; None if the cookie has none that could be one."""
    try:
        secret = base64.urlsafe_b64decode(cookie[COOKIE_KEY])
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    return secret if len(secret) == SECRET_BYTES else None


def left(here: Here | None) -> dict[str, int] | None:
    """Seconds until the session ends when idle, and in any case. None: there is no session.

    `surely`: the time that is left after a page was sent, regardless of the row's last update.
    """
    if here is None:
        return None
    whole = int(here.seen + here.idle)
    surely = min(whole - TOUCH, int(here.absolute))
    return {"idle": int(here.idle), "absolute": int(here.absolute), "surely": surely, "warning": WARNING}


def end(cookie: MutableMapping[str, Any], reason: str | None = None) -> None:
    """Drops all but the language, and the reason for the sign-in page."""
    language = cookie.get(SESSION_KEY)
    cookie.clear()
    if language:
        cookie[SESSION_KEY] = language
    if reason:
        cookie[ENDED] = reason
