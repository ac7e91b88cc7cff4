"""Signing in through a provider, and the links between accounts and persons there.

A person is the provider's row and the unchangeable id there, never an e-mail address or a name. Each function that
believes a provider's word claims it to the database, which has the rules (0016/40). Does not commit.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from itm_admin.accounts import provider_register, sign_in, throttle, usernames
from itm_admin.accounts.oidc import SignedOut, Vouched
from itm_admin.accounts.provider_rows import ExternalIdentity, IdentityProvider, ProviderSession
from itm_admin.accounts.sign_in import SignInRefused
from itm_admin.foundation import claims, i18n, tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import DomainError, Invalid
from itm_admin.foundation.identity_providers import Provider
from itm_admin.foundation.tenancy import acting, unnamed

_PERSON = "select * from itm.provider_person(%(provider)s, %(subject)s, %(shown)s, %(at)s, %(mac)s)"
_ARRIVAL = "select itm.provider_arrival(%(provider)s, %(subject)s, %(shown)s, %(person)s, %(at)s, %(mac)s) as account"
_LINK = "select itm.provider_link(%(provider)s, %(subject)s, %(shown)s, %(at)s, %(mac)s) as fault"
_REDEEM = "select itm.redeem_by_provider(%(token)s, %(provider)s, %(subject)s, %(shown)s, %(at)s, %(mac)s) as fault"
_NAME_SESSION = text("select itm.name_provider_session(:identity, :sid)")
_SIGN_OUT = text("select itm.provider_signs_out(:provider, :subject, :sid, :at, :mac)")
_FIRST = text("select itm.first_time(:digest, :at, :mac)")
_REFUSE = text("select itm.refuse_provider(:provider, :reason, :network, :at, :mac)")


_LAST_WAY = _l("This is the only way in which you can sign in. Ask your manager for a one-time link first.")


class NotLinked(SignInRefused):
    """The provider knows the person, and nobody here is linked with it."""

    code = "not_linked"
    default = _l(
        "Your institution has recognised you, but no account here is linked with it. Sign in with your password and "
        "link it on the page My profile, or ask your institution's manager for a one-time link."
    )


class NoRoleYet(SignInRefused):
    """The account exists, and waits for the manager."""

    code = "no_role_yet"
    default = _l(
        "Your institution has recognised you. Your account has no role yet: your institution's manager gives you one. "
        "Then sign in again."
    )


class NotConfirmedYet(SignInRefused):
    """Told only to somebody whom the provider has recognised."""

    code = "not_confirmed"
    default = _l(
        "Your institution has recognised you. Before you can sign in, another person has to confirm that it was you: a "
        "colleague of your institution, or the Presidency."
    )


class IdentityTaken(DomainError):
    """One person of a provider is one account, and one account one person of it."""

    code = "identity_taken"
    default = _l(
        "This was not linked: your account is linked with somebody of this provider already, or this person is or was "
        "linked with another account."
    )


_TOLD: dict[str, type[SignInRefused]] = {"no_role": NoRoleYet, "unconfirmed": NotConfirmedYet}


@dataclass(frozen=True)
class Entered:
    """The outcome of a sign-in: the person in a session, or the refusal, whose entry is written."""

    actor: Actor | None
    refusal: SignInRefused | None = None


def enter(session: Session, provider: Provider, vouched: Vouched, key: bytes) -> Entered:
    """Signs in the person for whom the provider vouches. Commit in either case."""
    row = provider_register.id_of(session, provider)
    found = _known(session, row, vouched)
    account = found["account_id"] if found is not None else _arrive(session, row, provider, vouched)
    if account is None or (found is not None and found["former"]):
        reason = "unknown_identity" if account is None else "former_identity"
        refuse(session, provider.code, reason, key)
        return Entered(None, NotLinked())
    if found is None:
        found = _known(session, row, vouched)
    identity, trusted = (found["identity"], found["trusts_factor"]) if found is not None else (None, False)
    actor, why = sign_in.by_claim_or_why(session, account, ("provider",), factor=trusted and vouched.factor)
    if actor is None or actor.here is None:
        return Entered(None, _TOLD.get(why or "", SignInRefused)())
    with acting(actor.own_context(), session):
        session.execute(_NAME_SESSION, {"identity": identity, "sid": vouched.sid})
    if actor.here.half:
        sign_in.own_entry(session, actor, "denied", {"reason": "factor_missing", "provider": provider.code})
    else:
        sign_in.finished(session, actor, "provider")
    return Entered(actor)


def link(session: Session, actor: Actor, provider: Provider, subject: str, shown: str) -> None:
    """Links the account of the person at work. Raises IdentityTaken; the session needs a fresh factor."""
    with acting(actor.own_context(), session):
        row = provider_register.id_of(session, provider)
        claim = claims.made(session, "provider_link", actor.id, row, claims.hex_of(subject))
        values = {"provider": row, "subject": subject, "shown": shown, **claim}
        if unnamed(session, _LINK, values)[0]["fault"] is not None:
            raise IdentityTaken


def redeem(session: Session, token: str, provider: Provider, subject: str, shown: str) -> None:
    """Uses a one-time link with a provider's person in place of a password. Raises Invalid or IdentityTaken."""
    from itm_admin.accounts.invitations import BadInvitation

    row = provider_register.id_of(session, provider)
    claim = claims.made(session, "provider_redeem", claims.hex_of(token), row, claims.hex_of(subject))
    values = {"token": token, "provider": row, "subject": subject, "shown": shown, **claim}
    fault = unnamed(session, _REDEEM, values)[0]["fault"]
    if fault == "taken":
        raise IdentityTaken
    if fault is not None:
        raise BadInvitation


