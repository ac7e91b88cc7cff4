"""The key pairs of institutions: everybody seals for an institution, it alone opens (HPKE, RFC 9180).

The suite is ML-KEM-768 with X25519 (X-Wing), HKDF-SHA-256 and AES-256-GCM, since what is sent is kept for decades. The
private half is a seed under a key that the institution's key wraps. The public half is sealed under the master key: it
is no secret, but a public half that somebody else put there must not be used.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from sqlalchemy import text

from itm_admin.foundation.encryption import KEY_BYTES, AnySession, InstitutionKeys, Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt, NotFound

TABLE = "institution_pair"
CURVE_BYTES = 32
"""Of the public half of X25519, after the 1,184 bytes of ML-KEM-768."""
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_FORMAT = b"\x01"
_PRESENT = text("select id, public_sealed from institution_pair where institution_id = :institution")
_ADD = text(
    "insert into institution_pair (id, institution_id, public_sealed, data_key, private_sealed)"
    " values (:id, :institution_id, :public_sealed, :data_key, :private_sealed)"
)
_SECRET = text("select data_key, private_sealed from itm.pair_secret(:id)")


@dataclass(frozen=True)
class NewPair:
    """The columns of a new pair: none of them opens anything without a key from outside the database."""

    id: uuid.UUID
    institution_id: uuid.UUID
    public_sealed: bytes
    data_key: bytes
    private_sealed: bytes


@dataclass(frozen=True)
class PublicHalf:
    """The public half of an institution's pair, which the master key vouched for."""

    pair: uuid.UUID
    key: MLKEM768X25519PublicKey


def new_pair(keyring: Keyring, keys: InstitutionKeys) -> NewPair:
    """A fresh pair for the institution of these keys."""
    id, seed = uuid.uuid4(), secrets.token_bytes(KEY_BYTES)
    wrapped, key = keys.new_record_key(TABLE, id)
    lattice, curve = _halves(seed)
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return NewPair(
        id,
        keys.institution,
        keyring.vouch(public_place(keys.institution, id), public),
        wrapped,
        key.seal(_private_place(keys.institution, id), seed),
    )


def add_pair(session: AnySession, keyring: Keyring, keys: InstitutionKeys) -> None:
    """Gives an institution its pair, where it has none."""
    if session.execute(_PRESENT, {"institution": keys.institution}).one_or_none() is None:
        session.execute(_ADD, vars(new_pair(keyring, keys)))


def public_half(session: AnySession, keyring: Keyring, institution: uuid.UUID) -> PublicHalf:
    """NotFound if the institution has no pair yet; CannotDecrypt for one that the master key did not vouch for."""
    found = session.execute(_PRESENT, {"institution": institution}).one_or_none()
    if found is None:
        raise NotFound
    public = keyring.vouched(public_place(institution, found.id), found.public_sealed)
    lattice, curve = public[:-CURVE_BYTES], public[-CURVE_BYTES:]
    key = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(lattice), X25519PublicKey.from_public_bytes(curve)
    )
    return PublicHalf(found.id, key)


def seal(public: PublicHalf, place: bytes, value: bytes) -> bytes:
    """Seals a short value, such as a key, for the holder of the private half, at a place (the `info` of HPKE)."""
    return _FORMAT + _SUITE.encrypt(value, public.key, place)


def opened(session: AnySession, keyring: Keyring, pair: uuid.UUID, place: bytes, sealed: bytes) -> bytes:
    """Opens what was sealed for the institution at work. CannotDecrypt for another's, another place, a changed one."""
    keys = keyring.of_institution(session)
    found = session.execute(_SECRET, {"id": pair}).one_or_none()
    if found is None or sealed[:1] != _FORMAT:
        raise CannotDecrypt(f"{TABLE}/{pair}")
    key = keys.record_key(TABLE, pair, found.data_key)
    seed = key.open(_private_place(keys.institution, pair), found.private_sealed)
    try:
        return _SUITE.decrypt(sealed[1:], MLKEM768X25519PrivateKey(*_halves(seed)), place)
    except InvalidTag:
        raise CannotDecrypt(f"{TABLE}/{pair}") from None


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """The keys of a seed, as X-Wing derives them (draft-connolly-cfrg-xwing-kem), so that other libraries read it."""
    drawn = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(drawn[:64]), X25519PrivateKey.from_private_bytes(drawn[64:])


def public_place(institution: uuid.UUID, pair: uuid.UUID) -> Place:
    return Place(institution, TABLE, pair, "public_sealed")


def _private_place(institution: uuid.UUID, pair: uuid.UUID) -> Place:
    return Place(institution, TABLE, pair, "private_sealed")
