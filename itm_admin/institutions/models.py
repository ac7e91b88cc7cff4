"""Institutions (the tenants) and their units."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.errors import Message
from itm_admin.foundation.i18n import language
from itm_admin.foundation.records import Moment, identifier_column
from itm_admin.record.field import field
from itm_admin.record.fields import Checked, Choice, Code, Day, Flag, Link, Name, Opaque, Whole
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Stamped

STATUSES: Mapping[str, Message] = {"active": _l("Active"), "suspended": _l("Suspended")}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,15}")


def _as_code(text: str) -> str | None:
    return text if _CODE.fullmatch(text) else None


class Institution(Stamped, Model):
    """A member institution. Its id is also the holder of its ledger; its code never changes."""

    __tablename__ = "institution"
    __record__: ClassVar = RecordInfo(_l("Institution"), _l("Institutions"), everybodys=True)
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Z][A-Z0-9_]{1,15}$'", name="institution_code_form"),
        CheckConstraint("status in ('active', 'suspended')", name="institution_status"),
        Index("institution_name_tr_once", text("itm.name_key(name_tr)"), unique=True),
        Index("institution_name_en_once", text("itm.name_key(name_en)"), unique=True),
        Index("institution_one_presidency", "kind", unique=True, postgresql_where=text("kind = 'presidency'")),
    )

    code: Mapped[str] = field(
        Checked(
            label=_l("Code"), most=16, ask=_l("Write a code."), form=_as_code,
            refusal=_l("A code is 2 to 16 capital letters and digits, a letter first."),
            hint=_l("Short, in capital letters. It stands in every reference and never changes."),
        ),
        unique=True,
    )  # fmt: skip
    name_tr: Mapped[str] = field(Name(label=_l("Name in Turkish"), ask=_l("Write the name in Turkish."), language="tr"))
    name_en: Mapped[str] = field(Name(label=_l("Name in English"), ask=_l("Write the name in English."), language="en"))
    kind: Mapped[str] = field(Code(label=_l("Kind"), codes="institution_kind", ask=_l("Choose a kind.")))
    member_from: Mapped[date | None] = field(Day(label=_l("Member from"), future=True))
    member_to: Mapped[date | None] = field(Day(label=_l("Member until"), future=True))
    votes: Mapped[bool] = field(Flag(label=_l("Votes in the Commission")), server_default=text("true"), default=True)
    status: Mapped[str] = field(
        Choice(label=_l("Status"), choices=STATUSES, tones={"active": "good", "suspended": "bad"}),
        server_default=text("'active'"), default="active",
    )  # fmt: skip
    k_threshold: Mapped[int | None] = field(
        Whole(label=_l("Smallest published count"), low=3, high=100, hint=_l("Empty: the national value."))
    )

    @property
    def name(self) -> str:
        """In the language of the page."""
        return self.name_tr if language() == "tr" else self.name_en

    @property
    def full_name(self) -> str:
        """As pages name it where they speak of another record: the name and the code."""
        return f"{self.name} ({self.code})"

    def __str__(self) -> str:
        return self.code


class Unit(Stamped, Model):
    """A part of an institution, in a tree; the root stands for the whole institution's headquarters."""

    __tablename__ = "unit"
    __record__: ClassVar = RecordInfo(_l("Unit"), _l("Units"), everybodys=True)
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="unit_in_institution"),
        Index("unit_name_per_parent", "institution_id", "parent_id", text("itm.name_key(name)"), unique=True),
        Index("unit_one_root", "institution_id", unique=True, postgresql_where=text("parent_id is null")),
        ForeignKeyConstraint(["institution_id", "parent_id"], ["unit.institution_id", "unit.id"], name="unit_parent"),
    )

    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")), ForeignKey("institution.id"))
    parent_id: Mapped[uuid.UUID | None] = field(
        Link(label=_l("Belongs to"), needed=True, ask=_l("Choose the unit above."))
    )
    name: Mapped[str] = field(Name(label=_l("Name"), ask=_l("Write a name.")))
    province: Mapped[str | None] = field(Code(label=_l("Province"), codes="province"))

    def __str__(self) -> str:
        return self.name


class InstitutionKey(Model):
    """The institution's encryption key, wrapped by the master key, which lies outside the database."""

    __tablename__ = "institution_key"
    __record__: ClassVar = RecordInfo(_l("Institution's key"))

    institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Institution")), ForeignKey("institution.id"), primary_key=True
    )
    wrapped: Mapped[bytes] = field(Opaque(label=_l("Institution's key")), type_=LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


class InstitutionPair(Model):
    """The key pair for which other institutions seal what they send. Nobody reads its private half but its holder."""

    __tablename__ = "institution_pair"
    __record__: ClassVar = RecordInfo(_l("Institution's key pair"))
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="institution_pair_in_institution"),
        UniqueConstraint("institution_id", name="institution_pair_once"),
        {"comment": "The key pair for which others seal what they send to an institution."},
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")), ForeignKey("institution.id"))
    public_sealed: Mapped[bytes] = field(
        Opaque(label=_l("Public half")), type_=LargeBinary,
        comment="The public half, under the master key: no secret, but nobody else puts one there.",
    )  # fmt: skip
    data_key: Mapped[bytes] = field(Opaque(label=_l("Key of the record")), type_=LargeBinary)
    private_sealed: Mapped[bytes] = field(
        Opaque(label=_l("Private half")), type_=LargeBinary,
        comment="The seed of the private half, under data_key, which the institution's key wraps.",
    )  # fmt: skip
    made_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
