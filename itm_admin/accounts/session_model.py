"""The table of sessions. Its rules are the database's (0014/20); what uses it is in session_rows.py."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from flask_appbuilder import Model
from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import FetchedValue

from itm_admin.foundation.records import Identifier, Moment, identifier_column


class AccountSession(Model):
    """One session of an account: it counts while its row is open and has the account's epoch."""

    __tablename__ = "account_session"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="account_session_account"
        ),
        UniqueConstraint("institution_id", "id", name="account_session_in_institution"),
        CheckConstraint(
            "why in ('signed_out', 'elsewhere', 'renewed', 'all', 'password', 'factor', 'link', 'role', 'suspended',"
            " 'institution', 'provider')",
            name="account_session_why",
        ),
        CheckConstraint("octet_length(secret_digest) = 32", name="account_session_digest"),
        CheckConstraint("ends_at <= begun_at + interval '24 hours'", name="account_session_length"),
        CheckConstraint("idle between interval '1 minute' and interval '2 hours'", name="account_session_idle"),
        CheckConstraint(
            "methods <@ '{password,totp,passkey,recovery,provider,machine}'::text[]", name="account_session_methods"
        ),
        CheckConstraint("length(address) <= 60 and length(device) <= 60", name="account_session_words"),
        CheckConstraint("(ended_at is null) = (why is null)", name="account_session_ended"),
        Index("account_session_of_account", "account_id", "begun_at"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    epoch: Mapped[int] = mapped_column(server_default=FetchedValue())
    begun_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    why: Mapped[str | None]
    secret_digest: Mapped[bytes] = mapped_column(unique=True, deferred=True)
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    ends_at: Mapped[datetime] = mapped_column(Moment)
    idle: Mapped[timedelta] = mapped_column(server_default=text("interval '30 minutes'"))
    methods: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    factor_at: Mapped[datetime | None] = mapped_column(Moment)
    address: Mapped[str | None]
    device: Mapped[str | None]
