"""Lists: declared columns, filters and orders, read strictly from the address, shown a page at a time.

What is not declared is refused (400), never ignored: an unknown filter that shows all rows is a leak.
A listing is frozen and shared by all threads; what a request asks for is a `Query` of its own. Personal
values are never a filter: they would stand in the address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.formats import day

Row = TypeVar("Row")
PAGE_SIZES = (25, 50, 100)
COUNT_BOUND = 10_000
"""Beyond so many rows the number is not counted: a list must not slow down as it grows."""
LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Cell:
    """One value of a row. Kinds: text, link, badge (with a tone), day, moment, number."""

    kind: str
    value: Any
    tone: str = "neutral"


@dataclass(frozen=True)
class Column(Generic[Row]):
    name: str
    label: Message
    cell: Callable[[Row], Cell]
    order: tuple[Any, ...] = ()
    """Expressions to order by; none: the column cannot be ordered by."""


@dataclass(frozen=True)
class Filter:
    """`kind`: choice (a code of `choices`), day (an ISO date), flag (yes or no)."""

    name: str
    label: Message
    kind: str
    condition: Callable[[Any], ColumnElement[bool]]
    choices: Callable[[], Sequence[tuple[str, str]]] | None = None

    def read(self, text: str) -> Any:
        """The typed value; Invalid under the filter's name."""
        if self.kind == "choice" and self.choices and text in {code for code, _label in self.choices()}:
            return text
        if self.kind == "flag" and text in ("yes", "no"):
            return text == "yes"
        if self.kind == "day":
            try:
                return date.fromisoformat(text)
            except ValueError:
                pass
        raise Invalid({self.name: _("This filter's value is not correct.")})

    def options(self) -> Sequence[tuple[str, str]]:
        if self.kind == "flag":
            return (("yes", _("Yes")), ("no", _("No")))
        return self.choices() if self.choices else ()

    def said(self, text: str) -> str:
        if self.kind == "day":
            return day(date.fromisoformat(text))
        return dict(self.options()).get(text, text)


@dataclass(frozen=True)
class Query:
    """What one request asked for, checked."""

    page: int = 1
    size: int = PAGE_SIZES[0]
    sort: str = ""
    search: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownRow:
    url: str | None
    cells: tuple[Cell, ...]
    id: str


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


@dataclass(frozen=True)
class Chip:
    label: str
    remove_url: str


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """A kind of list. `identify` gives a row's id, `link` its page; `search` the condition for free text."""

    columns: tuple[Column[Row], ...]
    identify: Callable[[Row], str]
    default_sort: str
    tie: tuple[Any, ...]
    """Unique expressions that end every order, so that pages never overlap."""
    filters: tuple[Filter, ...] = ()
    search: Callable[[str], ColumnElement[bool]] | None = None
    link: Callable[[Row], str] | None = None
    caption: Message = _l("List")
    empty_text: Message = _l("Nothing to show.")

    def read(self, args: MultiDict[str, str]) -> Query:
        """The query in a request's address. Invalid names each field that is unknown or wrong."""
        wrong: dict[str, Message] = {}
        known = {"page", "size", "sort", "q", *(each.name for each in self.filters)}
        for name in args:
            if name not in known or len(args.getlist(name)) > 1:
                wrong[name if name in known else ""] = _("The address holds something that this list does not know.")
        page = _whole(args.get("page", "1"), "page", 1, 1_000_000, wrong)
        size = _whole(args.get("size", str(PAGE_SIZES[0])), "size", 1, PAGE_SIZES[-1], wrong)
        sort = args.get("sort", "") or self.default_sort
        if sort.removeprefix("-") not in {column.name for column in self.columns if column.order}:
            wrong["sort"] = _("This list cannot be ordered so.")
        search = args.get("q", "").strip()
        if search and (self.search is None or len(search) > LONGEST_SEARCH):
            wrong["q"] = _("This search is too long.")
        chosen = {each.name: args[each.name] for each in self.filters if args.get(each.name)}
        for each in self.filters:
            if each.name in chosen:
                try:
                    each.read(chosen[each.name])
                except Invalid as error:
                    wrong.update(error.fields)
        if wrong:
            raise Invalid(wrong)
        return Query(page, size, sort, search, chosen)

    def narrowed(self, statement: Select[Any], query: Query) -> Select[Any]:
        """The statement with the query's filters and order, without its page."""
        for each in self.filters:
            if each.name in query.chosen:
                statement = statement.where(each.condition(each.read(query.chosen[each.name])))
        if query.search and self.search is not None:
            statement = statement.where(self.search(query.search))
        column = next(each for each in self.columns if each.name == query.sort.removeprefix("-"))
        down = query.sort.startswith("-")
        return statement.order_by(*(part.desc() if down else part.asc() for part in (*column.order, *self.tie)))

    def page(self, session: Session, statement: Select[Any], query: Query) -> Shown[Row]:
        """Runs two statements: the bounded count and the page's rows."""
        narrowed = self.narrowed(statement, query)
        bounded = narrowed.order_by(None).with_only_columns(self.tie[0]).limit(COUNT_BOUND + 1).subquery()
        total = session.scalar(select(func.count()).select_from(bounded)) or 0
        rows = session.execute(narrowed.limit(query.size).offset((query.page - 1) * query.size))
        found: list[Any] = list(rows.unique().scalars()) if _one_entity(statement) else list(rows.all())
        return Shown(self, query, found, total)


