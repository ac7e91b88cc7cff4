"""Encryption of personal fields: master key → institution key → record key → value, AES-256-GCM throughout.

Every ciphertext is bound to its place (institution, table, row, column) and opens nowhere else. Keys live in
memory only, never in a message, a repr or a log. It must never know what the values mean.

Format of everything stored: version byte 0x01 ‖ 12-byte random nonce ‖ ciphertext and 16-byte tag
(NIST SP 800-38D; random nonces are safe far beyond the number of values that one record's key will seal).
"""

from __future__ import annotations

import os
import secrets
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import text
from sqlalchemy.orm import Session, scoped_session

from itm_admin.foundation import tenancy
from itm_admin.foundation.config import Settings
from itm_admin.foundation.errors import CannotDecrypt, NotFound

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_AAD_LABEL = b"itm-place/v1"

AnySession = Session | scoped_session[Session]


@dataclass(frozen=True)
class Place:
    """The place of a ciphertext: it can be opened only there."""

    institution: uuid.UUID
    table: str
    row: uuid.UUID
    column: str

    def bound(self) -> bytes:
        """The associated data: a label and four parts, each after its length, so that no two places are equal."""
        parts = (str(self.institution), self.table, str(self.row), self.column)
        encoded = (part.encode("utf-8") for part in parts)
        return _AAD_LABEL + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)

    def __str__(self) -> str:
        return f"{self.institution}/{self.table}/{self.row}/{self.column}"


class Key:
    """A key in use. It seals and opens at a place; it cannot be read back."""

    __slots__ = ("_cipher",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError("a key is 32 bytes long")
        self._cipher = AESGCM(secret)

    def __repr__(self) -> str:
        return "<Key>"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    def seal(self, place: Place, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, value, place.bound())

    def open(self, place: Place, stored: bytes) -> bytes:
        """Raises CannotDecrypt for another key, another place, or an altered or cut value."""
        stored = bytes(stored)
        if len(stored) < len(_VERSION) + _NONCE_BYTES + _TAG_BYTES or stored[:1] != _VERSION:
            raise CannotDecrypt(str(place))
        nonce, sealed = stored[1 : 1 + _NONCE_BYTES], stored[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, place.bound())
        except InvalidTag:
            raise CannotDecrypt(str(place)) from None

    def seal_text(self, place: Place, value: str) -> bytes:
        return self.seal(place, value.encode("utf-8"))

    def open_text(self, place: Place, stored: bytes) -> str:
        try:
            return self.open(place, stored).decode("utf-8")
        except UnicodeDecodeError:
            raise CannotDecrypt(str(place)) from None


class InstitutionKeys:
    """The keys derived from one institution's key: one that wraps record keys, and the index keys.

    Each use has its own key (HKDF-SHA-256, RFC 5869), so the blind index reveals nothing about a ciphertext.
    """

    __slots__ = ("_secret", "_wrapping", "institution")

    def __init__(self, institution: uuid.UUID, secret: bytes) -> None:
        self.institution = institution
        self._secret = secret
        self._wrapping = Key(self.derive("record-keys/v1"))

    def __repr__(self) -> str:
        return f"<InstitutionKeys of {self.institution}>"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    def derive(self, use: str) -> bytes:
        """32 bytes for one named use."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"itm/" + use.encode("utf-8")).derive(self._secret)

    def new_record_key(self, table: str, row: uuid.UUID) -> tuple[bytes, Key]:
        """A fresh key for a record: (wrapped, to be stored in its `data_key`; the key itself)."""
        secret = secrets.token_bytes(KEY_BYTES)
        return self._wrapping.seal(self._place(table, row), secret), Key(secret)

    def record_key(self, table: str, row: uuid.UUID, wrapped: bytes | None) -> Key:
        """Unwraps a record's key. Raises CannotDecrypt if it is another record's, or was destroyed (erasure)."""
        place = self._place(table, row)
        if wrapped is None:
            raise CannotDecrypt(str(place))
        return Key(self._wrapping.open(place, wrapped))

    def _place(self, table: str, row: uuid.UUID) -> Place:
        return Place(self.institution, table, row, "data_key")


class Keyring:
    """The master key and the institution keys in use; one per process, made from the settings."""

    def __init__(self, master: bytes, capacity: int = 128) -> None:
        self._master = Key(master)
        self._capacity = capacity
        self._open: OrderedDict[uuid.UUID, InstitutionKeys] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "<Keyring>"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    @classmethod
    def from_settings(cls, settings: Settings) -> Keyring:
        return cls(settings.master_key())

    def new_institution_key(self, institution: uuid.UUID) -> bytes:
        """A fresh institution key, wrapped: what `institution_key.wrapped` holds when an institution joins."""
        return self._master.seal(_institution_place(institution), secrets.token_bytes(KEY_BYTES))

    def unwrap(self, institution: uuid.UUID, wrapped: bytes) -> InstitutionKeys:
        """The institution's keys. Raises CannotDecrypt if they are another's or under another master key."""
        return InstitutionKeys(institution, self._master.open(_institution_place(institution), wrapped))

    def of_institution(self, session: AnySession) -> InstitutionKeys:
        """The keys of the institution at work, never another one's, cached or not.

        Raises NotFound outside an institution's scope, or if the institution has no key yet.
        """
        context = tenancy.current()
        institution = context.institution
        if context.scope != "institution" or institution is None:
            raise NotFound
        with self._lock:
            if institution in self._open:
                self._open.move_to_end(institution)
                return self._open[institution]
        wrapped = session.execute(
            text("select wrapped from institution_key where institution_id = :institution"),
            {"institution": institution},
        ).scalar_one_or_none()
        if wrapped is None:
            raise NotFound
        keys = self.unwrap(institution, wrapped)
        with self._lock:
            self._open[institution] = keys
            while len(self._open) > self._capacity:
                self._open.popitem(last=False)
        return keys


def _institution_place(institution: uuid.UUID) -> Place:
    return Place(institution, "institution_key", institution, "wrapped")
