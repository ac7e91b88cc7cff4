"""Filters and orders of the list of accounts that no field has.

Names of people are no filter: they would be in the address.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import and_, exists, func, or_, select

from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation.database import db
from itm_admin.foundation.lists import Filter
from itm_admin.foundation.roles import ROLES
from itm_admin.foundation.turkish import shown_order, turkish_order
from itm_admin.institutions.models import Institution


def institution_choices() -> list[tuple[str, str]]:
    """Read once in a request: a filter is checked, named and offered."""
    if "institution_choices" not in g:
        rows = db.session.scalars(select(Institution).order_by(Institution.code))
        g.institution_choices = [(each.code, f"{each.code} – {each.name}") for each in rows]
    found: list[tuple[str, str]] = g.institution_choices
    return found


BY_NAME = (turkish_order(Account.last_name), turkish_order(Account.first_name))
BY_HOME = (
    select(shown_order(Institution.name_tr, Institution.name_en))
    .where(Institution.id == Account.institution_id)
    .scalar_subquery(),
)
OF_INSTITUTION = Filter(
    "institution",
    _l("Institution"),
    "choice",
    lambda code: Account.institution_id == select(Institution.id).where(Institution.code == code).scalar_subquery(),
    institution_choices,
)
SILENT = timedelta(days=90)
OF_SILENCE = Filter(
    "silence",
    _l("Silence"),
    "choice",
    lambda code: _left() if code == "left" else _silent(never=code == "never"),
    lambda: [
        ("90", str(_l("No sign-in for 90 days"))),
        ("never", str(_l("Never signed in"))),
        ("left", str(_l("Left: suspended, or without a role"))),
    ],
)
OF_ROLE = Filter(
    "role",
    _l("Role"),
    "choice",
    lambda code: exists().where(RoleGrant.account_id == Account.id, RoleGrant.role == code, RoleGrant.state != "ended"),
    lambda: [(code, str(role.label)) for code, role in ROLES.items()],
)


def _silent(never: bool) -> Any:
    """Accounts that may sign in, and do not: a manager asks whether the person is still there."""
    if never:
        return and_(Account.active, Account.last_login.is_(None))
    last = func.coalesce(Account.last_login, Account.created_at)
    return and_(Account.active, last < datetime.now(UTC) - SILENT)


def _left() -> Any:
    """Accounts that nobody works with any more: suspended, or with no standing role."""
    return or_(~Account.active, ~exists().where(RoleGrant.account_id == Account.id, RoleGrant.state != "ended"))
