"""Limits the tries of a name or an address: counted in the database, by keyed digest, in windows of time.

A try is counted before the password is checked, and in one statement, so that many threads cannot pass together; a
successful one is taken back. Never stores a name or an address as typed.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from itm_admin.accounts.models import LoginThrottle

WINDOW = timedelta(minutes=15)
LIMITS = {"name": 10, "address": 200}
"""An address may be a whole ministry's; a name is one person's."""
_KEPT = timedelta(days=1)

_COUNT = text(
    """
    insert into login_throttle (key, "window", tries) values (:key, :window, 1)
    on conflict (key, "window") do update set tries = login_throttle.tries + 1 returning tries
    """
)
_TAKE_BACK = text('update login_throttle set tries = tries - 1 where key = :key and "window" = :window and tries > 0')


@dataclass(frozen=True)
class Tries:
    """The counted keys of one try. `over`: a limit is passed; `first_over`: by this very try."""

    keys: tuple[bytes, ...]
    window: datetime
    over: bool
    first_over: bool


def key_from(secret: str) -> bytes:
    """The key of these digests, derived from the secret that signs the cookies; neither reveals the other."""
    return hmac.new(secret.encode(), b"itm/login-digests/v1", hashlib.sha256).digest()


def keyed_digest(key: bytes, kind: str, value: str) -> bytes:
    """Equal values give equal digests; without the key they reveal nothing else."""
    return hmac.new(key, f"itm/{kind}/v1\0".encode() + value.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def window_of(now: datetime) -> datetime:
    seconds = int(WINDOW.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=now.tzinfo)


def count(session: Session, key: bytes, name: str, address: str | None, now: datetime) -> Tries:
    """Counts one try. Always the name before the address, so that two tries cannot deadlock."""
    window = window_of(now)
    keys, over, first = [], False, False
    for kind, value in (("name", name), ("address", address or "none")):
        digest = keyed_digest(key, kind, value)
        tries = session.execute(_COUNT, {"key": digest, "window": window}).scalar_one()
        keys.append(digest)
        over |= tries > LIMITS[kind]
        first |= tries == LIMITS[kind] + 1
    return Tries(tuple(keys), window, over, first)


def take_back(session: Session, tries: Tries) -> None:
    """Takes back a successful try. Removes old windows as well."""
    for digest in tries.keys:
        session.execute(_TAKE_BACK, {"key": digest, "window": tries.window})
    session.execute(delete(LoginThrottle).where(LoginThrottle.window < tries.window - _KEPT))
