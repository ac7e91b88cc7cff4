"""Roles given, approved and ended.

The rules of foundation.roles, in words, before the database's own triggers enforce them (30_rules.sql): nobody gives a
role to oneself, or more than the own role may give; auditors and system administrators hold nothing else; a national
auditor is appointed by two people, one of the Presidency and one from outside it.
"""

from __future__ import annotations

import uuid
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from itm_admin.accounts import changes, open_work, reasons
from itm_admin.accounts.models import Account, GrantApproval, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Conflict, Denied, Invalid, NotFound
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION, OVERSIGHT, ROLES, grantable_by
from itm_admin.institutions.models import Institution, Unit


def given_here(actor: Actor) -> tuple[str, ...]:
    """The roles that this person may give in the present scope."""
    return grantable_by(actor.roles_in(tenancy.current().scope))


def choices(actor: Actor, institution_kind: str) -> list[str]:
    """The roles, among those, that an account of such an institution can hold."""
    return [role for role in given_here(actor) if institution_kind in (ROLES[role].held_in or (institution_kind,))]


def is_rise(role: str, scope: str | None) -> bool:
    """True if another person must confirm it: all but a manager's own staff (`itm.is_rise` is the same)."""
    return not (role in ("focal_point", "caseworker") and scope == INSTITUTION)


def give(
    session: Session, actor: Actor, account: Account, role: str, unit: uuid.UUID | None = None,
    reason: str | None = None,
) -> RoleGrant:  # fmt: skip
    """Gives a role, or proposes it if it needs approvals. Raises Denied or Invalid if a rule forbids it."""
    if account.id == actor.id:
        raise Denied(_l("Nobody gives a role to oneself."))
    kind = session.execute(select(Institution.kind).where(Institution.id == account.institution_id)).scalar_one()
    if role not in ROLES or role not in given_here(actor):
        raise Invalid({"role": _l("You cannot give this role.")})
    if role not in choices(actor, kind):
        raise Invalid({"role": _l("This role cannot be held in this institution.")})
    _check_alone(session, account, role)
    reasons.because(session, "give", reason)
    grant = RoleGrant(
        institution_id=account.institution_id,
        account_id=account.id,
        role=role,
        unit_id=_unit(session, account, role, unit),
        state="proposed" if is_rise(role, tenancy.current().scope) else "active",
    )
    session.add(grant)
    session.flush()
    return grant


def get(session: Session, actor: Actor, grant_id: uuid.UUID) -> RoleGrant:
    """The grant, if this person may end it. Raises NotFound or Denied."""
    grant = _locked(session, grant_id)
    if grant.account_id == actor.id:
        raise Denied(_l("Nobody ends an own role."))
    if grant.role not in given_here(actor):
        raise Denied(_l("You cannot give or take this role."))
    return grant


def end(
    session: Session, actor: Actor, grant_id: uuid.UUID, version: int | None = None, reason: str | None = None,
    successor: str | None = None,
) -> RoleGrant:  # fmt: skip
    """Ends a grant, or withdraws a proposal; the account's sessions end with it.

    `successor` takes over the open work of somebody who works on no case any more (open_work.settle).
    """
    _locked(session, grant_id, version)
    grant = get(session, actor, grant_id)
    if grant.state == "ended":
        raise Invalid({"": _l("This role has ended already.")})
    reasons.because(session, "end", reason)
    if grant.state == "active" and grant.role in changes.AUDITORS:
        changes.ask(session, actor, session.get_one(Account, grant.account_id), "end", grant)
        return grant
    if grant.role == "system_administrator":
        keep_one_administrator(session, grant.account_id)
    if grant.state == "active" and not open_work.works_without(session, grant):
        open_work.settle(session, grant.account_id, successor)
    grant.state = "ended"
    session.flush()
    return grant


def approve(session: Session, actor: Actor, grant_id: uuid.UUID) -> RoleGrant:
    """Approves a proposal. The last required approval makes the role active."""
    grant = _locked(session, grant_id)
    if grant.state != "proposed":
        raise Invalid({"": _l("This role does not wait for an approval.")})
    if actor.id in (grant.account_id, grant.created_by):
        raise Denied(_l("Who proposed the role, or is to hold it, cannot approve it."))
    if not may_approve(actor, grant):
        raise Denied
    if not ROLES[grant.role].approvals and not changes.independent(session, grant.created_by, actor.id):
        raise Denied(_l("One of you appointed the other: somebody independent has to confirm it."))
    before = select(GrantApproval.approver_id).where(GrantApproval.grant_id == grant.id)
    if actor.id in session.execute(before).scalars().all():
        raise Invalid({"": _l("You have approved this already.")})
    session.add(
        GrantApproval(
            institution_id=grant.institution_id,
            grant_id=grant.id,
            approver_id=actor.id,
            approver_institution_id=actor.institution_id,
        )
    )
    session.flush()
    if _approved_enough(session, grant):
        grant.state = "active"
        session.flush()
    return grant


def refuse(session: Session, actor: Actor, grant_id: uuid.UUID) -> RoleGrant:
    """Refuses a proposal: it ends."""
    grant = _locked(session, grant_id)
    if grant.state != "proposed":
        raise Invalid({"": _l("This role does not wait for an approval.")})
    if actor.id == grant.account_id or not may_approve(actor, grant):
        raise Denied
    grant.state = "ended"
    session.flush()
    return grant


