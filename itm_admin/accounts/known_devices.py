"""Browsers in which somebody has signed in: a signed cookie with a secret, and a row for each account (0014/40).

Its person is not delayed by strangers' tries, and is told of a sign-in from another one. It opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response, after_this_request, current_app, g, has_request_context, request
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from itm_admin.accounts import devices
from itm_admin.accounts.secret_rows import KnownDevice
from itm_admin.foundation import tenancy

_LASTS = timedelta(days=400)
"""As long as browsers keep a cookie at most; each sign-in renews it."""
_SECRET_BYTES = 32
_NOTE = text("select itm.note_sign_in(:digest, :device, :address)")


@dataclass(frozen=True)
class Known:
    """A device on the page of its person."""

    id: uuid.UUID
    device: str | None
    made_at: datetime
    seen_at: datetime


def secret_here() -> bytes | None:
    """The secret of this request's browser; None without one that we signed."""
    if not has_request_context():
        return None
    if "device_secret" not in g:
        g.device_secret = _read(request.cookies.get(cookie_name(), ""))
    found: bytes | None = g.device_secret
    return found


def note(session: Session) -> str | None:
    """The account at work has signed in here: the browser is known from now on. Gives what is unusual."""
    if not has_request_context():
        return None
    secret = secret_here() or secrets.token_bytes(_SECRET_BYTES)
    g.device_secret = secret
    after_this_request(_remembered)
    values = {
        "digest": hashlib.sha256(secret).digest(),
        "device": devices.device_here(),
        "address": tenancy.current().address,
    }
    return ",".join(session.scalar(_NOTE, values) or ()) or None


def standing(session: Session, account: uuid.UUID) -> Sequence[Known]:
    """The account's devices, the last used first."""
    columns = (KnownDevice.id, KnownDevice.device, KnownDevice.made_at, KnownDevice.seen_at)
    rows = session.execute(
        select(*columns).where(KnownDevice.account_id == account).order_by(KnownDevice.seen_at.desc(), KnownDevice.id)
    )
    return [Known(*row) for row in rows]


def forget(session: Session, account: uuid.UUID, id: uuid.UUID) -> bool:
    """Forgets one of the own devices. False: there is no such one."""
    gone = delete(KnownDevice).where(KnownDevice.account_id == account, KnownDevice.id == id).returning(KnownDevice.id)
    return session.execute(gone).first() is not None


def cookie_name() -> str:
    return "__Host-itm-device" if current_app.config["SESSION_COOKIE_SECURE"] else "itm-device"


def _remembered(response: Response) -> Response:
    """Sets the cookie, unless the sign-in was refused in the end."""
    if response.status_code >= 400:
        return response
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    value = _signer().dumps(base64.urlsafe_b64encode(g.device_secret).decode("ascii"))
    response.set_cookie(
        cookie_name(), str(value), max_age=_LASTS, path="/", httponly=True, samesite="Lax", secure=secure
    )
    return response


def _read(value: str) -> bytes | None:
    try:
        secret = base64.urlsafe_b64decode(_signer().loads(value))
    except (BadSignature, TypeError, ValueError):
        return None
    return secret if len(secret) == _SECRET_BYTES else None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(str(current_app.config["SECRET_KEY"]), salt="itm/known-device/v1")
