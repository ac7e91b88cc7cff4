"""Access history: reads and changes of a record, by person, time and reason, from the ledger's sealed entries.

Inside an institution the record itself must be visible to the reader; an auditor asks by number and learns no
identity. Row-level security narrows the entries to those of the reader's roles.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select, union_all

from itm_admin.assurance import naming
from itm_admin.assurance.ledger_queries import AnySession
from itm_admin.assurance.paging import Of, about
from itm_admin.foundation.errors import NotFound
from itm_admin.record.kind import Kind, kind_named, parts_of


def kind_with_history(name: str) -> Kind:
    """The kind of record. NotFound for one without a history page."""
    kind = kind_named(name)
    if kind is None or kind.model is None or kind.info.history is None:
        raise NotFound
    return kind


def kind_of_this(session: AnySession, name: str, id: uuid.UUID) -> Kind:
    """As `kind_with_history`. NotFound too for a record of another kind, which would get a wrong name."""
    kind = kind_with_history(name)
    naming.learn(session, [id])
    if (found := naming.kinds_of(id)) and kind.name not in found:
        raise NotFound
    return kind


def subject_of(kind: str) -> str:
    """The subject whose act "history" opens this kind. NotFound for a kind without a history."""
    return kind_with_history(kind).info.history or ""


def of_visible_record(session: AnySession, kind: str, id: uuid.UUID) -> Of:
    """Entries about a record and what hangs on it. NotFound unless the reader sees the record itself."""
    known = kind_with_history(kind)
    model: Any = known.model
    if session.scalar(select(model.id).where(model.id == id)) is None:
        raise NotFound
    statements = list(_parts(known, select(model.id).where(model.id == id)))
    parts = session.scalars(union_all(*statements)).all() if statements else ()
    return about([str(id), *map(str, parts)])


def _parts(kind: Kind, ids: Select[Any]) -> Iterator[Select[Any]]:
    """Rows that are part of these records, part by part, and have numbers of their own."""
    for part, column in parts_of(kind):
        found = select(column.table.c.id).where(column.in_(ids))
        yield found
        yield from _parts(part, found)
