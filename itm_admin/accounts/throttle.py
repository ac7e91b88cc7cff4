"""Keyed digests of what is counted while signing in, for all processes together.

The database counts a try before its proof is compared, so that many threads cannot pass together; a right one is taken
back. The limits and their reasons are in 0014/40_tries.sql and 0015/82_door.sql. A device that has signed in before is
counted alone: strangers' tries of its person's name do not delay it. Never stores a name or an address as typed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress


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
