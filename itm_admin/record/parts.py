"""Ways between a record and its parts: lists of them on its page, buttons that add one, and the way back.

A part is a record of a kind whose `parent` is the other kind. The pages of each kind are known from their classes; one
that is not registered in the panel, or that the person may not enter, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask import g, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup

from itm_admin.foundation import access, tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.list_parts import Query
from itm_admin.foundation.shown_list import Shown
from itm_admin.record.kind import Kind, kind_of

if TYPE_CHECKING:
    from itm_admin.record.pages import RecordPage

MOST = 10
"""So many parts of a kind stand on the page of their record."""
_PAGES: list[type[RecordPage]] = []


def know(cls: type[RecordPage]) -> None:
    """Remembers a class of pages with a kind of its own."""
    _PAGES.append(cls)


def new_parts(page: RecordPage, record: Any) -> Iterator[tuple[str, str, str]]:
    """Buttons for a new record in this one: address, text, tone. Parts whose form has an own address have none."""
    for cls in _PAGES:
        model = cls.datamodel
        if model.parent is None or model.parent.kind is not page.datamodel.kind or "add" in vars(cls):
            continue
        if _may(cls, "add") and model.why_locked_inside(record) is None:
            label = _("New: %(what)s", what=str(model.kind.info.label))
            yield url_for(f"{cls.__name__}.add", parent=record.id), label, "secondary"


@dataclass(frozen=True)
class PartList:
    """The newest parts of one kind, or the first ones in the order of their list; `more` leads to all of them.

    `overview`: a summary of the parts, above the list.
    """

    listing: Shown[Any]
    heading: str
    more: str | None
    overview: Markup | None = None


def lists(page: RecordPage, record: Any) -> Iterator[PartList]:
    """The parts that the person at work may list, by each part's own rights; each list is an entry of its own."""
    for cls in _PAGES:
        model = cls.datamodel
        if model.parent is None or model.parent.kind is not page.datamodel.kind or not _lists(cls):
            continue
        link, listing = model.parent_link.name if model.parent_link else "", cls.listed()
        query = Query(sort=listing.default_sort)
        wanted = listing.narrowed(model.query().where(getattr(model.model, link) == record.id), query)
        found = list(db.session.scalars(wanted.limit(MOST + 1)).unique())
        columns = tuple(each.name for each in listing.columns if each.name != cls.address_names.get(link, link))
        if not _may(cls, "show"):
            listing = replace(listing, link=None)
        shown = listing.all(found[:MOST], Query(columns=columns))
        shown.record(model.kind.name, detail={"page": request.endpoint or ""})
        filters = {each.name for each in listing.filters}
        more = url_for(f"{cls.__name__}.list", **({link: record.id} if link in filters else {}))
        yield PartList(shown, str(shown.caption), more if len(found) > MOST else None, cls.overview(record))


def pages_of(kind: Kind) -> Iterator[str]:
    """The names of the classes with pages of a kind, then of those whose subject opens its history."""
    yield from (cls.__name__ for cls in _PAGES if cls.datamodel.kind is kind)
    yield from (cls.__name__ for cls in _PAGES if cls.datamodel.subject == kind.info.history)


def url_of(record: Any) -> str | None:
    """The address of a record's page; None if there is none for the person at work."""
    for cls in _PAGES:
        if cls.datamodel.kind is kind_of(type(record)) and "show" not in vars(cls) and _may(cls, "show"):
            return url_for(f"{cls.__name__}.show", id=record.id)
    return None


def _lists(cls: type[RecordPage]) -> bool:
    return hasattr(cls, "listing") and tenancy.current().scope in cls.scopes and _may(cls, "list")


def _may(cls: type[RecordPage], page: str) -> bool:
    return page not in cls.exclude_route_methods and access.allowed(f"{cls.__name__}.{page}", g.actor)
