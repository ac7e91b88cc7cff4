"""Hints that a colleague has a record's form open, told before a conflict arises.

It is a hint and no lock: a form that somebody left open blocks nobody. It holds no record's data and tells of
nothing that its reader may not see, since only a person who has opened the same record asks it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_appbuilder import Model
from sqlalchemy import ForeignKeyConstraint, column, delete, func, or_, select, table, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.audited_reads import named
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.records import Identifier, Moment
from itm_admin.record.permissions import require

FRESH = timedelta(minutes=15)
_ACCOUNT = table("account", column("id", Identifier), column("first_name"), column("last_name"))
"""Names of colleagues, without the area of accounts, whose own records are built on this room."""


class Editing(Model):
    """A person has opened a record's form, and has neither saved nor left it yet."""

    __tablename__ = "editing"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="editing_account"
        ),
    )

    record: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


@dataclass(frozen=True)
class Colleague:
    """Somebody else who has the form open, since when."""

    name: str
    since: datetime


def begin(session: AnySession, record: uuid.UUID) -> Sequence[Colleague]:
    """Notes that this person has the record's form open; who else has.

    Commits by itself, after the record was found: it is a note and no change of a record.
    """
    actor = require("edit", "Draft")
    noted = insert(Editing).values(record=record, account_id=actor.account, institution_id=actor.institution)
    noted = noted.on_conflict_do_update(index_elements=["record", "account_id"], set_={"seen_at": func.now()})
    others = session.execute(
        select(_ACCOUNT.c.id, _ACCOUNT.c.first_name, _ACCOUNT.c.last_name, Editing.seen_at)
        .join(_ACCOUNT, _ACCOUNT.c.id == Editing.account_id)
        .where(
            Editing.record == record,
            Editing.account_id != actor.account,
            Editing.seen_at >= func.now() - FRESH,
        )
        .order_by(Editing.seen_at.desc(), Editing.account_id)
        .add_cte(noted.cte("noted"))
    ).all()
    session.commit()
    named(*(row.id for row in others))
    return [Colleague(f"{row.first_name} {row.last_name}", row.seen_at) for row in others]


def end(session: AnySession, record: uuid.UUID) -> None:
    """The person has saved; notes of forms that they left long ago go as well."""
    actor = require("edit", "Draft")
    stale = Editing.seen_at < func.now() - FRESH
    session.execute(delete(Editing).where(Editing.account_id == actor.account, or_(Editing.record == record, stale)))
