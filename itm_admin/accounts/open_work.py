"""The open work of somebody who leaves: the areas that know of it say so, and hand it over.

An area adds its `Keeper` on import; this area knows nothing of cases. Works in the scope of an institution: a system
administrator sees no case, and the database then ends what is assigned (0015/50).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from itm_admin.accounts.models import AccessChange, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.roles import INSTITUTION, ROLES

NOBODY = "nobody"
"""Chosen on purpose: nobody takes the work over yet."""
WORKING = tuple(code for code, role in ROLES.items() if role.covers in ("assigned", "unit"))
"""Roles that work on cases."""


@dataclass(frozen=True)
class Keeper:
    """An area with assignments. `open_ones`: id and name of each; `offer` fills the field of colleagues."""

    kind: str
    open_ones: Callable[[AnySession, uuid.UUID], Sequence[tuple[uuid.UUID, str]]]
    offer: Callable[[Any], None]
    hand_over: Callable[[AnySession, uuid.UUID, uuid.UUID], None]


KEEPERS: list[Keeper] = []


def open_ones(session: AnySession, account: uuid.UUID) -> list[tuple[uuid.UUID, str]]:
    """Id and name of each open assignment of this person, for those who see it."""
    if tenancy.current().scope != INSTITUTION:
        return []
    return [one for keeper in KEEPERS for one in keeper.open_ones(session, account)]


def proposals(session: AnySession, account: uuid.UUID) -> int:
    """The proposals of this person that wait for somebody else: they stay, and are decided as before."""
    wanted = (
        select(func.count()).select_from(RoleGrant).where(
            RoleGrant.state == "proposed", RoleGrant.created_by == account
        ).scalar_subquery(),
        select(func.count()).select_from(AccessChange).where(
            AccessChange.state == "waiting", AccessChange.created_by == account
        ).scalar_subquery(),
    )  # fmt: skip
    return sum(session.execute(select(*wanted)).one())


def offer(field: Any, account: uuid.UUID) -> None:
    """The colleagues who can take the work over, and nobody."""
    for keeper in KEEPERS:
        keeper.offer(field)
    others = [pair for pair in field.choices or () if pair[0] != str(account)]
    later = _("Nobody yet: they stand among the open cases that nobody is assigned to")
    field.choices = [*others[:1], (NOBODY, later), *others[1:]]


def settle(session: AnySession, account: uuid.UUID, successor: str | None) -> None:
    """Hands the open work over. Raises Invalid where there is some and nobody was chosen."""
    if not open_ones(session, account):
        return
    if not successor:
        raise Invalid({"successor": _l("This person has open cases: choose who takes them over.")})
    if successor == NOBODY:
        return
    try:
        colleague = uuid.UUID(successor)
    except ValueError:
        colleague = account
    if colleague == account:
        raise Invalid({"successor": _l("This is not one of the choices.")})
    for keeper in KEEPERS:
        keeper.hand_over(session, account, colleague)


def works_without(session: AnySession, grant: RoleGrant) -> bool:
    """True if the person still works on cases when this role has ended."""
    others = select(RoleGrant.id).where(
        RoleGrant.account_id == grant.account_id, RoleGrant.state == "active", RoleGrant.id != grant.id,
        RoleGrant.role.in_(WORKING),
    )  # fmt: skip
    return grant.role not in WORKING or session.scalar(others.limit(1)) is not None
