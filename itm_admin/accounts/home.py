"""A system administrator's first page: the number of accounts, and the institutions without a manager."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from itm_admin.accounts import grants
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation.actor import me
from itm_admin.institutions.models import Institution


def administrator_home(session: Session) -> dict[str, Any]:
    """For accounts/home.html. Two statements; nothing of any case."""
    counts = session.execute(
        select(
            func.count().filter(Account.active),
            func.count().filter(~Account.active),
            func.count().filter(Account.last_login.is_(None)),
            select(func.count()).select_from(RoleGrant).where(RoleGrant.state == "proposed").scalar_subquery(),
        )
    ).one()
    managed = exists().where(
        RoleGrant.institution_id == Institution.id,
        RoleGrant.role == "institution_manager",
        RoleGrant.state == "active",
        Account.id == RoleGrant.account_id,
        Account.active,
    )
    labels = (_("Active accounts"), _("Suspended accounts"), _("Never signed in"), _("Appointments that wait"))
    return {
        "waiting": grants.what_waits(session, me()),
        "counts": [(label, str(number)) for label, number in zip(labels, counts, strict=True)],
        "without_manager": session.execute(
            select(Institution).where(~managed, Institution.status == "active").order_by(Institution.code)
        )
        .scalars()
        .all(),
    }
