"""Saved views of lists: filters, order and columns under a name of the person's own.

A saved query is the listing's canonical text: it never holds a search term, and is read as strictly as an address.
Row-level security shows each person their own alone. They are preferences, so the ledger has no entry of them; a typed
name stays in this table, which its person may empty.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, current_app, g, redirect, request, url_for
from flask_babel import lazy_gettext as _l
from marshmallow import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.accounts.models import SavedView
from itm_admin.foundation import access, tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, NotFound
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.name_folding import clean_name
from itm_admin.record.checks import TextCheck
from itm_admin.record.schema import Input, load

MOST = 12
"""Views that a person may save of one list."""
LONGEST = 60
_LIKE_A_NUMBER = re.compile(r"(?:\d[\s.-]?){7,}")


@dataclass(frozen=True)
class ListWithViews:
    """A list whose views can be saved: its endpoint, and its listing in the present scope."""

    endpoint: str
    listing: Callable[[], Listing[Any]]


@dataclass(frozen=True)
class Tab:
    """One view as a tab above its list."""

    id: uuid.UUID
    label: str
    url: str
    current: bool
    opens: bool


def install(app: Flask) -> None:
    """Opens lists in the view that the person chose for them, and shows their views above them."""
    app.extensions["itm_kept_lists"] = {}
    app.before_request(_open)
    app.jinja_env.globals["saved_views"] = tabs


def know(app: Flask, views: Iterable[Any]) -> None:
    """Reads the lists with a name from the registered pages. TypeError if two have the same."""
    lists: dict[str, ListWithViews] = app.extensions["itm_kept_lists"]
    for view in views:
        listing, page = getattr(view, "listing", None), f"{view.endpoint}.list"
        if listing is not None and listing.name:
            found = ListWithViews(page, getattr(view, "listed", partial(getattr, view, "listing")))
            if lists.setdefault(listing.name, found).endpoint != page:
                raise TypeError(f"two lists are called {listing.name!r}")


def kept_list(name: str) -> ListWithViews:
    """The list of this name. Raises Invalid if there is none, or not for this person."""
    found: ListWithViews | None = current_app.extensions["itm_kept_lists"].get(name)
    if found is None or not access.allowed(found.endpoint, g.actor):
        raise Invalid({"list": _l("There is no such list.")})
    return found


def tabs(name: str, query: str) -> list[Tab] | None:
    """The person's views of a list by name; `query` is the present one. None if this page saves no views."""
    where: ListWithViews | None = current_app.extensions["itm_kept_lists"].get(name)
    if where is None or where.endpoint != request.endpoint:
        return None  # the same columns on another page: of deleted records, or for auditors
    path = url_for(where.endpoint)
    return [
        Tab(view.id, view.label, f"{path}?{view.query}", view.query == query, view.opens)
        for view in _of(db.session(), name)
    ]


def keep(session: Session, actor: Actor, name: str, label: str, query: str, opens: bool) -> SavedView:
    """Saves a new view. Raises Invalid if the list does not know the query, or the label is not allowed."""
    where = kept_list(name)
    canonical = _checked(session, actor, where, query)
    label = _label(label)
    kept = session.scalar(select(func.count()).select_from(SavedView).where(SavedView.list_name == name)) or 0
    if kept >= MOST:
        raise Invalid({"label": _l("You keep as many views of this list as there is room for. Remove one first.")})
    _free(session, name, label)
    if opens:
        _opens_no_more(session, name)
    view = SavedView(
        institution_id=actor.institution_id, account_id=actor.id, list_name=name, label=label, query=canonical,
        opens=opens,
    )  # fmt: skip
    session.add(view)
    session.flush()
    return view


def change(session: Session, view_id: uuid.UUID, label: str, opens: bool) -> SavedView:
    """Changes its name, and if the list opens with it."""
    view = get(session, view_id)
    label = _label(label)
    if label != view.label:
        _free(session, view.list_name, label)
    if opens and not view.opens:
        _opens_no_more(session, view.list_name)
    view.label, view.opens = label, opens
    session.flush()
    return view


def remove(session: Session, view_id: uuid.UUID) -> SavedView:
    view = get(session, view_id)
    session.delete(view)
    session.flush()
    return view


def get(session: Session, view_id: uuid.UUID) -> SavedView:
    """One's own view. Raises NotFound."""
    found = session.get(SavedView, view_id)
    if found is None:
        raise NotFound
    return found


class _LabelCheck(TextCheck):
    """A short name of one line. Refuses text like a person's number: no list is named after people."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> str:
        label = clean_name(value) if isinstance(value, str) else ""
        if not 0 < len(label) <= LONGEST or not label.isprintable():
            raise ValidationError(_l("Give the view a name of at most 60 characters."))
        if _LIKE_A_NUMBER.search(label):
            raise ValidationError(_l("A view's name must not hold an identity or telephone number."))
        return label


class LabelInput(Input):
    label = _LabelCheck(most=LONGEST, required=True)


def _label(typed: str) -> str:
    label: str = load(LabelInput, {"label": typed})["label"]
    return label


def _checked(session: Session, actor: Actor, where: ListWithViews, query: str) -> str:
    """The canonical text, read by the list itself in the scope in which the person works there."""
    declared = access.access_of(where.endpoint)
    scope = access.scope_for(declared, actor.roles) if declared else None
    if scope is None:
        raise Invalid({"list": _l("There is no such list.")})
    with tenancy.acting(actor.context(scope), session):
        listing = where.listing()
        return listing.canonical(listing.parse(query))


def _of(session: Session, name: str) -> list[SavedView]:
    """Read once in a request: the list may open in one of them, and all are above it."""
    if "saved_views" not in g:
        g.saved_views = {}
    if name not in g.saved_views:
        order = (SavedView.label, SavedView.id)
        g.saved_views[name] = list(
            session.scalars(select(SavedView).where(SavedView.list_name == name).order_by(*order))
        )
    found: list[SavedView] = g.saved_views[name]
    return found


def _free(session: Session, name: str, label: str) -> None:
    taken = select(SavedView.id).where(SavedView.list_name == name, SavedView.label == label)
    if session.scalar(taken) is not None:
        raise Invalid({"label": _l("You have a view of this name already.")})


def _opens_no_more(session: Session, name: str) -> None:
    session.execute(update(SavedView).where(SavedView.list_name == name, SavedView.opens).values(opens=False))


def _open() -> Response | None:
    """Redirects to the person's own view if the address has no query. A view that the list does not know is ignored."""
    if request.method != "GET" or request.args or g.get("actor") is None:
        return None
    lists: Mapping[str, ListWithViews] = current_app.extensions["itm_kept_lists"]
    for name, where in lists.items():
        if where.endpoint == request.endpoint:
            view = next((each for each in _of(db.session(), name) if each.opens), None)
            if view is not None and _known(where, view.query):
                return redirect(f"{url_for(where.endpoint)}?{view.query}")
    return None


def _known(where: ListWithViews, query: str) -> bool:
    try:
        where.listing().parse(query)
    except Invalid:
        return False
    return True
