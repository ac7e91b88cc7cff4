"""Decisions that two people have approved and that are not carried out yet; read and ended as itm_signer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.engine import Connection

from itm_admin.foundation.errors import NotFound

Kind = Literal["generation", "recovery", "purge"]


@dataclass(frozen=True)
class Approved:
    """A decision that two people have approved and that is not carried out yet."""

    id: uuid.UUID
    institution: uuid.UUID
    code: str
    kind: str
    reason: str
    first_seq: int | None
    last_seq: int | None
    proposed_by: uuid.UUID
    decided_by: uuid.UUID
    decided_at: datetime


_APPROVED = text(
    "SELECT d.id, d.institution_id AS institution, i.code, d.kind, d.reason, d.first_seq, d.last_seq, d.proposed_by,"
    " d.decided_by, d.decided_at FROM ledger_decision d JOIN institution i ON i.id = d.institution_id"
    " WHERE d.kind = :kind AND d.decision = 'approved' AND d.outcome IS NULL ORDER BY d.decided_at, d.id"
)


def waiting(connection: Connection, kind: Kind) -> list[Approved]:
    """The approved decisions of this kind, the oldest first. As itm_signer."""
    return [Approved(**row) for row in connection.execute(_APPROVED, {"kind": kind}).mappings()]


def carried_out(connection: Connection, id: uuid.UUID, outcome: Literal["done", "failed"] = "done") -> None:
    """Ends an approved decision in the transaction of its work, as itm_signer. Raises NotFound if none waits."""
    done = connection.execute(
        text(
            "UPDATE ledger_decision SET carried_out_at = now(), outcome = :outcome"
            " WHERE id = :id AND decision = 'approved' AND outcome IS NULL"
        ),
        {"id": id, "outcome": outcome},
    )
    if done.rowcount != 1:
        raise NotFound
