"""The base of the records that areas keep. Knows no area.

Columns ending in `_enc` hold AES-256-GCM ciphertext under the key of the record's owner; the plain text is reached
through `record.protected_values` only.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import TenantRecord


class Record(TenantRecord):
    """A record of one institution, with pages, an API and a history."""

    __tablename__: ClassVar[str]
    protected_lists: ClassVar[frozenset[str]] = frozenset()
    """Protected fields that hold a list of codes (sealed as JSON)."""


class Owner(Record):
    """A record with a key of its own, under which its protected values and those of its parts are sealed."""

    data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
