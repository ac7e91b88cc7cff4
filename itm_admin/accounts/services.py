"""Accounts: made, changed, suspended, invited. The rules beside those of every record.

Works in a bound scope: `institution` for a manager, who reaches the own institution's accounts, or `accounts` for a
system administrator, who reaches all and reads no case; auditors read. An account out of reach raises NotFound, one
above the own role Denied. Flushes, never commits; never sees a password.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, exists, false, func, select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.base import ExecutableOption

from itm_admin.accounts import addresses, changes, grants, invitations, open_work, reasons, usernames
from itm_admin.accounts.models import AccessChange, Account, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Denied, Invalid, Message, NotFound
from itm_admin.foundation.roles import ACCOUNTS as ALL_ACCOUNTS
from itm_admin.foundation.roles import AUDIT, INSTITUTION, ROLES, grantable_by
from itm_admin.foundation.vocabulary import NOT_A_CHOICE
from itm_admin.institutions.models import Institution, Unit
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.permissions import Actor as Working
from itm_admin.record.schema import load
from itm_admin.record.versions import expect

PERSON = ("first_name", "last_name", "email", "title", "unit_id", "language")
OWN = ("email", "title", "language")
"""The fields of the own account that its person changes."""
_NO_KEYS: Any = None
"""An account has nothing protected: its secrets are in tables of their own."""
_SUSPENDED: Message = _l("This account is suspended.")


class Accounts(RecordInterface[Account]):
    """Accounts in the present scope: of one's own institution, or of all."""

    def reach(self) -> Sequence[ColumnElement[bool]]:
        context = tenancy.current()
        if context.scope == INSTITUTION:
            return (Account.institution_id == context.institution,)
        return () if context.scope in (ALL_ACCOUNTS, AUDIT) else (false(),)

    def options(self) -> tuple[ExecutableOption, ...]:
        return (*super().options(), selectinload(Account.grants))

    def guard(self, session: AnySession, actor: Working, parent: Any, record: Account | None) -> None:
        reason = why_not(session, record) if record is not None else None
        if reason is not None:
            raise Denied(reason)

    def pre_add(self, session: AnySession, record: Account, values: Mapping[str, Any], parent: Any) -> None:
        context = tenancy.current()
        if context.scope == INSTITUTION and record.institution_id != context.institution:
            raise NotFound
        home = session.get(Institution, record.institution_id)
        if home is None:
            raise Invalid({"institution_id": NOT_A_CHOICE})
        _refuse_foreign(session, home.id, values.get("unit_id"))
        typed = values.get("username")
        record.username = usernames.check(home.code, typed) if typed else _free(session, home, record)

    def pre_update(self, session: AnySession, record: Account, values: Mapping[str, Any], parent: Any) -> None:
        _refuse_foreign(session, record.institution_id, values.get("unit_id"))


REACHED = Accounts(Account, scopes=(INSTITUTION, ALL_ACCOUNTS))
AUDITED = Accounts(Account, subject="AuditAccount", scopes=(AUDIT,))


def get(session: Session, _actor: Actor, account_id: uuid.UUID) -> Account:
    """The account. Raises NotFound."""
    return REACHED.get(session, account_id)


def why_not(session: AnySession, account: Account) -> Message | None:
    """The reason why the person at work may not change that account; None if they may."""
    context = tenancy.current()
    own: Message = _l("Your own account is changed on your profile page.")
    above: Message = _l("This account holds a role that is administered by the system administrator.")
    if account.id == context.account:
        return own
    held = session.scalars(select(RoleGrant.role).where(RoleGrant.account_id == account.id, RoleGrant.state != "ended"))
    able = set(grantable_by(context.roles))
    for role in held:
        if context.scope == INSTITUTION and (role not in able or ROLES[role].approvals):
            return above
    if session.scalar(select(func.itm.audits(account.id))):
        audits: Message = _l("Who audits is not touched by those who are audited: what changes here takes two people.")
        return audits
    if session.scalar(select(func.itm.is_proposed(account.id))):
        waits: Message = _l("A role of this account waits for confirmation: its data stay as they are until then.")
        return waits
    return None


def add_columns() -> tuple[str, ...]:
    """The fields of a new account: a manager's are of the own institution, an administrator's in no unit yet."""
    if tenancy.current().scope == INSTITUTION:
        return (*PERSON, "username")
    return ("institution_id", *(name for name in PERSON if name != "unit_id"), "username")


def create(session: Session, data: Mapping[str, Any]) -> Account:
    """A new account without role and without password: `grants.give` and `invite` come next."""
    return REACHED.add(session, _NO_KEYS, None, data, [*dict.fromkeys((*add_columns(), *data))])


def change(session: Session, account_id: uuid.UUID, version: int, data: Mapping[str, Any]) -> Account:
    """Changes the person's data. Raises Conflict if somebody else saved since `version`."""
    return REACHED.edit(session, _NO_KEYS, account_id, data, version, PERSON)


def own(session: Session, actor: Actor) -> Account:
    """One's own account, in any scope."""
    account = session.get(Account, actor.id, populate_existing=True)
    if account is None:
        raise NotFound
    return account


def change_own(session: Session, actor: Actor, version: int, data: Mapping[str, Any]) -> Account:
    """Changes people's own data. Name and unit stay as the manager wrote them."""
    account = own(session, actor)
    expect(account, version)
    for name, value in load(REACHED.schema(OWN), data).items():
        setattr(account, name, value)
    session.flush()
    return account


