"""The contents of a referral: gathered from the sender's records, sealed for the receiver, opened there alone.

A body is JSON: the name of a field → [salt, value]. The key of a body is fresh and sealed by HPKE for the receiver's
key pair; the sender's side cannot open it again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select

from itm_admin.cases.models import Case, CasePerson, Person, VictimProfile
from itm_admin.foundation import key_pairs
from itm_admin.foundation.encryption import KEY_BYTES, AnySession, Key, Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt, NotFound
from itm_admin.record import protected_values
from itm_admin.record.kind import kind_of
from itm_admin.referrals.models import Referral, ReferralContent, ReferralDraft
from itm_admin.referrals.scopes import IN_SUMMARY, TOLD

SUMMARY, SNAPSHOT = "summary", "snapshot"
MESSAGE = "referral_draft.words"
_LABEL = b"itm-referral/v1"
_TABLE = "referral_content"
Values = Mapping[str, Any]


@dataclass(frozen=True)
class SealedPart:
    """One part, as `itm.send_referral` takes it, and the digests that both sides hold of it."""

    stored: Mapping[str, str]
    sha256: bytes
    told: bytes


def gathered(session: AnySession, keyring: Keyring, draft: ReferralDraft) -> dict[str, Any]:
    """Every field of the sender's records that any scope may open, opened, in JSON's types; the empty ones left out.

    CannotDecrypt if a stored value does not open: half a snapshot is never sent.
    """
    keys = keyring.of_institution(session)
    person, case = session.get_one(Person, draft.person_id), session.get_one(Case, draft.case_id)
    own = (CasePerson.case_id == case.id, CasePerson.person_id == person.id, CasePerson.deleted_at.is_(None))
    profile = session.scalar(select(VictimProfile).join(VictimProfile.link).where(*own))
    found: dict[str, Any] = {}
    for record, owner in ((person, person), (case, case), (profile, person)):
        if record is not None:
            found |= _values(record, protected_values.record_key(keys, owner) if owner.data_key else None)
    message = None
    if draft.words_enc is not None:
        message = protected_values.opened(protected_values.record_key(keys, person), draft)["words"]
    return {name: value for name, value in {**found, MESSAGE: message}.items() if value not in (None, "", [])}


def _values(record: Any, key: Key | None) -> dict[str, Any]:
    kind = kind_of(type(record))
    sealed = protected_values.opened(key, record) if key is not None and protected_values.filled(record) else {}
    found = {}
    for name, each in kind.fields.items():
        if (opened := f"{kind.name}.{name}") in TOLD:
            found[opened] = _plain(sealed.get(name) if each.protected else getattr(record, name))
    return found


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | bool | list) or value is None else (
        value.isoformat() if isinstance(value, date) else str(value)
    )  # fmt: skip


def in_summary(values: Values) -> dict[str, Any]:
    return {name: values[name] for name in (*IN_SUMMARY, MESSAGE) if name in values}


def sealed(receiver: uuid.UUID, sender: uuid.UUID, half: key_pairs.PublicHalf, part: str, values: Values) -> SealedPart:
    """Seals one part for the receiver, under a fresh key."""
    id, secret = uuid.uuid4(), secrets.token_bytes(KEY_BYTES)
    body = {name: [secrets.token_hex(16), value] for name, value in sorted(values.items())}
    text = Key(secret).seal(Place(receiver, _TABLE, id, "sealed"), json.dumps(body, ensure_ascii=False).encode())
    sealed_key = key_pairs.seal(half, _place_of_key(receiver, id, sender, half.pair), secret)
    stored = {
        "id": str(id), "part": part, "pair": str(half.pair), "sealed_key": f"\\x{sealed_key.hex()}",
        "sealed": f"\\x{text.hex()}",
    }  # fmt: skip
    return SealedPart(stored, hashlib.sha256(text).digest(), root(body))


def root(body: Mapping[str, list[Any]]) -> bytes:
    """The root over salted digests of the fields, in the order of their names: with a salt, one field is proved."""
    leaves = (_leaf(name, *pair) for name, pair in sorted(body.items()))
    return hashlib.sha256(b"".join(leaves)).digest()


def _leaf(name: str, salt: str, value: Any) -> bytes:
    written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(bytes.fromhex(salt) + name.encode() + b"\0" + written.encode()).digest()


def opened(session: AnySession, keyring: Keyring, side: Referral, part: str) -> dict[str, Any] | None:
    """The part as the receiver at work reads it now. None where it is not to be read: never, no more, not yet.

    CannotDecrypt if it is not what both ledgers hold a digest of.
    """
    contents = {each.part: each for each in _rows(session, side)}
    row = contents.get(part)
    if row is None or row.sealed is None or row.sealed_key is None:
        return None
    place = _place_of_key(row.institution_id, row.id, side.other_institution_id, row.pair_id)
    secret = key_pairs.opened(session, keyring, row.pair_id, place, bytes(row.sealed_key))
    text = Key(secret).open(Place(row.institution_id, _TABLE, row.id, "sealed"), bytes(row.sealed))
    if hashlib.sha256(bytes(row.sealed)).hexdigest() not in side.sealed_sha256.split():
        raise CannotDecrypt(f"{_TABLE}/{row.id}")
    body = json.loads(text)
    return {name: value for name, (_salt, value) in body.items()}


def _rows(session: AnySession, side: Referral) -> list[ReferralContent]:
    """Held until the transaction ends, so that nothing is read after a consent was withdrawn."""
    session.scalar(select(Referral.id).where(Referral.id == side.id).with_for_update(read=True, key_share=False))
    return list(session.scalars(select(ReferralContent).where(ReferralContent.side_id == side.id)))


def _place_of_key(receiver: uuid.UUID, id: uuid.UUID, sender: uuid.UUID, pair: uuid.UUID) -> bytes:
    return Place(receiver, _TABLE, id, "sealed_key").bound() + _LABEL + sender.bytes + pair.bytes


def pair_of(session: AnySession, keyring: Keyring, receiver: uuid.UUID) -> key_pairs.PublicHalf | None:
    """None while the receiver has no key pair: nothing can be sealed for it."""
    try:
        return key_pairs.public_half(session, keyring, receiver)
    except NotFound:
        return None
