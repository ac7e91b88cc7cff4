"""Anti-forgery: accepts a POST only from a page of this panel.

A signed-in person's token belongs to the account and not to one session, so a form still works after the session has
ended and the same person has signed in again; a form from another person's page is refused. Pages without sign-in
(sign-in, language, one-time link) may stay open overnight, longer than any cookie: for them the browser's own headers
count (Sec-Fetch-Site, or Origin), which no script can forge. Where these name another site, every change is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from urllib.parse import urlsplit

from flask import current_app, g, request
from flask_wtf.csrf import CSRFProtect, validate_csrf
from itsdangerous import BadData, URLSafeTimedSerializer
from wtforms.validators import ValidationError

from itm_admin.foundation.access import METHODS_THAT_CHANGE

FIELD = "csrf_token"
LIFETIME = 7 * 24 * 60 * 60
"""Seconds: as long as a draft is kept."""
_OF_ACCOUNT = "account:"


class Forgery(CSRFProtect):
    """Flask-WTF's protection, with the browser's headers for public pages."""

    def protect(self, apply_exemptions: bool = False) -> None:
        access = g.get("access")
        if request.method in METHODS_THAT_CHANGE and comes_from_elsewhere():
            self._error_response("Another site sent this request.")
        if request.endpoint in current_app.config["ITM_SIGNED_CALLS"]:
            g.csrf_valid = True  # it carries a signature of its own, and no cookie counts there
        elif g.get("actor") is not None and g.actor.key is not None:
            g.csrf_valid = True  # no browser sends a key by itself, and no cookie came with it
        elif request.method not in METHODS_THAT_CHANGE or access is None or not access.public or access.api:
            super().protect(apply_exemptions)
        elif says_browser():
            g.csrf_valid = True
        elif request.endpoint == current_app.config["ITM_SIGN_IN_ENDPOINT"]:
            g.stale = not is_valid(request.form.get(FIELD))  # the page itself says so, with a new token
        else:
            super().protect(apply_exemptions)


def says_browser() -> bool:
    """True if the browser's headers name one of our own pages as the sender."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == request.host_url.rstrip("/")


def comes_from_elsewhere() -> bool:
    """True if the browser names another site as the sender: then no token counts. Programs send neither header."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def is_valid(token: str | None) -> bool:
    """True if the token belongs to this browser's session."""
    try:
        validate_csrf(token)
    except ValidationError:
        return False
    return True


def of_account(account: uuid.UUID) -> str:
    """The secret of the tokens on an account's pages."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return _OF_ACCOUNT + hmac.new(key, b"itm/anti-forgery/v1\0" + account.bytes, hashlib.sha256).hexdigest()


def is_of_an_account(token: str | None) -> bool:
    """True if this panel made the token for a page of any signed-in person."""
    signed = URLSafeTimedSerializer(str(current_app.config["SECRET_KEY"]), salt="wtf-csrf-token")
    try:
        content = signed.loads(token or "", max_age=LIFETIME)
    except BadData:
        return False
    return isinstance(content, str) and content.startswith(_OF_ACCOUNT)
