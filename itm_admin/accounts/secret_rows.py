"""Tables of sign-ins that the panel's role reads through functions alone, or not at all."""

from __future__ import annotations

import uuid
from datetime import datetime

from flask_appbuilder import Model
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, false, text
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
        comment="Personal data: SHA-256 of the argon2id digest of a password that a member of staff had before"
    )
    replaced_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


class LoginThrottle(Model):
    """The number of tries of a name, a network or a device, by keyed digest, and the end of its delay."""

    __tablename__ = "login_throttle"
    __table_args__ = (
        CheckConstraint("kind in ('pair', 'name', 'network', 'device', 'session', 'key')", name="login_throttle_kind"),
        CheckConstraint("octet_length(key) <= 32", name="login_throttle_length"),
        Index("login_throttle_age", "last_at"),
        Index("login_throttle_room", text("tries desc"), "last_at", postgresql_where=text("not of_account")),
    )

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    window: Mapped[datetime] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(server_default=text("1"))
    kind: Mapped[str]
    last_at: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[datetime | None] = mapped_column(Moment)
    of_account: Mapped[bool] = mapped_column(server_default=false())
    """An account's name, device or session: these rows never give way to others."""


class SignInTally(Model):
    """Refused tries that are not an entry yet: counted for a quarter of an hour."""

    __tablename__ = "sign_in_tally"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="sign_in_tally_account"
        ),
        Index("sign_in_tally_age", "since"),
    )

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    since: Mapped[datetime] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(server_default=text("1"))


class KnownDevice(Model):
    """A browser from which an account has signed in: strangers' tries do not delay it."""

    __tablename__ = "known_device"
    __table_args__ = (
        UniqueConstraint("account_id", "secret_digest", name="known_device_once"),
        CheckConstraint("octet_length(secret_digest) = 32", name="known_device_digest"),
        CheckConstraint("length(device) <= 60", name="known_device_words"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="known_device_account"
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary)
    device: Mapped[str | None]
    made_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
