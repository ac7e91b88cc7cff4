"""The declaration of a field. It stands once, on the model's column, and everything else follows from it.

What follows: the check of input, the form's control, the words on pages and in histories, the list's cell and filter,
the export's cell, the answer of the programming interface. A new kind of field is one class with these methods
(fields.py). Labels stay lazy: no method may make text of one while a schema or a form's class is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from marshmallow import fields as answers
from sqlalchemy.orm import MappedColumn, mapped_column
from wtforms import Field as Control

from itm_admin.foundation.errors import Message
from itm_admin.foundation.lists import Cell, Filter
from itm_admin.foundation.records import Ciphertext

Value = TypeVar("Value", covariant=True)
Names = Mapping[str, str | None]
Exported = str | int | date | None
NO_NAMES: Names = {}
INFO = "field"
"""Under which a column's `info` holds its declaration."""


@dataclass(frozen=True, kw_only=True)
class Field(Generic[Value]):
    """A value that nobody types: shown as it is stored."""

    label: Message
    ask: Message | None = None
    """The form's text while the field is required and empty: "Choose a province." """
    short: Message | None = None
    """The label in lists and their filters, where the form's is too long for them."""
    follows: bool = False
    """True if a rule of the kind fills the column where nothing is given; an empty answer leaves it as it is."""
    needed: bool = False
    """True if people must fill it although the column may be empty: not every row of the table was typed."""
    hint: Message | None = None
    """The form's text below the label: Flask-AppBuilder's `description_columns`."""
    needs: str | None = None
    """An act on the record's subject that writing this field takes, beside adding or editing the record."""

    def column(self) -> dict[str, Any]:
        """Arguments of the column, where they do not follow from the annotation."""
        return {}

    def check(self, **options: Any) -> answers.Field:
        """The check of what is typed or sent. TypeError for a field that nobody writes."""
        raise TypeError(f"{type(self).__name__} is no field that people write")

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        """The form's field with this label. TypeError for a field that nobody writes."""
        raise TypeError(f"{type(self).__name__} is no field that people write")

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        """The value as people read it, from a record or from the ledger's JSON; a falsified one as it is stored."""
        return value

    def fact(self, value: Any) -> Any:
        """The value on the record's page."""
        return self.words(value)

    def cell(self, value: Any) -> Cell:
        words = self.words(value)
        return Cell("text", ", ".join(words) if isinstance(words, list) else words)

    def filters(self, name: str, column: Any) -> tuple[Filter, ...]:
        """The filters of a list that `search_columns` names the field for."""
        raise TypeError(f"a list cannot be filtered by {name}")

    def order(self, column: Any) -> tuple[Any, ...]:
        """The expressions that a list is ordered by."""
        return (column,)

    def exported(self, value: Any) -> Exported:
        words = self.words(value)
        return ", ".join(words) if isinstance(words, list) else words

    def answer(self, **options: Any) -> answers.Field:
        """The field of the programming interface's answer."""
        return answers.String(**options)

    def sealed(self, value: Any) -> str | None:
        """A protected value as the text that is encrypted."""
        return str(value) if value else None

    def opened(self, text: str) -> Any:
        """The inverse of `sealed`."""
        return text


def field(declared: Field[Value], *args: Any, **options: Any) -> MappedColumn[Value]:
    """A column of a model with its declaration. Whether it may be empty follows from the annotation."""
    return mapped_column(*args, info={INFO: declared}, **{**declared.column(), **options})


def protected(declared: Field[Any], **options: Any) -> MappedColumn[bytes]:
    """A column that holds the value sealed; its name ends in `_enc`, the field's does not."""
    return mapped_column(Ciphertext, info={INFO: declared}, **options)
