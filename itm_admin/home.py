"""The first page after signing in: each kind of work has its own, chosen by the scope that is bound."""

from __future__ import annotations

from itm_admin.accounts.home import administrator_home
from itm_admin.assurance.home import auditor_home
from itm_admin.cases.home import institution_home
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, INSTITUTION, OVERSIGHT
from itm_admin.foundation.views import Page, route
from itm_admin.oversight.home import presidency_home

_HOMES = {
    INSTITUTION: ("cases/home.html", institution_home),
    OVERSIGHT: ("oversight/home.html", presidency_home),
    AUDIT: ("assurance/home.html", auditor_home),
    ACCOUNTS: ("accounts/home.html", administrator_home),
}


class HomeView(Page):
    """Waiting work, and links to continue."""

    subject = "Home"
    scopes = (OVERSIGHT, INSTITUTION, AUDIT, ACCOUNTS)
    route_base = ""
    default_view = "show"

    @route("/", act="get")
    def show(self) -> str:
        template, facts = _HOMES[tenancy.current().scope or ""]
        return self.render(template, **facts(db.session))
