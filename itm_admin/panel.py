"""The panel: Flask-AppBuilder with the areas' pages and APIs, and the side navigation out of its Menu.

What no area lists has no address. What is listed but declares no subject stays shut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, current_app, request, url_for
from flask_appbuilder import AppBuilder
from flask_appbuilder.menu import Menu
from flask_babel import lazy_gettext as _l

from itm_admin import areas
from itm_admin.accounts import saved_views
from itm_admin.accounts.security import SecurityManager
from itm_admin.foundation import access
from itm_admin.foundation.access import Access
from itm_admin.foundation.actor import shown_actor
from itm_admin.foundation.form_answers import AnswerView
from itm_admin.foundation.i18n import Languages
from itm_admin.foundation.openapi import OpenApiDocument, SwaggerPage
from itm_admin.foundation.views import Frozen
from itm_admin.home import HomeView
from itm_admin.record import parts
from itm_admin.record.area import GROUPS, Area, MenuEntry
from itm_admin.record.kind import kind_named

_HOME = Area("home", views=(MenuEntry(HomeView, _l("Home"), "home", "Work"), AnswerView))
_PRESIDENCY = ("presidency_operator", "presidency_supervisor")
_INTERFACE = Area(
    "interface",
    views=(
        MenuEntry(
            SwaggerPage,
            _l("Programming interface"),
            "document",
            "Administration",
            roles=frozenset({"institution_manager", "system_administrator", *_PRESIDENCY}),
        ),
    ),
    apis=(OpenApiDocument,),
)


def _areas() -> Iterator[Area]:
    """Every area, in the order of the menu's entries."""
    yield from (_HOME, *areas.AREAS, _INTERFACE)


class Panel(AppBuilder):
    """Flask-AppBuilder with the areas in place of its own views, and a menu that the roles' table answers."""

    pages: dict[str, str]
    """The menu's entry to which a view belongs, by the view's name."""

    def init_app(self, app: Flask, session: Any) -> None:
        """Replaces the original, which would register screens that are shut here."""
        app.config.setdefault("FAB_API_MAX_PAGE_SIZE", 100)
        app.config.setdefault("RATELIMIT_ENABLED", False)  # sign-in throttles by itself, in the database
        self._init_extension(app)
        self._session = session
        self.menu = Menu()
        self.update_perms = False  # else each registration would write permissions into ab_* tables
        self.sm = SecurityManager(self)
        self.bm = Languages(self)
        for name, label in GROUPS.items():
            self.menu.add_category(name, label=label)
        for area in _areas():
            area.register(self)
        self.pages = self._entries()
        access.declare_views(app, self.baseviews)
        saved_views.know(app, self.baseviews)
        for view in self.baseviews:
            if isinstance(view, Frozen):
                view.freeze()

    def _entries(self) -> dict[str, str]:
        """TypeError for an entry that names a view which no area has."""
        views = {type(view).__name__: type(view) for view in self.baseviews}
        pages = {f"{name}.{page}" for name, view in views.items() for page in dir(view)}
        known = {*views, *pages}
        found = {name: entry.key for area in _areas() for entry in area.entries() for name in (entry.key, *entry.also)}
        if not known >= found.keys():
            raise TypeError(f"the menu names views that do not exist: {sorted(found.keys() - known)}")
        return found

    def entry_of_page(self) -> str | None:
        """The menu's entry of the page that is asked for, by the page, by its view, or by the record it is about."""
        endpoint, kind = request.endpoint or "", kind_named((request.view_args or {}).get("kind"))
        names = (endpoint, endpoint.partition(".")[0], *(parts.pages_of(kind) if kind is not None else ()))
        return next((self.pages[name] for name in names if name in self.pages), None)


def navigation() -> list[dict[str, Any]]:
    """The groups and links that the signed-in person may follow, as Flask-AppBuilder's menu tells them."""
    if shown_actor() is None:
        return []
    panel: Panel = current_app.extensions["appbuilder"]
    here = panel.entry_of_page()
    return [
        {"label": group["label"], "items": [{**link, "current": link["name"] == here} for link in group["childs"]]}
        for group in panel.menu.get_data()
    ]


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
        if (who := shown_actor()) is not None and access.allowed(endpoint, who):
            return {"find": url_for(endpoint)}
    return {}


FILES = {
    "static": Access("Files", "show", public=True, quiet=True),
    "static_vendor": Access("Files", "show", public=True, quiet=True),
}
"""Endpoints that belong to no view class."""
