"""The register: every page and API of the panel, and the side navigation, in menu order.

What no area lists has no address. What is listed but declares no subject stays shut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request, url_for
from flask_appbuilder import AppBuilder
from flask_appbuilder.menu import Menu
from flask_babel import force_locale
from flask_babel import lazy_gettext as _l

from itm_admin import areas
from itm_admin.accounts import lists as account_lists
from itm_admin.accounts.saved_views import ListWithViews
from itm_admin.accounts.security import SecurityManager
from itm_admin.cases import lists as case_lists
from itm_admin.foundation import access
from itm_admin.foundation.access import Access
from itm_admin.foundation.errors import Message
from itm_admin.foundation.form_answers import AnswerView
from itm_admin.foundation.i18n import Languages
from itm_admin.foundation.openapi import OpenApiDocument, SwaggerPage
from itm_admin.foundation.views import Frozen
from itm_admin.home import HomeView
from itm_admin.oversight import lists as oversight


def views() -> tuple[type, ...]:
    """Every page and API, in the order of the areas."""
    composed = (each for area in areas.AREAS for each in area.classes())
    return (HomeView, AnswerView, *composed, OpenApiDocument, SwaggerPage)


@dataclass(frozen=True)
class NavigationLink:
    """One entry of the side navigation; shown to those whose roles may enter its endpoint."""

    label: Message
    endpoint: str
    icon: str
    also: tuple[str, ...] = ()
    """Views whose pages belong to it as well."""


MENU: tuple[tuple[Message, tuple[NavigationLink, ...]], ...] = (
    (
        _l("Work"),
        (
            NavigationLink(_l("Home"), "HomeView.show", "home"),
            NavigationLink(
                _l("Cases"),
                "CaseView.list",
                "case",
                ("NewCaseView", "CasesTogetherView", "CaseHoldView", "ProfileView"),
            ),
            NavigationLink(_l("Persons"), "PersonView.list", "person", ("PersonHoldView", "ErasureView")),
        ),
    ),
    (
        _l("Oversight"),
        (
            NavigationLink(_l("National overview"), "OversightInstitutionView.list", "building"),
            NavigationLink(_l("Cases of all institutions"), "OversightCaseView.list", "case"),
        ),
    ),
    (
        _l("Audit"),
        (
            NavigationLink(_l("Who looked?"), "LooksView.ask", "eye", ("AuditHistoryView",)),
            NavigationLink(_l("Who looked?"), "InstitutionLooksView.ask", "eye"),
            NavigationLink(_l("Ledgers"), "LedgerView.list", "ledger", ("EvidenceView", "ReceiptView")),
            NavigationLink(_l("Verification"), "VerificationView.list", "check"),
            NavigationLink(
                _l("Our access history"),
                "InstitutionHistoryView.list",
                "history",
                ("InstitutionEvidenceView", "InstitutionReceiptView"),
            ),
            NavigationLink(_l("Alerts"), "AlertView.list", "alert", ("AlertsTogetherView",)),
            NavigationLink(_l("Decisions about ledgers"), "DecisionView.list", "check"),
            NavigationLink(_l("Accounts and roles"), "AuditAccountView.list", "people"),
        ),
    ),
    (
        _l("Administration"),
        (
            NavigationLink(
                _l("Accounts"),
                "AccountView.list",
                "people",
                ("AccountsTogetherView", "AccountHistoryView", "GrantView"),
            ),
            NavigationLink(_l("Approvals"), "ApprovalView.list", "check"),
            NavigationLink(_l("Waiting for confirmation"), "AccessChangeView.list", "check"),
            NavigationLink(_l("Units"), "UnitView.list", "unit"),
            NavigationLink(_l("Register of institutions"), "InstitutionView.list", "building"),
            NavigationLink(_l("Programming interface"), "SwaggerPage.show", "document"),
        ),
    ),
)


class Panel(AppBuilder):
    """Flask-AppBuilder with this register in place of its own views, menu and templates."""

    def init_app(self, app: Flask, session: Any) -> None:
        """Replaces the original, which would register screens that are shut here."""
        app.config.setdefault("FAB_API_MAX_PAGE_SIZE", 100)
        app.config.setdefault("RATELIMIT_ENABLED", False)  # sign-in throttles by itself, in the database
        self._init_extension(app)
        self._session = session
        self.menu = Menu()
        self.update_perms = False
        self.sm = SecurityManager(self)
        self.bm = Languages(self)
        for view in views():
            self.add_view_no_menu(view)
        access.declare_views(app, self.baseviews)
        for view in self.baseviews:
            if isinstance(view, Frozen):
                view.freeze()


def navigation() -> list[dict[str, Any]]:
    """The groups and links that the signed-in person may follow."""
    if g.get("actor") is None:
        return []
    groups = []
    for label, links in MENU:
        shown = [_shown(link) for link in (*links, *_of_areas(label)) if access.allowed(link.endpoint, g.actor)]
        if shown:
            groups.append({"label": label, "items": shown})
    return groups


def _of_areas(category: Message) -> list[NavigationLink]:
    """The entries that areas add to a group of the navigation. They name the group in English."""
    with force_locale("en"):
        name = str(category)
    entries = (each for area in areas.AREAS for each in area.entries() if each.category == name)
    return [NavigationLink(each.name, f"{each.view.__name__}.{each.page}", each.icon) for each in entries]


def _shown(link: NavigationLink) -> dict[str, Any]:
    here = (request.endpoint or "").partition(".")[0] in (link.endpoint.partition(".")[0], *link.also)
    return {"label": link.label, "url": url_for(link.endpoint), "icon": link.icon, "current": here}


def links() -> dict[str, str]:
    """The addresses that the frame around every page needs."""
    return {
        "home": url_for("HomeView.show"),
        "sign_in": url_for("SignInView.sign_in"),
        "sign_out": url_for("OwnSessionView.sign_out"),
        "session": url_for("OwnSessionView.left"),
        "profile": url_for("OwnProfileView.show"),
        "language": url_for("LanguageView.choose"),
        **_finder(),
    }


def _finder() -> dict[str, str]:
    """The target of the header's search box, for people who may search."""
    for endpoint in ("FindView.find", "OversightFindView.find"):
        if g.get("actor") is not None and access.allowed(endpoint, g.actor):
            return {"find": url_for(endpoint)}
    return {}


LISTS = {
    "cases": ListWithViews("CaseView.list", lambda: case_lists.CASES),
    "persons": ListWithViews("PersonView.list", lambda: case_lists.PERSONS),
    "accounts": ListWithViews("AccountView.list", account_lists.here),
    "all_cases": ListWithViews("OversightCaseView.list", lambda: oversight.CASES),
}
"""Lists whose views people may save."""

FILES = {
    "static": Access("Files", "show", public=True, quiet=True),
    "static_vendor": Access("Files", "show", public=True, quiet=True),
}
"""Endpoints that belong to no view class."""
