"""One-time links by which people choose their own passwords. Nobody chooses another's.

Only the digest of a link's token is stored: a reader of the database cannot open it. The inviter sees the link once, to
hand it over. A new link withdraws the older ones and disables the present password.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from itm_admin.accounts import passwords, session_rows
from itm_admin.accounts.models import Account, Credential, Invitation
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor, Here
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.tenancy import acting
from itm_admin.institutions.models import Institution

LIFETIME = timedelta(hours=72)
_TOKEN_BYTES = 32


class BadInvitation(Invalid):
    """Unknown, used, withdrawn, expired, or its account is not open: never told apart."""

    code = "bad_invitation"
    default = _l("This link is not valid. It works once and for 72 hours; ask for a new one.")


@dataclass(frozen=True)
class Invited:
    """The person of a link."""

    invitation: uuid.UUID
    account: uuid.UUID
    institution: uuid.UUID
    institution_code: str
    username: str
    first_name: str
    last_name: str
    names: tuple[str, ...]
    """Those of the person and of the institution: no password is made of them."""
    expires_at: datetime
    waits: bool
    """Its maker has seen it: another person confirms the first sign-in."""


def issue(session: Session, account: uuid.UUID, institution: uuid.UUID, now: datetime | None = None) -> str:
    """A new link's token, to be shown once. Withdraws older links and ends the account's sessions.

    `services.invite` checks the permission.
    """
    now = now or datetime.now(UTC)
    open_ones = (Invitation.account_id == account, Invitation.used_at.is_(None), Invitation.expires_at > now)
    session.execute(update(Invitation).where(*open_ones).values(expires_at=now))
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        Invitation(
            institution_id=institution, account_id=account, token_digest=_digest(token), expires_at=now + LIFETIME
        )
    )
    session.execute(update(Account).where(Account.id == account).values(epoch=Account.epoch + 1))
    session.flush()
    return token


def standing(session: Session, account: uuid.UUID) -> Invitation | None:
    """The newest link of an account if it is unused, expired or not (`expires_at`)."""
    last = (Invitation.created_at.desc(), Invitation.id)
    newest = select(Invitation).where(Invitation.account_id == account).order_by(*last).limit(1)
    found = session.execute(newest).scalar_one_or_none()
    return found if found is not None and found.used_at is None else None


def is_expired(invitation: Invitation, now: datetime | None = None) -> bool:
    return invitation.expires_at <= (now or datetime.now(UTC))


def look_up(session: Session, token: str, now: datetime | None = None) -> Invited:
    """The person of this link. Raises BadInvitation if it does not open any more."""
    with acting(_with(token), session):
        return _find(session, token, now or datetime.now(UTC))


def redeem(session: Session, token: str, password: str, now: datetime | None = None) -> Invited:
    """Sets the password that the invited person chose. Raises BadInvitation, or Invalid under `password`."""
    now = now or datetime.now(UTC)
    with acting(_with(token), session):
        invited = _find(session, token, now, lock=True)
        with acting(_as_invited(invited), session):
            former = _former(session)
        passwords.require_good(password, invited.username, invited.names, former)
        session.execute(update(Invitation).where(Invitation.id == invited.invitation).values(used_at=now))
        with acting(_as_invited(invited), session):
            _keep(session, invited.account, invited.institution, password)
            session.flush()
    return invited


def change_own_password(session: Session, actor: Actor, password: str) -> Here:
    """Sets a signed-in person's new password and ends all sessions; gives the new session.

    `sign_in.confirm` checked the current password before. Raises Invalid under `password`.
    """
    with acting(actor.own_context(), session):
        names = session.execute(_names().where(Account.id == actor.id)).one()
        passwords.require_good(password, actor.username, tuple(names), _former(session))
        _keep(session, actor.id, actor.institution_id, password)
        session.flush()
        return session_rows.begin_again(session, actor)


def _names() -> Any:
    return select(
        Account.first_name, Account.last_name, Account.email, Institution.code, Institution.name_tr, Institution.name_en
    ).join(Institution, Institution.id == Account.institution_id)


def _former(session: Session) -> Sequence[str]:
    """The digests of the passwords of the person at work: the present one and those of before."""
    return session.scalars(text("select itm.own_passwords()")).all()


def _keep(session: Session, account: uuid.UUID, institution: uuid.UUID, password: str) -> None:
    values = {
        "password_hash": passwords.digest_of(password),
        "failures": 0,
        "locked_until": None,
        "changed_at": func.now(),
    }
    session.execute(
        insert(Credential)
        .values(account_id=account, institution_id=institution, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
    session.execute(update(Account).where(Account.id == account).values(epoch=Account.epoch + 1))


def _find(session: Session, token: str, now: datetime, lock: bool = False) -> Invited:
    wanted = select(Invitation).where(Invitation.token_digest == _digest(token))
    found = session.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()
    if found is None or found.used_at is not None or found.expires_at <= now:
        raise BadInvitation
    own = replace(tenancy.current(), account=found.account_id, institution=found.institution_id)
    with acting(own, session):
        row = session.execute(
            _names()
            .add_columns(Account.username)
            .where(Account.id == found.account_id, Account.active, Institution.status == "active")
        ).one_or_none()
    if row is None:
        raise BadInvitation
    return Invited(
        found.id,
        found.account_id,
        found.institution_id,
        row.code,
        row.username,
        row.first_name,
        row.last_name,
        tuple(row[:-1]),
        found.expires_at,
        found.created_by is not None,
    )


def _with(token: str) -> tenancy.Context:
    return replace(tenancy.current(), scope="login", login=None, token=_digest(token))


def _as_invited(invited: Invited) -> tenancy.Context:
    return replace(
        tenancy.current(),
        account=invited.account,
        account_name=invited.username,
        institution=invited.institution,
        institution_code=invited.institution_code,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
