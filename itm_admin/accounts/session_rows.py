"""Sessions as rows: begun at the sign-in, ended one by one or all together. The database has the rules (0007).

Takes the session in the account's own scope (`actor.own_context()`). Flushes, never commits.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from itm_admin.accounts.models import Account, AccountSession


@dataclass(frozen=True)
class Standing:
    """A session that has not ended. It may be idle: only its own browser knows."""

    begun_at: datetime
    here: bool


def begin(session: Session, account: uuid.UUID, institution: uuid.UUID) -> uuid.UUID:
    """Begins a session; gives its id."""
    id = uuid.uuid4()
    session.execute(insert(AccountSession).values(id=id, account_id=account, institution_id=institution))
    return id


def end(session: Session, id: uuid.UUID, why: str = "signed_out") -> None:
    open_one = (AccountSession.id == id, AccountSession.ended_at.is_(None))
    session.execute(update(AccountSession).where(*open_one).values(why=why))


def end_all(session: Session, account: uuid.UUID) -> None:
    session.execute(update(Account).where(Account.id == account).values(epoch=Account.epoch + 1))


def standing(session: Session, account: uuid.UUID, here: uuid.UUID | None) -> list[Standing]:
    """The account's sessions that have not ended, the newest first."""
    rows = session.execute(
        select(AccountSession.id, AccountSession.begun_at)
        .join(Account, Account.id == AccountSession.account_id)
        .where(
            AccountSession.account_id == account,
            AccountSession.ended_at.is_(None),
            AccountSession.epoch == Account.epoch,
            AccountSession.begun_at > func.now() - text("interval '12 hours'"),
        )
        .order_by(AccountSession.begun_at.desc(), AccountSession.id)
    )
    return [Standing(row.begun_at, row.id == here) for row in rows]
