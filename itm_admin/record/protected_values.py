"""Protected values of records: sealed, masked, opened, revealed. Nothing else opens them.

A value that was not revealed is never decrypted for a page: a masked field says only whether it is filled.
Each reveal is one record's, for a purpose, and is queued for the ledger here, so that no view can forget it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, cast

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, inspect, select
from sqlalchemy.orm import object_session

from itm_admin.foundation import purposes
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database_errors import HELD
from itm_admin.foundation.encryption import AnySession, InstitutionKeys, Key, Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt, Denied, Erased, Locked
from itm_admin.foundation.formats import HIDDEN, Hidden
from itm_admin.record import limits
from itm_admin.record.kind import SEALED, kind_of
from itm_admin.record.models import Owner, Record, Stamped
from itm_admin.record.permissions import require

Value = str | list[str] | None


def masked(record: Stamped) -> dict[str, Hidden | None]:
    """The protected fields as a page may show them: HIDDEN for a filled one, None for an empty one."""
    return {name: None if _stored(record, name) is None else HIDDEN for name in kind_of(type(record)).protected}


def new_key(keys: InstitutionKeys, record: Owner) -> Key:
    """Gives a new record its key. The record must have its id."""
    record.data_key, key = keys.new_record_key(record.__tablename__, record.id)
    return key


def record_key(keys: InstitutionKeys, owner: Owner) -> Key:
    """The key of an owner's values. CannotDecrypt after an erasure.

    While persons' keys are replaced, one that was read before the transaction had its keys may be a former one.
    """
    session = object_session(owner)
    if keys.renewing and session is not None and owner in session and not session.is_modified(owner):
        session.refresh(owner)
    return keys.record_key(owner.__tablename__, owner.id, owner.data_key)


def key_to_write(keys: InstitutionKeys, owner: Owner) -> Key:
    """As `record_key`; a new one for an owner that has none and nothing sealed: a new record, or a shredded one."""
    return new_key(keys, owner) if owner.data_key is None and not filled(owner) else record_key(keys, owner)


def lock_key(session: AnySession, owner: Owner) -> None:
    """Reads the owner's newest key and keeps it until the commit: what a shredded one sealed never opens again.

    An owner that is erased itself is refused by the database instead (itm.erased_stays).
    """
    state: Any = inspect(owner)
    if not hasattr(owner, "erased_at") and state.persistent and not state.modified:
        session.refresh(owner, ["data_key", "row_version"], with_for_update={"read": True})


def refuse_erased(record: Stamped) -> None:
    """Erased for a person who was: there is nothing left to show, and nothing is written any more."""
    if getattr(record, "erased_at", None) is not None:
        raise Erased


def is_held(record: Stamped) -> bool:
    """True if a legal hold keeps what is stored in this record: on it, or on a person or case that it is about."""
    session = object_session(record)
    if session is None or not filled(record):
        return False
    return bool(session.scalar(select(func.itm.hold_on(kind_of(type(record)).name, record.id))))


def put(key: Key, record: Record, values: Mapping[str, Any]) -> bool:
    """Seals the named fields: absent = unchanged, None or empty = cleared. Tells whether anything changed.

    A value that is given is sealed again, also where the same one is stored: an answer, a version or an entry that told
    the two apart would tell whether a guess was right. A form sends only what was typed into it.
    Locked for a field that is filled while a legal hold keeps it.
    """
    kept = [name for name in kind_of(type(record)).protected if name in values and _stored(record, name) is not None]
    if kept and is_held(record):
        raise Locked(fields=dict.fromkeys(kept, HELD))
    changed, fields = False, kind_of(type(record)).fields
    for name in kind_of(type(record)).protected:
        if name in values:
            text = fields[name].field.sealed(values[name])
            if text is not None or _stored(record, name) is not None:
                setattr(record, f"{name}{SEALED}", None if text is None else key.seal_text(_place(record, name), text))
                changed = True
    return changed


def opened(key: Key, record: Record) -> dict[str, Value]:
    """All protected fields in plain text, for `reveal` and for services that must compare. Never for a page."""
    values: dict[str, Value] = {}
    fields = kind_of(type(record)).fields
    for name in kind_of(type(record)).protected:
        stored = _stored(record, name)
        text = None if stored is None else key.open_text(_place(record, name), stored)
        values[name] = None if text is None else fields[name].field.opened(text)
    return values


def reveal(
    session: AnySession,
    keyring: Keyring,
    names: tuple[str, str],
    record: Record,
    owner: Owner,
    why: tuple[str, str | None],
) -> dict[str, Value]:
    """One record's protected fields, for a purpose of a reveal, in words where the purpose asks for them.

    `names`: the subject of the roles' table and the kind in the ledger; `owner` has the key. Invalid without a
    purpose, Denied without the permission or outside the person's circle, TooMany beyond the hour's limit,
    FactorTooOld for a second person's values, CannotDecrypt if a value does not open.
    """
    subject, kind = names
    actor = require("reveal", subject)
    refuse_erased(owner)
    words = (why[1] or "").strip()[: purposes.MOST_WORDS] or None
    purpose = purposes.check("reveal", actor.context.roles, why[0], words)
    if session.scalar(select(func.itm.reveal_refused(kind, record.id, purpose))) is not None:
        raise Denied(_l("Only those assigned to a case of this person, and managers, may do this."))
    limits.heed_reveal(session, kind, record.id)
    try:
        values: dict[str, Value] = dict.fromkeys(kind_of(type(record)).protected)
        if filled(record):
            key = record_key(keyring.of_institution(session), owner)
            if object_session(record) is not None and keyring.of_institution(session).renewing:
                session.refresh(record)
            values = opened(key, record)
    except CannotDecrypt:
        record_read("record.reveal", kind, record.id, purpose=purpose, outcome="failure")
        raise
    record_read("record.reveal", kind, record.id, purpose=purpose, words=words)
    return values


def reveal_nothing(
    session: AnySession, names: tuple[str, str], parent: uuid.UUID, why: tuple[str, str | None]
) -> dict[str, Value]:
    """A reveal in a parent that has no such record yet: the same purposes and limits, and an entry that names it.

    The reason in words is asked for and not kept: no value was seen for it.
    """
    actor = require("reveal", names[0])
    purpose = purposes.check("reveal", actor.context.roles, *why)
    limits.heed_reveal(session, names[1], parent)
    record_read("record.reveal", names[1], parent, purpose=purpose)
    return {}


def filled(record: Stamped) -> bool:
    """True if any protected value is stored."""
    return any(_stored(record, name) is not None for name in kind_of(type(record)).protected)


def _place(record: Record, name: str) -> Place:
    institution: uuid.UUID = record.institution_id
    return Place(institution, record.__tablename__, record.id, f"{name}{SEALED}")


def _stored(record: Stamped, name: str) -> bytes | None:
    return cast("bytes | None", getattr(record, f"{name}{SEALED}"))
