"""What the ledger tells people of their own account: when, whence and how somebody signed in with it."""

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
    """The newest first. Reads the own entries alone, whatever else the role may read of the ledger."""
    with acting(replace(tenancy.current(), institution=actor.institution_id, reads="actor"), session):
        rows = session.execute(_OWN, {"account": str(actor.id), "most": most}).all()
    return [SignIn(row.at, row.action, row.outcome, row.address) for row in rows]
