"""Time stamps in the database: copies of those outside, for lists and bundles.

Promise: reads and writes copies; the reader judges if a stamp is valid.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

_SURROUNDING = """
SELECT size, digest, stamped_at, answer FROM ONLY audit.timestamp WHERE ledger_id = :id AND size = ANY (:sizes)
ORDER BY size, stamped_at
"""


@dataclass(frozen=True)
class StoredStamp:
    """A recorded answer, not judged."""

    size: int
    digest: bytes
    stamped_at: datetime
    answer: bytes


def presidency(connection: Connection) -> tuple[uuid.UUID, str] | None:
    """Id and origin of the Presidency's ledger. Its checkpoints are stamped: it names those of all others."""
    row = connection.execute(
        text("SELECT id, origin FROM ONLY audit.ledger WHERE presidency AND closed_at IS NULL")
    ).first()
    return None if row is None else (row.id, row.origin)


def record(connection: Connection, ledger: uuid.UUID, stamped: StoredStamp) -> bool:
    """Records a stamp, as itm_signer. False while its checkpoint is not recorded."""
    statement = text("SELECT audit.record_timestamp(:ledger, :size, :digest, :stamped_at, :answer)")
    values = {"ledger": ledger, "size": stamped.size, "digest": stamped.digest}
    values |= {"stamped_at": stamped.stamped_at, "answer": stamped.answer}
    return bool(connection.execute(statement, values).scalar_one())


def recorded(connection: Connection, ledger: uuid.UUID, size: int, digest: bytes) -> bool:
    statement = text(
        "SELECT EXISTS (SELECT FROM ONLY audit.timestamp WHERE ledger_id = :l AND size = :s AND digest = :d)"
    )
    return bool(connection.execute(statement, {"l": ledger, "s": size, "d": digest}).scalar_one())


def at(connection: Connection, ledger: uuid.UUID, sizes: Sequence[int]) -> list[StoredStamp]:
    """The stamps of checkpoints of these sizes."""
    rows = connection.execute(text(_SURROUNDING), {"id": ledger, "sizes": list(sizes)})
    return [StoredStamp(row.size, bytes(row.digest), row.stamped_at, bytes(row.answer)) for row in rows]
