"""The tables of second factors (0014). Row-level security shows them to their own person's sign-in alone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.errors import Message
from itm_admin.foundation.records import Identifier, Moment, identifier_column
from itm_admin.record import fields
from itm_admin.record.field import field
from itm_admin.record.fields import Choice, Link, Opaque, Text
from itm_admin.record.kind import RecordInfo

FACTOR_KINDS: Mapping[str, Message] = {"totp": _l("Authenticator app"), "passkey": _l("Passkey")}
NAME_LENGTH = 60


def _of_account(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["institution_id", "account_id"], ["account.institution_id", "account.id"], name=f"{table}_account"
    )


class SecondFactor(Model):
    """An authenticator app or a passkey of an account. An app counts once its first code was right."""

    __tablename__ = "second_factor"
    __record__: ClassVar = RecordInfo(_l("Second factor"), parent="account_id")
    __table_args__ = (
        _of_account("second_factor"),
        CheckConstraint("kind in ('totp', 'passkey')", name="second_factor_kind"),
        CheckConstraint("length(name) between 1 and 60", name="second_factor_name"),
        Index("second_factor_of_account", "account_id"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    kind: Mapped[str] = field(Choice(label=_l("Kind"), choices=FACTOR_KINDS))
    name: Mapped[str] = field(
        Text(label=_l("Name"), most=NAME_LENGTH), comment="Personal data: the name that a member of staff gave a device"
    )
    data_key: Mapped[bytes | None] = field(Opaque(label=_l("Key")), type_=LargeBinary)
    sealed: Mapped[bytes | None] = field(Opaque(label=_l("Secret of the app")), type_=LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """The time step of the last accepted code: only a later one is accepted."""
    credential: Mapped[bytes | None] = field(Opaque(label=_l("Passkey")), type_=LargeBinary, unique=True)
    public_key: Mapped[bytes | None] = field(Opaque(label=_l("Public key")), type_=LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    confirmed_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Set up")))
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Removed")))
    """Its secrets and keys are destroyed then."""

    @property
    def kind_label(self) -> Message:
        return FACTOR_KINDS[self.kind]


class RecoveryCodes(Model):
    """The digests of an account's recovery codes that were not used yet."""

    __tablename__ = "recovery_codes"
    __record__: ClassVar = RecordInfo(_l("Recovery codes"))
    __table_args__ = (
        _of_account("recovery_codes"),
        CheckConstraint("cardinality(digests) <= 10", name="recovery_codes_ten"),
    )

    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")), primary_key=True)
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    digests: Mapped[list[bytes]] = field(Opaque(label=_l("Recovery codes")), type_=ARRAY(LargeBinary))
    made_at: Mapped[datetime] = field(fields.Moment(label=_l("Made on")), server_default=text("now()"))


class CodeTries(Model):
    """The wrong codes of an account since the last right one, and until when the next one waits."""

    __tablename__ = "code_tries"
    __table_args__ = (_of_account("code_tries"),)

    account_id: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    blocked_until: Mapped[datetime | None] = mapped_column(Moment)


class PasskeyChallenge(Model):
    """A random number that a passkey is to sign, once and within minutes."""

    __tablename__ = "passkey_challenge"
    __table_args__ = (
        CheckConstraint("purpose in ('add', 'sign_in', 'step_up')", name="passkey_challenge_purpose"),
        _of_account("passkey_challenge"),
        Index("passkey_challenge_age", "made_at"),
        Index("passkey_challenge_of_account", "account_id"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    challenge: Mapped[bytes] = mapped_column(LargeBinary)
    purpose: Mapped[str]
    institution_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    made_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
