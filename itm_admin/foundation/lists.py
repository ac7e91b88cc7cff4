"""Lists: declared columns, filters and orders, read strictly from the address, shown a page at a time.

What is not declared is refused (400), never ignored: an unknown filter that shows all rows is a leak.
A listing is frozen and shared by all threads; what a request asks for is a `Query` of its own. Personal
values are never a filter: they would stand in the address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic
from urllib.parse import parse_qsl, urlencode

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, any_, func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.list_parts import (
    PAGE_SIZES,
    BulkAct,
    Cell,
    Chip,
    Column,
    Filter,
    Query,
    Row,
    ShownChoice,
    ShownColumn,
    ShownFilter,
    ShownRow,
)
from itm_admin.foundation.quick_search import reference_in

__all__ = [
    "BulkAct", "Cell", "Chip", "Column", "Filter", "Listing", "Query", "Shown", "ShownColumn", "ShownFilter",
    "ShownRow", "with_query",
]  # fmt: skip
COUNT_BOUND = 10_000
"""Beyond so many rows no page is shown and nothing is counted: a list must not slow down as it grows."""
LONGEST_SEARCH = 100
_NUMBER = re.compile(r"(?:\d[\s.-]*){5}")
COLUMNS = "cols"
"""The one name that may stand several times in a list's address: once for each column to show."""


