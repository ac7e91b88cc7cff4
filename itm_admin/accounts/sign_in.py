"""Signing in and out. Every try is an entry in a ledger, in the same transaction as its counters.

Promise: a refused person cannot tell the reason: unknown, inactive, locked, suspended, without a role and wrong look
alike and cost the same; only the entry has the reason. A typed name that is no account's enters as a keyed digest,
since people type passwords there. The only service that commits by itself: a refusal must outlive its request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from audit import store
from itm_admin.accounts import actor as actors
from itm_admin.accounts import passwords, session_rows, throttle, usernames
from itm_admin.accounts.models import Account, Credential, Invitation
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import DomainError, TooMany
from itm_admin.foundation.tenancy import acting
from itm_admin.institutions.models import Institution

FAILURES_TO_LOCK = 5
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=1), timedelta(hours=1)


class SignInRefused(DomainError):
    """The one answer to every refused try."""

    code = "sign_in_refused"
    default = _l("The user name or the password is not correct, or signing in is not possible at the moment.")


class NotConfirmed(SignInRefused):
    """Raised only for a person who knows the password: another person must confirm the account first."""

    code = "not_confirmed"
    default = _l(
        "Your password is saved. Before you can sign in, another person has to confirm that it was you: a colleague of "
        "your institution, or the Presidency."
    )


class TooManyTries(TooMany):
    """This name or this address was tried too often; also raised for unknown names."""

    default = _l("Too many attempts. Wait a quarter of an hour, then try again.")


@dataclass(frozen=True)
class Named:
    """The account of a name."""

    id: UUID
    institution: UUID
    code: str
    username: str


def attempt(session: Session, username: str, password: str, *, key: bytes, now: datetime | None = None) -> Actor:
    """The person, signed in. Raises SignInRefused or TooManyTries; commits in either case.

    `key` keys the digests of names and addresses. The address is the bound context's.
    """
    now = now or datetime.now(UTC)
    name = usernames.typed(username)
    looking = replace(tenancy.current(), scope="login", login=name or "-")
    with acting(looking, session):
        tries = throttle.count(session, key, name or username.strip(), looking.address, now)
        account = _named(session, name)
        with acting(_context(account), session):
            if tries.over:
                if tries.first_over:
                    _refused(session, account, "too_many_tries", "denied", key, username)
                session.commit()
                raise TooManyTries
            session.commit()
            found = _compare(session, account, password, now)
            if isinstance(found, str):
                _refused(session, account, found, "failure" if found in _WRONG else "denied", key, username)
                session.commit()
                raise NotConfirmed if found == "unconfirmed" else SignInRefused
            throttle.take_back(session, tries)
            session.commit()
    return found


def confirm(session: Session, actor: Actor, password: str, now: datetime | None = None) -> bool:
    """True if a signed-in person knows the own password. Counts and records failures as a sign-in does.

    Commits, and drops uncommitted work of the session: call it before anything else.
    """
    now = now or datetime.now(UTC)
    account = Named(actor.id, actor.institution_id, actor.institution_code, actor.username)
    with acting(actor.own_context(), session):
        found = _compare(session, account, password, now, signing_in=False)
        if isinstance(found, str):
            _entry(session, "auth.login", "failure", actor.id, {"reason": found, "while": "signed_in"})
        session.commit()
    return not isinstance(found, str)


def sign_out(session: Session, actor: Actor) -> None:
    """Ends the present session. Does not commit."""
    with acting(actor.own_context(), session):
        if actor.session is not None:
            session_rows.end(session, actor.session)
        _entry(session, "auth.logout", "success", actor.id, None)
        session.flush()


def sign_out_everywhere(session: Session, actor: Actor) -> None:
    """Ends every session of the account. Does not commit."""
    with acting(actor.own_context(), session):
        session_rows.end_all(session, actor.id)
        _entry(session, "auth.logout", "success", actor.id, {"sessions": "all"})
        session.flush()


def end_elsewhere(session: Session, actor: Actor, id: UUID | None = None) -> bool:
    """Ends one other session of the account, or every other. False: there was none. Does not commit."""
    if actor.session is None or id == actor.session:
        return False
    with acting(actor.own_context(), session):
        if id is None:
            done = session_rows.end_others(session, actor.id, actor.session) > 0
        else:
            done = session_rows.end(session, id, "elsewhere")
        if done:
            _entry(session, "auth.logout", "success", actor.id, {"sessions": "others" if id is None else "one"})
        session.flush()
    return done


_WRONG = frozenset({"unknown_name", "wrong_password"})


def _named(session: Session, name: str | None) -> Named | None:
    row = session.execute(
        select(Account.id, Account.institution_id, Institution.code, Account.username)
        .join(Institution, Institution.id == Account.institution_id)
        .where(Account.username == (name or "-"))
    ).one_or_none()
    return Named(*row) if row else None


def _context(account: Named | None) -> tenancy.Context:
    now = tenancy.current()
    if account is None:
        return now
    return replace(
        now,
        institution=account.institution,
        institution_code=account.code,
        account=account.id,
        account_name=account.username,
    )


def _compare(
    session: Session, account: Named | None, password: str, now: datetime, signing_in: bool = True
) -> Actor | str:
    """The person, or the reason. The secret is read, compared without a lock, then judged under its lock."""
    stored = session.execute(_secret(account)).one_or_none()
    old_ones = bool(session.scalar(select(func.itm.has_old_digests())))
    session.rollback()
    right = passwords.matches(stored.password_hash if stored else None, password)
    if old_ones:
        passwords.take_as_long(stored.password_hash if stored else None)
    if account is None:
        return "unknown_name"
    secret = session.execute(_secret(account).with_for_update(of=Credential)).one_or_none()
    if secret is None:
        return "no_password"
    if secret.locked_until is not None and secret.locked_until > now:
        return "locked"
    if not right or secret.password_hash != stored.password_hash:  # type: ignore[union-attr]
        _count_failure(session, account, secret.failures + 1, now)
        return "wrong_password"
    actor = actors.find(session, account.id, account.institution)
    reason = _obstacle(session, actor, secret.changed_at)
    if reason is not None or actor is None:
        return reason or "unknown_name"
    if passwords.is_outdated(secret.password_hash):
        _set_secret(session, account, {"password_hash": passwords.digest_of(password)})
    if secret.failures or secret.locked_until:
        _set_secret(session, account, {"failures": 0, "locked_until": None})
    if signing_in:
        session.execute(update(Account).where(Account.id == account.id).values(last_login=now))
        with acting(actor.own_context(), session):
            actor = replace(actor, here=session_rows.begin(session, actor, ("password",)))
            _entry(session, "auth.login", "success", account.id, None)
    return actor


def _secret(account: Named | None) -> Any:
    return select(Credential.password_hash, Credential.failures, Credential.locked_until, Credential.changed_at).where(
        Credential.account_id == (account.id if account else None)
    )


def _obstacle(session: Session, actor: Actor | None, changed_at: datetime) -> str | None:
    """The obstacle for a person who knows the password."""
    if actor is None:
        return "unknown_name"
    newer = select(Invitation.id).where(
        Invitation.account_id == actor.id, Invitation.used_at.is_(None), Invitation.created_at > changed_at
    )
    pending = session.execute(newer.limit(1)).first() is not None
    if actor.obstacle == "unconfirmed" and pending:
        return "reset_pending"
    if actor.obstacle is not None:
        return actor.obstacle
    if not actor.roles:
        return "no_role"
    return "reset_pending" if pending else None


def _count_failure(session: Session, account: Named, failures: int, now: datetime) -> None:
    """After five wrong tries locks the account: for a minute, then twice as long each time, an hour at most."""
    values: dict[str, Any] = {"failures": failures}
    if failures >= FAILURES_TO_LOCK:
        doublings = min(failures - FAILURES_TO_LOCK, 10)
        values["locked_until"] = now + min(FIRST_LOCK * 2**doublings, LONGEST_LOCK)
    _set_secret(session, account, values)


def _set_secret(session: Session, account: Named, values: dict[str, Any]) -> None:
    session.execute(update(Credential).where(Credential.account_id == account.id).values(**values))


def _refused(session: Session, account: Named | None, reason: str, outcome: str, key: bytes, username: str) -> None:
    """Appends an entry to the account's institution's ledger; an unknown name's to the Presidency's, without it."""
    detail = {"reason": reason}
    if account is None:
        detail["name"] = throttle.keyed_digest(key, "typed-name", username.strip()).hex()
    _entry(session, "auth.login", outcome, account.id if account else None, detail, to_presidency=account is None)


def _entry(
    session: Session,
    action: str,
    outcome: str,
    account: UUID | None,
    detail: Mapping[str, Any] | None,
    to_presidency: bool = False,
) -> None:
    store.append(
        session.connection(),
        action=action,
        outcome=outcome,
        kind="account",
        id=str(account) if account else None,
        detail=detail,
        to_presidency=to_presidency,
    )
