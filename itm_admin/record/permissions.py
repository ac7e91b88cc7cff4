"""Checks that the person at work may do an act, and tells how far into the institution it reaches.

Row-level security decides which rows are visible; this decides, in the domain's words, what may be done with them, so
that a refusal is a sentence and not a database error. It must never widen what a policy gives. Knows no area.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Denied
from itm_admin.foundation.roles import INSTITUTION, may
from itm_admin.foundation.tenancy import Context, Units


@dataclass(frozen=True)
class Actor:
    """The person at work inside an institution."""

    context: Context
    institution: uuid.UUID
    code: str
    account: uuid.UUID


def require(act: str, subject: str, scopes: tuple[str, ...] = (INSTITUTION,)) -> Actor:
    """The actor, if one of their roles may do this act on this subject in one of these scopes; else Denied."""
    context = tenancy.current()
    if context.scope not in scopes or not may(context.roles, act, subject):
        raise Denied
    if context.institution is None or context.institution_code is None or context.account is None:
        raise Denied
    return Actor(context, context.institution, context.institution_code, context.account)


def covers(units: Units, unit: uuid.UUID) -> bool:
    return units == "*" or unit in units


def require_management(unit: uuid.UUID, actor: Actor) -> None:
    """Denied to all but the managers of the record's unit."""
    if not covers(actor.context.manage, unit):
        raise Denied


def require_work(unit: uuid.UUID, actor: Actor) -> None:
    """Denied to those who neither work in the unit nor manage it."""
    if not covers(working_units(actor), unit):
        raise Denied


def working_units(actor: Actor) -> Units:
    """The units in which the actor works or which they manage."""
    create, manage = actor.context.create, actor.context.manage
    return "*" if "*" in (create, manage) else (*create, *manage)