class WithoutSearch(HTTPException):
    """Sends on to the same list without what its address looks for."""

    code = 303

    def get_response(self, *_args: Any, **_more: Any) -> Any:
        pairs = [pair for pair in request.args.items(multi=True) if pair[0] != "q"]
        flash(_("Names and numbers are not searched for from an address. Use the search for persons."), "info")
        return redirect(f"{request.path}?{urlencode(pairs)}" if pairs else request.path, 303)


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """A kind of list. `identify` gives a row's id, `link` its page; `search` the condition for free text."""

    columns: tuple[Column[Row], ...]
    """The first names the row and is always shown."""
    identify: Callable[[Row], str]
    default_sort: str
    tie: tuple[Any, ...]
    """Expressions that end every order, so that rows of one day stand in one that people can follow.

    The last is unique, so that pages never overlap.
    """
    filters: tuple[Filter, ...] = ()
    search: Callable[[str], ColumnElement[bool]] | None = None
    link: Callable[[Row], str] | None = None
    caption: Message = _l("List")
    empty_text: Message = _l("Nothing to show.")
    search_label: Message = _l("Search by reference or pseudonym")
    by_reference: bool = True
    """The search is for a reference or a pseudonym. It is posted, since people type names there as well."""
    counted: int = COUNT_BOUND
    """Beyond so many rows the number is not told: fewer where row-level security makes each of them dear."""
    page_size: int = PAGE_SIZES[0]
    """Rows of a page, where the address does not say."""
    keys_first: bool = False
    """True if a page's keys are found before its rows, so that nothing is computed for rows that are not shown."""
    name: str = ""
    """Under which people keep views of it; none: they cannot."""

    def read(self, args: MultiDict[str, str], *, columns: bool = True) -> Query:
        """The query in a request's address. Invalid names each field that is unknown or wrong.

        `columns` says whether the address may choose them: the programming interface's may not.
        """
        wrong: dict[str, Message] = {}
        known = {"page", "size", "sort", "q", *(each.name for each in self.filters)}
        for name in args:
            if columns and name == COLUMNS:
                continue
            if name not in known or len(args.getlist(name)) > 1:
                wrong[name if name in known else ""] = _("The address holds something that this list does not know.")
        page = _whole(args.get("page", "1"), "page", 1, 1_000_000, wrong)
        size = _whole(args.get("size", str(self.page_size)), "size", 1, PAGE_SIZES[-1], wrong)
        sort = args.get("sort", "") or self.default_sort
        if sort.removeprefix("-") not in {column.name for column in self.columns if column.order}:
            wrong["sort"] = _("This list cannot be ordered so.")
        search = args.get("q", "").strip()
        if search and (self.search is None or len(search) > LONGEST_SEARCH):
            wrong["q"] = _("This search is too long.")
        elif search and not self._may_stand_in_an_address(search):
            if columns:
                raise WithoutSearch
            wrong["q"] = _("This looks for a reference or pseudonym. Names and numbers are searched by POST.")
        chosen = {each.name: args[each.name] for each in self.filters if args.get(each.name)}
        for each in self.filters:
            if each.name in chosen:
                try:
                    chosen[each.name] = each.canonical(chosen[each.name])
                except Invalid as error:
                    wrong.update(error.fields)
        shown = self._columns(args.getlist(COLUMNS), wrong)
        if wrong:
            raise Invalid(wrong)
        return Query(page, size, sort, search, chosen, shown)

    def _may_stand_in_an_address(self, text: str) -> bool:
        """An old or typed address may hold a name or a number: it is looked for nowhere."""
        return reference_in(text) is not None if self.by_reference else not _NUMBER.search(text)

    def _columns(self, asked: list[str], wrong: dict[str, Message]) -> tuple[str, ...]:
        """In the list's own order, with the one that names the row; none where all are shown."""
        names = [column.name for column in self.columns]
        if not set(asked) <= set(names) or len(set(asked)) < len(asked):
            wrong[COLUMNS] = _("This list has no such column.")
        shown = tuple(name for name in names if name in asked or name == names[0])
        return shown if asked and len(shown) < len(names) else ()

    def canonical(self, query: Query) -> str:
        """The parts of a query that may be kept, as text: never what was searched for, nor which page it was."""
        pairs = [("sort", query.sort)]
        if query.size != self.page_size:
            pairs.append(("size", str(query.size)))
        pairs += [(each.name, query.chosen[each.name]) for each in self.filters if each.name in query.chosen]
        return urlencode([*pairs, *((COLUMNS, name) for name in query.columns)])

    def parse(self, text: str) -> Query:
        """A kept query, read as strictly as an address: Invalid if the list no longer knows it."""
        try:
            return self.read(MultiDict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=50)))
        except ValueError:
            raise Invalid from None

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
        """Runs two statements: the bounded count and the page's rows. No row lies beyond the bound."""
        narrowed = self.narrowed(statement, query)
        bounded = narrowed.order_by(None).with_only_columns(self.tie[-1]).limit(self.counted + 1).subquery()
        total = session.scalar(select(func.count()).select_from(bounded)) or 0
        before = (query.page - 1) * query.size
        if before >= COUNT_BOUND:
            return Shown(self, query, [], total)
        rows = session.execute(self._page_of(statement, narrowed.limit(query.size).offset(before), narrowed))
        found: list[Any] = list(rows.unique().scalars()) if _one_entity(statement) else list(rows.all())
        return Shown(self, query, found, total)

    def _page_of(self, statement: Select[Any], page: Select[Any], narrowed: Select[Any]) -> Select[Any]:
        if not self.keys_first:
            return page
        keys = page.with_only_columns(self.tie[-1]).scalar_subquery()
        return statement.where(self.tie[-1] == any_(func.array(keys))).order_by(*narrowed._order_by_clauses)


def _one_entity(statement: Select[Any]) -> bool:
    return len(statement.column_descriptions) == 1


def _whole(text: str, name: str, low: int, high: int, wrong: dict[str, Message]) -> int:
    if text.isascii() and text.isdigit() and len(text) < 8 and low <= int(text) <= high:
        return int(text)
    wrong[name] = _("This must be a whole number from %(low)s to %(high)s.", low=low, high=high)
    return low


def with_query(endpoint: str) -> str:
    """Another page's address with this request's query, which a listing has read before."""
    values: dict[str, Any] = request.args.to_dict(flat=False)
    return url_for(endpoint, **values)