def _one_entity(statement: Select[Any]) -> bool:
    return len(statement.column_descriptions) == 1


def _whole(text: str, name: str, low: int, high: int, wrong: dict[str, Message]) -> int:
    if text.isascii() and text.isdigit() and len(text) < 8 and low <= int(text) <= high:
        return int(text)
    wrong[name] = _("This must be a whole number from %(low)s to %(high)s.", low=low, high=high)
    return low


def with_query(endpoint: str) -> str:
    """Another page's address with this request's query, which a listing has read before."""
    values: dict[str, Any] = request.args.to_dict()
    return url_for(endpoint, **values)


class Shown(Generic[Row]):
    """One page of a listing, as the template and the API show it."""

    def __init__(self, listing: Listing[Row], query: Query, found: list[Row], total: int) -> None:
        self._listing, self._query, self.found = listing, query, found
        self.total: int | None = total if total <= COUNT_BOUND else None
        self.caption, self.empty_text = listing.caption, listing.empty_text
        self.search: str | None = query.search if listing.search is not None else None
        self.page, self.page_size = query.page, query.size
        self.first = (query.page - 1) * query.size + 1 if found else 0
        self.last = self.first + len(found) - 1 if found else 0
        self.pages: int | None = None if self.total is None else max(1, -(-self.total // query.size))
        self.exports: list[tuple[str, str]] = []
        self.add: tuple[str, str] | None = None
        self.sort = query.sort

    @property
    def ids(self) -> list[str]:
        """The ids that are shown, for the ledger."""
        return [self._listing.identify(row) for row in self.found]

    @property
    def rows(self) -> list[ShownRow]:
        link = self._listing.link
        return [
            ShownRow(
                link(row) if link else None,
                tuple(column.cell(row) for column in self._listing.columns),
                self._listing.identify(row),
            )
            for row in self.found
        ]

    @property
    def columns(self) -> list[ShownColumn]:
        return [self._shown(column) for column in self._listing.columns]

    def _shown(self, column: Column[Row]) -> ShownColumn:
        if not column.order:
            return ShownColumn(column.name, column.label, None, None)
        here = self._query.sort.removeprefix("-") == column.name
        down = self._query.sort.startswith("-")
        turned = column.name if not here or down else f"-{column.name}"
        return ShownColumn(
            column.name, column.label, self._url(sort=turned, page=None), ("desc" if down else "asc") if here else None
        )

    @property
    def filters(self) -> list[ShownFilter]:
        return [
            ShownFilter(each.name, each.label, each.kind, each.options(), self._query.chosen.get(each.name, ""))
            for each in self._listing.filters
        ]

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(f"{each.label}: {each.said(self._query.chosen[each.name])}", self._url(page=None, **{each.name: None}))
            for each in self._listing.filters
            if each.name in self._query.chosen
        ]

    @property
    def previous_url(self) -> str | None:
        return self._url(page=self.page - 1) if self.page > 1 else None

    @property
    def next_url(self) -> str | None:
        full = len(self.found) == self.page_size
        more = full if self.pages is None else self.page < self.pages
        return self._url(page=self.page + 1) if more else None

    @property
    def page_sizes(self) -> list[tuple[int, str]]:
        return [(size, self._url(size=size, page=None)) for size in PAGE_SIZES]

    def _url(self, **changed: Any) -> str:
        values: dict[str, Any] = {**(request.view_args or {}), **request.args.to_dict(), **changed}
        endpoint = request.endpoint or ""
        return url_for(endpoint, **{name: value for name, value in values.items() if value not in (None, "")})
