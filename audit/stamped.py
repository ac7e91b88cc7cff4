"""What of a checkpoint is stamped with a time, who is asked, and who is trusted. Knows nothing of RFC 3161 itself.

Promise: the same bytes whoever has cosigned since: the checkpoint as the log's own keys signed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cryptography import x509

from audit.checkpoint import Checkpoint
from audit.note import Note

MAX_ANSWER = 1 << 16
"""Bytes of an authority's answer, with all its certificates."""


def message(signed: Note) -> bytes:
    """The note with its log's signatures alone: of names that may speak for its origin. Raises ValueError."""
    origin = Checkpoint.parse(signed.text).origin
    lines = tuple(line for line in signed.signatures if f"{origin}/".startswith(f"{line.name}/"))
    return bytes(Note(signed.text, lines))


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
