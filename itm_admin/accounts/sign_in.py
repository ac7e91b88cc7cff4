"""Signing in and out. Every refused try is an entry in a ledger, or is counted by one, in its own transaction.

Wrong tries delay the next one (throttle.py); nobody is locked out. Promise: a refused person cannot tell the reason:
unknown, inactive, suspended, without a role and wrong look alike and cost the same; only the entry has the reason. A
typed name that is no account's enters as a keyed digest, since people type passwords there. The only service that
commits by itself: a refusal must outlive its request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from audit import store
from itm_admin.accounts import actor as actors
from itm_admin.accounts import known_devices, passwords, session_rows, throttle, usernames
from itm_admin.accounts.models import Account, Credential, Invitation
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import DomainError, NotFound, TooMany
from itm_admin.foundation.tenancy import acting
from itm_admin.institutions.models import Institution


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
    """This try came too early after wrong ones; also raised for unknown names."""

    def __init__(self, wait: int) -> None:
        super().__init__(
            _l("Too many wrong attempts. Try again in %(seconds)s seconds.", seconds=wait)
            if wait <= 90
            else _l("Too many wrong attempts. Try again in %(minutes)s minutes.", minutes=-(-wait // 60)),
            retry_after=wait,
        )


@dataclass(frozen=True)
class Named:
    """The account of a name."""

    id: UUID
    institution: UUID
    code: str
    username: str


def attempt(
    session: Session,
    username: str,
    password: str,
    *,
    key: bytes,
    now: datetime | None = None,
    device: bytes | None = None,
) -> Actor:
    """The person whose password is right: the session is half a one until a second factor is shown.

    Raises SignInRefused or TooManyTries; commits in either case.
    `key` keys the digests of names and addresses. The address is the bound context's, `device` the browser's secret.
    """
    now = now or datetime.now(UTC)
    name = usernames.typed(username)
    looking = replace(tenancy.current(), scope="login", login=name or "-")
    with acting(looking, session):
        account = _named(session, name)
        _write_counted(session, now)
        with acting(_context(account), session):
            known = known_devices.known(session, device or known_devices.secret_here())
            tries = throttle.count(session, key, name or username.strip(), looking.address, known, now)
            if tries.wait:
                _refused(session, account, "too_many_tries", key, username, now)
                session.commit()
                raise TooManyTries(tries.wait)
            session.commit()
            found = _compare(session, account, password, now)
            if isinstance(found, str):
                _refused(session, account, found, key, username, now)
                session.commit()
                raise NotConfirmed if found == "unconfirmed" else SignInRefused
            throttle.take_back(session, tries)
            _write_counted(session, now)
            session.commit()
    return found


def finished(session: Session, actor: Actor, method: str | None, now: datetime | None = None) -> None:
    """The entry of a sign-in whose second factor was shown (`factors.ShownFactor.method`). Does not commit."""
    with acting(actor.own_context(), session):
        session.execute(update(Account).where(Account.id == actor.id).values(last_login=now or datetime.now(UTC)))
        detail = {"factor": method, "unusual": known_devices.note(session)}
        _entry(
            session, "auth.login", "success", actor.id, {name: word for name, word in detail.items() if word} or None
        )
        session.flush()


def wrong_code(session: Session, actor: Actor, reason: str, signing_in: bool) -> None:
    """The entry of a code or a passkey that was refused. Does not commit."""
    own_entry(session, actor, "failure", {"reason": reason, **({} if signing_in else {"while": "signed_in"})})


def passkey_refused(session: Session, account: UUID, institution: UUID) -> None:
    """The entry of a right passkey of an account that may not sign in. Does not commit."""
    if (actor := actors.find(session, account, institution)) is not None:
        own_entry(session, actor, "denied", {"reason": actor.obstacle or "reset_pending"})


def own_entry(session: Session, actor: Actor, outcome: str, detail: dict[str, Any]) -> None:
    """An entry about one's own sign-in or second factor. Does not commit."""
    with acting(actor.own_context(), session):
        _entry(session, "auth.login", outcome, actor.id, detail)
        session.flush()


