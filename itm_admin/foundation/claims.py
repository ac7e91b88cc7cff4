"""Claims of the web server: what it alone can check, such as a passkey, told to the database with a MAC (0015/84).

The key is derived from the secret that signs the cookies. The owner's login brings it to the database, whenever the
schema is brought up to date; SQL in the web server's name neither reads it there nor has it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import current_app, has_app_context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from itm_admin.foundation.config import Refusal, Settings

_BLOCK = 64
_NOW = text("select floor(extract(epoch from clock_timestamp()))::bigint")
_BRING = text("select itm.bring_claim_key(:inner, :outer)")
_FITS = text("select itm.is_claim('start', :at, :mac)")


def key_from(secret: str) -> bytes:
    """The key, from the secret that signs the cookies; neither reveals the other."""
    return hmac.new(secret.encode(), b"itm/claims/v1", hashlib.sha256).digest()


def made(work: Connection | Session, *words: object, key: bytes | None = None) -> dict[str, Any]:
    """A claim of these words, as `at` and `mac`; both None for commands, which have no key and need no claim.

    It is good for a minute by the database's clock, which alone has to be right.
    """
    key = key or _key()
    if key is None:
        return {"at": None, "mac": None}
    at = work.scalar(_NOW)
    said = f"{at} {' '.join(map(str, words))}"
    return {"at": at, "mac": hmac.new(key, said.encode(), hashlib.sha256).digest()}


def hex_of(words: str) -> str:
    """The SHA-256 of a text, as the database's `itm.hex_of` gives it: what is secret or long stands so in a claim."""
    return hashlib.sha256(words.encode("utf-8")).hexdigest()


def _key() -> bytes | None:
    return key_from(str(current_app.config["SECRET_KEY"])) if has_app_context() else None


def bring(owner_url: str | URL, secret: str) -> None:
    """Brings the key to the database, as the owner."""
    padded = key_from(secret).ljust(_BLOCK, b"\0")
    values = {"inner": bytes(each ^ 0x36 for each in padded), "outer": bytes(each ^ 0x5C for each in padded)}
    engine = create_engine(owner_url, poolclass=NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(_BRING, values)


def bring_of(settings: Settings) -> None:
    """The same where both are known to this process."""
    if settings.owner_url is not None and settings.secret_key is not None:
        bring(settings.owner_url, settings.secret_key)


def check(connection: Connection, secret: str) -> None:
    """Raises Refusal if the database has another key, or none."""
    if not connection.scalar(_FITS, made(connection, "start", key=key_from(secret))):
        raise Refusal(
            "ITM_SECRET_KEY: the database does not know this secret yet: run `itm migrate` with it, as the owner"
        )
