"""Drafts: what somebody has typed into a long form and not yet saved, kept on the server for a week.

So that nothing is lost when a session, a computer or a working day ends. A draft is sealed with a key of the
institution, and seen by its author alone; nothing of it is kept in the browser. That there is one is in the ledger, and
so is opening it again; what it holds is not a record's data before it is saved.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, LargeBinary, UniqueConstraint, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.datastructures import MultiDict

from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession, Key, Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt, Invalid
from itm_admin.foundation.records import Moment, identifier_column
from itm_admin.foundation.roles import INSTITUTION, may
from itm_admin.record.field import field
from itm_admin.record.fields import Link
from itm_admin.record.kind import RecordInfo
from itm_admin.record.permissions import Actor, require
from itm_admin.record.words import RecordName

KEPT = timedelta(days=7)
MOST = 100_000
"""Bytes of one draft: more than the longest form can hold."""
_NEVER = frozenset({"csrf_token", "form_key"})
Pairs = Sequence[tuple[str, str]]


class Draft(Model):
    """One form of one person. `form` names it: its kind, and the record's id where there is one."""

    __tablename__ = "draft"
    __record__: ClassVar = RecordInfo(_l("Draft"))
    __table_args__ = (
        UniqueConstraint("account_id", "form", name="draft_once"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="draft_account"
        ),
        CheckConstraint("length(form) <= 80", name="draft_form"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    form: Mapped[str] = field(RecordName(label=_l("Form")))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    saved_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


@dataclass(frozen=True)
class Kept:
    """A draft that was opened."""

    id: uuid.UUID
    form: str
    saved_at: datetime
    values: MultiDict[str, str]
    version: str = ""
    """Another one after each change; it tells nothing of what the draft holds."""


def are_kept() -> bool:
    """True for a person who keeps drafts where they work now."""
    context = tenancy.current()
    return context.scope == INSTITUTION and may(context.roles, "edit", "Draft")


def keep(session: AnySession, keyring: Keyring, form: str, values: Iterable[tuple[str, str]]) -> datetime:
    """Keeps what is typed in place of what was kept before; the moment. Invalid if it is more than a form can hold."""
    actor = require("edit", "Draft")
    content = json.dumps([pair for pair in values if pair[0] not in _NEVER], ensure_ascii=False).encode()
    if len(content) > MOST:
        raise Invalid
    id = uuid.uuid5(actor.account, form)
    sealed = _key(session, keyring).seal(_place(actor, id), content)
    statement = insert(Draft).values(
        id=id, institution_id=actor.institution, account_id=actor.account, form=form, sealed=sealed
    )
    saved: datetime | None = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"sealed": statement.excluded.sealed, "saved_at": func.now()}
        ).returning(Draft.saved_at)
    )
    session.execute(delete(Draft).where(Draft.account_id == actor.account, Draft.saved_at < func.now() - KEPT))
    if saved is None:
        raise Invalid
    return saved


def find(session: AnySession, keyring: Keyring, form: str) -> Kept | None:
    """The person's own draft of this form, opened; None if there is none, or one that cannot be opened any more."""
    actor = require("edit", "Draft")
    draft = session.scalar(
        select(Draft).where(Draft.id == uuid.uuid5(actor.account, form), Draft.saved_at >= func.now() - KEPT)
    )
    if draft is None:
        return None
    try:
        content = _key(session, keyring).open(_place(actor, draft.id), draft.sealed)
    except CannotDecrypt:
        return None
    version = hashlib.sha256(draft.sealed).hexdigest()[:32]
    return Kept(draft.id, form, draft.saved_at, MultiDict(json.loads(content)), version)


def drop(session: AnySession, form: str) -> None:
    """Ends a draft: its text was saved, or thrown away."""
    actor = require("edit", "Draft")
    session.execute(delete(Draft).where(Draft.id == uuid.uuid5(actor.account, form)))


def waiting(session: AnySession) -> list[tuple[str, datetime]]:
    """(form, moment) of the person's own drafts, the newest first."""
    actor = require("edit", "Draft")
    rows = session.execute(
        select(Draft.form, Draft.saved_at)
        .where(Draft.account_id == actor.account, Draft.saved_at >= func.now() - KEPT)
        .order_by(Draft.saved_at.desc(), Draft.id)
    )
    return [(row.form, row.saved_at) for row in rows]


def expire(engine: Engine, _halt: Callable[[], bool]) -> dict[str, int]:
    """Throws away what is older than a week, of everybody, and answers to forms that nobody can open any more.

    A job, as itm_signer.
    """
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM form_answer WHERE expires_at < now()"))
        gone = connection.execute(text("DELETE FROM draft WHERE saved_at < now() - interval '7 days'")).rowcount
    return {"drafts": gone}


def _key(session: AnySession, keyring: Keyring) -> Key:
    return Key(keyring.of_institution(session).derive("drafts/v1"))


def _place(actor: Actor, id: uuid.UUID) -> Place:
    return Place(actor.institution, "draft", id, "sealed")
