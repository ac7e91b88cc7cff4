"""Accounts, their secrets, invitations and role grants.

Secrets stand in a table of their own, so that nobody who may list accounts can read a password hash.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from itm_admin.accounts import reasons
from itm_admin.accounts.addresses import MailAddress
from itm_admin.foundation.audited_reads import named
from itm_admin.foundation.errors import Message
from itm_admin.foundation.i18n import LANGUAGES
from itm_admin.foundation.records import Identifier, Moment, identifier_column
from itm_admin.foundation.roles import ROLES
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.record import fields
from itm_admin.record.field import field
from itm_admin.record.fields import Choice, Flag, Link, Name, Opaque, Text, Whole
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Stamped

GRANT_STATES: Mapping[str, Message] = {"proposed": _l("Proposed"), "active": _l("Active"), "ended": _l("Ended")}
CHANGE_KINDS: Mapping[str, Message] = {
    "link": _l("First sign-in by a new link"),
    "rise": _l("New role"),
    "end": _l("End of a role"),
    "reset": _l("End of the password"),
    "factors": _l("Lost second factors"),
    "give": _l("Role given"),
    "suspend": _l("Suspension of the account"),
    "resume": _l("End of the suspension"),
    "primary": _l("Primary focal point"),
    "deputy": _l("Deputy focal point"),
}
CHANGE_STATES: Mapping[str, Message] = {
    "waiting": _l("Waits for confirmation"),
    "done": _l("Done"),
    "refused": _l("Refused"),
    "replaced": _l("Replaced by a later change"),
}
CHANGE_TONES = {"waiting": "warn", "done": "good", "refused": "bad", "replaced": "neutral"}


class Account(Stamped, Model):
    """A person who may sign in. `epoch` rises to end every session of the account."""

    __tablename__ = "account"
    __record__: ClassVar = RecordInfo(_l("Account"), _l("Accounts"), history="Account", called="username")
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="account_in_institution"),
        UniqueConstraint("institution_id", "email", name="account_email_per_institution"),
        Index("account_email_once", "institution_id", text("itm.name_key(email)"), unique=True),
        Index("account_username_once", text("itm.name_key(username)"), unique=True),
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

    institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Institution"), ask=_l("Choose an institution.")), ForeignKey("institution.id")
    )
    unit_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Unit")))
    username: Mapped[str] = field(
        Text(label=_l("User name"), most=80, follows=True, hint=_l("Left empty, it is made from the name.")),
        unique=True,
    )
    first_name: Mapped[str] = field(Name(label=_l("Given name"), most=100, ask=_l("Write the given name.")))
    last_name: Mapped[str] = field(Name(label=_l("Family name"), most=100, ask=_l("Write the family name.")))
    email: Mapped[str] = field(MailAddress(label=_l("E-mail"), most=200, ask=_l("Write the e-mail address.")))
    title: Mapped[str | None] = field(Text(label=_l("Title")))
    language: Mapped[str] = field(
        Choice(label=_l("Language"), choices=LANGUAGES), server_default=text("'tr'"), default="tr"
    )
    """Each in its own name."""
    active: Mapped[bool] = field(
        Flag(label=_l("Status"), yes=_l("Active"), no=_l("Suspended"), tones=("good", "bad")),
        server_default=text("true"), default=True,
    )  # fmt: skip
    epoch: Mapped[int] = field(Whole(label=_l("Sessions ended")), server_default=text("0"), default=0)
    last_login: Mapped[datetime | None] = field(fields.Moment(label=_l("Last sign-in")))

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
        named(self.id)
        return f"{self.first_name} {self.last_name}"

    @property
    def full_name(self) -> str:
        return self.get_full_name()

    @property
    def institution_name(self) -> str:
        """In the language of the page."""
        return str(self.institution.name)

    @property
    def role_names(self) -> list[str]:
        """The labels of standing roles; those waiting for approval say so."""
        standing = [grant for grant in self.grants if grant.state != "ended" and grant.role in ROLES]
        waits = _("proposed")
        labels = {
            f"{ROLES[grant.role].label} ({waits})" if grant.state == "proposed" else str(ROLES[grant.role].label)
            for grant in standing
        }
        return sorted(labels, key=turkish_sort_key)

    def __str__(self) -> str:
        return self.get_full_name()


class Credential(Model):
    """The password's hash and the lock after failed tries. Only its own account's sign-in can see it."""

    __tablename__ = "credential"
    __record__: ClassVar = RecordInfo(_l("Password"))
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="credential_account"
        ),
    )

    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")), primary_key=True)
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    password_hash: Mapped[str] = field(Opaque(label=_l("Password")))
    failures: Mapped[int] = field(Whole(label=_l("Failed sign-ins")), server_default=text("0"), default=0)
    locked_until: Mapped[datetime | None] = field(fields.Moment(label=_l("Locked until")))
    changed_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


class Invitation(Model):
    """A one-time link by which a person chooses a password. Only the digest of its token is kept."""

    __tablename__ = "invitation"
    __record__: ClassVar = RecordInfo(_l("Invitation"), parent="account_id")
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="invitation_in_institution"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="invitation_account"
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    token_digest: Mapped[bytes] = field(Opaque(label=_l("One-time link")), type_=LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = field(Link(label=_l("Made by")))
    expires_at: Mapped[datetime] = field(fields.Moment(label=_l("Valid until")))
    used_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Used")))


class RoleGrant(Stamped, Model):
    """A role given to an account, over the whole institution (no unit) or a unit's subtree."""

    __tablename__ = "role_grant"
    __record__: ClassVar = RecordInfo(_l("Role of a person"), parent="account_id")
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

    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    role: Mapped[str] = field(Choice(label=_l("Role"), choices={code: role.label for code, role in ROLES.items()}))
    unit_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Unit")))
    state: Mapped[str] = field(
        Choice(label=_l("State"), choices=GRANT_STATES), server_default=text("'active'"), default="active"
    )

    account: Mapped[Account] = relationship(
        "Account", primaryjoin="foreign(RoleGrant.account_id) == Account.id", viewonly=True
    )


