"""Deleted and erased records: when, by whom and why, in their list and on their page.

Time and reason stand in the row; the person stands in the ledger alone (`itm.removals`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, literal_column, select

from itm_admin.foundation.audited_reads import named as tell_named
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.formats import day
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing
from itm_admin.record.display import shown
from itm_admin.record.kind import Kind, kind_of

_WHEN = "removed"


def listing(listed: Listing[Any], model: Any) -> Listing[Any]:
    """The list of what was deleted: the record, when it was taken away, by whom and why, then its own columns.

    Nobody keeps views of it, since they would be views of the living ones as well.
    """
    named, *others = listed.columns
    moments = [getattr(model, name) for name in ("erased_at", "deleted_at") if hasattr(model, name)]
    order = (func.coalesce(*moments, literal_column("'-infinity'::timestamptz")),)
    removed = (
        Column[Any](_WHEN, _l("Deleted"), lambda row: Cell("moment", when(row)), order),
        Column[Any]("removed_by", _l("Deleted by"), lambda row: Cell("text", by(row))),
        Column[Any]("removed_why", _l("Reason or legal ground"), lambda row: Cell("text", why(row))),
    )
    return replace(listed, columns=(named, *removed, *others), default_sort=f"-{_WHEN}", name="")


def learn(session: AnySession, kind: Kind, records: Iterable[Any]) -> None:
    """Reads who took these records away, for `by`. One statement."""
    ids = [record.id for record in records]
    if ids:
        told = func.itm.removals(kind.name, ids).table_valued("id", "account", "name")
        rows = session.execute(select(told.c.id, told.c.account, told.c.name)).all()
        tell_named(*(row.account for row in rows))
        g.removals = {**_learned(), **{row.id: row.name for row in rows}}


def when(record: Any) -> Any:
    return getattr(record, "erased_at", None) or record.deleted_at


def by(record: Any) -> str | None:
    """The person's name, read by `learn`; None for a change past the panel, or where the ledger no longer tells it."""
    return _learned().get(record.id)


def name_of(session: AnySession, record: Any) -> str | None:
    """The name of the person who took this one record away."""
    learn(session, kind_of(type(record)), [record])
    return by(record)


def why(record: Any) -> str:
    """The reason for deleting; of an erased person the ground. A record can stand in the list for its case's sake."""
    if when(record) is None:
        return str(_("Not deleted itself: its case is deleted"))
    name = "erasure_ground" if getattr(record, "erased_at", None) else "deletion_reason"
    return str(shown(record, kind_of(type(record)).field(name)) or "")


def told(session: AnySession, record: Any) -> str:
    """One sentence for the record's page."""
    name = name_of(session, record)
    said: str
    if name is None:
        said = _("Deleted on %(day)s. Reason: %(reason)s", day=day(when(record)), reason=why(record))
    else:
        said = _(
            "Deleted on %(day)s by %(name)s. Reason: %(reason)s", day=day(when(record)), name=name, reason=why(record)
        )
    return said


def _learned() -> dict[uuid.UUID, str | None]:
    found: dict[uuid.UUID, str | None] = g.get("removals", {})
    return found
