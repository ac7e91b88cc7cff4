"""The record under whose key protected values are sealed: the record itself, or the end of the kind's way `about`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect

from itm_admin.foundation.encryption import AnySession
from itm_admin.record.kind import kind_of
from itm_admin.record.lookup import get_visible
from itm_admin.record.models import Owner


def owner_of(session: AnySession, record: Any, way: str, subject: str, parent: tuple[str, Any] | None) -> Owner | None:
    """The owner by a way of relations such as "handover.person"; None while the record is about nobody yet.

    `parent`: the relation to the record's parent, and the parent. NotFound for an owner that is not visible.
    """
    found = record
    for relation in filter(None, way.split(".")):
        if found is record and parent is not None and parent[0] == relation:
            found = parent[1]
        elif found is not record and relation not in inspect(found).unloaded:
            found = getattr(found, relation)
        else:
            found = _named(session, found, relation, subject)
        if found is None:
            return None
    if not isinstance(found, Owner):
        raise TypeError(f"{type(record).__name__} has protected values and nobody whose key seals them")
    return found


def _named(session: AnySession, record: Any, relation: str, subject: str) -> Any:
    fields = kind_of(type(record)).fields.values()
    link = next(each for each in fields if getattr(each.field, "shown", None) == relation)
    id = getattr(record, link.name)
    target: Any = inspect(type(record)).relationships[relation].mapper.class_
    return None if id is None else get_visible(session, target, id, subject, False, False, ())
