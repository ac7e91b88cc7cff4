"""Institutions (the tenants) and their units."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from flask_appbuilder import Model
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import Identifier, Moment, Stamped, identifier_column


class Institution(Stamped, Model):
    """A member institution. Its id is also the holder of its ledger; its code never changes."""

    __tablename__ = "institution"
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Z][A-Z0-9_]{1,15}$'", name="institution_code_form"),
        CheckConstraint("status in ('active', 'suspended')", name="institution_status"),
        Index("institution_name_tr_once", text("itm.name_key(name_tr)"), unique=True),
        Index("institution_name_en_once", text("itm.name_key(name_en)"), unique=True),
        Index("institution_one_presidency", "kind", unique=True, postgresql_where=text("kind = 'presidency'")),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    code: Mapped[str] = mapped_column(unique=True)
    name_tr: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    member_from: Mapped[date | None]
    member_to: Mapped[date | None]
    votes: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    status: Mapped[str] = mapped_column(server_default=text("'active'"), default="active")
    k_threshold: Mapped[int | None]

    def __str__(self) -> str:
        return self.code


class Unit(Stamped, Model):
    """A part of an institution, in a tree; the root stands for the whole institution's headquarters."""

    __tablename__ = "unit"
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="unit_in_institution"),
        Index("unit_name_per_parent", "institution_id", "parent_id", text("itm.name_key(name)"), unique=True),
        Index("unit_one_root", "institution_id", unique=True, postgresql_where=text("parent_id is null")),
        ForeignKeyConstraint(["institution_id", "parent_id"], ["unit.institution_id", "unit.id"], name="unit_parent"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    parent_id: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    name: Mapped[str]
    province: Mapped[str | None]

    def __str__(self) -> str:
        return self.name


class InstitutionKey(Model):
    """The institution's encryption key, wrapped by the master key, which lies outside the database."""

    __tablename__ = "institution_key"

    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"), primary_key=True)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
