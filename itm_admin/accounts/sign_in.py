"""Signing in and out. Every refused try is an entry in a ledger, or is counted by one, in its own transaction.

Wrong tries delay the next one (throttle.py); nobody is locked out. Promise: a refused person cannot tell the reason:
unknown, inactive, suspended, without a role and wrong look alike and cost the same; only the entry has the reason. A
typed name that is no account's enters as a keyed digest, since people type passwords there. The only service that
commits by itself: a refusal must outlive its request.

Nobody is at work before the password is right: the database counts, compares and opens the session itself, by small
functions (0015/82_door.sql). The slow digest is computed here; what is stored of it is read nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, Text, bindparam, text, update
from sqlalchemy.orm import Session

from audit import store
from itm_admin.accounts import actor as actors
from itm_admin.accounts import known_devices, passwords, session_rows, throttle, usernames
from itm_admin.accounts.models import Account
from itm_admin.foundation import claims, tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import DomainError, NotFound, TooMany
from itm_admin.foundation.tenancy import acting, asked, unnamed

STORY = "story"
"""A scope without rights, in which a command plays another time."""
_WRITE_COUNTED = text("select itm.write_counted(:at)")
_COUNT = text("select wait, ticket from itm.count_sign_in(:name, :pair, :network, :counted, :typed, :device, :at)")
_COUNT_OWN = text("select wait, ticket from itm.count_own(:at)")
_SALT = text("select itm.salt_of(:name), itm.has_old_digests()")
_PROOF = "select itm.offer_proof(%(ticket)s, %(proof)s)"
_SIGN_IN = text("select itm.sign_in(:ticket, :network, :typed, :digest, :idle, :lasts, :address, :device, :at)")
_KEEP_ANEW = "select itm.keep_anew(%(kept)s, %(at)s, %(mac)s)"
_CONFIRM = text("select itm.confirm(:ticket)")
_BY_CLAIM = text(
    "select itm.sign_in_by_claim(:account, :digest, :methods, :factor, :at, :mac, :idle, :lasts, :address, :device)"
).bindparams(bindparam("methods", type_=ARRAY(Text)))


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
    `now` is a command's, which plays another time.
    """
    here = tenancy.current()
    with acting(replace(asked(here), scope=None if now is None else STORY), session):
        session.execute(_WRITE_COUNTED, {"at": now})
        session.commit()
        typed = _Typed.of(username, here.address, key, device or known_devices.secret_here())
        counted = session.execute(_COUNT, {**typed.values(), "device": typed.device, "at": now}).one()
        session.commit()
        if counted.wait:
            raise TooManyTries(counted.wait)
        salt = _offer(session, counted.ticket, password, typed.name)
        secret = session_rows.new_secret()
        values = {"ticket": counted.ticket, "at": now, **typed.refusal(), **session_rows.opening(secret)}
        reason = session.scalar(_SIGN_IN, values)
        if reason is not None:
            session.commit()
            raise NotConfirmed if reason == "unconfirmed" else SignInRefused
        actor = actors.of_secret(session, secret)
        if actor is None or actor.here is None:
            raise SignInRefused
        with acting(actor.own_context(), session):
            if actor.here.half:
                _entry(session, "auth.login", "denied", actor.id, {"reason": "factor_missing"})
            if passwords.is_outdated(salt):
                _keep_anew(session, actor, passwords.digest_of(password))
            session.execute(_WRITE_COUNTED, {"at": now})
        if not actor.here.half:
            finished(session, actor, None, now)
        session.commit()
    return actor


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


def passkey_refused(session: Session) -> None:
    """The entry of a passkey that nobody has, or that proved nothing. Does not commit."""
    session.execute(text("select itm.refuse_passkey()"))


def own_entry(session: Session, actor: Actor, outcome: str, detail: dict[str, Any]) -> None:
    """An entry about one's own sign-in or second factor. Does not commit."""
    with acting(actor.own_context(), session):
        _entry(session, "auth.login", outcome, actor.id, detail)
        session.flush()


def by_claim(session: Session, account: UUID, methods: Sequence[str], *, factor: bool) -> Actor | None:
    """The person whom this process has recognised: by a passkey, or through a provider. None after the refusal's entry.

    The session begins; with a `factor` it is a whole one. Does not commit.
    """
    return by_claim_or_why(session, account, methods, factor=factor)[0]


def by_claim_or_why(
    session: Session, account: UUID, methods: Sequence[str], *, factor: bool
) -> tuple[Actor | None, str | None]:
    """As `by_claim`, with the refusal's reason, which is for nobody whom the process has not recognised."""
    secret = session_rows.new_secret()
    opening = session_rows.opening(secret)
    words = ("sign_in", account, opening["digest"].hex(), ",".join(methods), "t" if factor else "f")
    values = {"account": account, "methods": list(methods), "factor": factor, **opening, **claims.made(session, *words)}
    reason: str | None = session.scalar(_BY_CLAIM, values)
    return (actors.of_secret(session, secret), None) if reason is None else (None, reason)


def confirm(session: Session, actor: Actor, password: str, now: datetime | None = None) -> bool:
    """True if a signed-in person knows the own password. Delays and records wrong ones. Raises TooManyTries.

    Commits, and drops uncommitted work of the session: call it before anything else.
    """
    session.rollback()
    with acting(actor.own_context(), session):
        counted = session.execute(_COUNT_OWN, {"at": now}).one()
        session.commit()
        if counted.wait:
            raise TooManyTries(counted.wait)
        _offer(session, counted.ticket, password, actor.username)
        reason = session.scalar(_CONFIRM, {"ticket": counted.ticket})
        session.commit()
    return reason is None


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


@dataclass(frozen=True)
class _Typed:
    """A typed name and where it came from, as they are counted: digests, but for the form of a possible user name."""

    name: str | None
    pair: bytes
    network: bytes
    digest: bytes
    typed: bytes
    device: bytes

    @classmethod
    def of(cls, username: str, address: str | None, key: bytes, device: bytes | None) -> _Typed:
        name = usernames.typed(username)
        plain = name or username.strip()
        return cls(
            name,
            throttle.keyed_digest(key, "pair", f"{address or 'none'}\0{plain}"),
            throttle.keyed_digest(key, "network", throttle.network_of(address)),
            throttle.keyed_digest(key, "name", plain),
            throttle.keyed_digest(key, "typed-name", username.strip()),
            hashlib.sha256(device or b"").digest(),
        )

    def values(self) -> dict[str, Any]:
        return {"name": self.name, "pair": self.pair, "counted": self.digest, **self.refusal()}

    def refusal(self) -> dict[str, Any]:
        return {"network": self.network, "typed": self.typed}


def _offer(session: Session, ticket: UUID, password: str, name: str | None) -> str:
    """Lays down the proof of a counted try, and commits. Gives parameters and salt."""
    row = session.execute(_SALT, {"name": name}).one()
    salt, old_ones = str(row[0]), bool(row[1])
    session.rollback()
    proof = passwords.proof(salt, password)
    if old_ones:
        passwords.take_as_long(salt)
    unnamed(session, _PROOF, {"ticket": ticket, "proof": proof})
    session.commit()
    return salt


def _keep_anew(session: Session, actor: Actor, kept: str) -> None:
    """The password stays, and is kept under today's parameters: in the transaction in which it was right."""
    claim = claims.made(session, "keep_anew", actor.id, hashlib.sha256(kept.encode()).hexdigest())
    unnamed(session, _KEEP_ANEW, {"kept": kept, **claim})


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
