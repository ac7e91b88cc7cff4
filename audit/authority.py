"""Time stamping authorities: their addresses and trusted certificates. Knows nothing of RFC 3161 itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cryptography import x509


@dataclass(frozen=True)
class Trusted:
    """Trusted root certificates, and intermediate certificates that an authority does not send."""

    roots: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...] = ()

    @classmethod
    def parse(cls, pem: bytes) -> Trusted:
        """Reads the certificates of a PEM file. Raises ValueError if it has no root certificate."""
        found = x509.load_pem_x509_certificates(pem)
        roots = tuple(each for each in found if each.issuer == each.subject)
        if not roots:
            raise ValueError("no root certificate is there")
        return cls(roots, tuple(each for each in found if each not in roots))


def address(url: str) -> SplitResult:
    """Splits an authority's URL. Raises ValueError if it is not one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("an address like https://authority.example/stamp is expected")
    if parts.port == 0:
        raise ValueError("there is no port 0")
    return parts