def unlink(session: Session, actor: Actor, id: uuid.UUID) -> None:
    """Ends an own link. Raises Invalid for the last way in."""
    with acting(actor.own_context(), session):
        if not session.scalar(select(text("itm.has_password(:who)")).params(who=actor.id)):
            raise Invalid({"": _LAST_WAY})
        mine = (ExternalIdentity.id == id, ExternalIdentity.account_id == actor.id, ExternalIdentity.ended_at.is_(None))
        session.execute(update(ExternalIdentity).where(*mine).values(ended_at=text("now()")))


@dataclass(frozen=True)
class Linked:
    """A standing link, for pages: the provider's name and the person's name there."""

    id: uuid.UUID
    code: str
    name: str
    issuer: str
    shown: str | None
    how: str
    linked_at: Any
    last_used_at: Any
    provider_id: uuid.UUID


def standing(session: Any, account: uuid.UUID) -> list[Linked]:
    """The account's links, as far as the bound scope shows them."""
    rows = session.execute(
        select(ExternalIdentity, IdentityProvider)
        .join(IdentityProvider, IdentityProvider.id == ExternalIdentity.provider_id)
        .where(ExternalIdentity.account_id == account, ExternalIdentity.ended_at.is_(None))
        .order_by(ExternalIdentity.linked_at, ExternalIdentity.id)
    ).all()
    return [
        Linked(
            row.id, provider.code, provider.name, provider.issuer, row.shown_name, row.how, row.linked_at,
            row.last_used_at, provider.id,
        )
        for row, provider in rows
    ]  # fmt: skip


def subject_here(session: Session, actor: Actor) -> tuple[str, str] | None:
    """The provider's code and the person's id there, of the present session. None: it did not come from a provider."""
    with acting(actor.own_context(), session):
        row = session.execute(
            select(IdentityProvider.code, ExternalIdentity.subject)
            .join(ExternalIdentity, ExternalIdentity.provider_id == IdentityProvider.id)
            .join(ProviderSession, ProviderSession.identity_id == ExternalIdentity.id)
            .where(ProviderSession.session_id == actor.session, ExternalIdentity.ended_at.is_(None))
        ).one_or_none()
    return (row.code, row.subject) if row is not None else None


def signed_out_there(session: Session, provider: Provider, told: SignedOut) -> int:
    """Ends the sessions that a provider's message is about; the number of persons. Raises Invalid for a repeat."""
    row = provider_register.id_of(session, provider)
    if not first_time(session, told.digest):
        raise Invalid({"logout_token": "This message came before."})
    claim = claims.made(
        session, "provider_sign_out", row, claims.hex_of(told.subject or ""), claims.hex_of(told.sid or "")
    )
    values = {"provider": row, "subject": told.subject, "sid": told.sid, **claim}
    return int(session.scalar(_SIGN_OUT, values) or 0)


def first_time(session: Session, digest: bytes) -> bool:
    """False if this was seen in the last hour."""
    claim = claims.made(session, "once", digest.hex())
    return bool(session.scalar(_FIRST, {"digest": digest, **claim}))


def refuse(session: Session, code: str, reason: str, key: bytes) -> None:
    """The entry of a refusal of which no account is known; or its count, within a quarter of an hour."""
    network = throttle.keyed_digest(key, "network", throttle.network_of(tenancy.current().address))
    claim = claims.made(session, "provider_refused", code, reason)
    session.execute(_REFUSE, {"provider": code, "reason": reason, "network": network, **claim})


def _known(session: Session, row: uuid.UUID, vouched: Vouched) -> dict[str, Any] | None:
    claim = claims.made(session, "provider_person", row, claims.hex_of(vouched.subject))
    values = {"provider": row, "subject": vouched.subject, "shown": vouched.shown or None, **claim}
    rows: Sequence[dict[str, Any]] = unnamed(session, _PERSON, values)
    return rows[0] if rows else None


def _arrive(session: Session, row: uuid.UUID, provider: Provider, vouched: Vouched) -> uuid.UUID | None:
    """A new account without a role, where an institution gets the provider's arrivals. None: nobody does."""
    home = next((bound for bound in provider.institutions if bound.arrivals), None)
    first, last = vouched.first_name, vouched.last_name
    if not (first and last) and vouched.shown:
        first, _space, last = vouched.shown.rpartition(" ")
    if home is None:
        return None
    first, last = (first or "-")[:100], (last or "-")[:100]
    try:
        username = usernames.propose(home.code, first, last)
    except Invalid:
        username = f"{home.code.lower()}.{claims.hex_of(vouched.subject)[:12]}"
    person = json.dumps(
        {
            "first_name": first, "last_name": last, "username": username, "email": vouched.email,
            "language": i18n.language(),
        }
    )  # fmt: skip
    subject, told = claims.hex_of(vouched.subject), claims.hex_of(person)
    claim = claims.made(session, "provider_arrival", row, subject, told)
    values = {"provider": row, "subject": vouched.subject, "shown": vouched.shown or None, "person": person, **claim}
    account: uuid.UUID | None = unnamed(session, _ARRIVAL, values)[0]["account"]
    return account
