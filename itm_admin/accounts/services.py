"""Accounts: made, changed, suspended, invited.

Takes the session in a bound scope: `institution` for a manager, who reaches the own institution's accounts, or
`accounts` for a system administrator, who reaches all and reads no case. An account out of reach raises NotFound, one
above the own role Denied. Flushes, never commits; never sees a password.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import ValidationError, validate
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from itm_admin.accounts import changes, grants, invitations, usernames
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import Conflict, Denied, Invalid, Message, NotFound
from itm_admin.foundation.name_folding import clean_name
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, INSTITUTION, ROLES
from itm_admin.institutions.models import Institution, Unit


@dataclass(frozen=True)
class AccountHolder:
    """The data about an account's person."""

    first_name: str
    last_name: str
    email: str
    title: str | None = None
    language: str = "tr"
    unit: uuid.UUID | None = None


def reachable(actor: Actor) -> Select[Any]:
    """The accounts that the present scope reaches; an auditor's are read-only."""
    scope = tenancy.current().scope
    if scope == INSTITUTION:
        return select(Account).where(Account.institution_id == actor.institution_id)
    return select(Account) if scope in (ACCOUNTS, AUDIT) else select(Account).where(Account.id.is_(None))


def get(session: Session, actor: Actor, account_id: uuid.UUID) -> Account:
    """The account. Raises NotFound."""
    found: Account | None = session.execute(reachable(actor).where(Account.id == account_id)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def why_not(session: Session, actor: Actor, account: Account) -> Message | None:
    """The reason why this person may not change that account; None if they may."""
    own: Message = _l("Your own account is changed on your profile page.")
    above: Message = _l("This account holds a role that is administered by the system administrator.")
    if account.id == actor.id:
        return own
    held = session.execute(
        select(RoleGrant.role).where(RoleGrant.account_id == account.id, RoleGrant.state != "ended")
    ).scalars()
    able = set(grants.given_here(actor))
    managing = tenancy.current().scope == INSTITUTION
    for role in held:
        if managing and (role not in able or ROLES[role].approvals):
            return above
    if session.scalar(select(func.itm.audits(account.id))):
        audits: Message = _l("Who audits is not touched by those who are audited: what changes here takes two people.")
        return audits
    if session.scalar(select(func.itm.is_proposed(account.id))):
        waits: Message = _l("A role of this account waits for confirmation: its data stay as they are until then.")
        return waits
    return None


def create(
    session: Session,
    actor: Actor,
    person: AccountHolder,
    *,
    institution: uuid.UUID | None = None,
    username: str | None = None,
) -> Account:
    """A new account without role and without password: `grants.give` and `invite` come next."""
    home = _institution(session, actor, institution)
    values = _checked(session, home.id, person)
    name = usernames.check(home.code, username.strip()) if username else _free(session, home, person)
    account = Account(institution_id=home.id, username=name, **values)
    session.add(account)
    session.flush()
    return account


def change(session: Session, actor: Actor, account_id: uuid.UUID, version: int, person: AccountHolder) -> Account:
    """Changes the person's data. Raises Conflict if somebody else saved since `version`."""
    account = _changeable(session, actor, account_id, version)
    _apply(account, _checked(session, account.institution_id, person))
    session.flush()
    return account


def own(session: Session, actor: Actor) -> Account:
    """One's own account, in any scope."""
    account = session.get(Account, actor.id, populate_existing=True)
    if account is None:
        raise NotFound
    return account


def change_own(session: Session, actor: Actor, version: int, email: str, title: str | None, language: str) -> Account:
    """Changes people's own data. Name and unit stay as the manager wrote them."""
    account = own(session, actor)
    if account.row_version != version:
        raise Conflict(account.row_version)
    person = AccountHolder(account.first_name, account.last_name, email, title, language)
    values = _checked(session, account.institution_id, person)
    _apply(account, {name: values[name] for name in ("email", "title", "language")})
    session.flush()
    return account


def same_address(stored: str, typed: str) -> bool:
    """True if both are stored alike (see `_checked`)."""
    return stored == _address(typed)


def choose_language(session: Session, actor: Actor, language: str) -> None:
    """Sets the language in which a person reads the panel."""
    if language not in ("tr", "en"):
        raise Invalid({"language": _l("This is not one of the choices.")})
    with tenancy.acting(actor.own_context(), session):
        own(session, actor).language = language
        session.flush()


def suspend(session: Session, actor: Actor, account_id: uuid.UUID, version: int | None = None) -> Account:
    """Disables the account and ends its sessions at once."""
    account = _changeable(session, actor, account_id, version)
    if not account.active:
        raise Invalid({"": _l("This account is suspended already.")})
    if _is_administrator(session, account):
        grants.keep_one_administrator(session, account.id)
    account.active = False
    account.epoch += 1
    session.flush()
    return account


def reactivate(session: Session, actor: Actor, account_id: uuid.UUID, version: int | None = None) -> Account:
    account = _changeable(session, actor, account_id, version)
    if account.active:
        raise Invalid({"": _l("This account is active already.")})
    account.active = True
    session.flush()
    return account


def invite(session: Session, actor: Actor, account_id: uuid.UUID) -> str:
    """A one-time link's token, for a first password or instead of a forgotten one: shown once, to hand over."""
    account = get(session, actor, account_id)
    if tenancy.current().scope != ACCOUNTS or not changes.is_fresh_auditor(session, account.id):
        account = _changeable(session, actor, account_id, None)
    if not account.active:
        raise Invalid({"": _l("This account is suspended.")})
    return invitations.issue(session, account.id, account.institution_id)


def _changeable(session: Session, actor: Actor, account_id: uuid.UUID, version: int | None) -> Account:
    if tenancy.current().scope not in (INSTITUTION, ACCOUNTS):
        raise Denied
    account = get(session, actor, account_id)
    session.refresh(account)
    reason = why_not(session, actor, account)
    if reason is not None:
        raise Denied(reason)
    if version is not None and account.row_version != version:
        raise Conflict(account.row_version)
    return account


def _institution(session: Session, actor: Actor, wanted: uuid.UUID | None) -> Institution:
    scope = tenancy.current().scope
    if scope == INSTITUTION:
        if wanted not in (None, actor.institution_id):
            raise NotFound
        wanted = actor.institution_id
    elif scope != ACCOUNTS:
        raise Denied
    found = session.get(Institution, wanted) if wanted else None
    if found is None:
        raise Invalid({"institution": _l("This is not one of the choices.")})
    return found


def _checked(session: Session, institution: uuid.UUID, person: AccountHolder) -> dict[str, Any]:
    """The columns' values, trimmed. Raises Invalid with each wrong field."""
    wrong: dict[str, Message] = {}
    values: dict[str, Any] = {}
    for field, longest in (("first_name", 100), ("last_name", 100), ("email", 200)):
        values[field] = clean_name(getattr(person, field))
        if not values[field]:
            wrong[field] = _l("This field is required.")
        elif len(values[field]) > longest:
            wrong[field] = _l("This is too long.")
    if values["email"] and not is_address(values["email"]):
        wrong["email"] = _l("This is not an e-mail address.")
    values["email"] = _address(values["email"])
    values["title"] = clean_name(person.title or "")[:200] or None
    values["language"] = person.language
    if person.language not in ("tr", "en"):
        wrong["language"] = _l("This is not one of the choices.")
    values["unit_id"] = person.unit
    if person.unit and not session.scalar(
        select(Unit.id).where(Unit.id == person.unit, Unit.institution_id == institution)
    ):
        wrong["unit"] = _l("This is not one of the choices.")
    if wrong:
        raise Invalid(wrong)
    return values


def is_address(text: str) -> bool:
    """True for one plain address. Other forms may name two people, or another one than the page shows."""
    try:
        validate.Email()(text)
    except ValidationError:
        return False
    return True


def _address(typed: str) -> str:
    local, at, domain = clean_name(typed).rpartition("@")
    return f"{local}{at}{domain.lower()}"


def _apply(account: Account, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(account, name, value)


def _free(session: Session, home: Institution, person: AccountHolder) -> str:
    """The proposed user name, followed by a number if it is taken."""
    proposed = usernames.propose(home.code, person.first_name, person.last_name)
    taken = set(
        session.execute(
            select(Account.username).where(Account.username.startswith(proposed, autoescape=True))
        ).scalars()
    )
    number = 2
    name = proposed
    while name in taken:
        name, number = f"{proposed}{number}", number + 1
    return name


def _is_administrator(session: Session, account: Account) -> bool:
    return (
        session.scalar(
            select(RoleGrant.id).where(
                RoleGrant.account_id == account.id,
                RoleGrant.role == "system_administrator",
                RoleGrant.state == "active",
            )
        )
        is not None
    )
