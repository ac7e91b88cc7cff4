"""The turns of a case that its row no longer tells: earlier closings, reopenings, degrees of confidentiality, holds.

They come from the ledger through `itm.case_turns`, which gives them to those who see the case. A ledger whose old
content was destroyed tells fewer of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, String, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSONB

from itm_admin.accounts.models import Account
from itm_admin.foundation.encryption import AnySession


@dataclass(frozen=True)
class Turn:
    """One change of a case's state: `changes` gives old and new by column."""

    at: datetime
    by: str | None
    """The person's name; None for a change past the panel."""
    purpose: str | None
    changes: Mapping[str, Mapping[str, Any]]

    def old(self, name: str) -> Any:
        return self.changes.get(name, {}).get("old")

    def new(self, name: str) -> Any:
        return self.changes.get(name, {}).get("new")


def turns_of(session: AnySession, case_id: uuid.UUID) -> list[Turn]:
    """Oldest first."""
    turn = func.itm.case_turns(case_id).table_valued(
        column("at", DateTime(timezone=True)), column("actor", String), column("purpose", String),
        column("changes", JSONB), name="turn",
    )  # fmt: skip
    statement = (
        select(turn.c.at, turn.c.purpose, turn.c.changes, Account)
        .outerjoin_from(turn, Account, cast(Account.id, String) == turn.c.actor)
        .order_by(turn.c.at)
    )
    return [
        Turn(row.at, row.Account.get_full_name() if row.Account else None, row.purpose, row.changes)
        for row in session.execute(statement)
    ]
