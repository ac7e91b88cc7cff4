"""Words of records: by kind and field, never by a field's name alone.

Promise: a kind, field or code without words here is shown as it is, never hidden. Asks the database nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from itm_admin.foundation.record_ids import ID
from itm_admin.record.field import NO_NAMES, Field, Names
from itm_admin.record.kind import kind_named


def kind_words(kind: str | None) -> str | None:
    """The label of a kind of record; None for a name that is no kind."""
    known = kind_named(kind)
    return None if known is None else str(known.info.label)


def column_words(kind: str | None, column: str) -> str:
    """The label of a column of the kind's table, as in its form."""
    known = kind_named(kind)
    found = known.by_column.get(column) if known else None
    return column if found is None else str(found.label)


def value_words(kind: str | None, column: str, value: Any, names: Names = NO_NAMES) -> Any:
    """A value of the ledger as people read it: the column's words, names in place of ids."""
    if value is None or value == []:
        return None
    if isinstance(value, Mapping):
        return _("a long text")  # its digest alone is in the ledger
    known = kind_named(kind)
    found = known.by_column.get(column) if known else None
    words = _unknown(value, names) if found is None else found.field.words(value, names)
    return ", ".join(map(str, words)) if isinstance(words, list) else words


@dataclass(frozen=True, kw_only=True)
class KindName(Field[str]):
    """The name of a kind of record."""

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        return kind_words(str(value)) or value


@dataclass(frozen=True, kw_only=True)
class RecordName(Field[str]):
    """A kind of record and, after a colon, the id of one."""

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        kind, _colon, id = str(value).rpartition(":")
        if not kind or not ID.fullmatch(id):
            return value
        name = names.get(id) or _("a record without a name here")
        return f"{kind_words(kind) or kind} {name}"


def _unknown(value: Any, names: Names) -> Any:
    """A value of a column that this version does not know."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        return value
    return (names.get(str(value)) or _("a record without a name here")) if ID.fullmatch(str(value)) else str(value)