def waiting(session: Session, actor: Actor) -> list[tuple[RoleGrant, Account, list[GrantApproval]]]:
    """The proposals that this person may see in the present scope, oldest first."""
    grants = session.execute(
        select(RoleGrant, Account)
        .join(Account, Account.id == RoleGrant.account_id)
        .where(RoleGrant.state == "proposed", *_own_only(actor))
        .order_by(RoleGrant.created_at, RoleGrant.id)
    ).all()
    ids = [grant.id for grant, _account in grants]
    given = session.execute(select(GrantApproval).where(GrantApproval.grant_id.in_(ids))).scalars().all() if ids else []
    return [(grant, account, [each for each in given if each.grant_id == grant.id]) for grant, account in grants]


def what_waits(session: AnySession, actor: Actor) -> list[tuple[str, str]]:
    """(sentence, endpoint) for the home page: the decisions open to this person as a second one. One statement."""
    overseeing = tenancy.current().scope == OVERSIGHT
    page, subject = ("ApprovalView.list", "GrantApproval") if overseeing else ("GrantView.list", "RoleGrant")
    counted = (
        changes.to_decide(actor) if actor.may("approve", "AccessChange") else select(literal(0)),
        _to_approve(actor) if actor.may("approve", subject) else select(literal(0)),
    )
    people, roles = session.execute(select(*(each.scalar_subquery() for each in counted))).one()
    said = (
        (ngettext("%(num)s person waits for your confirmation", "%(num)s people wait for your confirmation", people)),
        (ngettext("%(num)s proposed role waits for your approval",
                  "%(num)s proposed roles wait for your approval", roles)),
    )  # fmt: skip
    return [
        (str(words), endpoint)
        for words, number, endpoint in zip(said, (people, roles), ("AccessChangeView.list", page), strict=True)
        if number
    ]


def _to_approve(actor: Actor) -> Select[Any]:
    """Selects the proposals that this person may approve now; the rules of `approve` as one statement."""
    by_several = [role for role, each in ROLES.items() if each.approvals]
    mine = exists().where(GrantApproval.grant_id == RoleGrant.id, GrantApproval.approver_id == actor.id)
    several = RoleGrant.role.in_(by_several)
    return select(func.count()).where(
        RoleGrant.state == "proposed",
        RoleGrant.account_id != actor.id,
        RoleGrant.created_by.is_distinct_from(actor.id),
        ~mine,
        or_(several, func.itm.is_independent(RoleGrant.created_by, actor.id)),
        *([~several] if tenancy.current().scope == ACCOUNTS else []),
        *_own_only(actor),
    )


def keep_one_administrator(session: AnySession, without: uuid.UUID) -> None:
    """Raises Denied if no other account could administer the accounts."""
    others = session.execute(
        select(func.count())
        .select_from(RoleGrant)
        .join(Account, Account.id == RoleGrant.account_id)
        .where(
            RoleGrant.role == "system_administrator",
            RoleGrant.state == "active",
            RoleGrant.account_id != without,
            Account.active,
        )
    ).scalar_one()
    if not others:
        raise Denied(_l("This is the last system administrator."))


def _own_only(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return (RoleGrant.institution_id == actor.institution_id,) if tenancy.current().scope == INSTITUTION else ()


def may_approve(actor: Actor, grant: RoleGrant) -> bool:
    """True if such a proposal asks for this person's approval."""
    scope = tenancy.current().scope
    if scope == OVERSIGHT:
        return "presidency_supervisor" in actor.roles
    if scope == ACCOUNTS:
        return not ROLES[grant.role].approvals
    return (
        scope == INSTITUTION
        and "institution_manager" in actor.roles
        and grant.institution_id == actor.institution_id
        and not actor.is_presidency
    )


def _approved_enough(session: Session, grant: RoleGrant) -> bool:
    """True with one independent approval; for a national auditor two, one of the Presidency and one from outside it."""
    given = session.execute(
        select(Institution.kind, GrantApproval.approver_id)
        .join(GrantApproval, GrantApproval.approver_institution_id == Institution.id)
        .where(GrantApproval.grant_id == grant.id)
    ).all()
    if not any(changes.independent(session, grant.created_by, each.approver_id) for each in given):
        return False
    inside = [each.kind == "presidency" for each in given]
    return not ROLES[grant.role].approvals or (
        len(inside) >= ROLES[grant.role].approvals and any(inside) and not all(inside)
    )


def _check_alone(session: Session, account: Account, role: str) -> None:
    standing = session.execute(
        select(RoleGrant.role).where(RoleGrant.account_id == account.id, RoleGrant.state != "ended")
    ).scalars()
    for held in standing:
        if held != role and (ROLES[role].exclusive or (held in ROLES and ROLES[held].exclusive)):
            raise Invalid({"role": _l("This role is held alone: an auditor or system administrator has no other.")})


def _unit(session: Session, account: Account, role: str, unit: uuid.UUID | None) -> uuid.UUID | None:
    if unit is None:
        return None
    if ROLES[role].whole_institution:
        raise Invalid({"unit": _l("This role always covers the whole institution.")})
    found = session.execute(
        select(Unit.id).where(Unit.id == unit, Unit.institution_id == account.institution_id)
    ).scalar_one_or_none()
    if found is None:
        raise Invalid({"unit": _l("This is not one of the choices.")})
    return found


def _locked(session: Session, grant_id: uuid.UUID, version: int | None = None) -> RoleGrant:
    """The grant, locked against a second approval or end at the same time."""
    wanted = select(RoleGrant).where(RoleGrant.id == grant_id)
    if tenancy.current().scope not in (INSTITUTION, OVERSIGHT, ACCOUNTS):
        raise NotFound
    found = session.execute(wanted.with_for_update().execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise NotFound
    if version is not None and found.row_version != version:
        raise Conflict(found.row_version)
    return found
