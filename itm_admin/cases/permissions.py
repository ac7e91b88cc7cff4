"""Checks that the person at work may act on a case or person. Every service of this area asks it.

It narrows what row-level security shows and never widens it; what all records share is in record/permissions.py.
"""

from __future__ import annotations

import uuid
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from itm_admin.cases.models import Case, CaseAssignment, Person
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Denied
from itm_admin.foundation.roles import ROLES
from itm_admin.record.permissions import Actor, covers

CLOSED_CIRCLE = frozenset({"CONFIDENTIAL", "SPECIAL"})
"""Cases that the unit does not see: only those assigned to them, and managers."""


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
    """True if the actor manages the person's unit or is assigned to one of the person's cases."""
    return bool(session.scalar(select(func.itm.in_circle(person.id, person.unit_id))))


def require_circle(session: AnySession, person: Person) -> None:
    """Raises Denied outside the circle of a person of special sensitivity, also where another case shows the person."""
    if person.sensitivity >= SPECIAL and not is_in_circle(session, person):
        raise Denied(_l("Only those assigned to a case of this person, and managers, may do this."))
