"""Ways between a record and its parts: buttons that add a part, and the parent's page to go back to.

A part is a record of a kind whose `parent` is the other kind. The pages of each kind are known from their classes; one
that is not registered in the panel, or that the person may not enter, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import g, url_for
from flask_babel import gettext as _

from itm_admin.foundation import access
from itm_admin.record.kind import Kind, kind_of

if TYPE_CHECKING:
    from itm_admin.record.pages import RecordPage

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


def _may(cls: type[RecordPage], page: str) -> bool:
    return page not in cls.exclude_route_methods and access.allowed(f"{cls.__name__}.{page}", g.actor)
