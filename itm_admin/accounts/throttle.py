"""Delays of tries to sign in, counted in the database by keyed digest, for all processes together.

A try is counted before the password is checked, so that many threads cannot pass together; a right one is taken back.
The limits and their reasons are in 0014/40_tries.sql. A device that has signed in before is counted alone: strangers'
tries of its person's name do not delay it. Never stores a name or an address as typed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, Text, bindparam, text
from sqlalchemy.orm import Session

_COUNT = text("select itm.count_try(:keys, :kinds, :at)").bindparams(
    bindparam("keys", type_=ARRAY(LargeBinary)), bindparam("kinds", type_=ARRAY(Text))
)
_TAKE_BACK = text("select itm.take_back_try(:keys)").bindparams(bindparam("keys", type_=ARRAY(LargeBinary)))
_TALLY = text("select itm.tally_try(:subject, :reason, :at)")
_OVER = text("select * from itm.tallies_over(:at)")


@dataclass(frozen=True)
class Tries:
    """The counted keys of one try. `wait`: seconds until the next one may be made, if this one came too early."""

    keys: tuple[bytes, ...]
    wait: int


@dataclass(frozen=True)
class Counted:
    """Refused tries that become one entry. Without an account: of unknown names."""

    institution_id: UUID | None
    account_id: UUID | None
    code: str | None
    username: str | None
    reason: str
    tries: int
    since: datetime


def key_from(secret: str) -> bytes:
    """The key of these digests, derived from the secret that signs the cookies; neither reveals the other."""
    return hmac.new(secret.encode(), b"itm/login-digests/v1", hashlib.sha256).digest()


def keyed_digest(key: bytes, kind: str, value: str) -> bytes:
    """Equal values give equal digests; without the key they reveal nothing else."""
    return hmac.new(key, f"itm/{kind}/v1\0".encode() + value.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def network_of(address: str | None) -> str:
    """The network that an address belongs to: /24, or /64 of IPv6. Another text is itself."""
    try:
        ip = ipaddress.ip_address(address or "none")
    except ValueError:
        return address or "none"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 64), strict=False))


def count(session: Session, key: bytes, name: str, address: str | None, device: UUID | None, now: datetime) -> Tries:
    """Counts one try to sign in, of a known device or of a stranger; or tells how long to wait."""
    if device is not None:
        return _count(session, {"device": keyed_digest(key, "device", str(device))}, now)
    pair = keyed_digest(key, "pair", f"{address or 'none'}\0{name}")
    network = keyed_digest(key, "network", network_of(address))
    return _count(session, {"pair": pair, "name": keyed_digest(key, "name", name), "network": network}, now)


def count_in_session(session: Session, of: UUID, now: datetime) -> Tries:
    """Counts one try of the own password in a session."""
    return _count(session, {"session": hashlib.sha256(b"itm/session/v1\0" + of.bytes).digest()}, now)


def take_back(session: Session, tries: Tries) -> None:
    """The try was right."""
    session.execute(_TAKE_BACK, {"keys": list(tries.keys)})


def is_entry(session: Session, subject: bytes, reason: str, now: datetime) -> bool:
    """True if this refusal is an entry of its own; else it is counted for one."""
    return bool(session.scalar(_TALLY, {"subject": subject, "reason": reason, "at": now}))


def counted(session: Session, now: datetime) -> Sequence[Counted]:
    """The refusals that become entries now, and those of the person at work. The caller writes them."""
    return [Counted(**row) for row in session.execute(_OVER, {"at": now}).mappings()]


def _count(session: Session, keys: Mapping[str, bytes], now: datetime) -> Tries:
    values: dict[str, Any] = {"keys": list(keys.values()), "kinds": list(keys), "at": now}
    return Tries(tuple(keys.values()), int(session.scalar(_COUNT, values) or 0))
