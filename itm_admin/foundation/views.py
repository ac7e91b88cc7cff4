"""The base of every page: Flask-AppBuilder's view, with a declared subject and scope.

A page belongs to one subject of the roles' table and serves named scopes. Views are singletons, shared by
all threads: they keep no state of a request.
"""

from __future__ import annotations

from typing import Any, ClassVar

from flask import current_app, make_response, redirect, render_template, url_for
from flask_appbuilder import BaseView
from werkzeug.wrappers import Response

from itm_admin.foundation.access import route, shut_forgotten
from itm_admin.foundation.encryption import Keyring

__all__ = ["REMASK_AFTER", "Frozen", "Page", "keyring", "redirect_after_post", "revealing", "route", "safe_next_url"]


def keyring() -> Keyring:
    """The application's keys, for services that seal or open protected values."""
    found: Keyring = current_app.extensions["itm_keyring"]
    return found


REMASK_AFTER = 600
"""Seconds for which revealed values may stand on a screen."""


def revealing(page: str, back: str) -> Response:
    """A page with revealed values. It returns by itself, also in a browser without scripts."""
    response = make_response(page)
    response.headers["Refresh"] = f"{REMASK_AFTER}; url={back}"
    return response


def redirect_after_post(endpoint: str, **values: Any) -> Response:
    """Redirects after a change (303), so that a reload repeats nothing."""
    return redirect(url_for(endpoint, **values), 303)


def safe_next_url(address: str | None) -> str:
    """An address of this panel to continue at; the first page in place of any other."""
    wanted = address or ""
    plain = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if plain else url_for("HomeView.show")


class Frozen:
    """A view is shared by all threads: once the panel is put together, nothing is written on it any more."""

    def freeze(self) -> None:
        self.__dict__["_frozen"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get("_frozen"):
            raise TypeError(f"{type(self).__name__}.{name}: a view keeps nothing of a request")
        super().__setattr__(name, value)


class Page(Frozen, BaseView):
    """A set of pages about one subject. Without a subject its routes stay shut."""

    subject: ClassVar[str | None] = None
    scopes: ClassVar[tuple[str, ...]] = ()
    is_api: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        shut_forgotten(cls)

    def __init__(self) -> None:
        self.class_permission_name = self.subject
        super().__init__()

    def render(self, template: str, **values: Any) -> str:
        """A page of `itm_admin/templates`. What it shows is queued with `record_read` beforehand."""
        return render_template(template, **values)
