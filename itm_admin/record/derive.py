"""Derives schemas of input and answers, and forms, from a kind's fields.

The form and the programming interface share one schema, so what one takes the other takes. Fields are made anew for
each form's class, in the order that is asked for: WTForms shows them in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from marshmallow import Schema, fields

from itm_admin.foundation.api_schemas import HIDDEN, of_column
from itm_admin.foundation.errors import Message
from itm_admin.foundation.forms import PanelForm
from itm_admin.record.field import INFO, Field
from itm_admin.record.fields import Link, Opaque
from itm_admin.record.kind import SEALED, BoundField, Kind
from itm_admin.record.schema import Input

NEVER_TOLD = frozenset({"institution_id", "created_by", "updated_by"})
"""Columns that no answer holds."""
_NEVER_TYPED = frozenset(
    {"id", "institution_id", "unit_id", "deleted_at", "deletion_reason", "sensitivity", "created_by"}
)


def typed_columns(kind: Kind) -> Iterator[str]:
    """The fields that people write: not the state, which acts change, nor what the record hangs on."""
    about = kind.info.about.partition(".")[0]
    fixed = {kind.info.parent, *kind.info.part_of, kind.info.states.column if kind.info.states else None}
    fixed |= {"act", "shared"} if kind.info.common else set()
    for name, found in kind.fields.items():
        hangs = isinstance(found.field, Link) and found.field.shown == about and about
        if type(found.field).check is not Field.check and name not in _NEVER_TYPED | fixed and not hangs:
            yield name


def changed_columns(kind: Kind) -> Iterator[str]:
    """The fields that people write in a record that is there: of two parties not what both sides hold."""
    common = {*kind.info.common, "other_institution_id"} if kind.info.common else set()
    return (name for name in typed_columns(kind) if name not in common)


def input_schema(kind: Kind, columns: Sequence[str], name: str | None = None) -> type[Input]:
    """The input schema of these fields. It is loaded partially where a record is changed."""
    members = {each: check_of(kind.field(each)) for each in columns}
    made: Any = Input.from_dict(members, name=name or f"{kind.name}_input")
    return made  # type: ignore[no-any-return]


def check_of(found: BoundField) -> fields.Field:
    """The check of one field: required, empty or with the column's default, as the column says."""
    if found.field.follows:
        return found.field.check()
    if found.required:
        return found.field.check(required=True)
    if found.may_be_empty:
        return found.field.check(allow_none=True)
    return found.field.check(load_default=_default(found.column), allow_none=False)


def given(found: BoundField) -> fields.Field:
    """The check of a field that an act asks for, whatever its column allows: a reason, a ground."""
    return found.field.check(required=True)


def default_of(found: BoundField) -> Any:
    """The value that the field begins with in a new record; None if it begins empty."""
    default = found.column.default
    return default.arg if isinstance(default, sa.ColumnDefault) and not default.is_callable else None


def _default(column: sa.Column[Any]) -> Any:
    default = column.default
    if isinstance(default, sa.ColumnDefault):
        return list if default.is_callable else default.arg
    raise TypeError(f"{column} has a default in the database alone: a schema cannot know it")


def form_class(
    kind: Kind,
    columns: Sequence[str],
    *,
    labels: Mapping[str, Message] | None = None,
    hints: Mapping[str, Message] | None = None,
    base: type[PanelForm] = PanelForm,
) -> type[PanelForm]:
    """The form for these fields, in this order."""
    needed = frozenset(name for name in columns if kind.field(name).required)
    members: dict[str, Any] = {"asks": _asks(kind, columns), "needed": needed}
    for name in columns:
        found = kind.field(name)
        members[name] = control_of(found, label=(labels or {}).get(name), description=(hints or {}).get(name))
    return type(f"{kind.name}_form", (base,), members)


def control_of(found: BoundField, *, label: Message | None = None, description: Message | None = None) -> Any:
    """The form's field of a declared one, for a form of an area's own too."""
    hint = description or found.field.hint
    options = {"description": hint} if hint is not None else {}
    return found.field.control(label or found.label, protected=found.protected, **options)


def _asks(kind: Kind, columns: Sequence[str]) -> dict[str, Message]:
    found = [kind.field(name) for name in columns]
    return {each.name: each.field.ask for each in found if each.field.ask is not None and not each.may_be_empty}


_ANSWERS: dict[tuple[Any, str], type[Schema]] = {}
"""Each is made once: another class of the same name would be another schema of the description."""


def answer_schema(kind: Kind, name: str, columns: Sequence[str] = ()) -> type[Schema]:
    """A record's columns, its parent's id too, and each protected field as "hidden" or null. No key or digest is in it.

    `columns`: these alone, in this order.
    """
    if (kind.model, name) not in _ANSWERS:
        whole = _answer_schema(kind, name)
        members = {each: answer_of(kind, each) for each in columns}
        _ANSWERS[kind.model, name] = Schema.from_dict(members, name=name) if columns else whole
    return _ANSWERS[kind.model, name]


def answer_of(kind: Kind, name: str) -> fields.Field:
    """One open field of an answer."""
    found = kind.field(name)
    return found.field.answer(required=True, allow_none=bool(found.column.nullable))


def _answer_schema(kind: Kind, name: str) -> type[Schema]:
    members: dict[str, Any] = {}
    table = getattr(kind.model, "__table__")  # noqa: B009 (a kind without a model has no answer)
    for column in table.columns:
        declared = column.info.get(INFO)
        skipped = column.key in NEVER_TOLD or isinstance(declared, Opaque)
        if skipped or column.key.endswith(SEALED):
            continue
        if declared is None:
            members[column.key] = of_column(column)
        else:
            members[column.key] = declared.answer(required=True, allow_none=bool(column.nullable))
    for each in kind.protected:
        metadata = {"enum": [HIDDEN, None], "description": "whether a value is stored; a reveal shows it"}
        members[each] = fields.String(required=True, allow_none=True, metadata=metadata)
    return Schema.from_dict(members, name=name)


def revealed_schema(kind: Kind, name: str) -> type[Schema]:
    """The answer of a reveal: the protected fields in plain text."""
    members: dict[str, Any] = {"id": fields.UUID(required=True, allow_none=True)}
    for each in kind.protected:
        members[each] = kind.field(each).field.answer(allow_none=True)
    return Schema.from_dict(members, name=name)