class GrantApproval(Model):
    """One person's approval of a proposed role grant. A national auditor needs two, one outside the Presidency."""

    __tablename__ = "grant_approval"
    __record__: ClassVar = RecordInfo(_l("Approval of a role"))
    __table_args__ = (
        UniqueConstraint("grant_id", "approver_id", name="grant_approval_once"),
        ForeignKeyConstraint(
            ["institution_id", "grant_id"], ["role_grant.institution_id", "role_grant.id"], name="grant_approval_grant"
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    grant_id: Mapped[uuid.UUID] = field(Link(label=_l("Role of a person")))
    approver_id: Mapped[uuid.UUID] = field(Link(label=_l("Approved by")), ForeignKey("account.id"))
    approver_institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Institution of the approver")), ForeignKey("institution.id")
    )
    approved_at: Mapped[datetime] = field(fields.Moment(label=_l("Approved")), server_default=text("now()"))


class AccessChange(Model):
    """An act on an account, with its reason: a link, a role, a suspension, lost factors. Who asked, who confirmed it.

    What waits is in force after another person confirmed it; the database's triggers hold who that may be.
    """

    __tablename__ = "access_change"
    __record__: ClassVar = RecordInfo(_l("Change of access"))
    __table_args__ = (
        CheckConstraint(
            "kind in ('link', 'rise', 'end', 'reset', 'factors', 'give', 'suspend', 'resume', 'primary', 'deputy')",
            name="access_change_kind",
        ),
        CheckConstraint("state in ('waiting', 'done', 'refused', 'replaced')", name="access_change_state"),
        CheckConstraint("reason ~ '^[A-Z_]{3,30}$'", name="access_change_reason"),
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
            "access_change_one_focal_point",
            "institution_id",
            "kind",
            unique=True,
            postgresql_where=text("kind in ('primary', 'deputy') and state = 'done'"),
        ),
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
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")), ForeignKey("institution.id"))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    kind: Mapped[str] = field(Choice(label=_l("Kind"), choices=CHANGE_KINDS))
    state: Mapped[str] = field(
        Choice(label=_l("State"), choices=CHANGE_STATES, tones=CHANGE_TONES),
        server_default=text("'waiting'"), default="waiting",
    )  # fmt: skip
    invitation_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Invitation")))
    grant_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Role of a person")))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = field(Link(label=_l("Made by")))
    decided_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Decided on")))
    decided_by: Mapped[uuid.UUID | None] = field(Link(label=_l("Decided by")))
    reason: Mapped[str | None] = field(Choice(label=_l("Reason"), choices=reasons.ALL))

    account: Mapped[Account] = relationship(
        "Account", primaryjoin="foreign(AccessChange.account_id) == Account.id", viewonly=True
    )


class SavedView(Model):
    """A person's own view of a list: filters, order and columns under a name. Nobody else sees it."""

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
    """True if the list opens so when its address asks for nothing."""
