"""A person's preferences for lists: saved views, and the height of rows.

Nothing here is a record of anybody, and no input is in an address.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import current_app, flash, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.accounts import saved_views
from itm_admin.accounts.models import SavedView
from itm_admin.foundation.actor import me
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.once import once, unless_repeated
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, route, safe_next_url
from itm_admin.record.checks import ChoiceCheck
from itm_admin.record.schema import Input, load

COOKIES = {"rows": ("itm-rows", ("comfortable", "compact")), "keys": ("itm-keys", ("on", "off"))}
"""Cookies for the height of rows and for single-key shortcuts; they reveal nothing about anybody."""
_A_YEAR = 365 * 24 * 3600


class PreferenceView(Page):
    """Buttons of the lists; each returns to its list."""

    subject = "Preference"
    route_base = "/preferences"

    @route("/rows", act="edit", methods=("POST",))
    def rows(self) -> Response:
        return _remember("rows")

    @route("/keys", act="edit", methods=("POST",))
    def keys(self) -> Response:
        """Single keys can be switched off (WCAG 2.1.4): some people's aids send keys that they did not press."""
        return _remember("keys")

    @route("/views", act="edit", methods=("POST",))
    def keep(self) -> Response:
        form = request.form
        name, opens = form.get("list", ""), form.get("opens") == "yes"
        where = saved_views.kept_list(name)
        kept = _attempt(
            lambda session: once(session, SavedView, lambda: _kept(session, name, form, opens)).query,
            _("The view is saved."),
        )
        return redirect(f"{url_for(where.endpoint)}?{kept}" if kept else safe_next_url(form.get("next")), 303)

    @route("/views/<uuid:id>", act="edit", methods=("POST",))
    def change(self, id: uuid.UUID) -> Response:
        form = request.form
        _attempt(
            lambda session: (
                saved_views.change(session, id, form.get("label", ""), form.get("opens") == "yes").list_name
            ),
            _("The view is changed."),
        )
        return redirect(safe_next_url(form.get("next")), 303)

    @route("/views/<uuid:id>/remove", act="edit", methods=("POST",))
    def remove(self, id: uuid.UUID) -> Response:
        _attempt(
            lambda session: str(unless_repeated(session, lambda: saved_views.remove(session, id).list_name)),
            _("The view is removed."),
        )
        return redirect(safe_next_url(request.form.get("next")), 303)


def _kept(session: Session, name: str, form: Mapping[str, str], opens: bool) -> SavedView:
    return saved_views.keep(session, me(), name, form.get("label", ""), form.get("query", ""), opens)


def _remember(name: str) -> Response:
    """Stores the choice in a cookie of its own; returns to the page of the choice."""
    cookie, choices = COOKIES[name]
    schema: Any = Input.from_dict({name: ChoiceCheck(dict.fromkeys(choices, ""), required=True)})
    chosen: str = load(schema, {name: request.form.get(name)})[name]
    answer = redirect(safe_next_url(request.form.get("next")), 303)
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    answer.set_cookie(host_cookie(cookie), chosen, max_age=_A_YEAR, httponly=True, samesite="Lax", secure=secure)
    return answer


def host_cookie(name: str) -> str:
    """The cookie's name: bound to this host under HTTPS, where browsers let no other host of the domain write it."""
    return f"__Host-{name}" if current_app.config["SESSION_COOKIE_SECURE"] else name


def preference(name: str) -> str | None:
    """A person's choice; also one that was stored before the panel was reached by HTTPS alone."""
    return request.cookies.get(host_cookie(name)) or request.cookies.get(name)


def _attempt(work: Callable[[Session], str], said: str) -> str | None:
    """Runs one transaction; a refusal is shown on the list."""
    try:
        with writing() as session:
            done = work(session)
    except Invalid as error:
        flash(str(error), "warning")
        return None
    flash(said)
    return done