class Shown(Generic[Row]):
    """One page of a listing, as the template and the API show it."""

    def __init__(self, listing: Listing[Row], query: Query, found: list[Row], total: int) -> None:
        self._listing, self._query, self.found = listing, query, found
        self._shown = [each for each in listing.columns if not query.columns or each.name in query.columns]
        self.total: int | None = total if total <= listing.counted else None
        self.counted = listing.counted
        self.caption, self.empty_text, self.name = listing.caption, listing.empty_text, listing.name
        self.search: str | None = query.search if listing.search is not None else None
        self.search_label = listing.search_label
        self.by_reference = listing.by_reference
        self.page, self.page_size = query.page, query.size
        self.first = (query.page - 1) * query.size + 1 if found else 0
        self.last = self.first + len(found) - 1 if found else 0
        self.pages: int | None = None if self.total is None else max(1, -(-self.total // query.size))
        self.beyond = not found and (query.page - 1) * query.size >= COUNT_BOUND
        """True if the page asked for lies beyond the rows that are shown."""
        self.exports: list[tuple[str, str]] = []
        self.add: tuple[str, str] | None = None
        self.bulk: list[BulkAct] = []
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
                tuple(column.cell(row) for column in self._shown),
                self._listing.identify(row),
                getattr(row, "row_version", 0),
            )
            for row in self.found
        ]

    @property
    def columns(self) -> list[ShownColumn]:
        return [self._head(column) for column in self._shown]

    def _head(self, column: Column[Row]) -> ShownColumn:
        if not column.order:
            return ShownColumn(column.name, column.label, None, None)
        here = self._query.sort.removeprefix("-") == column.name
        down = self._query.sort.startswith("-")
        turned = column.name if not here or down else f"-{column.name}"
        return ShownColumn(
            column.name, column.label, self._url(sort=turned, page=None), ("desc" if down else "asc") if here else None
        )

    @property
    def column_choices(self) -> list[ShownChoice]:
        shown = {column.name for column in self._shown}
        return [
            ShownChoice(each.name, each.label, each.name in shown, not place)
            for place, each in enumerate(self._listing.columns)
        ]

    @property
    def kept(self) -> str:
        """The query that a saved view of this page would keep."""
        return self._listing.canonical(self._query)

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """Further fields of a form that narrows the list, so that nothing chosen is lost."""
        pairs = [("sort", self.sort), ("size", str(self.page_size))]
        if "filters" not in without:
            pairs += [("q", self.search), *self._query.chosen.items()] if self.search else self._query.chosen.items()
        if COLUMNS not in without:
            pairs += [(COLUMNS, name) for name in self._query.columns]
        return pairs

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
    def all_url(self) -> str:
        """Without filters and search, in the same order and columns."""
        return self._url(page=None, q=None, **{each.name: None for each in self._listing.filters})

    @property
    def unsearched_url(self) -> str:
        """The same filters, order and columns, without what was searched for."""
        return self._url(page=None, q=None)

    @property
    def previous_url(self) -> str | None:
        return self._url(page=self.page - 1) if self.page > 1 else None

    @property
    def next_url(self) -> str | None:
        if self.last >= COUNT_BOUND:
            return None
        full = len(self.found) == self.page_size
        more = full if self.pages is None else self.page < self.pages
        return self._url(page=self.page + 1) if more else None

    @property
    def page_sizes(self) -> list[tuple[int, str]]:
        return [(size, self._url(size=size, page=None)) for size in PAGE_SIZES]

    def _url(self, **changed: Any) -> str:
        """This list with something changed. It always says its order: so no view opens in its place by itself."""
        asked: Mapping[str, Any] = request.args.to_dict(flat=False)
        values = {**(request.view_args or {}), **asked, "sort": self.sort, **changed}
        endpoint = request.endpoint or ""
        return url_for(endpoint, **{name: value for name, value in values.items() if value not in (None, "", [""])})
