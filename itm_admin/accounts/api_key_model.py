"""The tables of API keys. Their rules are the database's (0015/30); what uses them is in api_keys.py."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from flask_appbuilder import Model
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.schema import FetchedValue

from itm_admin.accounts import api_key_scopes
from itm_admin.accounts.models import Account
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import moment
from itm_admin.foundation.list_parts import Cell
from itm_admin.foundation.records import Identifier, Moment
from itm_admin.institutions.models import Institution
from itm_admin.record import fields
from itm_admin.record.field import NO_NAMES, Field, Names, field
from itm_admin.record.fields import Choice, Link
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Stamped

NAME_LENGTH = 60
ANYWHERE = ("0.0.0.0/0", "::/0")
"""The networks of a key that works from any address."""
REASONS: Mapping[str, Message] = {
    "not_needed": _l("Not needed any more"),
    "leaked": _l("Its secret may be known to others"),
    "suspicion": _l("Suspicious use"),
    "replaced": _l("Replaced by another key"),
    "mistake": _l("Made by mistake"),
}
"""Why people end a key."""
ENDS: Mapping[str, Message] = {
    **REASONS,
    "suspended": _l("The responsible person was suspended"),
    "role": _l("The responsible person's roles have changed"),
    "link": _l("The responsible person got a new one-time link"),
    "institution": _l("The institution was suspended"),
}


class Scopes(Field[list[str]]):
    """Acts on subjects, as the page of all rights names them."""

    def column(self) -> dict[str, Any]:
        return {"type_": ARRAY(Text)}

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        return api_key_scopes.words(value if isinstance(value, list) else [])


class Networks(Field[list[str]]):
    """Networks in the short form of CIDR."""

    def column(self) -> dict[str, Any]:
        return {"type_": ARRAY(Text)}

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        found = value if isinstance(value, list) else []
        return _("Any address") if set(ANYWHERE) <= set(found) else found


class ApiKey(Stamped, Model):
    """A key with which a program is at work in its responsible person's name, within its scopes."""

    __tablename__ = "api_key"
    __record__: ClassVar = RecordInfo(_l("API key"), _l("API keys"), history="ApiKey", recent="created_at")
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="api_key_in_institution"),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="api_key_account"
        ),
        CheckConstraint("length(name) between 1 and 60", name="api_key_name"),
        CheckConstraint("cardinality(scopes) between 1 and 100", name="api_key_scopes"),
        CheckConstraint("cardinality(networks) between 1 and 20", name="api_key_networks"),
        CheckConstraint("expires_at <= created_at + interval '366 days'", name="api_key_length"),
        CheckConstraint("(ended_at is null) = (why is null)", name="api_key_ended"),
        CheckConstraint(
            "(wanted_at is null) = (num_nonnulls(wanted_scopes, wanted_networks, wanted_until) = 0)"
            " and (wanted_at is null or wanted_by is not null)",
            name="api_key_wanted",
        ),
        CheckConstraint("cardinality(wanted_scopes) between 1 and 100", name="api_key_wanted_scopes"),
        CheckConstraint("cardinality(wanted_networks) between 1 and 20", name="api_key_wanted_networks"),
        CheckConstraint("wanted_until <= created_at + interval '366 days'", name="api_key_wanted_until"),
        CheckConstraint("length(last_used_address) <= 60", name="api_key_address"),
        CheckConstraint(
            "why in ('not_needed', 'leaked', 'suspicion', 'replaced', 'mistake', 'suspended', 'role', 'link',"
            " 'institution')",
            name="api_key_why",
        ),
        Index("api_key_of_account", "account_id", "created_at"),
        Index("api_key_recent", "institution_id", text("created_at desc"), text("id desc")),
        Index("api_key_expiry", "expires_at", postgresql_where=text("ended_at is null and expiry_told_at is null")),
    )

    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Responsible person"), shown="account"))
    name: Mapped[str] = field(fields.Text(label=_l("Name"), most=NAME_LENGTH))
    scopes: Mapped[list[str]] = field(Scopes(label=_l("What it may do")))
    networks: Mapped[list[str]] = field(Networks(label=_l("Network addresses")))
    expires_at: Mapped[datetime] = field(fields.Moment(label=_l("Valid until")))
    secret_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Secret taken")), server_default=FetchedValue())
    overlap_until: Mapped[datetime | None] = field(
        fields.Moment(label=_l("Former secret works until")), server_default=FetchedValue()
    )
    last_used_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Last used")), server_default=FetchedValue())
    last_used_address: Mapped[str | None] = mapped_column(
        server_default=FetchedValue(), comment="Personal data: the network address of the last use"
    )
    refused_at: Mapped[datetime | None] = mapped_column(Moment, server_default=FetchedValue())
    """The last entry of a use that was refused: one in a quarter of an hour."""
    ended_at: Mapped[datetime | None] = field(
        fields.Moment(label=_l("Ended")), server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    ended_by: Mapped[uuid.UUID | None] = field(
        Link(label=_l("Ended by")), server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    wanted_scopes: Mapped[list[str] | None] = field(
        Scopes(label=_l("What it may do, as is asked")), server_default=FetchedValue()
    )
    wanted_networks: Mapped[list[str] | None] = field(
        Networks(label=_l("Network addresses, as is asked")), server_default=FetchedValue()
    )
    wanted_until: Mapped[datetime | None] = field(
        fields.Moment(label=_l("Valid until, as is asked")), server_default=FetchedValue()
    )
    wanted_at: Mapped[datetime | None] = field(
        fields.Moment(label=_l("Asked on")), server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    """Wider limits wait for the responsible person: all, some or none of the three before."""
    wanted_by: Mapped[uuid.UUID | None] = field(
        Link(label=_l("Asked by")), server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    expiry_told_at: Mapped[datetime | None] = mapped_column(Moment, server_default=FetchedValue())
    """Once, by e-mail, before it ends by itself."""
    why: Mapped[str | None] = field(Choice(label=_l("Why it ended"), choices=ENDS), server_default=FetchedValue())

    account: Mapped[Account] = relationship(
        Account, primaryjoin="foreign(ApiKey.account_id) == Account.id", viewonly=True
    )
    institution: Mapped[Institution] = relationship(
        Institution, primaryjoin="foreign(ApiKey.institution_id) == Institution.id", viewonly=True
    )

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None or self.expires_at <= datetime.now(UTC)

    @property
    def responsible(self) -> str:
        return self.account.get_full_name() if self.account is not None else str(_("Not shown here"))

    @property
    def institution_name(self) -> str:
        """In the language of the page."""
        return str(self.institution.name)

    @property
    def state(self) -> Cell:
        """Its standing now, as a badge."""
        if self.ended_at is not None:
            return Cell("badge", _("Ended"), "neutral")
        if self.is_over:
            return Cell("badge", _("Expired"), "neutral")
        if self.secret_at is None:
            return Cell("badge", _("Waits for the responsible person"), "warn")
        return Cell("badge", _("In force"), "good")

    @property
    def last_use(self) -> str:
        if self.last_used_at is None:
            return str(_("Not used yet"))
        at = moment(self.last_used_at)
        return f"{at} ({self.last_used_address})" if self.last_used_address else at

    def __str__(self) -> str:
        return self.name


class ApiKeySecret(Model):
    """The digest of a key's secret: functions alone read and write it."""

    __tablename__ = "api_key_secret"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "key_id"], ["api_key.institution_id", "api_key.id"], name="api_key_secret_key"
        ),
        CheckConstraint("octet_length(digest) = 32", name="api_key_secret_digest"),
        Index("api_key_secret_present", "key_id", unique=True, postgresql_where=text("until is null")),
        Index("api_key_secret_of_key", "key_id"),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    key_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    made_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    until: Mapped[datetime | None] = mapped_column(Moment)
