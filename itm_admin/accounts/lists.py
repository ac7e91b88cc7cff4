"""The list of accounts. Names of people are no filter: they would be in the address."""

from __future__ import annotations

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import exists, select

from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.i18n import language
from itm_admin.foundation.lists import Cell, Column, Filter, Listing
from itm_admin.foundation.roles import AUDIT, INSTITUTION, ROLES
from itm_admin.foundation.turkish import shown_order, turkish_order, turkish_sort_key
from itm_admin.institutions.models import Institution


def roles_of(account: Account) -> str:
    """The labels of standing roles; those waiting for approval say so."""
    standing = [grant for grant in account.grants if grant.state != "ended" and grant.role in ROLES]
    waits = _("proposed")
    labels = {
        f"{ROLES[grant.role].label} ({waits})" if grant.state == "proposed" else str(ROLES[grant.role].label)
        for grant in standing
    }
    return ", ".join(sorted(labels, key=turkish_sort_key))


def state_of(account: Account) -> Cell:
    return Cell("badge", _("Active"), "good") if account.active else Cell("badge", _("Suspended"), "bad")


def institution_choices() -> list[tuple[str, str]]:
    """Read once in a request: a filter is checked, named and offered."""
    if "institution_choices" not in g:
        rows = db.session.execute(select(Institution).order_by(Institution.code)).scalars()
        turkish = language() == "tr"
        g.institution_choices = [
            (each.code, f"{each.code} – {each.name_tr if turkish else each.name_en}") for each in rows
        ]
    found: list[tuple[str, str]] = g.institution_choices
    return found


def _institution_of(account: Account) -> str:
    home = account.institution
    return str(home.name_tr if language() == "tr" else home.name_en)


_NAME = Column[Account](
    "name",
    _l("Name"),
    lambda account: Cell("link", account.get_full_name()),
    (turkish_order(Account.last_name), turkish_order(Account.first_name)),
)
_USERNAME = Column[Account](
    "username", _l("User name"), lambda account: Cell("text", account.username), (Account.username,)
)
_INSTITUTION = Column[Account](
    "institution",
    _l("Institution"),
    lambda account: Cell("text", _institution_of(account)),
    (
        select(shown_order(Institution.name_tr, Institution.name_en))
        .where(Institution.id == Account.institution_id)
        .scalar_subquery(),
    ),
)
_ROLES = Column[Account]("roles", _l("Roles"), lambda account: Cell("text", roles_of(account)))
_STATE = Column[Account]("active", _l("Status"), state_of, (Account.active,))
_LAST = Column[Account](
    "last_login", _l("Last sign-in"), lambda account: Cell("moment", account.last_login), (Account.last_login,)
)

_BY_ROLE = Filter(
    "role",
    _l("Role"),
    "choice",
    lambda code: exists().where(RoleGrant.account_id == Account.id, RoleGrant.role == code, RoleGrant.state != "ended"),
    lambda: [(code, str(role.label)) for code, role in ROLES.items()],
)
_BY_STATE = Filter("active", _l("Active"), "flag", lambda wanted: Account.active.is_(wanted))
_BY_INSTITUTION = Filter(
    "institution",
    _l("Institution"),
    "choice",
    lambda code: Account.institution_id == select(Institution.id).where(Institution.code == code).scalar_subquery(),
    institution_choices,
)


def _page() -> str:
    """An auditor reads the account on a page of the own scope."""
    return "AuditAccountView.show" if tenancy.current().scope == AUDIT else "AccountView.show"


def _listing(columns: tuple[Column[Account], ...], filters: tuple[Filter, ...]) -> Listing[Account]:
    return Listing(
        caption=_l("Accounts"),
        empty_text=_l("There is no account yet."),
        identify=lambda account: str(account.id),
        link=lambda account: url_for(_page(), id=account.id),
        default_sort="name",
        tie=(Account.username, Account.id),
        columns=columns,
        filters=filters,
        name="accounts",
    )


OWN = _listing((_NAME, _USERNAME, _ROLES, _STATE, _LAST), (_BY_ROLE, _BY_STATE))
ALL = _listing((_NAME, _USERNAME, _INSTITUTION, _ROLES, _STATE, _LAST), (_BY_INSTITUTION, _BY_ROLE, _BY_STATE))


def here() -> Listing[Account]:
    """The list of the present scope: one's own institution's accounts, or all."""
    return OWN if tenancy.current().scope == INSTITUTION else ALL
