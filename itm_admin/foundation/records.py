"""What every record of an institution has in common: identity, place, times, authors, version.

The database fills the times, the authors and the version (trigger `itm.stamp`), so that a bulk statement
or a prompt cannot leave them behind; the ORM only reads them back. Knows no business table.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import DateTime, FetchedValue, Integer, LargeBinary, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

Identifier = Uuid(as_uuid=True)
Moment = DateTime(timezone=True)
Ciphertext = LargeBinary


def identifier_column() -> Mapped[uuid.UUID]:
    return mapped_column(Identifier, primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()"))


class Stamped:
    """Times, authors and version, written by the database alone."""

    created_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    created_by: Mapped[uuid.UUID | None] = mapped_column(Identifier, server_default=FetchedValue())
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
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    unit_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)
    deletion_reason: Mapped[str | None]
    sensitivity: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("1"), server_onupdate=FetchedValue()
    )  # derived by the database (itm.derived)
