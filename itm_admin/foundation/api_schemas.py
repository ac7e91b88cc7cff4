"""Shapes that the programming interface takes and gives, as marshmallow schemas.

An answer is serialised through the schema that describes it, so the description and the answer cannot differ.
Answers of records are derived from their columns. This knows no business table.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from marshmallow import INCLUDE, Schema, fields, missing, validate

HIDDEN = "hidden"


class Problem(Schema):
    """RFC 9457."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    fields_ = fields.Dict(keys=fields.String(), values=fields.String(), data_key="fields")
    current_version = fields.Integer()
    request_id = fields.String(allow_none=True)


class Changed(Schema):
    id = fields.UUID(required=True)
    row_version = fields.Integer(required=True)


class Identified(Schema):
    id = fields.UUID(required=True)


class Described(Schema):
    """A document whose fields a standard names."""

    class Meta:
        unknown = INCLUDE


class Empty(Schema):
    """An object without fields."""


class OnlyVersion(Schema):
    row_version = fields.Integer(strict=True, validate=validate.Range(min=0), metadata={"description": "or If-Match"})


def _made(name: str, members: dict[str, Any]) -> type[Schema]:
    return Schema.from_dict(members, name=name)


def versioned(schema: type[Schema], name: str, *, partial: bool = False) -> type[Schema]:
    """The schema of a change: with `row_version`, and if it is partial without a required field or a default."""
    members: dict[str, Any] = {}
    for field_name, field in schema._declared_fields.items():
        member = copy.deepcopy(field)
        if partial:
            member.required, member.load_default = False, missing
        members[field_name] = member
    members["row_version"] = copy.deepcopy(OnlyVersion._declared_fields["row_version"])
    return _made(name, members)


def page_of(item: type[Schema], name: str) -> type[Schema]:
    """One page of a list."""
    members = {
        "items": fields.List(fields.Nested(item), required=True),
        "page": fields.Integer(required=True),
        "size": fields.Integer(required=True),
        "total": fields.Integer(
            required=True, allow_none=True, metadata={"description": "null where there are more than are counted"}
        ),
    }
    return _made(name, members)


def all_of(item: type[Schema], name: str) -> type[Schema]:
    """A whole list."""
    return _made(name, {"items": fields.List(fields.Nested(item), required=True)})


def of_record(
    model: Any, name: str, protected: Collection[str], lists: Mapping[str, str], without: Iterable[str] = ()
) -> type[Schema]:
    """The answer for a record: its columns, and each protected field as "hidden" or null.

    `lists` names the vocabulary of a column that holds codes.
    """
    skipped = {*without, *(f"{each}_enc" for each in protected)}
    members: dict[str, Any] = {
        column.key: of_column(column, lists.get(column.key))
        for column in model.__table__.columns
        if column.key not in skipped
    }
    for each in protected:
        metadata = {"enum": [HIDDEN, None], "description": "whether a value is stored; a reveal shows it"}
        members[each] = fields.String(required=True, allow_none=True, metadata=metadata)
    return _made(name, members)


def of_column(column: sa.Column[Any], code_list: str | None = None) -> fields.Field:
    metadata = {"description": f"a code of the vocabulary {code_list}"} if code_list else {}
    options: dict[str, Any] = {"required": True, "allow_none": bool(column.nullable), "metadata": metadata}
    if isinstance(column.type, sa.ARRAY):
        return fields.List(fields.String(), **options)
    return next(
        (field(**options) for kind, field in _FIELDS if isinstance(column.type, kind)), fields.String(**options)
    )


_FIELDS: tuple[tuple[type, type[fields.Field]], ...] = (
    (sa.Uuid, fields.UUID),
    (sa.DateTime, fields.DateTime),
    (sa.Date, fields.Date),
    (sa.Boolean, fields.Boolean),
    (sa.Integer, fields.Integer),
)
