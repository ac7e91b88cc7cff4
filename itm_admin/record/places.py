"""The unit in which a record without a parent stands. Knows no area: units and accounts are two tables here."""

from __future__ import annotations

import uuid

from sqlalchemy import column, select, table

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Denied, NotFound
from itm_admin.foundation.records import Identifier
from itm_admin.foundation.tenancy import Units
from itm_admin.record.permissions import Actor, covers

_ACCOUNT = table("account", column("id", Identifier), column("unit_id", Identifier))
_UNIT = table(
    "unit", column("id", Identifier), column("institution_id", Identifier), column("parent_id", Identifier),
    column("name"), column("province"),
)  # fmt: skip


def unit_for(
    session: AnySession, actor: Actor, units: Units, wanted: uuid.UUID | None, province: str | None = None
) -> uuid.UUID:
    """The wanted unit, if it is one of `units`; else the province's topmost, the actor's own, or the highest of them.

    NotFound for a unit of another institution, Denied for one beyond the actor's roles.
    """
    unit = _UNIT.c
    if wanted is not None:
        if session.scalar(select(unit.id).where(unit.id == wanted, unit.institution_id == actor.institution)) is None:
            raise NotFound
        if not covers(units, wanted):
            raise Denied
        return wanted
    nearest = _topmost(session, actor, units, province) if province else []
    own: uuid.UUID | None = session.scalar(select(_ACCOUNT.c.unit_id).where(_ACCOUNT.c.id == actor.account))
    if len(nearest) == 1:
        return nearest[0]
    if own is not None and covers(units, own):
        return own
    highest = select(unit.id).where(unit.institution_id == actor.institution)
    if units == "*":
        highest = highest.where(unit.parent_id.is_(None))
    else:
        highest = highest.where(unit.id.in_(units), unit.parent_id.is_(None) | unit.parent_id.not_in(units)).order_by(
            unit.name, unit.id
        )
    found: uuid.UUID | None = session.scalars(highest.limit(1)).one_or_none()
    if found is None:
        raise Denied
    return found


def _topmost(session: AnySession, actor: Actor, units: Units, province: str) -> list[uuid.UUID]:
    """The province's units with no other unit of the province above them."""
    unit = _UNIT.c
    rows = session.execute(
        select(unit.id, unit.parent_id, unit.province).where(unit.institution_id == actor.institution)
    ).all()
    above = {row.id: row.parent_id for row in rows}
    there = {row.id for row in rows if row.province == province and covers(units, row.id)}

    def under_another(id: uuid.UUID) -> bool:
        seen, upper = {id}, above.get(id)
        while upper is not None and upper not in seen:
            if upper in there:
                return True
            seen.add(upper)
            upper = above.get(upper)
        return False

    return sorted((id for id in there if not under_another(id)), key=str)
