"""Units that a form's field may name, and where its script asks for more of them. Units hold no personal data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import ColumnElement, Row, and_, select
from sqlalchemy.orm import aliased
from wtforms import SelectField

from itm_admin.foundation import record_picker, tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.record_picker import Choices
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION
from itm_admin.foundation.turkish import turkish_contains, turkish_order, turkish_sort_key
from itm_admin.foundation.views import Page, route
from itm_admin.institutions.models import Unit

_Above = aliased(Unit)


def units(which: Callable[[], Sequence[ColumnElement[bool]]]) -> Choices:
    """Units that fit, the root first and the others in Turkish order, with the unit above; a short list as a tree."""
    above = and_(_Above.institution_id == Unit.institution_id, _Above.id == Unit.parent_id)
    columns = (Unit.id, Unit.name, Unit.parent_id, _Above.name.label("above"))
    return Choices(
        id=Unit.id,
        records=lambda: select(*columns).outerjoin(_Above, above).where(*which()),
        order=(Unit.parent_id.is_not(None), turkish_order(Unit.name)),
        matches=lambda text: turkish_contains(Unit.name, text),
        show=lambda row: f"{row.name} ({row.above})" if row.above else row.name,
        arrange=_tree,
        anywhere=lambda: select(*columns).outerjoin(_Above, above),
    )


def of_institution(institution: uuid.UUID | None) -> Choices:
    """All units of an institution."""
    return units(lambda: [Unit.institution_id == institution])


def offer_units(field: SelectField, institution: uuid.UUID, whole: str | None, stored: uuid.UUID | None = None) -> None:
    """An institution's units, for a manager of it or a system administrator; `whole` for none of them."""
    url = url_for("UnitChoicesView.units", of=institution)
    record_picker.offer(db.session, field, of_institution(institution), url, whole, stored)


class UnitChoicesView(Page):
    """The units of one's own institution, or for a system administrator of the one that is asked for."""

    subject = "Unit"
    scopes = (INSTITUTION, ACCOUNTS)
    route_base = "/choices"

    @route("/units", act="list", methods=("POST",), quiet=True)
    def units(self) -> Response:
        context = tenancy.current()
        wanted = context.institution if context.scope == INSTITUTION else _asked()
        return record_picker.answer(record_picker.find(db.session, of_institution(wanted), request.form), request.form)


def _asked() -> uuid.UUID | None:
    text = request.args.get("of")
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise Invalid from None


def _tree(rows: Sequence[Row[Any]]) -> record_picker.Pairs:
    """Each unit below its own; one whose parent is not among them stands at the beginning of a line."""
    known = {row.id for row in rows}
    below: dict[uuid.UUID | None, list[Row[Any]]] = {}
    for row in sorted(rows, key=lambda each: turkish_sort_key(each.name)):
        below.setdefault(row.parent_id if row.parent_id in known else None, []).append(row)
    ordered: list[tuple[str, str]] = []
    waiting = [(row, 0) for row in reversed(below.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        ordered.append((str(row.id), f"{record_picker.INDENT * depth}{row.name}"))
        waiting.extend((child, depth + 1) for child in reversed(below.get(row.id, [])))
    return ordered
