"""Time stamping authorities: where one is asked, and whose certificates count. Knows nothing of RFC 3161 itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cryptography import x509


@dataclass(frozen=True)
class Trusted:
    """Roots, and certificates on the way to them that an authority does not send."""

    roots: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...] = ()

    @classmethod
    def parse(cls, pem: bytes) -> Trusted:
        """The certificates of a PEM file. Raises ValueError where there is no root among them."""
        found = x509.load_pem_x509_certificates(pem)
        roots = tuple(each for each in found if each.issuer == each.subject)
        if not roots:
            raise ValueError("no root certificate is there")
        return cls(roots, tuple(each for each in found if each not in roots))


def address(url: str) -> SplitResult:
    """Where an authority is asked. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("an address like https://authority.example/stamp is expected")
    if parts.port == 0:
        raise ValueError("there is no port 0")
    return parts
