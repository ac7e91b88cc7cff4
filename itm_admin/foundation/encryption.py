"""Encryption of personal fields: master key → institution key → record key → value, AES-256-GCM throughout.

Every ciphertext is bound to its place (institution, table, row, column) and opens nowhere else. Keys live in
memory only, never in a message, a repr or a log. It must never know what the values mean.

Format of everything stored: version byte ‖ 12-byte random nonce ‖ ciphertext and 16-byte tag
(NIST SP 800-38D; random nonces are safe far beyond the number of values that one record's key will seal).
Version 2: the value is padded to a bucket's size (ISO/IEC 7816-4: 0x80, then zeros), so that the length tells no name.
Version 1, which earlier releases wrote without padding, is still opened; the next write or renewal seals it as 2.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
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
_PLAIN, _PADDED = b"\x01", b"\x02"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_LABELS = {_PLAIN: b"itm-place/v1", _PADDED: b"itm-place/v2"}
_END = b"\x80"
LEAST_BUCKET, STEP = 128, 4096
"""Bytes. Every name, number and date fits the smallest bucket; from STEP on, buckets are its multiples."""

AnySession = Session | scoped_session[Session]


@dataclass(frozen=True)
class Place:
    """The place of a ciphertext: it can be opened only there."""

    institution: uuid.UUID
    table: str
    row: uuid.UUID
    column: str

    def bound(self, version: bytes = _PLAIN) -> bytes:
        """The associated data: a label and four parts, each after its length, so that no two places are equal."""
        parts = (str(self.institution), self.table, str(self.row), self.column)
        encoded = (part.encode("utf-8") for part in parts)
        return _LABELS[version] + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)

    def __str__(self) -> str:
        return f"{self.institution}/{self.table}/{self.row}/{self.column}"


def bucket(size: int) -> int:
    """The bytes that a value of this size is padded to: at least one more."""
    if size >= STEP:
        return (size // STEP + 1) * STEP
    return max(LEAST_BUCKET, 1 << size.bit_length())


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
        padded = (value + _END).ljust(bucket(len(value)), b"\x00")
        return _PADDED + nonce + self._cipher.encrypt(nonce, padded, place.bound(_PADDED))

    def open(self, place: Place, stored: bytes) -> bytes:
        """Raises CannotDecrypt for another key, another place, or an altered or cut value."""
        stored = bytes(stored)
        version = stored[:1]
        if len(stored) < 1 + _NONCE_BYTES + _TAG_BYTES or version not in _LABELS:
            raise CannotDecrypt(str(place))
        nonce, sealed = stored[1 : 1 + _NONCE_BYTES], stored[1 + _NONCE_BYTES :]
        try:
            value = self._cipher.decrypt(nonce, sealed, place.bound(version))
        except InvalidTag:
            raise CannotDecrypt(str(place)) from None
        return value if version == _PLAIN else value.rstrip(b"\x00").removesuffix(_END)

    def seal_text(self, place: Place, value: str) -> bytes:
        return self.seal(place, value.encode("utf-8"))

    def open_text(self, place: Place, stored: bytes) -> str:
        try:
            return self.open(place, stored).decode("utf-8")
        except UnicodeDecodeError:
            raise CannotDecrypt(str(place)) from None


class InstitutionKeys:
    """The keys derived from one institution's key: one that wraps record keys, and the index keys.

    Each use has its own key (HKDF-SHA-256, RFC 5869), so the blind index reveals nothing about a ciphertext. While a
    key is being replaced, `former` are the keys that some records still need.
    """

    __slots__ = ("_secret", "_wrapping", "former", "generation", "institution", "renewing")

    def __init__(
        self,
        institution: uuid.UUID,
        secret: bytes,
        generation: int = 1,
        former: InstitutionKeys | None = None,
        renewing: bool = False,
    ) -> None:
        self.institution = institution
        self.generation, self.former, self.renewing = generation, former, renewing
        self._secret = secret
        self._wrapping = Key(self.derive("record-keys/v1"))

    def __repr__(self) -> str:
        return f"<InstitutionKeys of {self.institution}>"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    def derive(self, use: str) -> bytes:
        """32 bytes for one named use."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"itm/" + use.encode("utf-8")).derive(self._secret)

    def index_key(self, kind: str) -> bytes:
        """The key of the blind index for one kind of value."""
        return self.derive(f"index/{kind}/v{self.generation}")

    def for_lookups(self) -> tuple[InstitutionKeys, ...]:
        """The keys under which stored index terms may have been made: two while they are being replaced."""
        return (self, self.former) if self.former else (self,)

    def alone(self) -> InstitutionKeys:
        """The present keys without the former ones: opens only what has been renewed."""
        return InstitutionKeys(self.institution, self._secret, self.generation)

    def wrap(self, table: str, row: uuid.UUID, key: bytes) -> bytes:
        return self._wrapping.seal(self._place(table, row), key)

    def unwrapped(self, table: str, row: uuid.UUID, wrapped: bytes) -> bytes:
        """A record key's bytes, to wrap them anew. Raises CannotDecrypt."""
        place = self._place(table, row)
        try:
            return self._wrapping.open(place, wrapped)
        except CannotDecrypt:
            if self.former is None:
                raise
            return self.former.unwrapped(table, row, wrapped)

    def new_record_key(self, table: str, row: uuid.UUID) -> tuple[bytes, Key]:
        """A fresh key for a record: (wrapped, to be stored in its `data_key`; the key itself)."""
        secret = secrets.token_bytes(KEY_BYTES)
        return self.wrap(table, row, secret), Key(secret)

    def record_key(self, table: str, row: uuid.UUID, wrapped: bytes | None) -> Key:
        """Unwraps a record's key. Raises CannotDecrypt if it is another record's, or was destroyed (erasure)."""
        if wrapped is None:
            raise CannotDecrypt(str(self._place(table, row)))
        return Key(self.unwrapped(table, row, wrapped))

    def _place(self, table: str, row: uuid.UUID) -> Place:
        return Place(self.institution, table, row, "data_key")


