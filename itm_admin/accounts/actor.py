"""Builds the signed-in person from the account and its active grants, with two statements."""

from __future__ import annotations

import uuid
from dataclasses import replace

from flask import request
from flask import session as cookie
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from itm_admin.accounts import sessions
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor, HeldRole
from itm_admin.foundation.database import db
from itm_admin.foundation.tenancy import acting

_ACCOUNT = text(
    """
    select a.id, a.institution_id, a.unit_id, a.username, a.first_name, a.last_name, a.language, a.epoch,
           case when not a.active then 'inactive'
                when i.status <> 'active' then 'institution_suspended'
                when itm.waits(a.id) then 'unconfirmed' end as obstacle,
           i.code, i.name_tr, i.name_en, i.kind,
           case when s.id is null or (s.why is null and s.epoch <> a.epoch) then 'all' else s.why end as ended
      from account a join institution i on i.id = a.institution_id
      left join account_session s on s.id = :session and s.account_id = a.id
     where a.id = :account and a.institution_id = :institution
    """
)
_GRANTS = text(
    """
    select g.role, g.unit_id, array(
             with recursive below as (
               select u.id from unit u where u.id = g.unit_id and u.institution_id = g.institution_id
               union
               select u.id from unit u join below b on u.parent_id = b.id where u.institution_id = g.institution_id
             ) select id from below) as units
      from role_grant g where g.account_id = :account and g.state = 'active' order by g.created_at, g.id
    """
)


def find(session: Session, account: uuid.UUID, institution: uuid.UUID, at: uuid.UUID | None = None) -> Actor | None:
    """The person, with the reason why they may not work now, if any (`obstacle`, `roles`; in session `at`: `ended`).

    None if there is no such account.
    """
    alone = replace(tenancy.current(), scope="login", login=None, account=account, institution=institution)
    with acting(alone, session):
        wanted = {"account": account, "institution": institution, "session": at}
        row = session.execute(_ACCOUNT, wanted).mappings().one_or_none()
        if row is None:
            return None
        grants = session.execute(_GRANTS, {"account": account}).all()
    held = tuple(HeldRole(grant.role, tuple(grant.units) if grant.unit_id else "*") for grant in grants)
    return replace(_actor(row, held), session=at, ended=row["ended"] if at else None)


def load_actor() -> Actor | None:
    """The person of this request's session, if it has not ended. Extends the session."""
    claim = sessions.read(cookie)
    if claim is None:
        return None
    actor = find(db.session, claim.account, claim.institution, claim.session)
    if actor is None or not actor.is_active or actor.ended is not None:
        sessions.end(cookie, (actor and actor.ended) or "suspended")
        return None
    if request.endpoint != sessions.PEEK:
        sessions.keep_alive(cookie, claim)
    return actor


def _actor(row: RowMapping, held: tuple[HeldRole, ...]) -> Actor:
    return Actor(
        id=row["id"],
        username=row["username"],
        full_name=f"{row['first_name']} {row['last_name']}",
        unit_id=row["unit_id"],
        institution_id=row["institution_id"],
        institution_code=row["code"],
        institution_name_tr=row["name_tr"],
        institution_name_en=row["name_en"],
        institution_kind=row["kind"],
        language=row["language"],
        epoch=row["epoch"],
        held=held,
        obstacle=row["obstacle"],
    )