def may_sign_in(session: Session, account: UUID, institution: UUID) -> Actor | None:
    """The person of a passkey, or of a password that was right minutes ago, as far as nothing stands in the way."""
    actor = actors.find(session, account, institution)
    if actor is None:
        return None
    with acting(actor.own_context(), session):
        secret = session.execute(select(Credential.changed_at).where(Credential.account_id == account)).one_or_none()
        free = secret is not None and _obstacle(session, actor, secret.changed_at) is None
    return actor if free else None


def confirm(session: Session, actor: Actor, password: str, now: datetime | None = None) -> bool:
    """True if a signed-in person knows the own password. Delays and records wrong ones. Raises TooManyTries.

    Commits, and drops uncommitted work of the session: call it before anything else.
    """
    now = now or datetime.now(UTC)
    account = Named(actor.id, actor.institution_id, actor.institution_code, actor.username)
    with acting(actor.own_context(), session):
        tries = throttle.count_in_session(session, actor.session or actor.id, now)
        session.commit()
        if tries.wait:
            raise TooManyTries(tries.wait)
        found = _compare(session, account, password, now, signing_in=False)
        if isinstance(found, str):
            _entry(session, "auth.login", "failure", actor.id, {"reason": found, "while": "signed_in"})
        else:
            throttle.take_back(session, tries)
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


def forget_device(session: Session, actor: Actor, id: UUID) -> None:
    """Forgets a browser of the account. Raises NotFound; does not commit."""
    with acting(actor.own_context(), session):
        if not known_devices.forget(session, actor.id, id):
            raise NotFound
        _entry(session, "auth.logout", "success", actor.id, {"device": "forgotten"})
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


_WRONG = frozenset({"unknown_name", "wrong_password", "wrong_key"})


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
    if not right or secret.password_hash != stored.password_hash:  # type: ignore[union-attr]
        return "wrong_password"
    actor = actors.find(session, account.id, account.institution)
    reason = _obstacle(session, actor, secret.changed_at)
    if reason is not None or actor is None:
        return reason or "unknown_name"
    if passwords.is_outdated(secret.password_hash):
        _set_secret(session, account, {"password_hash": passwords.digest_of(password)})
    if signing_in:
        with acting(actor.own_context(), session):
            here = session_rows.begin(session, actor, ("password",))
            actor = replace(actor, here=here)
            if here.half:
                _entry(session, "auth.login", "denied", account.id, {"reason": "factor_missing"})
        if not here.half:
            finished(session, actor, None, now)
    return actor


def _secret(account: Named | None) -> Any:
    return select(Credential.password_hash, Credential.changed_at).where(
        Credential.account_id == (account.id if account else None)
    )


def _obstacle(session: Session, actor: Actor | None, changed_at: datetime) -> str | None:
    """The reason for which a person who knows the password may not sign in; None: there is none."""
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


def _set_secret(session: Session, account: Named, values: dict[str, Any]) -> None:
    session.execute(update(Credential).where(Credential.account_id == account.id).values(**values))


def _refused(session: Session, account: Named | None, reason: str, key: bytes, username: str, now: datetime) -> None:
    """Writes the refusal into the account's institution's ledger, or counts it for the next entry.

    An unknown name's goes to the Presidency's, without the name.
    """
    outcome = "failure" if reason in _WRONG else "denied"
    address = tenancy.current().address
    subject = (
        throttle.keyed_digest(key, "network", throttle.network_of(address)) if account is None else account.id.bytes
    )
    if not throttle.is_entry(session, subject, reason, now):
        return
    detail = {"reason": reason}
    if account is None:
        detail["name"] = throttle.keyed_digest(key, "typed-name", username.strip()).hex()
    _entry(session, "auth.login", outcome, account.id if account else None, detail, to_presidency=account is None)


def _write_counted(session: Session, now: datetime) -> None:
    """Writes one entry for each kind of refusal that was counted: after its quarter of an hour, or as its person."""
    for each in throttle.counted(session, now):
        outcome = "failure" if each.reason in _WRONG else "denied"
        detail = {"reason": each.reason, "tries": each.tries, "since": each.since.astimezone(UTC).isoformat()}
        whose = replace(
            tenancy.current(),
            institution=each.institution_id,
            institution_code=each.code,
            account=each.account_id,
            account_name=each.username,
            address=None,
        )
        with acting(whose, session):
            _entry(session, "auth.login", outcome, each.account_id, detail, to_presidency=each.account_id is None)


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
