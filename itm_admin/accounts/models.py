"""Accounts, their secrets, invitations and role grants.

Secrets stand in a table of their own, so that nobody who may list accounts can read a password hash.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from flask_appbuilder import Model
from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from itm_admin.foundation.records import Identifier, Moment, Stamped, identifier_column


class Account(Stamped, Model):
    """A person who may sign in. `epoch` rises to end every session of the account."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="account_in_institution"),
        UniqueConstraint("institution_id", "email", name="account_email_per_institution"),
        Index("account_email_once", "institution_id", text("itm.name_key(email)"), unique=True),
        CheckConstraint("username ~ '^[a-z0-9_]+(\\.[a-z0-9_]+)+$'", name="account_username_form"),
        CheckConstraint("language in ('tr', 'en')", name="account_language"),
        ForeignKeyConstraint(["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name="account_unit"),
        Index(
            "account_by_name",
            "institution_id",
            text("itm.tr_key(last_name)"),
            text("itm.tr_key(first_name)"),
            "id",
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    unit_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    username: Mapped[str] = mapped_column(unique=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[str]
    title: Mapped[str | None]
    language: Mapped[str] = mapped_column(server_default=text("'tr'"), default="tr")
    active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    epoch: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    last_login: Mapped[datetime | None] = mapped_column(Moment)

    institution = relationship("Institution", lazy="joined")
    grants: Mapped[list[RoleGrant]] = relationship(
        "RoleGrant", primaryjoin="Account.id == foreign(RoleGrant.account_id)", viewonly=True
    )

    # What Flask-Login asks of a user
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.active

    def get_id(self) -> str:
        return str(self.id)

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    def __str__(self) -> str:
        return self.get_full_name()


class Credential(Model):
    """The password's hash and the lock after failed tries. Only its own account's sign-in can see it."""

    __tablename__ = "credential"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="credential_account"
        ),
    )

    account_id: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    password_hash: Mapped[str]
    failures: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


class AccountSession(Model):
    """One session of an account: it counts while its row is open and has the account's epoch."""

    __tablename__ = "account_session"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="account_session_account"
        ),
        CheckConstraint(
            "why in ('signed_out', 'renewed', 'all', 'password', 'link', 'role', 'suspended')",
            name="account_session_why",
        ),
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


class Invitation(Model):
    """A one-time link by which a person chooses a password. Only the digest of its token is kept."""

    __tablename__ = "invitation"
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="invitation_in_institution"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="invitation_account"
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class RoleGrant(Stamped, Model):
    """A role given to an account, over the whole institution (no unit) or a unit's subtree."""

    __tablename__ = "role_grant"
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="role_grant_in_institution"),
        CheckConstraint("state in ('proposed', 'active', 'ended')", name="role_grant_state"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="role_grant_account"
        ),
        ForeignKeyConstraint(["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name="role_grant_unit"),
        Index(
            "role_grant_once",
            "account_id",
            "role",
            text("coalesce(unit_id, account_id)"),
            unique=True,
            postgresql_where=text("state <> 'ended'"),
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    role: Mapped[str]
    unit_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    state: Mapped[str] = mapped_column(server_default=text("'active'"), default="active")

    account: Mapped[Account] = relationship(
        "Account", primaryjoin="foreign(RoleGrant.account_id) == Account.id", viewonly=True
    )


class GrantApproval(Model):
    """One person's approval of a proposed role grant. A national auditor needs two, one outside the Presidency."""

    __tablename__ = "grant_approval"
    __table_args__ = (
        UniqueConstraint("grant_id", "approver_id", name="grant_approval_once"),
        ForeignKeyConstraint(
            ["institution_id", "grant_id"], ["role_grant.institution_id", "role_grant.id"], name="grant_approval_grant"
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    grant_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    approver_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("account.id"))
    approver_institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    approved_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


class AccessChange(Model):
    """A new link, a rise in power, or the end of an auditor's role or password: who asked, and who confirmed it.

    What waits is in force after another person confirmed it; the database's triggers hold who that may be.
    """

    __tablename__ = "access_change"
    __table_args__ = (
        CheckConstraint("kind in ('link', 'rise', 'end', 'reset')", name="access_change_kind"),
        CheckConstraint("state in ('waiting', 'done', 'refused', 'replaced')", name="access_change_state"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="access_change_account"
        ),
        ForeignKeyConstraint(
            ["institution_id", "invitation_id"],
            ["invitation.institution_id", "invitation.id"],
            name="access_change_invitation",
        ),
        ForeignKeyConstraint(
            ["institution_id", "grant_id"], ["role_grant.institution_id", "role_grant.id"], name="access_change_grant"
        ),
        Index("access_change_of_account", "account_id", "created_at"),
        Index(
            "access_change_waits_once",
            "account_id",
            "kind",
            text("coalesce(grant_id, account_id)"),
            unique=True,
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"), default="waiting")
    invitation_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    grant_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    decided_by: Mapped[uuid.UUID | None] = mapped_column(Identifier)

    account: Mapped[Account] = relationship(
        "Account", primaryjoin="foreign(AccessChange.account_id) == Account.id", viewonly=True
    )


class SavedView(Model):
    """How a person likes to see a list: filters, order and columns under a name. Nobody else sees it."""

    __tablename__ = "saved_view"
    __table_args__ = (
        Index("saved_view_label_once", "account_id", "list", text("itm.name_key(label)"), unique=True),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="saved_view_account"
        ),
        CheckConstraint("length(label) between 1 and 60 and length(query) between 1 and 1000", name="saved_view_short"),
        Index("saved_view_opens", "account_id", "list", unique=True, postgresql_where=text("opens")),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    list_name: Mapped[str] = mapped_column("list")
    label: Mapped[str]
    query: Mapped[str]
    """As `Listing.canonical` writes it: never what was searched for."""
    opens: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """Whether the list opens so where its address asks for nothing."""


class LoginThrottle(Model):
    """How often a name or an address was tried, by keyed digest, in one window of time."""

    __tablename__ = "login_throttle"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    window: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    tries: Mapped[int] = mapped_column(server_default=text("1"), default=1)