def same_address(stored: str, typed: str) -> bool:
    """True if both are stored alike."""
    return stored == addresses.as_stored(typed)


def choose_language(session: Session, actor: Actor, language: str) -> None:
    """Sets the language in which a person reads the panel."""
    values = load(REACHED.schema(("language",)), {"language": language})
    with tenancy.acting(actor.own_context(), session):
        own(session, actor).language = values["language"]
        session.flush()


def suspend(
    session: Session, actor: Actor, account_id: uuid.UUID, version: int | None = None, reason: str | None = None,
    successor: str | None = None,
) -> Account:  # fmt: skip
    """Disables the account and ends its sessions at once. `successor` takes over the open work (open_work.settle)."""
    account = to_change(session, account_id)
    if version is not None:
        expect(account, version)
    disable(session, account, reason, successor)
    return account


def disable(session: AnySession, account: Account, reason: str | None = None, successor: str | None = None) -> None:
    """As `suspend`, of an account that was found and may be changed."""
    if not account.active:
        raise Invalid({"": _l("This account is suspended already.")})
    if _is_administrator(session, account):
        grants.keep_one_administrator(session, account.id)
    open_work.settle(session, account.id, successor)
    reasons.because(session, "suspend", reason)
    account.active = False
    account.epoch += 1
    session.flush()


def reactivate(session: Session, _actor: Actor, account_id: uuid.UUID, reason: str | None = None) -> Account:
    account = to_change(session, account_id)
    if account.active:
        raise Invalid({"": _l("This account is active already.")})
    reasons.because(session, "resume", reason)
    account.active = True
    session.flush()
    return account


def invite(session: Session, actor: Actor, account_id: uuid.UUID, reason: str | None = None) -> str:
    """A one-time link's token, for a first password or instead of a forgotten one: shown once, to hand over."""
    account = to_invite(session, actor, account_id)
    if not account.active:
        raise Invalid({"": _SUSPENDED})
    reasons.because(session, "link", reason)
    return invitations.issue(session, account.id, account.institution_id)


def to_invite(session: Session, actor: Actor, account_id: uuid.UUID) -> Account:
    """The account, if the person at work may make a link for it."""
    account = get(session, actor, account_id)
    if tenancy.current().scope != ALL_ACCOUNTS or not changes.is_fresh_auditor(session, account.id):
        account = to_change(session, account_id)
    return account


def may_not_ask(session: AnySession, actor: Actor, account: Account) -> Message | None:
    """The reason why the person at work may not ask to end an account's lost factors; None if they may.

    The rights are those of a new link; an auditor's end as the password does.
    """
    return None if changes.standing_auditor(session, actor, account) else why_not(session, account)


def can_lose_factors(session: AnySession, account: Account) -> bool:
    """True for an active account with a second factor."""
    return account.active and bool(session.scalar(select(func.itm.has_factor(account.id))))


def no_end_of_factors(session: AnySession, actor: Actor, account: Account) -> Message | None:
    """The reason why there is nothing to end now, or nobody to confirm it."""
    if not account.active:
        return _SUSPENDED
    if not can_lose_factors(session, account):
        none: Message = _l("This account has no second factor.")
        return none
    nobody: Message = _l(
        "Nobody else could confirm it: it takes a second person, whom you did not appoint and who did not appoint you. "
        "Who keeps the server can help an administrator or a supervisor with a link of the server."
    )
    return None if session.scalar(select(func.itm.somebody_confirms(account.id, actor.id))) else nobody


def ask_to_end_factors(session: Session, actor: Actor, account: Account, reason: str) -> AccessChange:
    """Proposes the end of all second factors and recovery codes of an account, which another person confirms."""
    if (refused := may_not_ask(session, actor, account)) is not None:
        raise Denied(refused)
    if (refused := no_end_of_factors(session, actor, account)) is not None:
        raise Invalid({"": refused})
    found = AccessChange(institution_id=account.institution_id, account_id=account.id, kind="factors", reason=reason)
    session.add(found)
    session.flush()
    return found


def to_change(session: Session, account_id: uuid.UUID) -> Account:
    """The account, if the person at work may change it: NotFound out of reach, else Denied with the reason."""
    if tenancy.current().scope not in REACHED.scopes:
        raise Denied
    account = REACHED.get(session, account_id)
    if (reason := why_not(session, account)) is not None:
        raise Denied(reason)
    return account


def _refuse_foreign(session: AnySession, institution: uuid.UUID, unit: uuid.UUID | None) -> None:
    if unit and not session.scalar(select(exists().where(Unit.id == unit, Unit.institution_id == institution))):
        raise Invalid({"unit_id": NOT_A_CHOICE})


def _free(session: AnySession, home: Institution, person: Account) -> str:
    """The proposed user name, followed by a number if it is taken."""
    proposed = usernames.propose(home.code, person.first_name, person.last_name)
    taken = set(session.scalars(select(Account.username).where(Account.username.startswith(proposed, autoescape=True))))
    number = 2
    name = proposed
    while name in taken:
        name, number = f"{proposed}{number}", number + 1
    return name


def _is_administrator(session: AnySession, account: Account) -> bool:
    """True for an active system administrator."""
    held = exists().where(
        RoleGrant.account_id == account.id,
        RoleGrant.role == "system_administrator",
        RoleGrant.state == "active",
    )
    return bool(session.scalar(select(held)))
