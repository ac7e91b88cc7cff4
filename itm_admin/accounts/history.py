"""The ledger's entries of sign-ins with one's own account: time, address and result.

A right password is an entry of its own; it is shown where no sign-in came of it.
"""

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
    select at, action, content::jsonb -> 'request' ->> 'address' as address,
           case when content::jsonb -> 'detail' ->> 'reason' = 'factor_missing' then 'half_way' else outcome end
             as outcome
      from audit.entry
     where actor_id = :account and action in ('auth.login', 'auth.logout')
       and not (outcome = 'success' and content::jsonb -> 'detail' ->> 'while' is not distinct from 'signed_in')
       and not (content::jsonb -> 'detail' ->> 'reason' is not distinct from 'factor_missing' and exists (
             select from audit.entry s where s.actor_id = :account and s.action = 'auth.login' and s.outcome = 'success'
                and s.at between entry.at and entry.at + interval '15 minutes'))
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
