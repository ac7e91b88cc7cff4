"""Changes that need a second person: a first sign-in by a link, an auditor's end or new password, lost second factors.

The database enforces the rules (0006/30_triggers.sql); here they get words before the database refuses. Flushes, never
commits.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from itm_admin.accounts import reasons
from itm_admin.accounts.models import AccessChange, Account, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.audited_reads import named
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Denied, Invalid, Message, NotFound
from itm_admin.foundation.i18n import language
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION, OVERSIGHT, ROLES
from itm_admin.institutions.models import Institution

AUDITORS = ("auditor_national", "auditor_institution")
FACTORS = "factors"
RANKS = ("primary", "deputy")
"""Of an institution's focal points: the Presidency alone approves them."""


def waiting(session: Session, actor: Actor) -> list[AccessChange]:
    """The changes that wait in the present scope, oldest first, without those of one's own account."""
    statement = (
        select(AccessChange)
        .where(AccessChange.state == "waiting", AccessChange.account_id != actor.id)
        .order_by(AccessChange.created_at, AccessChange.id)
    )
    if tenancy.current().scope == INSTITUTION:
        statement = statement.where(AccessChange.institution_id == actor.institution_id)
    return list(session.scalars(statement))


def of_account(session: Session, account: uuid.UUID) -> list[AccessChange]:
    """New links, rises and ends of an account, the newest first."""
    statement = select(AccessChange).where(AccessChange.account_id == account)
    return list(session.scalars(statement.order_by(AccessChange.created_at.desc(), AccessChange.id)))


def ask(
    session: Session, actor: Actor, account: Account, kind: str, grant: RoleGrant | None = None,
    reason: str | None = None,
) -> AccessChange:  # fmt: skip
    """Proposes the end of an auditor's role ('end') or password ('reset')."""
    if account.id == actor.id or tenancy.current().scope not in (ACCOUNTS, INSTITUTION):
        raise Denied
    roles = standing_roles(session, account.id)
    if not roles & set(AUDITORS) or (tenancy.current().scope == INSTITUTION and "auditor_national" not in roles):
        raise Denied(_l("Who audits is not touched by those who are audited."))
    reasons.because(session, kind, reason)
    found = AccessChange(
        institution_id=account.institution_id, account_id=account.id, kind=kind, grant_id=grant.id if grant else None
    )
    session.add(found)
    session.flush()
    return found


def decide(session: Session, actor: Actor, change_id: uuid.UUID, confirm: bool) -> AccessChange:
    """Confirms or refuses a waiting change. Raises Denied or Invalid if a rule forbids it."""
    wanted = select(AccessChange).where(AccessChange.id == change_id).with_for_update()
    found = session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound
    if found.state != "waiting":
        raise Invalid({"": _l("This does not wait any more.")})
    if confirm and (reason := why_not(session, actor, found)) is not None:
        raise Denied(reason)
    found.state = "done" if confirm else "refused"
    session.flush()
    session.expire_all()
    return found


def why_not(session: Session, actor: Actor, change: AccessChange) -> Message | None:
    """The reason why this person may not confirm it (yet); None if they may."""
    if actor.id == change.account_id:
        return _said(_l("Nobody confirms the own access."))
    if actor.id == change.created_by:
        return _said(_l("You asked for this: another person has to confirm it."))
    if change.kind in RANKS:
        return _why_no_rank(session, actor, change)
    if not is_ordinary(session, change) and not independent(session, change.created_by, actor.id):
        return _said(_l("One of you appointed the other: somebody independent has to confirm it."))
    if not session.scalar(select(func.itm.is_no_raiser(actor.id, change.account_id))):
        return _said(_l("This person appointed you: somebody independent has to confirm it."))
    if change.kind == FACTORS and not session.scalar(select(_is_recent(change.id))):
        return _said(_l("This was asked for more than 72 hours ago: it has to be asked for anew."))
    if change.invitation_id is not None and not session.scalar(select(func.itm.link_is_used(change.invitation_id))):
        return _said(_l("The person has not used the link yet."))
    return None


_RECENT = AccessChange.created_at >= func.now() - func.itm.factors_wait()


def _is_recent(change: uuid.UUID) -> Any:
    return exists().where(AccessChange.id == change, _RECENT)


def lost_factors(session: Session, account: uuid.UUID) -> AccessChange | None:
    """The newest request to end an account's factors, for its own person and its pages."""
    return next((each for each in of_account(session, account) if each.kind == FACTORS), None)


