"""Lays records out for reading: pairs of label and value, and two versions compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import object_session
from wtforms import SelectField

from itm_admin.foundation import dates, record_picker
from itm_admin.foundation.audited_reads import named
from itm_admin.foundation.formats import HIDDEN, day, label
from itm_admin.foundation.forms import PROTECTED, BirthField, CodeField, CodesField, DayField, LinksField, PanelForm
from itm_admin.record import protected_values
from itm_admin.record.fields import Birth, Link, ManyLinks
from itm_admin.record.kind import BoundField, kind_of
from itm_admin.record.models import Stamped

Facts = list[tuple[str, Any]]
_EMPTY: tuple[Any, ...] = (None, "", [])


def facts(record: Stamped, columns: Iterable[str], revealed: Mapping[str, Any] | None = None) -> Facts:
    """The named fields. Of a protected one dots where it is filled, the value only where this answer revealed it."""
    kind, hidden = kind_of(type(record)), protected_values.masked(record)
    stored = any(value is not None for value in hidden.values())
    gone = _("Erased") if kind.protected and not stored and _is_erased(record, kind.info.about) else None
    rows: Facts = []
    for name in columns:
        found = kind.field(name)
        value = (
            gone
            if gone and found.protected
            else _revealed(found, revealed, hidden[name])
            if found.protected
            else _fact(record, found)
        )
        rows.append((str(found.label), value))
    return rows


def _is_erased(record: Any, way: str) -> bool:
    """True if the person whom the record is about, by the kind's way there, was erased."""
    owner = record
    for relation in filter(None, way.split(".")):
        owner = owner and _related(owner, relation)
    return getattr(owner, "erased_at", None) is not None


def _related(record: Any, relation: str) -> Any:
    """The record behind a relation, also where the page has not loaded it: its key leads there."""
    try:
        return getattr(record, relation, None)
    except InvalidRequestError:
        found = sa_inspect(type(record)).relationships[relation]
        session, (column,) = object_session(record), found.local_columns
        key = getattr(record, sa_inspect(type(record)).get_property_by_column(column).key)
        return session.get(found.mapper.class_, key) if session is not None and key is not None else None


def _fact(record: Any, found: BoundField) -> Any:
    return shown(record, found) if names_others(found) else found.field.fact(getattr(record, found.name))


def shown(record: Any, found: BoundField) -> Any:
    """An open field's value as people read it; of other records their names."""
    if isinstance(found.field, ManyLinks):
        return getattr(record, found.field.shown)
    if is_named(found):
        other = getattr(record, getattr(found.field, "shown", ""))
        named(getattr(record, found.name))
        return None if other is None else str(getattr(other, "full_name", other))
    return found.field.words(getattr(record, found.name))


def is_named(found: BoundField) -> bool:
    """True if the field is another record that pages name."""
    return isinstance(found.field, Link) and found.field.shown is not None


def names_others(found: BoundField) -> bool:
    """True if `shown` has the names of other records, of which the stored value tells people nothing."""
    return is_named(found) or isinstance(found.field, ManyLinks)


def _revealed(found: BoundField, revealed: Mapping[str, Any] | None, hidden: Any) -> Any:
    if not revealed:
        return hidden
    value = revealed[found.name]
    return value if value in _EMPTY else found.field.words(value)


def protected_choices(form: PanelForm, record: Stamped) -> list[tuple[str, str]]:
    """The stored protected fields that the form can clear."""
    hidden = protected_values.masked(record)
    return [
        (field.name, field.label.text) for field in form if hidden.get(field.name) is not None and field.name != "clear"
    ]


def compared(form: PanelForm, saved: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """For the conflict page: each field with what was typed and what is saved now.

    A protected field that is left empty keeps what is saved, unless it is to be cleared.
    """
    rows, cleared = [], (form["clear"].data or ()) if "clear" in form else ()
    for field in form:
        if field.name not in saved or field.name in ("version", "clear"):
            continue
        if isinstance(field, PROTECTED):
            kept = None if field.name in cleared else saved[field.name]
            rows.append((field.label.text, field.data or kept, saved[field.name]))
        else:
            typed, stored = (None if each in _EMPTY else each for each in (_typed(field), saved[field.name]))
            rows.append((field.label.text, as_read(field, typed), as_read(field, stored)))
    return rows


def filled(form: PanelForm, stored: Mapping[str, Any]) -> Facts:
    """The input as people read it, for a look before it is saved; `stored` are the values that will be."""
    rows: Facts = []
    for field in form:
        typed = stored.get(field.name, _typed(field))
        if field.name not in ("version", "clear", "csrf_token") and typed not in _EMPTY:
            rows.append((field.label.text, as_read(field, typed)))
    return rows


def as_read(field: Any, value: Any) -> Any:
    """A form field's value as people read it: codes as labels, dates as days; what is none as it was typed."""
    if value is HIDDEN or value in _EMPTY:
        return value
    if isinstance(field, CodesField) and not isinstance(field, LinksField):
        return [label(code, field.list_name) for code in value]
    if isinstance(field, CodeField):
        return label(value, field.list_name)
    if isinstance(field, BirthField):
        return _BIRTH.words(value)
    if isinstance(field, LinksField):
        return [record_picker.shown(field, id) or _("a record without a name here") for id in value]
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(field, DayField):
        return _as_day(value)
    if isinstance(field, SelectField):
        return record_picker.shown(field, value) or value
    return str(value) if isinstance(value, int) else value


_BIRTH = Birth(label="")


def _typed(field: Any) -> Any:
    return field.payload() if hasattr(field, "payload") else field.data


def _as_day(value: Any) -> Any:
    """A date, or one as it was typed into a form; what is none is shown as it was typed."""
    try:
        return day(dates.read_day(value) if isinstance(value, str) else value)
    except ValueError:
        return value
