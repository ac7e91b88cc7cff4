"""Columns of a kind's pages in Flask-AppBuilder's vocabulary, checked when a class is made.

`list_columns`, `show_columns`, `add_columns`, `edit_columns`, `search_columns`, `order_columns`, `label_columns`,
`description_columns`, `base_order`, `page_size`, `*_fieldsets` and `*_template` mean what they mean there. A misspelled
column, or a protected one in a list, a filter or an order, is a TypeError at the start. Nothing here is of a request:
forms' classes are kept by the names of their columns, since who may write which is asked each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, or_

from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Message
from itm_admin.foundation.forms import PanelForm
from itm_admin.foundation.list_parts import PAGE_SIZES, Cell, Column, Filter
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.roles import may
from itm_admin.foundation.shown_list import COUNT_BOUND
from itm_admin.foundation.turkish import turkish_contains
from itm_admin.record import listing
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.derive import changed_columns, default_of, form_class, typed_columns
from itm_admin.record.display import Facts, facts
from itm_admin.record.export import Export, ExportColumn
from itm_admin.record.kind import Kind
from itm_admin.record.together import ActsTogether

Columns = tuple[str, ...]
Fieldset = tuple[Message | None, Mapping[str, Any]]
UNSET: Columns = ("",)


class RecordColumns(ActsTogether):
    """The columns, forms and lists of a page of records."""

    datamodel: ClassVar[RecordInterface[Any]]
    list_columns: ClassVar[Columns] = ()
    show_columns: ClassVar[Columns] = UNSET
    add_columns: ClassVar[Columns] = UNSET
    edit_columns: ClassVar[Columns] = UNSET
    search_columns: ClassVar[Columns] = ()
    order_columns: ClassVar[Columns] = ()
    label_columns: ClassVar[Mapping[str, Message]] = {}
    description_columns: ClassVar[Mapping[str, Message]] = {}
    formatters_columns: ClassVar[Mapping[str, Callable[[Any], Cell]]] = {}
    """Write a value of a list's column, declared or computed: a property of the model with a label."""
    search_filters: ClassVar[Sequence[Filter]] = ()
    """Filters that no field has; `search_columns` names them in their place."""
    order_by: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Expressions that a column is ordered by, where they are not its own."""
    export_columns: ClassVar[Columns] = ()
    base_order: ClassVar[tuple[str, str]] = ("", "asc")
    page_size: ClassVar[int] = PAGE_SIZES[0]
    show_fieldsets: ClassVar[Sequence[Fieldset]] = ()
    add_fieldsets: ClassVar[Sequence[Fieldset]] = ()
    edit_fieldsets: ClassVar[Sequence[Fieldset]] = ()
    list_template: ClassVar[str] = "record/list.html"
    deleted_template: ClassVar[str] = "record/list.html"
    show_template: ClassVar[str] = "record/show.html"
    add_template: ClassVar[str] = "record/form.html"
    edit_template: ClassVar[str] = "record/form.html"
    reveal_template: ClassVar[str] = "record/reveal.html"
    form_base: ClassVar[type[PanelForm]] = PanelForm
    address_names: ClassVar[Mapping[str, str]] = {}
    """Names of columns in addresses, where saved views hold older ones."""
    added_text: ClassVar[Message] = _l("The record is added.")
    deleted_text: ClassVar[Message] = _l("The record is deleted. The list of deleted records can restore it.")
    restored_text: ClassVar[Message] = _l("The record is restored.")
    saved_text: ClassVar[Message] = _l("The changes are saved.")
    list_title: ClassVar[Message | None] = None
    deleted_title: ClassVar[Message | None] = None
    delete_label: ClassVar[Message] = _l("Delete")
    """The button that deletes."""
    draft_label: ClassVar[Message | None] = None
    """The name of a draft of the edit form, where drafts are listed."""
    add_title: ClassVar[Message | None] = None
    """Of the form for a new record, and of the button that leads there."""
    empty_text: ClassVar[Message] = _l("Nothing to show.")
    draft: ClassVar[str] = ""
    """The name of the form's drafts; the kind's, if none is given."""
    list_name: ClassVar[str] = ""
    """Under which people keep views of the list; none: they cannot."""
    search_by: ClassVar[str] = ""
    """The column in which a list's box looks for a reference or a pseudonym; none: there is no box."""
    search_beside: ClassVar[Sequence[Callable[[str], ColumnElement[bool]]]] = ()
    """Conditions for what the box also finds, in records that belong to the list's."""
    search_words: ClassVar[Columns] = ()
    """Columns in which a list's box looks for any words. Nothing about people: the words stand in the address."""
    search_label: ClassVar[Message] = _l("Search by reference or pseudonym")
    counted: ClassVar[int] = COUNT_BOUND
    """Beyond so many rows the number is not told."""
    listing: ClassVar[Listing[Any]]
    """Made of the columns, unless an area writes its own."""
    exporting: ClassVar[Export[Any]]
    _forms: ClassVar[dict[Columns, type[PanelForm]]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "datamodel" in cls.__dict__:
            _complete(cls)

    def form(self, columns: Columns, **stored: Any) -> PanelForm:
        """The form of those columns that the person at work may write. Classes are kept by the names of columns."""
        names = self.writable(columns)
        if names not in self._forms:
            self._forms[names] = form_class(
                self.datamodel.kind, names, labels=self.label_columns, hints=self.description_columns,
                base=self.form_base,
            )  # fmt: skip
        return self._forms[names](**stored)

    @classmethod
    def listed(cls) -> Listing[Any]:
        """The list as it is where the person works now."""
        return cls.listing

    def new_form(self) -> PanelForm:
        """The form for a new record, with the values that a record begins with."""
        names = self.writable(self.add_columns)
        begins = {name: default_of(self.datamodel.kind.field(name)) for name in names}
        return self.form(self.add_columns, **{name: value for name, value in begins.items() if value is not None})

    @classmethod
    def writable(cls, columns: Columns) -> Columns:
        """Without the fields that take an act which the person at work may not do."""
        roles, subject = tenancy.current().roles, cls.datamodel.subject
        needs = [(name, cls.datamodel.kind.field(name).field.needs) for name in columns]
        return tuple(name for name, act in needs if act is None or may(roles, act, subject))

    def facts(self, record: Any, revealed: Mapping[str, Any] | None) -> list[tuple[Message | None, Facts]]:
        """The record's fields in groups, each with its legend."""
        if record is None:
            return []
        left_out = self.not_shown(record)
        groups = self.show_fieldsets or [(None, {"fields": self.show_columns})]
        return [
            (legend, facts(record, [name for name in group["fields"] if name not in left_out], revealed))
            for legend, group in groups
        ]

    def not_shown(self, record: Any) -> Columns:
        """The fields that say nothing while the record is as it is."""
        return ()


def _complete(cls: type[RecordColumns]) -> None:
    """Fills in what the class leaves to its kind, and makes its list and export."""
    kind = cls.datamodel.kind
    cls.subject, cls._forms = cls.datamodel.subject, {}
    cls.scopes = cls.__dict__.get("scopes", cls.datamodel.scopes)
    cls.draft = cls.draft or kind.name
    typed = tuple(typed_columns(kind))
    cls.add_columns = typed if cls.add_columns is UNSET else cls.add_columns
    cls.edit_columns = tuple(changed_columns(kind)) if cls.edit_columns is UNSET else cls.edit_columns
    cls.show_columns = typed if cls.show_columns is UNSET else cls.show_columns
    grouped = [name for _legend, group in cls.show_fieldsets for name in group["fields"]]
    for name in (*cls.add_columns, *cls.edit_columns, *cls.show_columns, *grouped):
        kind.field(name)
    excluded = set(cls.exclude_route_methods)
    has_list = bool(cls.list_columns) or "listing" in cls.__dict__
    excluded |= set() if has_list else {"list", "deleted", "export"}
    excluded |= set() if kind.protected else {"reveal"}
    excluded |= set() if cls.datamodel.can_be_deleted else {"delete", "deleted", "restore"}
    excluded -= {name for name, own in vars(cls).items() if hasattr(own, "_urls")}
    cls.exclude_route_methods = excluded  # a set of its own: Flask-AppBuilder's is shared by all classes
    if cls.list_columns:
        cls.listing, cls.exporting = _listing(cls, kind), _export(cls, kind)


def _listing(cls: type[RecordColumns], kind: Kind) -> Listing[Any]:
    model, names = cls.datamodel.model, cls.address_names
    columns = tuple(
        replace(_column(cls, kind, name, not place), names=_names(cls, name))
        for place, name in enumerate(cls.list_columns)
    )
    wanted = _first_order(cls)
    sign = "-" if cls.base_order[1] == "desc" else ""

    def looks_for(text: str) -> ColumnElement[bool]:
        if cls.search_words:
            return or_(*(turkish_contains(getattr(model, name), text) for name in cls.search_words))
        found: ColumnElement[bool] = getattr(model, cls.search_by).contains(text, autoescape=True)
        return or_(found, *(beside(text) for beside in cls.search_beside))

    extra = {each.name: (each,) for each in cls.search_filters}
    filters = (
        extra.get(name) or listing.filters(model, name, names.get(name), label=cls.label_columns.get(name))
        for name in cls.search_columns
    )
    return Listing(
        caption=cls.list_title or kind.info.plural or kind.info.label,
        empty_text=cls.empty_text,
        identify=lambda row: str(row.id),
        link=lambda row: url_for(f"{cls.__name__}.show", id=row.id),
        default_sort=sign + names.get(wanted, wanted),
        name=cls.list_name,
        tie=(getattr(model, cls.search_by or "created_at"), model.id),
        counted=cls.counted,
        page_size=cls.page_size,
        search=looks_for if cls.search_by or cls.search_words else None,
        search_label=cls.search_label,
        by_reference=not cls.search_words,
        columns=columns,
        filters=tuple(each for made in filters for each in made),
    )


def _column(cls: type[RecordColumns], kind: Kind, name: str, first: bool) -> Column[Any]:
    model, label, address = cls.datamodel.model, cls.label_columns.get(name), cls.address_names.get(name, name)
    if name not in kind.fields:
        _refuse_unknown(cls, name)
        write = cls.formatters_columns.get(name, _named if first else _plain)
        return Column(address, label or "", lambda row: write(getattr(row, name)), _order(cls, name))
    found = kind.field(name)
    order = cls.order_by.get(name, found.field.order(getattr(model, name))) if name in _orders(cls) else ()
    if name in cls.formatters_columns and not found.protected:
        formatted = cls.formatters_columns[name]
        return Column(
            address, label or found.field.short or found.label, lambda row: formatted(getattr(row, name)), order
        )
    if first:
        return listing.named(model, name, address, label=label, order=order)
    return listing.column(model, name, address, label=label, order=order)


def _names(cls: type[RecordColumns], name: str) -> Callable[[Any], list[str]]:
    """The ids of the records that a column names, as an export tells them."""
    return lambda row: [str(id) for id in cls.datamodel.named_by(row, (name,))]


def _refuse_unknown(cls: type[RecordColumns], name: str) -> None:
    """TypeError for what is neither a field nor a computed column: a property of the model with a label."""
    if name not in cls.label_columns or not hasattr(cls.datamodel.model, name):
        raise TypeError(f"{cls.__name__}: {name!r} is no field, and no property with a label")


def _order(cls: type[RecordColumns], name: str) -> Any:
    return cls.order_by.get(name, (getattr(cls.datamodel.model, name),)) if name in _orders(cls) else ()


def _orders(cls: type[RecordColumns]) -> Columns:
    """The columns that the list can be ordered by; the one that it begins with is always one of them."""
    return (*cls.order_columns, _first_order(cls))


def _first_order(cls: type[RecordColumns]) -> str:
    return cls.base_order[0] or cls.list_columns[0]


def _named(value: Any) -> Cell:
    return Cell("link", value)


def _plain(value: Any) -> Cell:
    return Cell("text", _text(value))


def _text(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list | tuple) else value


def _export(cls: type[RecordColumns], kind: Kind) -> Export[Any]:
    model, names = cls.datamodel.model, cls.export_columns or cls.list_columns
    return Export(
        kind=kind.name,
        model=model,
        name=kind.info.plural or kind.info.label,
        columns=tuple(_exported(cls, kind, name) for name in names),
        statement=cls.datamodel.query_to_export,
        named=lambda row: [row.id, *cls.datamodel.named_by(row, names)],
    )


def _exported(cls: type[RecordColumns], kind: Kind, name: str) -> ExportColumn[Any]:
    label = cls.label_columns.get(name)
    if name in kind.fields:
        return listing.exported(cls.datamodel.model, name, label=label)
    _refuse_unknown(cls, name)
    return ExportColumn(label or "", lambda row: _exported_text(getattr(row, name)))


def _exported_text(value: Any) -> Any:
    text = _text(value)
    return text if text is None or isinstance(text, int | date) else str(text)
