"""The encrypted fields of cases, persons and profiles: set, masked, revealed. Nothing else opens them.

A value that was not revealed is never decrypted for a page: a masked field says only whether it is filled.
Each reveal is one record's, for a purpose, and is queued for the ledger here, so that no view can forget it.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from typing import Any, cast

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from itm_admin.cases import limits
from itm_admin.cases.acting import require
from itm_admin.cases.models import Case, CasePerson, Person, VictimProfile
from itm_admin.foundation import blind_index, purposes
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.encryption import AnySession, InstitutionKeys, Key, Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt, Denied, Locked
from itm_admin.foundation.formats import HIDDEN, Hidden

Record = Case | Person | VictimProfile
Value = str | list[str] | None

FIELDS: Mapping[type[Any], tuple[str, ...]] = {
    Case: ("narrative", "closure_note"),
    Person: (
        "given_name",
        "family_name",
        "birth_date",
        "tckn",
        "ykn",
        "passport",
        "phone",
        "email",
        "address",
        "guardian",
    ),
    VictimProfile: ("sex_exploitation", "health", "needs"),
}
"""The protected fields of each kind of record, in the order in which screens show them."""

LISTS = frozenset({"sex_exploitation", "needs"})
"""Fields that hold a list of codes (sealed as JSON)."""

_INDEXED = {
    "given_name": "name",
    "family_name": "name",
    "tckn": "tckn",
    "ykn": "ykn",
    "passport": "passport",
    "phone": "phone",
    "email": "email",
}


def masked(record: Record) -> dict[str, Hidden | None]:
    """What a page may show of the protected fields: HIDDEN where one is filled, None where it is empty."""
    return {name: None if _stored(record, name) is None else HIDDEN for name in FIELDS[type(record)]}


def new_key(keys: InstitutionKeys, record: Case | Person) -> Key:
    """Gives a new record its key. The record must have its id."""
    record.data_key, key = keys.new_record_key(record.__tablename__, record.id)
    return key


def record_key(keys: InstitutionKeys, owner: Case | Person) -> Key:
    """The key of a case or a person. CannotDecrypt after an erasure."""
    return keys.record_key(owner.__tablename__, owner.id, owner.data_key)


def key_to_write(keys: InstitutionKeys, case: Case) -> Key:
    """As `record_key`; another key for a case whose narrative was shredded with the one that it had."""
    return new_key(keys, case) if case.data_key is None and not filled(case) else record_key(keys, case)


def refuse_erased(record: Case | Person) -> None:
    """Locked for a person who was erased: there is nothing left to show, and nothing is written any more."""
    if isinstance(record, Person) and record.erased_at is not None:
        raise Locked(_l("This person was erased. What was stored cannot be brought back."))


def put(key: Key, record: Record, values: Mapping[str, Any]) -> bool:
    """Seals the named fields: absent = unchanged, None or empty = cleared. Tells whether anything changed.

    A value that is given is sealed again, also where the same one is stored: an answer, a version or an entry that told
    the two apart would tell whether a guess was right. A form sends only what was typed into it.
    """
    changed = False
    for name in FIELDS[type(record)]:
        if name in values:
            text = _text(name, values[name])
            if text is not None or _stored(record, name) is not None:
                setattr(record, f"{name}_enc", None if text is None else key.seal_text(_place(record, name), text))
                changed = True
    return changed


def opened(key: Key, record: Record) -> dict[str, Value]:
    """All protected fields in plain text, for `reveal` and for services that must compare. Never for a page."""
    values: dict[str, Value] = {}
    for name in FIELDS[type(record)]:
        stored = _stored(record, name)
        text = None if stored is None else key.open_text(_place(record, name), stored)
        values[name] = json.loads(text) if text is not None and name in LISTS else text
    return values


def index(keys: InstitutionKeys, key: Key, person: Person) -> None:
    """Writes the person's blind index anew from all its fields.

    One random term is in it, so that the column changes with every write: the ledger names changed columns.
    """
    terms = _terms(keys, key, person)
    person.index_terms = sorted({*terms, os.urandom(blind_index.TERM_BYTES)}) if terms else []


def is_indexed(keys: InstitutionKeys, key: Key, person: Person) -> bool:
    """Whether the index holds every term of this program's form, and besides them at most the random one."""
    stored = {bytes(term) for term in person.index_terms or ()}
    terms = _terms(keys, key, person)
    return terms <= stored and len(stored - terms) <= 1


def _terms(keys: InstitutionKeys, key: Key, person: Person) -> set[bytes]:
    plain = opened(key, person)
    terms = {
        term
        for name, kind in _INDEXED.items()
        for term in blind_index.terms(keys, kind, cast("str | None", plain[name]))
    }
    for name in ("given_name", "family_name"):
        terms.update(blind_index.name_terms(keys, cast("str | None", plain[name])))
    return terms


def reveal(
    session: AnySession, keyring: Keyring, person: Person, purpose: str, words: str | None = None
) -> dict[str, Value]:
    """One person's protected fields, for a purpose of a reveal, in words where the purpose asks for them.

    Invalid without a purpose, Denied without the permission or outside the person's circle, TooMany beyond the
    hour's limit, CannotDecrypt if a value does not open.
    """
    return _reveal(session, keyring, ("Person", "person"), person, person, (purpose, words))


def reveal_case(
    session: AnySession, keyring: Keyring, case: Case, purpose: str, words: str | None = None
) -> dict[str, Value]:
    """One case's narrative and closing note; as `reveal`."""
    return _reveal(session, keyring, ("Case", "case"), case, case, (purpose, words))


def reveal_profile(
    session: AnySession,
    keyring: Keyring,
    link: CasePerson,
    profile: VictimProfile,
    purpose: str,
    words: str | None = None,
) -> dict[str, Value]:
    """One victim's profile in one case; as `reveal`. It is sealed under the key of the link's person."""
    return _reveal(session, keyring, ("VictimProfile", "victim_profile"), profile, link.person, (purpose, words))


def _reveal(
    session: AnySession,
    keyring: Keyring,
    names: tuple[str, str],
    record: Record,
    owner: Case | Person,
    why: tuple[str, str | None],
) -> dict[str, Value]:
    subject, kind = names
    actor = require("reveal", subject)
    refuse_erased(owner)
    words = (why[1] or "").strip()[: purposes.MOST_WORDS] or None
    purpose = purposes.check("reveal", actor.context.roles, why[0], words)
    if session.scalar(select(func.itm.reveal_refused(kind, record.id, purpose))) is not None:
        raise Denied(_l("Only those assigned to a case of this person, and managers, may do this."))
    limits.heed(session, "record.reveal")
    try:
        values: dict[str, Value] = dict.fromkeys(FIELDS[type(record)])
        if filled(record):
            values = opened(record_key(keyring.of_institution(session), owner), record)
    except CannotDecrypt:
        record_read("record.reveal", kind, record.id, purpose=purpose, outcome="failure")
        raise
    record_read("record.reveal", kind, record.id, purpose=purpose, words=words)
    return values


def filled(record: Record) -> bool:
    """Whether any protected value is stored."""
    return any(_stored(record, name) is not None for name in FIELDS[type(record)])


def _place(record: Record, name: str) -> Place:
    institution: uuid.UUID = record.institution_id
    return Place(institution, record.__tablename__, record.id, f"{name}_enc")


def _stored(record: Record, name: str) -> bytes | None:
    return cast("bytes | None", getattr(record, f"{name}_enc"))


def _text(name: str, value: Any) -> str | None:
    if not value:
        return None
    return json.dumps(value, separators=(",", ":")) if name in LISTS else str(value)
