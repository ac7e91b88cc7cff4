"""The ledger's entries of sign-ins with one's own account: time, address and result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.tenancy import acting

_OWN = text(
    """
    select at, action, outcome, content::jsonb -> 'request' ->> 'address' as address
      from audit.entry
     where actor_id = :account and action in ('auth.login', 'auth.logout')
     order by at desc limit :most
    """
)


@dataclass(frozen=True)
class SignIn:
    """One entry about one's own account."""

    when: datetime
    action: str
    outcome: str
    address: str | None


def own_sign_ins(session: Session, actor: Actor, most: int = 20) -> list[SignIn]:
    """The newest first. Reads one's own entries alone, even if the role may read more of the ledger."""
    with acting(replace(tenancy.current(), institution=actor.institution_id, reads="actor"), session):
        rows = session.execute(_OWN, {"account": str(actor.id), "most": most}).all()
    return [SignIn(row.at, row.action, row.outcome, row.address) for row in rows]
