"""The tables of mail (0008). The panel adds links, and reads nothing of either."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import Identifier, Moment, identifier_column


class Mail(Model):
    """One mail to one account: waiting or sent."""

    __tablename__ = "mail"
    __table_args__ = (
        CheckConstraint(
            "kind in ('link', 'told_link', 'told_confirmed', 'told_rise', 'told_end', 'told_reset', 'told_password', "
            "'told_email', 'told_factor', 'told_recovery', 'told_factors', 'told_factors_asked', 'told_unusual', "
            "'told_manager_unusual', 'audit_link', 'audit_confirmed', 'audit_rise', 'audit_end', 'audit_reset', "
            "'audit_factors', 'told_key_made', 'told_key_taken', 'told_key_rotated', 'told_key_ended', 'told_suspend', "
            "'told_resume', 'told_give', 'told_rank_asked', 'told_rank', 'told_rank_refused', 'told_rank_ended', "
            "'told_key_changed', 'told_key_asked', 'told_key_widened', 'told_key_declined', 'told_key_expires', "
            "'told_identity')",
            name="mail_kind",
        ),
        CheckConstraint("sent_at is null or (address is null and detail is null)", name="mail_sent"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="mail_account"
        ),
        ForeignKeyConstraint(
            ["institution_id", "invitation_id"], ["invitation.institution_id", "invitation.id"], name="mail_invitation"
        ),
        Index("mail_due", "due_at", postgresql_where=text("sent_at is null")),
        Index("mail_age", "institution_id", "created_at"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    kind: Mapped[str]
    about: Mapped[uuid.UUID] = mapped_column(Identifier)
    invitation_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    address: Mapped[str | None] = mapped_column(
        comment="Personal data: e-mail address of a member of staff, until the mail has left"
    )
    language: Mapped[str]
    detail: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="Personal data: names and user names of members of staff, until the mail has left"
    )
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    due_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    sent_at: Mapped[datetime | None] = mapped_column(Moment)


class AccountAddress(Model):
    """The author and time of an account's address."""

    __tablename__ = "account_address"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="account_address_account"
        ),
    )

    account_id: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    set_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    set_by: Mapped[uuid.UUID | None] = mapped_column(Identifier)