class Keyring:
    """The master key and the institution keys in use; one per process, made from the settings.

    While the master key is being replaced there are two. A running process learns of the next one when something does
    not open: `read_again` gives both, the present one first.
    """

    def __init__(
        self, master: bytes, capacity: int = 128, read_again: Callable[[], Sequence[bytes]] = lambda: ()
    ) -> None:
        self._masters: tuple[Key, ...] = (Key(master),)
        self._read_again = read_again
        self._capacity = capacity
        self._open: OrderedDict[tuple[object, ...], InstitutionKeys] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "<Keyring>"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    @classmethod
    def from_settings(cls, settings: Settings) -> Keyring:
        from itm_admin.foundation import master_key

        return cls(settings.master_key(), read_again=lambda: master_key.all_of(settings))

    def new_institution_key(self, institution: uuid.UUID) -> bytes:
        """A fresh institution key, wrapped: what `institution_key.wrapped` holds when an institution joins."""
        return self.wrap(institution, secrets.token_bytes(KEY_BYTES))

    def wrap(self, institution: uuid.UUID, secret: bytes) -> bytes:
        return self._masters[0].seal(_institution_place(institution), secret)

    def unwrapped(self, institution: uuid.UUID, wrapped: bytes) -> bytes:
        """An institution key's bytes. Raises CannotDecrypt if it is another's or under another master key."""
        return self._opened_by_master(_institution_place(institution), wrapped)

    def _opened_by_master(self, place: Place, sealed: bytes) -> bytes:
        for again in (False, True):
            if again:
                self._masters = tuple(Key(secret) for secret in self._read_again()) or self._masters
            for master in self._masters:
                with contextlib.suppress(CannotDecrypt):
                    return master.open(place, sealed)
        raise CannotDecrypt(str(place))

    def vouch(self, place: Place, value: bytes) -> bytes:
        """Seals a value that is no secret, so that nobody without the master key puts another one in its place."""
        return self._masters[0].seal(place, value)

    def vouched(self, place: Place, sealed: bytes) -> bytes:
        """The value that was vouched for. Raises CannotDecrypt for any other one."""
        return self._opened_by_master(place, sealed)

    def unwrap(self, institution: uuid.UUID, wrapped: bytes) -> InstitutionKeys:
        """The institution's keys. Raises CannotDecrypt if they are another's or under another master key."""
        return InstitutionKeys(institution, self.unwrapped(institution, wrapped))

    def of_institution(self, session: AnySession) -> InstitutionKeys:
        """The keys of the institution at work, never another one's, cached or not.

        Also of the institution of a person who signs in. Raises NotFound outside these scopes, or if the institution
        has no key yet. The database is asked each time, since a key may be replaced while the panel runs; no key is
        replaced before the transaction ends.
        """
        context = tenancy.current()
        institution = context.institution
        if context.scope not in ("institution", "login") or institution is None:
            raise NotFound
        with session.no_autoflush:  # one act is one version: a half-filled record is not written yet
            found = session.execute(_KEYS).one_or_none()
        if found is None:
            raise NotFound
        asked = (institution, *found)
        with self._lock:
            if asked in self._open:
                self._open.move_to_end(asked)
                return self._open[asked]
        keys = self._opened(institution, *found)
        with self._lock:
            self._open[asked] = keys
            while len(self._open) > self._capacity:
                self._open.popitem(last=False)
        return keys

    def _opened(
        self, institution: uuid.UUID, wrapped: bytes, former: bytes | None, generation: int, before: int, renewing: bool
    ) -> InstitutionKeys:
        secret = self.unwrapped(institution, wrapped)
        earlier = None
        if former is not None or before != generation:
            secret_before = secret if former is None else self.unwrapped(institution, former)
            earlier = InstitutionKeys(institution, secret_before, before)
        return InstitutionKeys(institution, secret, generation, earlier, renewing)


_KEYS = text("select wrapped, former, generation, generation_before, renewing from itm.institution_keys()")


def _institution_place(institution: uuid.UUID) -> Place:
    return Place(institution, "institution_key", institution, "wrapped")
