"""Whether the person at work may do this to that case: asked by every service of this area.

Row-level security decides what is visible; this decides, in the domain's words, what may be done with what
is seen, so that a refusal is a sentence and not a database error. It must never widen what a policy gives.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from itm_admin.cases.models import Case, CaseAssignment, Person
from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Denied
from itm_admin.foundation.roles import INSTITUTION, ROLES, may
from itm_admin.foundation.tenancy import Context, Units

CLOSED_CIRCLE = frozenset({"CONFIDENTIAL", "SPECIAL"})
"""Cases that the unit does not see: only those assigned to them, and managers."""


@dataclass(frozen=True)
class Actor:
    """The person at work inside an institution."""

    context: Context
    institution: uuid.UUID
    code: str
    account: uuid.UUID


def require(act: str, subject: str) -> Actor:
    """The actor, if one of their roles may do this act on this subject; else Denied."""
    context = tenancy.current()
    if context.scope != INSTITUTION or not may(context.roles, act, subject):
        raise Denied
    if context.institution is None or context.institution_code is None or context.account is None:
        raise Denied
    return Actor(context, context.institution, context.institution_code, context.account)


def covers(units: Units, unit: uuid.UUID) -> bool:
    return units == "*" or unit in units


WORKS_ON_CASES = tuple(code for code, role in ROLES.items() if role.covers in ("assigned", "unit"))
"""Roles whose holders may be assigned: managers see every case of theirs, and auditors work on none."""


def at_work() -> Any:
    """(account_id, roles, units) of the colleagues who may be assigned to cases."""
    return func.itm.holders(cast(list(WORKS_ON_CASES), ARRAY(Text)))


def can_be_assigned(session: AnySession, account: uuid.UUID) -> bool:
    workers = at_work().table_valued("account_id", "roles", "units")
    return session.scalar(select(workers.c.account_id).where(workers.c.account_id == account)) is not None


def is_assigned(session: AnySession, case: Case, account: uuid.UUID) -> bool:
    return session.scalar(
        select(CaseAssignment.id).where(
            CaseAssignment.case_id == case.id, CaseAssignment.account_id == account, CaseAssignment.ended_at.is_(None)
        )
    ) is not None  # fmt: skip


def require_work_on(session: AnySession, case: Case, actor: Actor) -> None:
    """Denied for a case that is seen but not worked on: an open one of another unit."""
    context = actor.context
    if covers(context.manage, case.unit_id) or covers(context.create, case.unit_id):
        return
    if not is_assigned(session, case, actor.account):
        raise Denied


SPECIAL = 3
"""The sensitivity of children: they are seen in full by those assigned to their case, and managers."""


def is_in_circle(session: AnySession, person: Person) -> bool:
    """Whether the actor manages the person's unit or is assigned to one of the person's cases."""
    return bool(session.scalar(select(func.itm.in_circle(person.id, person.unit_id))))


def require_circle(session: AnySession, person: Person) -> None:
    """Denied to those outside the circle of a person of special sensitivity, whatever case shows the person."""
    if person.sensitivity >= SPECIAL and not is_in_circle(session, person):
        raise Denied(_l("Only those assigned to a case of this person, and managers, may do this."))


def require_management(case_unit: uuid.UUID, actor: Actor) -> None:
    """Denied to all but the managers of the record's unit."""
    if not covers(actor.context.manage, case_unit):
        raise Denied
