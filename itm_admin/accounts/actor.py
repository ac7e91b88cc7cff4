"""Builds the signed-in person: from the secret of the session, with one statement; or from the account, with two."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from flask import Flask, Response, g, request
from flask import session as cookie
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from itm_admin.accounts import session_rows, sessions
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor, HeldRole, Here
from itm_admin.foundation.database import db
from itm_admin.foundation.tenancy import acting, unnamed

_ACCOUNT = text(
    """
    select a.id, a.institution_id, a.unit_id, a.username, a.first_name, a.last_name, a.language, a.epoch,
           case when not a.active then 'inactive'
                when i.status <> 'active' then 'institution_suspended'
                when itm.waits(a.id) then 'unconfirmed' end as obstacle,
           i.code, i.name_tr, i.name_en, i.kind
      from account a join institution i on i.id = a.institution_id
     where a.id = :account and a.institution_id = :institution
    """
)
_ME = "select * from itm.me(%(secret)s)"
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


def find(session: Session, account: uuid.UUID, institution: uuid.UUID) -> Actor | None:
    """The person, with the reason why they may not work now, if any (`obstacle`, `roles`). None: no such account."""
    now = tenancy.current()
    secret = now.secret if now.account == account else None
    alone = replace(now, scope="login", account=account, institution=institution, secret=secret)
    with acting(alone, session):
        row = session.execute(_ACCOUNT, {"account": account, "institution": institution}).mappings().one_or_none()
        if row is None:
            return None
        grants = session.execute(_GRANTS, {"account": account}).all()
    return _actor(row, tuple(HeldRole(grant.role, tuple(grant.units) if grant.unit_id else "*") for grant in grants))


def of_secret(session: Session, secret: bytes) -> Actor | None:
    """The person of a session, ended or not (`here.ended`). None: no session has this secret."""
    rows = unnamed(session, _ME, {"secret": secret})
    if not rows:
        return None
    (row,) = rows
    held = _held(row)
    times = (row["seen_age"], row["idle_left"], row["absolute_left"], row["ended"])
    here = Here(row["session"], secret, tuple(row["methods"]), row["factor_age"], row["half"], *times)
    return replace(_actor(row, held), here=here)


def of_row(row: Mapping[Any, Any]) -> Actor:
    """The person of a row with grants, without a session."""
    return _actor(row, _held(row))


def _held(row: Mapping[Any, Any]) -> tuple[HeldRole, ...]:
    return tuple(
        HeldRole(grant["role"], tuple(map(uuid.UUID, grant["units"] or ())) if grant["unit"] else "*")
        for grant in row["grants"]
    )


def load_actor() -> Actor | None:
    """The person of this request's session, if it has not ended."""
    secret = sessions.read(cookie)
    if secret is None:
        if sessions.COOKIE_KEY in cookie or "account" in cookie:  # broken, or of an earlier release
            sessions.end(cookie)
        return None
    actor = of_secret(db.session, secret)
    if actor is None or not actor.is_active or actor.here is None or actor.here.ended is not None:
        sessions.end(cookie, (actor and actor.here and actor.here.ended) or "suspended")
        return None
    return actor


def install(app: Flask) -> None:
    """Notes an act in the session once its answer is ready: a refusal does not keep a session alive."""
    app.after_request(_keep_alive)
    app.after_request(_stop_at_its_end)


def _keep_alive(response: Response) -> Response:
    actor = g.get("actor")
    here = actor.here if isinstance(actor, Actor) else None
    if here is None or here.seen < sessions.TOUCH or request.endpoint == sessions.PEEK:
        return response
    if response.status_code >= 500 or response.is_streamed:
        return response
    session: Session = db.session()
    if session.in_transaction() and not tenancy.only_read(session):
        return response
    try:
        session_rows.seen(session, here.secret)
        session.commit()
    except SQLAlchemyError:  # the answer stands; the next act is noted
        session.rollback()
    return response


_FILES = frozenset({"static", "static_vendor"})
_LIVES = "select from itm.me(%(secret)s) m where m.ended is null and m.obstacle is null"


class SessionOver(Exception):
    """Ends a download in its middle: the connection breaks, and the file is not whole."""


def _stop_at_its_end(response: Response) -> Response:
    """A download asks before each of its pieces if its session still stands: its end is a download's end too."""
    actor = g.get("actor")
    here = actor.here if isinstance(actor, Actor) else None
    if here is None or not (response.is_streamed or response.direct_passthrough) or request.endpoint in _FILES:
        return response
    response.direct_passthrough = False
    response.response = while_it_stands(response.response, tenancy.newest(here.secret), db.engine)
    return response


def while_it_stands(pieces: Iterable[Any], secret: bytes, engine: Engine) -> Iterator[Any]:
    """The pieces, as long as the session stands."""
    for piece in pieces:
        with engine.connect() as connection:
            if not unnamed(connection, _LIVES, {"secret": secret}):
                raise SessionOver
        yield piece


def _actor(row: Mapping[Any, Any], held: tuple[HeldRole, ...]) -> Actor:
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
