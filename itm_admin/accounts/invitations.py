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
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from itm_admin.accounts import passwords, session_rows
from itm_admin.accounts.models import Account, Invitation
from itm_admin.foundation import claims, tenancy
from itm_admin.foundation.actor import Actor, Here
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.tenancy import acting, unnamed
from itm_admin.institutions.models import Institution

_INVITED = "select * from itm.invited(%(token)s, %(at)s)"
_SALTS_OF_INVITED = "select itm.salts_of_invited(%(token)s) as salt"
_REDEEM = "select itm.redeem(%(token)s, %(kept)s, %(proofs)s, %(at)s) as fault"
_OWN_SALTS = text("select itm.own_salts()")
_CHANGE = "select itm.change_own_password(%(kept)s, %(proofs)s, %(at)s, %(mac)s) as done"
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
    with acting(_asking(now), session):
        rows = unnamed(session, _INVITED, {"token": _sent(token), "at": now})
    if not rows:
        raise BadInvitation
    (row,) = rows
    return Invited(
        row["id"], row["account_id"], row["institution_id"], row["code"], row["username"], row["first_name"],
        row["last_name"], tuple(row[name] for name in _OF_THE_PERSON), row["expires_at"], row["waits"],
    )  # fmt: skip


_OF_THE_PERSON = ("first_name", "last_name", "email", "code", "name_tr", "name_en")


def redeem(session: Session, token: str, password: str, now: datetime | None = None) -> Invited:
    """Sets the password that the invited person chose. Raises BadInvitation, or Invalid under `password`."""
    invited = look_up(session, token, now)
    passwords.require_good(password, invited.username, invited.names)
    with acting(_asking(now), session):
        salts = [row["salt"] for row in unnamed(session, _SALTS_OF_INVITED, {"token": _sent(token)})]
        kept = {"kept": passwords.digest_of(password), "proofs": _proofs(salts, password)}
        fault = unnamed(session, _REDEEM, {"token": _sent(token), "at": now, **kept})[0]["fault"]
    if fault == "former":
        passwords.refuse_former()
    if fault is not None:
        raise BadInvitation
    return invited


def change_own_password(session: Session, actor: Actor, password: str) -> Here:
    """Sets a signed-in person's new password and ends all sessions; gives the new session.

    `sign_in.confirm` checked the current password before. Raises Invalid under `password`.
    """
    with acting(actor.own_context(), session):
        names = session.execute(_names().where(Account.id == actor.id)).one()
        passwords.require_good(password, actor.username, tuple(names))
        proofs = _proofs(session.scalars(_OWN_SALTS).all(), password)
        kept = passwords.digest_of(password)
        words = (hashlib.sha256(kept.encode()).hexdigest(), ",".join(each.hex() for each in proofs))
        claim = claims.made(session, "password", actor.id, *words)
        if not unnamed(session, _CHANGE, {"kept": kept, "proofs": proofs, **claim})[0]["done"]:
            passwords.refuse_former()
        return session_rows.begin_again(session, actor)


def _names() -> Any:
    return select(
        Account.first_name, Account.last_name, Account.email, Institution.code, Institution.name_tr, Institution.name_en
    ).join(Institution, Institution.id == Account.institution_id)


def _proofs(salts: Sequence[str], password: str) -> list[bytes]:
    """Of a new password, under the salt of each one before: the database compares."""
    return [passwords.proof(salt, password) for salt in salts]


def _asking(now: datetime | None) -> tenancy.Context:
    """Nobody is at work; a command may play another time."""
    return replace(tenancy.asked(tenancy.current()), scope=None if now is None else "story")


def _sent(token: str) -> str:
    """A token as it may be asked for: what is no text of ours is nobody's."""
    return token if token.isascii() and token.isprintable() else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
