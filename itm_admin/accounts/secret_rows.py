"""Tables of sign-ins that the panel's role reads through functions alone, or not at all."""

from __future__ import annotations

import uuid
from datetime import datetime

from flask_appbuilder import Model
from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import Identifier, Moment, identifier_column


class FormerPassword(Model):
    """The digest of a password that an account had before: written and bounded by the database."""

    __tablename__ = "former_password"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="former_password_account"
        ),
        Index("former_password_of_account", "account_id", "replaced_at"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    password_hash: Mapped[str] = mapped_column(
        comment="Personal data: argon2id digest of a password that a member of staff had before"
    )
    replaced_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