def _why_no_rank(session: Session, actor: Actor, change: AccessChange) -> Message | None:
    if tenancy.current().scope != OVERSIGHT or "presidency_supervisor" not in actor.roles:
        return _said(_l("The Presidency's supervisor approves a focal point."))
    raisers = (func.itm.is_no_raiser(actor.id, change.created_by), func.itm.is_no_raiser(actor.id, change.account_id))
    if not all(session.execute(select(*raisers)).one()):
        return _said(_l("This person appointed you: somebody independent has to confirm it."))
    return None


def names(session: Session, accounts: Iterable[uuid.UUID | None]) -> dict[uuid.UUID | None, str]:
    """Names with that of their institution, of the accounts that the present scope shows."""
    wanted = {each for each in accounts if each}
    if not wanted:
        return {}
    rows = session.execute(
        select(Account.id, Account.first_name, Account.last_name, _institution_name().label("institution"))
        .join(Institution, Institution.id == Account.institution_id)
        .where(Account.id.in_(wanted))
    )
    found = rows.all()
    named(*(row.id for row in found))
    return {row.id: f"{row.first_name} {row.last_name} ({row.institution})" for row in found}


def role_labels(session: Session, change: AccessChange) -> list[str]:
    """The roles at stake in this change, for a person who may decide it."""
    found = session.scalar(select(func.itm.roles_at_stake(change.id))) or []
    return [str(role.label) for code, role in ROLES.items() if code in found]


def institution_names(session: Session) -> dict[uuid.UUID, str]:
    """The institutions' names in the language of the page."""
    rows = session.execute(select(Institution.id, _institution_name().label("name")))
    return {row.id: row.name for row in rows}


def _institution_name() -> Any:
    return Institution.name_en if language() == "en" else Institution.name_tr


def to_decide(actor: Actor) -> Select[Any]:
    """Selects the changes that this person may confirm now; the rules of `why_not` as one statement."""
    scope = tenancy.current().scope
    ordinary = and_(AccessChange.kind == "link", func.itm.is_ordinary(AccessChange.account_id))
    ranked = and_(AccessChange.kind.in_(RANKS), func.itm.is_no_raiser(actor.id, AccessChange.created_by))
    recent = or_(AccessChange.kind != FACTORS, _RECENT)
    used = or_(AccessChange.invitation_id.is_(None), func.itm.link_is_used(AccessChange.invitation_id))
    own = [AccessChange.institution_id == actor.institution_id] if scope == INSTITUTION else []
    return select(func.count()).where(
        AccessChange.state == "waiting",
        AccessChange.account_id != actor.id,
        AccessChange.created_by.is_distinct_from(actor.id),
        or_(ordinary, ranked, func.itm.is_independent(AccessChange.created_by, actor.id)),
        *([AccessChange.kind.not_in(RANKS)] if scope != OVERSIGHT else []),
        func.itm.is_no_raiser(actor.id, AccessChange.account_id),
        recent,
        used,
        *own,
    )


def _said(message: Message) -> Message:
    return message


def is_ordinary(session: Session, change: AccessChange) -> bool:
    """True for a first sign-in of a manager's own staff: any colleague may confirm it, appointed by anybody."""
    return change.kind == "link" and bool(session.scalar(select(func.itm.is_ordinary(change.account_id))))


def standing_roles(session: AnySession, account: uuid.UUID) -> set[str]:
    return set(
        session.scalars(select(RoleGrant.role).where(RoleGrant.account_id == account, RoleGrant.state != "ended"))
    )


def independent(session: Session, one: uuid.UUID | None, other: uuid.UUID) -> bool:
    """True if neither appointed the other, directly or through others."""
    return bool(session.scalar(select(func.itm.is_independent(one, other))))


def is_fresh_auditor(session: AnySession, account: uuid.UUID) -> bool:
    """True for an auditor without a way in: newly appointed, or ended by two people.

    The administrator makes a link.
    """
    return bool(session.scalar(select(and_(func.itm.audits(account), not_(func.itm.has_way_in(account))))))


def standing_auditor(session: AnySession, actor: Actor, account: Account) -> str | None:
    """The act open for an auditor: 'link' while there is no password, else 'reset'. None: no act."""
    if account.id == actor.id or not session.scalar(select(func.itm.audits(account.id))):
        return None
    if tenancy.current().scope == ACCOUNTS and is_fresh_auditor(session, account.id):
        return "link"
    national = "auditor_national" in standing_roles(session, account.id)
    return "reset" if tenancy.current().scope == ACCOUNTS or national else None
