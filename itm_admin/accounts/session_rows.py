"""Sessions as rows: begun at the sign-in, renewed at each step-up, ended one by one or all together.

The database has the rules (0014/20). Takes the session in the account's own scope (`actor.own_context()`) where no
secret is given. Flushes, never commits.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import current_app, has_app_context
from sqlalchemy import ARRAY, Text, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from itm_admin.accounts import devices, sessions
from itm_admin.accounts.models import Account
from itm_admin.accounts.session_model import AccountSession
from itm_admin.foundation import claims, tenancy
from itm_admin.foundation.actor import Actor, Here
from itm_admin.foundation.tenancy import acting, unnamed

METHODS = ("password", "totp", "passkey", "recovery", "provider", "machine")
_OPENING = text(
    "select itm.open_session(:digest, :methods, :factor_age, :idle, :lasts, :address, :device, :instead_of, :at, :mac)"
).bindparams(bindparam("methods", type_=ARRAY(Text)))
_OPENED = text(
    "select s.methods, s.factor_at is null and itm.factor_needed() as half,"
    " extract(epoch from now() - s.factor_at)::float8 as factor_age,"
    " extract(epoch from s.ends_at - now())::float8 as absolute from account_session s where s.id = :id"
)


@dataclass(frozen=True)
class Standing:
    """A session that has not ended."""

    id: uuid.UUID
    begun_at: datetime
    seen_at: datetime
    device: str | None
    address: str | None
    here: bool


def begin(session: Session, actor: Actor, methods: Sequence[str], *, factor: bool = False) -> Here:
    """Begins a session, with a new secret. Without a `factor`, where one is needed, it is half a session."""
    return _open(session, actor, methods, 0 if factor else None, None)


def begin_again(session: Session, actor: Actor) -> Here:
    """Begins a session like the present one, after all of the account ended. The time of its last factor stays."""
    here = actor.here
    return _open(session, actor, here.methods if here else ("password",), here.factor_age if here else None, None)


def renew(session: Session, actor: Actor, methods: Sequence[str], *, factor: bool) -> Here:
    """Replaces the actor's present session: new id, new secret, `methods` added to those of before."""
    return _open(session, actor, methods, 0 if factor else None, actor.session)


def promote(session: Session, actor: Actor, method: str) -> Here:
    """Makes half a session a whole one, after a second factor. The cookie gets the new secret (sessions.go_on)."""
    return renew(session, actor, (method,), factor=True)


def step_up(session: Session, actor: Actor, method: str) -> Here:
    """Renews a whole session after a fresh factor. Its end stays; the cookie gets the new secret."""
    return renew(session, actor, (method,), factor=True)


def _open(
    session: Session, actor: Actor, methods: Sequence[str], factor_age: float | None, instead_of: uuid.UUID | None
) -> Here:
    secret = new_secret()
    values = opening(secret)
    age = None if factor_age is None else timedelta(seconds=factor_age)
    seconds = "-" if age is None else age // timedelta(seconds=1)
    claim = claims.made(
        session, "open", actor.id, values["digest"].hex(), ",".join(methods), seconds, instead_of or "-"
    )
    context = actor.own_context() if claim["mac"] else replace(actor.own_context(), secret=None)  # a command's
    with acting(context, session):
        more = {"methods": list(methods), "factor_age": age, "instead_of": instead_of, **claim}
        id = session.scalar(_OPENING, {**values, **more})
    if actor.here is not None:
        tenancy.renew(actor.here.secret, secret)
    with acting(context, session):  # the new session's own
        row = session.execute(_OPENED, {"id": id}).one()
    idle = values["idle"].total_seconds()
    return Here(id, secret, tuple(row.methods), row.factor_age, row.half, 0.0, idle, float(row.absolute))


def new_secret() -> bytes:
    return secrets.token_bytes(sessions.SECRET_BYTES)


def opening(secret: bytes) -> dict[str, Any]:
    """The values of a session that begins here and now with this secret."""
    return {
        "digest": hashlib.sha256(secret).digest(),
        "idle": _length("ITM_SESSION_IDLE", sessions.IDLE),
        "lasts": _length("ITM_SESSION_LASTS", sessions.ABSOLUTE),
        "address": tenancy.current().address,
        "device": devices.device_here(),
    }


def _length(name: str, otherwise: timedelta) -> timedelta:
    found = current_app.config.get(name, otherwise) if has_app_context() else otherwise
    return found if isinstance(found, timedelta) else otherwise


def end(session: Session, id: uuid.UUID, why: str = "signed_out") -> bool:
    """Ends one of the own sessions. False: there is no such open one."""
    open_one = (AccountSession.id == id, AccountSession.ended_at.is_(None))
    done = session.execute(update(AccountSession).where(*open_one).values(why=why).returning(AccountSession.id))
    return done.first() is not None


def end_others(session: Session, account: uuid.UUID, here: uuid.UUID) -> int:
    """Ends every own session but this one; gives their number."""
    others = (AccountSession.account_id == account, AccountSession.ended_at.is_(None), AccountSession.id != here)
    done = session.execute(update(AccountSession).where(*others).values(why="elsewhere").returning(AccountSession.id))
    return len(done.all())


def end_by_secret(session: Session, secret: bytes, why: str) -> None:
    """Ends the open session of a secret, of any account: this browser gives it up."""
    unnamed(session, "select itm.end_session(%(secret)s, %(why)s)", {"secret": secret, "why": why})


def end_all(session: Session, account: uuid.UUID) -> None:
    session.execute(update(Account).where(Account.id == account).values(epoch=Account.epoch + 1))


def seen(session: Session, secret: bytes, *, at_once: bool = False) -> None:
    """Moves the session's last act to now: once a minute, or `at_once`."""
    values = {"secret": secret, "at_once": at_once}
    unnamed(session, "select itm.session_seen(%(secret)s, %(at_once)s)", values)


def standing(session: Session, account: uuid.UUID, here: uuid.UUID | None) -> list[Standing]:
    """The account's sessions that open something, the newest first."""
    rows = session.execute(
        select(
            AccountSession.id,
            AccountSession.begun_at,
            AccountSession.seen_at,
            AccountSession.device,
            AccountSession.address,
        )
        .join(Account, Account.id == AccountSession.account_id)
        .where(
            AccountSession.account_id == account,
            AccountSession.ended_at.is_(None),
            AccountSession.epoch == Account.epoch,
            AccountSession.ends_at > func.now(),
            AccountSession.seen_at > func.now() - AccountSession.idle,
        )
        .order_by(AccountSession.begun_at.desc(), AccountSession.id)
    )
    return [Standing(row.id, row.begun_at, row.seen_at, row.device, row.address, row.id == here) for row in rows]
