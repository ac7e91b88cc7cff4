"""The base of the records that areas keep: identity, place, times, authors, version.

The database fills the times, the authors and the version (trigger `itm.stamp`), so that a bulk statement or a prompt
cannot leave them behind; the ORM only reads them back. Columns ending in `_enc` hold AES-256-GCM ciphertext under the
key of the record's owner; the plain text is reached through `record.protected_values` only. Knows no area.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, MappedColumn, Relationship, declared_attr, mapped_column, relationship

from itm_admin.foundation.records import Identifier, identifier_column
from itm_admin.record import fields
from itm_admin.record.field import INFO, field
from itm_admin.record.fields import Code, Link, Opaque, Whole
from itm_admin.record.kind import RecordInfo

Target = TypeVar("Target")


class Stamped:
    """Identity; times, authors and version, written by the database alone."""

    id: Mapped[uuid.UUID] = identifier_column()
    created_at: Mapped[datetime] = field(fields.Moment(label=_l("Added")), server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = field(Link(label=_l("Made by")), server_default=FetchedValue())
    updated_at: Mapped[datetime] = field(
        fields.Moment(label=_l("Last change")), server_default=text("now()"), server_onupdate=FetchedValue()
    )
    updated_by: Mapped[uuid.UUID | None] = mapped_column(
        Identifier, server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    row_version: Mapped[int] = mapped_column(Integer, server_default=text("1"), server_onupdate=FetchedValue())

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, object]:
        # eager_defaults: the stamps come back with the statement itself, not with a query of their own
        return {
            "version_id_col": cls.__table__.c.row_version,  # type: ignore[attr-defined]
            "version_id_generator": False,
            "eager_defaults": True,
        }


class TenantRecord(Stamped):
    """A row that belongs to one institution and, in it, to one unit."""

    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    unit_id: Mapped[uuid.UUID] = field(Link(label=_l("Unit"), shown="unit", follows=True))
    deleted_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Deleted")))
    deletion_reason: Mapped[str | None] = field(Code(label=_l("Reason for deleting"), codes="deletion_reason"))
    sensitivity: Mapped[int] = field(
        Whole(label=_l("Sensitivity"), high=3), type_=SmallInteger, server_default=text("1"),
        server_onupdate=FetchedValue(),
    )  # fmt: skip
    """Derived by the database (itm.derived)."""


class Record(TenantRecord):
    """A record of one institution, with pages, an API and a history. `__record__` says what it is."""

    __tablename__: ClassVar[str]
    __record__: ClassVar[RecordInfo]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Keys, checks and indexes as `itm.keep` writes them; a table that it did not make says its own."""
        return (*_checks(cls.__tablename__), *_keys(cls))  # type: ignore[arg-type]


class Owner(Record):
    """A record with a key of its own, under which its protected values and those of its parts are sealed."""

    data_key: Mapped[bytes | None] = field(Opaque(label=_l("Key of the record")), type_=LargeBinary)


def linked(target: type[Target], column: str) -> Relationship[Target]:
    """The record that a column names. It is loaded with the statement or not at all, so that no row asks again."""
    join = f"foreign({column}) == {target.__name__}.id"
    return relationship(target, primaryjoin=join, viewonly=True, lazy="raise_on_sql")


def _checks(table: str) -> tuple[Any, ...]:
    return (
        UniqueConstraint("institution_id", "id", name=f"{table}_in_institution"),
        ForeignKeyConstraint(["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name=f"{table}_unit"),
        CheckConstraint("(deleted_at is null) = (deletion_reason is null)", name="deletion_has_a_reason"),
        CheckConstraint("sensitivity between 0 and 3", name="sensitivity_of_four"),
    )


def _keys(model: type[Any]) -> Iterator[Any]:
    """A composite key for each link, which keeps it inside the institution; indexes of its lists."""
    table, info = model.__tablename__, model.__record__
    links = {name: link for name, link in _links(model) if link.to is not None}
    for name, link in links.items():
        yield ForeignKeyConstraint(
            ["institution_id", name],
            [f"{link.to}.institution_id", f"{link.to}.id"],
            name=f"{table}_{name.removesuffix('_id')}",
        )
    about = info.about.partition(".")[0]
    for name, link in links.items():
        if name == info.parent or (about and link.shown == about):
            yield Index(f"{table}_of_{name.removesuffix('_id')}", "institution_id", name)
    if info.recent is not None:
        yield Index(f"{table}_recent", "institution_id", text(f"{info.recent} desc"), text("id desc"))


def _links(model: type[Any]) -> Iterator[tuple[str, Link]]:
    """The links that the class declares, while it is mapped."""
    for name, column in vars(model).items():
        declared = column.column.info.get(INFO) if isinstance(column, MappedColumn) else None
        if isinstance(declared, Link):
            yield name, declared
