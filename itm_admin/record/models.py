"""The base of the records that areas keep: identity, place, times, authors, version.

The database fills the times, the authors and the version (trigger `itm.stamp`), so that a bulk statement or a prompt
cannot leave them behind; the ORM only reads them back. Columns ending in `_enc` hold AES-256-GCM ciphertext under the
key of the record's owner; the plain text is reached through `record.protected_values` only. Knows no area.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import FetchedValue, Integer, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from itm_admin.foundation.records import Identifier, Moment, identifier_column
from itm_admin.record import fields
from itm_admin.record.field import field
from itm_admin.record.fields import Code, Link, Opaque, Whole


class Stamped:
    """Times, authors and version, written by the database alone."""

    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = field(Link(label=_l("Made by")), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"), server_onupdate=FetchedValue())
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

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    unit_id: Mapped[uuid.UUID] = field(Link(label=_l("Unit"), shown="unit"))
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


class Owner(Record):
    """A record with a key of its own, under which its protected values and those of its parts are sealed."""

    data_key: Mapped[bytes | None] = field(Opaque(label=_l("Key of the record")), type_=LargeBinary)
