"""Anti-forgery: which POST comes from a page of this panel.

A signed-in person's token belongs to the account and not to one session, so that a form outlives the end of a session
once the same person has signed in again; a form of somebody else's page is refused. Pages that ask for no
sign-in (sign-in, language, one-time link) may stand open overnight, longer than any cookie: for them the browser's own
word is enough (Sec-Fetch-Site, or Origin), which no script can forge.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid

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
    """Flask-WTF's protection, with the browser's word for public pages."""

    def protect(self, apply_exemptions: bool = False) -> None:
        access = g.get("access")
        if request.method not in METHODS_THAT_CHANGE or access is None or not access.public or access.api:
            super().protect(apply_exemptions)
        elif says_browser():
            g.csrf_valid = True
        elif request.endpoint == current_app.config["ITM_SIGN_IN_ENDPOINT"]:
            g.stale = not is_valid(request.form.get(FIELD))  # the page itself says so, with a new token
        else:
            super().protect(apply_exemptions)


def says_browser() -> bool:
    """Whether the browser vouches for one of our own pages as the sender."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == request.host_url.rstrip("/")


def is_valid(token: str | None) -> bool:
    """Whether the token belongs to this browser's session."""
    try:
        validate_csrf(token)
    except ValidationError:
        return False
    return True


def of_account(account: uuid.UUID) -> str:
    """The secret that the tokens of an account's pages are made of."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return _OF_ACCOUNT + hmac.new(key, b"itm/anti-forgery/v1\0" + account.bytes, hashlib.sha256).hexdigest()


def is_of_an_account(token: str | None) -> bool:
    """Whether the token was made by this panel for a signed-in person's page, whoever that was."""
    signed = URLSafeTimedSerializer(str(current_app.config["SECRET_KEY"]), salt="wtf-csrf-token")
    try:
        content = signed.loads(token or "", max_age=LIFETIME)
    except BadData:
        return False
    return isinstance(content, str) and content.startswith(_OF_ACCOUNT)
