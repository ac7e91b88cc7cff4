"""Codes of authenticator apps (RFC 6238): six digits, 30 seconds, SHA-1, as every app knows them.

A code is accepted for the present time step and one on each side, and only if its step is later than the last accepted
one. That step stands in the database and only rises, in one statement: a code works once, also in two browsers at the
same moment and after the clock went back. A secret is sealed under its factor's own key; it is shown while it is set up
and never again. No code and no secret is in an entry, a log or an address.
"""

from __future__ import annotations

import hmac
import time
import unicodedata
import uuid

import pyotp
import segno
from markupsafe import Markup
from sqlalchemy import text
from sqlalchemy.orm import Session

from itm_admin.accounts.factor_rows import SecondFactor
from itm_admin.foundation.encryption import InstitutionKeys, Place

ISSUER = "İTM"
STEP = 30
DRIFT = 1
"""Steps that a device's clock may be off, either way."""
_TABLE = "second_factor"
_CLOCK = text("select extract(epoch from clock_timestamp())::float8")


def new_secret() -> str:
    """160 random bits in base32 (RFC 4226, section 4)."""
    return pyotp.random_base32()


def sealed(keys: InstitutionKeys, factor: uuid.UUID, secret: str) -> dict[str, bytes]:
    """The columns of a factor that hold its secret."""
    wrapped, key = keys.new_record_key(_TABLE, factor)
    return {"data_key": wrapped, "sealed": key.seal_text(_place(keys, factor), secret)}


def opened(keys: InstitutionKeys, factor: SecondFactor) -> str:
    key = keys.record_key(_TABLE, factor.id, factor.data_key)
    return key.open_text(_place(keys, factor.id), factor.sealed or b"")


def clock(session: Session) -> float:
    """The present moment by the database's clock, which judges the steps."""
    return float(session.scalar(_CLOCK) or 0)


def step_of(secret: str, typed: str, now: float) -> int | None:
    """The time step of this code near `now`; None if it is a code of none. Compares in constant time."""
    code = digits(typed)
    app, present = pyotp.TOTP(secret), int(now) // STEP
    fitting = [
        step
        for step in range(present + DRIFT, present - DRIFT - 1, -1)
        if hmac.compare_digest(app.generate_otp(step).encode(), code.encode())
    ]
    return fitting[0] if fitting else None


def seconds_to_wait(last: int, now: float | None = None) -> int:
    """Seconds until the app itself shows a code later than the last accepted one; 0 if it does."""
    moment = time.time() if now is None else now
    return max(0, (last + 1) * STEP - int(moment))


def acceptable(secret: str, last: int, now: float | None = None) -> tuple[str, int]:
    """The earliest code that would be accepted now, and the seconds to wait for it."""
    moment = time.time() if now is None else now
    step = max(int(moment) // STEP, last + 1)
    return pyotp.TOTP(secret).generate_otp(step), max(0, (step - DRIFT) * STEP - int(moment))


def in_groups(secret: str) -> str:
    """The secret as text to type: groups of four."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def digits(typed: str) -> str:
    """The code as it was meant: without spaces, in ASCII digits; "" for any other text."""
    found = "".join(unicodedata.normalize("NFKC", typed).split())
    return found if found.isascii() and found.isdigit() and len(found) == 6 else ""


def address_of(secret: str, username: str) -> str:
    """The `otpauth` address that a QR code holds."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def picture(secret: str, username: str) -> Markup:
    """The QR code as inline SVG: no style and no script, so that the content policy allows it."""
    drawn = segno.make(address_of(secret, username), error="m", micro=False)
    return Markup(drawn.svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True))  # noqa: S704


def _place(keys: InstitutionKeys, factor: uuid.UUID) -> Place:
    return Place(keys.institution, _TABLE, factor, "sealed")
