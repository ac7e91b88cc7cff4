"""The parts of a list: cells, columns, filters, the query, and the rows that are shown.

Plain values, shared by all threads; how they are read and put together stands in lists.py. A filter never
holds a personal value: it would stand in the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from flask_babel import gettext as _
from sqlalchemy import ColumnElement

from itm_admin.foundation import dates
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.formats import day

Row = TypeVar("Row")
PAGE_SIZES = (25, 50, 100)
FIRST_PAGE = "first"
"""Stands in a trail for the page without a cursor."""
LONGEST_TRAIL = 20
TRAIL_SEPARATOR = "_"


@dataclass(frozen=True)
class Cell:
    """One value of a row.

    Kinds: text, link (to the row's page), badge (with a tone), day, moment, number, values (several texts), button (an
    act: address, label, question), markup (a template's part).
    """

    kind: str
    value: Any
    tone: str = "neutral"
    more: Any = ""
    """Words behind the value, or in its place where there is none."""
    url: str | None = None
    """A page of the cell's own."""
    badge: tuple[Message, str] | None = None
    """A badge behind the value: text and tone."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    name: str
    label: Message
    cell: Callable[[Row], Cell]
    order: tuple[Any, ...] = ()
    """Expressions to order by; none: the column cannot be ordered by."""
    key: Callable[[Row], Any] | None = None
    """Orders rows that are all at hand, as `order` does in a statement."""
    names: Callable[[Row], Iterable[str]] | None = None
    """The ids of the other records that the cell names, for the ledger."""

    @property
    def sortable(self) -> bool:
        return bool(self.order) or self.key is not None


@dataclass(frozen=True)
class Filter:
    """`kind`: choice (a code of `choices`), day (as people type it), flag (yes or no), record (link_filter.py)."""

    name: str
    label: Message
    kind: str
    condition: Callable[[Any], ColumnElement[bool]]
    choices: Callable[[], Sequence[tuple[str, str]]] | None = None
    of_records: bool = False
    """True if the choices are records of the installation: no description of the interface names them."""

    def read(self, text: str) -> Any:
        """The typed value; Invalid under the filter's name."""
        if self.kind == "choice" and self.choices and text in {code for code, _label in self.choices()}:
            return text
        if self.kind == "flag" and text in ("yes", "no"):
            return text == "yes"
        if self.kind == "day":
            try:
                return dates.read_day(text)
            except dates.NotADate as error:
                raise Invalid({self.name: error.message}) from None
        raise Invalid({self.name: _("This filter's value is not correct.")})

    def canonical(self, text: str) -> str:
        """The value as it stands in an address: a day in ISO form, however it was typed."""
        value = self.read(text)
        return value.isoformat() if isinstance(value, date) else text

    def options(self) -> Sequence[tuple[str, str]]:
        if self.kind == "flag":
            return (("yes", _("Yes")), ("no", _("No")))
        return self.choices() if self.choices else ()

    def said(self, text: str) -> str:
        """The value in words, for people."""
        if self.kind == "day":
            return day(dates.read_day(text))
        return dict(self.options()).get(text, text)

    def typed(self, text: str) -> str:
        """The value as its field shows it: a day as people write it."""
        return day(dates.read_day(text)) if self.kind == "day" and text else text

    def kept(self, text: str) -> Sequence[tuple[str, str]]:
        """Hidden fields beside the visible one, when filters are posted."""
        return ()

    @property
    def is_offered(self) -> bool:
        """False where there is nothing to choose between."""
        return self.choices is None or len(self.choices()) > 1


@dataclass(frozen=True)
class Query:
    """The query of one request, checked."""

    page: int = 1
    size: int = PAGE_SIZES[0]
    sort: str = ""
    search: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    """Names of the columns to show; none: all of them."""
    after: Any = None
    """The place of the last row of the page before, if pages follow each other by key."""
    cursor: str = ""
    """`after` as it stands in the address."""
    trail: tuple[str, ...] = ()
    """The cursors of the pages before this one, so that a list whose pages go by key leads back too."""
    mistaken: Mapping[str, tuple[str, Message]] = field(default_factory=dict)
    """Filters whose value cannot be read: what was typed and what is wrong with it. No row fits such a query."""

    def onward(self, following: str) -> dict[str, str]:
        """The address's values for the page after this one. It remembers so many pages as an address bears."""
        trail = (*self.trail, self.cursor or FIRST_PAGE)[-LONGEST_TRAIL:]
        return {"after": following, "back": TRAIL_SEPARATOR.join(trail)}

    def backward(self) -> dict[str, str | None] | None:
        """The address's values for the page before this one; None if the address does not tell it."""
        if not self.trail:
            return None
        *trail, cursor = self.trail
        return {
            "after": None if cursor == FIRST_PAGE else cursor,
            "back": TRAIL_SEPARATOR.join(trail) or None,
        }


@dataclass(frozen=True)
class ShownRow:
    url: str | None
    cells: tuple[Cell, ...]
    id: str
    version: int = 0


@dataclass(frozen=True)
class ShownColumn:
    name: str
    label: Message
    sort_url: str | None
    sorted: str | None


@dataclass(frozen=True)
class ShownFilter:
    name: str
    label: Message
    kind: str
    choices: Sequence[tuple[str, str]]
    value: str
    typed: str
    error: Message = ""


@dataclass(frozen=True)
class ShownChoice:
    """A column that may be shown or not; `fixed` ones always are."""

    name: str
    label: Message
    chosen: bool
    fixed: bool


@dataclass(frozen=True)
class BulkAct:
    """Something that may be done to several rows at once: a page that asks, reached by a form's button."""

    label: Message
    url: str
    tone: str = "secondary"


@dataclass(frozen=True)
class Chip:
    label: str
    remove_url: str
