"""Why protected values had to be seen, in words of the person who asked."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import Moment, identifier_column
from itm_admin.record.field import field
from itm_admin.record.fields import Code, Link, Text
from itm_admin.record.kind import RecordInfo
from itm_admin.record.words import KindName


class AccessNote(Model):
    """Why protected values had to be seen, in words: they may name people, so they stand beside the ledger."""

    __tablename__ = "access_note"
    __record__: ClassVar = RecordInfo(_l("Reason in words"))
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="access_note_account"
        ),
        CheckConstraint("length(words) between 1 and 1000", name="access_note_words"),
        Index("access_note_of_record", "record"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    kind: Mapped[str] = field(KindName(label=_l("Kind")))
    record: Mapped[uuid.UUID] = field(Link(label=_l("Number of the record")))
    purpose: Mapped[str] = field(Code(label=_l("Why"), codes="access_purpose"))
    words: Mapped[str | None] = field(
        Text(label=_l("Reason in words"), most=1_000, lines=True),
        comment="Personal data, possibly. Destroyed when the person it is about is erased.",
    )
    made_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
