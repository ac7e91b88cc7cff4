"""Columns of lists and exports, made of declared fields: label, cell, order, filters."""

from __future__ import annotations

from typing import Any

from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import HIDDEN
from itm_admin.foundation.list_parts import Cell, Column, Filter
from itm_admin.record.display import names_others, shown
from itm_admin.record.export import ExportColumn
from itm_admin.record.fields import Link
from itm_admin.record.kind import BoundField, kind_of
from itm_admin.record.link_filter import LinkFilter
from itm_admin.record.models import Stamped


def column(
    model: type[Stamped], field: str, name: str | None = None, *, label: Message | None = None, order: Any = None
) -> Column[Any]:
    """The list's column of a field; `name` stands in addresses. `order`: expressions; () for none.

    TypeError for a protected field: a list shows none.
    """
    found = kind_of(model).field(field)
    if found.protected:
        raise TypeError(f"{model.__name__}.{field} is protected: no list shows it")
    by = found.field.order(getattr(model, field)) if order is None else order
    return Column(name or field, label or found.field.short or found.label, lambda row: _cell(found, row), by)


def named(
    model: type[Stamped], field: str, name: str | None = None, *, label: Message | None = None, order: Any = None
) -> Column[Any]:
    """The column that names the row and leads to its page."""
    found = kind_of(model).field(field)
    plain = column(model, field, name, label=label, order=order)
    return Column(plain.name, plain.label, lambda row: Cell("link", _joined(shown(row, found))), plain.order)


def _cell(found: BoundField, row: Any) -> Cell:
    """Of other records their names: an id tells people nothing."""
    if names_others(found):
        return Cell("text", _joined(shown(row, found)))
    return found.field.cell(getattr(row, found.name))


def filters(
    model: type[Stamped], field: str, name: str | None = None, *, label: Message | None = None
) -> tuple[Filter, ...]:
    """The filters of a field. TypeError for a protected one: it would be told by what a filter finds."""
    found = kind_of(model).field(field)
    if found.protected:
        raise TypeError(f"{model.__name__}.{field} is protected: no list is filtered by it")
    if isinstance(found.field, Link) and found.field.shown is not None:
        column, text = getattr(model, field), label or found.field.short or found.label
        return (
            LinkFilter(name or field, text, "record", lambda id: column == id, model=model, relation=found.field.shown),
        )
    made = found.field.filters(name or field, getattr(model, field))
    label = label or found.field.short
    return tuple(Filter(each.name, label or each.label, each.kind, each.condition, each.choices) for each in made)


def exported(model: type[Stamped], field: str, *, label: Message | None = None) -> ExportColumn[Any]:
    """The export's column of a field; of a protected one whether something is stored."""
    found = kind_of(model).field(field)

    def value(row: Any) -> Any:
        stored = getattr(row, found.column.key)
        if found.protected:
            return "" if stored is None else str(HIDDEN)
        return _joined(shown(row, found)) if names_others(found) else found.field.exported(stored)

    return ExportColumn(label or found.label, value)


def _joined(names: Any) -> Any:
    return ", ".join(names) if isinstance(names, list) else names
