"""The tables of providers of sign-in and of whom they know (0016/40). The rows mirror the settings' file."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy import (
    Text as SqlText,
)
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.errors import Message
from itm_admin.foundation.i18n import language
from itm_admin.foundation.records import Identifier, Moment, identifier_column
from itm_admin.record import fields
from itm_admin.record.field import field
from itm_admin.record.fields import Choice, Flag, Link, Opaque, Text
from itm_admin.record.kind import RecordInfo

PROVIDER_KINDS: Mapping[str, Message] = {"oidc": _l("OpenID Connect"), "ldap": _l("Directory (LDAP)")}
LINK_ORIGINS: Mapping[str, Message] = {
    "arrived": _l("The first sign-in made the account"),
    "invited": _l("Linked by a one-time link"),
    "linked": _l("Linked by the account's person"),
}


class IdentityProvider(Model):
    """An issuer or a directory that vouches for people. Its row belongs to the Presidency, which keeps the register."""

    __tablename__ = "identity_provider"
    __record__: ClassVar = RecordInfo(_l("Provider of sign-in"))
    __table_args__ = (
        UniqueConstraint("kind", "issuer", name="identity_provider_once"),
        CheckConstraint("kind in ('oidc', 'ldap')", name="identity_provider_kind"),
        CheckConstraint("code ~ '^[a-z0-9-]{1,40}$'", name="identity_provider_code"),
        Index("identity_provider_code_once", "code", unique=True, postgresql_where=text("ended_at is null")),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Institution")),
        ForeignKey("institution.id", name="identity_provider_institution"),
        comment="The Presidency, which keeps the register: its ledger tells of each change",
    )
    kind: Mapped[str] = field(Choice(label=_l("Kind"), choices=PROVIDER_KINDS))
    issuer: Mapped[str] = field(
        Text(label=_l("Issuer")),
        comment="OIDC: the issuer, letter by letter. LDAP: the directory's own name, which stays when its server moves",
    )
    code: Mapped[str] = field(Text(label=_l("Code")))
    name_tr: Mapped[str] = field(Text(label=_l("Name (Turkish)")))
    name_en: Mapped[str] = field(Text(label=_l("Name (English)")))
    client: Mapped[str | None] = field(Text(label=_l("Client")))
    acr: Mapped[list[str]] = field(
        Opaque(label=_l("Classes that hold a second factor")), type_=ARRAY(SqlText), server_default=text("'{}'"),
        comment="Any of these in a token's acr is a second factor shown at the provider",
    )  # fmt: skip
    amr: Mapped[list[str]] = field(
        Opaque(label=_l("Methods that are a second factor")), type_=ARRAY(SqlText), server_default=text("'{}'"),
        comment="Any of these in a token's amr is a second factor shown at the provider",
    )  # fmt: skip
    ended_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Ended")))

    @property
    def name(self) -> str:
        return self.name_tr if language() == "tr" else self.name_en


class ProviderBinding(Model):
    """An institution whose people a provider may vouch for, and what the institution lets it do."""

    __tablename__ = "provider_binding"
    __record__: ClassVar = RecordInfo(_l("Provider of sign-in for an institution"))
    __table_args__ = (
        UniqueConstraint("provider_id", "institution_id", name="provider_binding_once"),
        Index(
            "provider_binding_one_arrival",
            "provider_id",
            unique=True,
            postgresql_where=text("arrivals and ended_at is null"),
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Institution")), ForeignKey("institution.id", name="provider_binding_institution")
    )
    provider_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Provider of sign-in")), ForeignKey("identity_provider.id", name="provider_binding_provider")
    )
    trusts_factor: Mapped[bool] = field(
        Flag(label=_l("Its second factor counts here")), server_default=text("false"),
        comment="A second factor that was shown at the provider counts here; else ours follows",
    )  # fmt: skip
    arrivals: Mapped[bool] = field(
        Flag(label=_l("A first sign-in makes an account without a role")), server_default=text("false"),
        comment="Somebody whom nobody knows here gets an account without a role, which the manager gives; "
        "else is refused",
    )  # fmt: skip
    password: Mapped[bool] = field(
        Flag(label=_l("Signing in by password too")), server_default=text("true"),
        comment="Who is linked to the provider may sign in by password or passkey too",
    )  # fmt: skip
    ended_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Ended")))


class ExternalIdentity(Model):
    """A person's own unchangeable id at a provider (`sub`, entryUUID, objectGUID), and the account here."""

    __tablename__ = "external_identity"
    __record__: ClassVar = RecordInfo(_l("Institution sign-in"), parent="account_id")
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="external_identity_account"
        ),
        UniqueConstraint("institution_id", "id", name="external_identity_in_institution"),
        CheckConstraint("how in ('arrived', 'invited', 'linked')", name="external_identity_how"),
        CheckConstraint("length(subject) between 1 and 255", name="external_identity_subject"),
        CheckConstraint("length(shown_name) <= 200", name="external_identity_name"),
        Index(
            "external_identity_once", "provider_id", "subject", unique=True, postgresql_where=text("ended_at is null")
        ),
        Index(
            "external_identity_of_account",
            "account_id",
            "provider_id",
            unique=True,
            postgresql_where=text("ended_at is null"),
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    provider_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Provider of sign-in")), ForeignKey("identity_provider.id", name="external_identity_provider")
    )
    subject: Mapped[str] = field(
        Text(label=_l("Id at the provider")),
        comment="Personal data: the id that a provider gave to a member of staff",
    )
    how: Mapped[str] = field(
        Choice(label=_l("Way in"), choices=LINK_ORIGINS),
        comment="arrived: the first sign-in made the account; invited: a one-time link was used with it; "
        "linked: from within the account's own session",
    )  # fmt: skip
    shown_name: Mapped[str | None] = field(
        Text(label=_l("Name at the provider")),
        comment="Personal data: the name of a member of staff at the provider's last sign-in; it changes nothing here",
    )
    linked_at: Mapped[datetime] = field(fields.Moment(label=_l("Linked")), server_default=text("now()"))
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Ended")))


class ProviderSession(Model):
    """The identity that a session came from, and the session at the provider. No token is kept."""

    __tablename__ = "provider_session"
    __table_args__ = (
        UniqueConstraint("session_id", name="provider_session_once"),
        CheckConstraint("length(sid) <= 255", name="provider_session_sid"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="provider_session_account"
        ),
        ForeignKeyConstraint(
            ["institution_id", "session_id"],
            ["account_session.institution_id", "account_session.id"],
            name="provider_session_session",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["institution_id", "identity_id"],
            ["external_identity.institution_id", "external_identity.id"],
            name="provider_session_identity",
        ),
        Index("provider_session_of_identity", "identity_id"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    session_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    identity_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    sid: Mapped[str | None] = mapped_column(comment="Personal data: the session of a member of staff at the provider")


class ProviderMessage(Model):
    """The digest of what a provider sends once, for an hour."""

    __tablename__ = "provider_message"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="provider_message_digest"),
        Index("provider_message_age", "seen_at"),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
