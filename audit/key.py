"""Named Ed25519 keys: for signing notes and, for witnesses, cosigning checkpoints; and their verifier keys.

Promise: a key signs in one way only, which its id tells, so no signature of one kind passes for the other.
Sources: C2SP signed-note and tlog-cosignature. Knows no files and no notes.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.numerals import MAX_TIME

_SIGNATURE = 64
_TIMESTAMP = 8
_MAX_KEY_TEXT = 1024
_ENCODED = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class KeyFormatError(ValueError):
    """The text is not a key."""


class Algorithm(IntEnum):
    """The byte before the public key; it is part of the key's id."""

    NOTE = 0x01
    """Signs a note's text."""
    COSIGNATURE = 0x04
    """Signs a checkpoint's text and the time, as a witness (cosignature/v1)."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key. ``str`` gives ``name+hex(id)+base64(algorithm ‖ public key)``."""

    name: str
    public: bytes
    algorithm: Algorithm = Algorithm.NOTE

    def __post_init__(self) -> None:
        if not valid_name(self.name):
            raise KeyFormatError("a key's name is empty, or has a space, a plus or a control character")
        if len(self.public) != 32:
            raise KeyFormatError("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """Four bytes: the beginning of SHA-256(name ‖ newline ‖ algorithm ‖ public key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return _encoded(self, self.public)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Reads a verifier key. Raises KeyFormatError for another spelling or an unknown algorithm."""
        name, id, algorithm, public = _decoded(text)
        key = cls(name, public, algorithm)
        if key.id != id:
            raise KeyFormatError("the key's id is another key's")
        return key

    def verify(self, text: str, signature: bytes) -> int | None:
        """Verifies a signature of ``text``; gives a witness's time in seconds since 1970, else None.

        Raises ValueError.
        """
        time = None
        if self.algorithm is Algorithm.COSIGNATURE:
            time, signature = int.from_bytes(signature[:_TIMESTAMP], "big"), signature[_TIMESTAMP:]
            if time > MAX_TIME:
                raise ValueError("a time after the year 9999")
            text = cosigned(text, time)
        if len(signature) != _SIGNATURE:
            raise ValueError("a signature of another length")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            raise ValueError(f"not a signature by {self.name}") from None
        return time


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The secret half. Its repr shows no secret; only `secret_text` does."""

    name: str
    seed: bytes = field(repr=False)
    algorithm: Algorithm = Algorithm.NOTE

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise KeyFormatError("an Ed25519 private key has 32 bytes")
        VerifierKey(self.name, bytes(32))

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm = Algorithm.NOTE) -> SigningKey:
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), algorithm)

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self._private.public_key().public_bytes_raw(), self.algorithm)

    def sign(self, text: str) -> bytes:
        """Signs a note's text. A witness's key refuses: it signs only with a time."""
        if self.algorithm is not Algorithm.NOTE:
            raise ValueError("a witness's key signs no notes")
        return self._private.sign(text.encode())

    def cosign(self, text: str, time: int) -> bytes:
        """A witness's signature of a checkpoint's text at a time in seconds since 1970."""
        if self.algorithm is not Algorithm.COSIGNATURE:
            raise ValueError("only a witness's key cosigns")
        return time.to_bytes(_TIMESTAMP, "big") + self._private.sign(cosigned(text, time).encode())

    @property
    def secret_text(self) -> str:
        """``PRIVATE+KEY+name+hex(id)+base64(algorithm ‖ seed)``, as Go's ``sumdb/note`` reads it."""
        return "PRIVATE+KEY+" + _encoded(self.verifier, self.seed)

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Raises KeyFormatError unless name, algorithm and id belong to the secret."""
        if not text.startswith("PRIVATE+KEY+"):
            raise KeyFormatError("not a private key")
        name, id, algorithm, seed = _decoded(text.removeprefix("PRIVATE+KEY+"))
        key = cls(name, seed, algorithm)
        if key.verifier.id != id:
            raise KeyFormatError("the key's id is another key's")
        return key

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def cosigned(text: str, time: int) -> str:
    """The text that a witness signs."""
    return f"cosignature/v1\ntime {time}\n{text}"


def valid_name(name: str) -> bool:
    """True if not empty and without Unicode spaces, plus, control characters and lone surrogates."""
    return bool(name) and not any(c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name)


def canonical(text: str) -> bytes:
    """Decodes standard base64 in its only spelling. Raises ValueError for any other."""
    try:
        decoded = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        decoded = b""
    if not text or b64encode(decoded).decode() != text:
        raise ValueError("not base64 as it is written")
    return decoded


def _encoded(key: VerifierKey, material: bytes) -> str:
    return f"{key.name}+{key.id.hex()}+{b64encode(bytes([key.algorithm]) + material).decode()}"


def _decoded(text: str) -> tuple[str, bytes, Algorithm, bytes]:
    found = _ENCODED.fullmatch(text) if len(text) <= _MAX_KEY_TEXT else None
    if not found:
        raise KeyFormatError("a key is written name+id+base64")
    name, id, encoded = found.groups()
    try:
        material = canonical(encoded)
        return name, bytes.fromhex(id), Algorithm(material[0]), material[1:]
    except ValueError as error:
        raise KeyFormatError(f"a key of an unknown kind: {error}") from None
