"""Types of columns that all tables share. Knows no business table."""

from __future__ import annotations

import uuid

from sqlalchemy import DateTime, LargeBinary, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

Identifier = Uuid(as_uuid=True)
Moment = DateTime(timezone=True)
Ciphertext = LargeBinary


def identifier_column() -> Mapped[uuid.UUID]:
    return mapped_column(Identifier, primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()"))
