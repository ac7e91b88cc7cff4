"""Lists: declared columns, filters and orders, read strictly from the address, shown a page at a time.

Rows come from a statement and go by the page's number (`page`), by the key of the last row where a number would be slow
(`by_key`, `shown`), or are all at hand (`all`). Columns, filters, markup and links are the same for each.

What is not declared is refused (400), never ignored: an unknown filter that shows all rows is a leak. A declared filter
with a value that cannot be read is told beside its field, and no row is shown.
A listing is frozen and shared by all threads; what a request asks for is a `Query` of its own. Personal
values are never a filter: they would stand in the address.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Sequence
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
    FIRST_PAGE,
    LONGEST_TRAIL,
    PAGE_SIZES,
    TRAIL_SEPARATOR,
    BulkAct,
    Cell,
    Column,
    Filter,
    Query,
    Row,
)
from itm_admin.foundation.quick_search import reference_in
from itm_admin.foundation.shown_list import COLUMNS, COUNT_BOUND, Shown

__all__ = ["BulkAct", "Cell", "Column", "Filter", "Listing", "Query", "Shown", "with_query"]
LONGEST_SEARCH = 100
_NUMBER = re.compile(r"(?:\d[\s.-]*){5}")


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
    default_sort: str = ""
    tie: tuple[Any, ...] = ()
    """Expressions that end every order, so that rows of one day stand in one that people can follow.

    The last is unique, so that pages never overlap.
    """
    filters: tuple[Filter, ...] = ()
    search: Callable[[str], ColumnElement[bool]] | None = None
    link: Callable[[Row], str | None] | None = None
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
    by_key: Callable[[str], Any] | None = None
    """Reads the place after which a page begins, if pages follow each other so; Invalid for any other text."""
    shows: Callable[[Row], Iterable[str]] | None = None
    """The ids that a row shows, if it shows others than its own."""

    def asked(self, args: MultiDict[str, str]) -> Query:
        """As `read`, for a page: a filter's wrong value is said beside its field, and until it is right no row fits."""
        return self.read(args, forgiving=True)

    def read(self, args: MultiDict[str, str], *, columns: bool = True, forgiving: bool = False) -> Query:
        """The query in a request's address. Invalid names each field that is unknown or wrong.

        `columns` says whether the address may choose them: the programming interface's may not. `forgiving`: a wrong
        value of a filter that the page offers becomes a part of the query.
        """
        wrong: dict[str, Message] = {}
        places = {"after", "back"} if self.by_key else {"page", "sort", "q"}
        known = {"size", *places, *(each.name for each in self.filters)}
        for name in args:
            if columns and name == COLUMNS:
                continue
            if name not in known or len(args.getlist(name)) > 1:
                wrong[name if name in known else ""] = _("The address holds something that this list does not know.")
        page = _whole(args.get("page", "1"), "page", 1, 1_000_000, wrong)
        size = _whole(args.get("size", str(self.page_size)), "size", 1, PAGE_SIZES[-1], wrong)
        sort = args.get("sort", "") or self.default_sort
        if sort and sort.removeprefix("-") not in {column.name for column in self.columns if column.sortable}:
            wrong["sort"] = _("This list cannot be ordered so.")
        search = args.get("q", "").strip()
        if search and (self.search is None or len(search) > LONGEST_SEARCH):
            wrong["q"] = _("This search is too long.")
        elif search and not self._may_stand_in_an_address(search):
            if columns:
                raise WithoutSearch
            wrong["q"] = _("This looks for a reference or pseudonym. Names and numbers are searched by POST.")
        cursor = args.get("after", "")
        after, trail = self._after(cursor, wrong), self._trail(args.get("back", ""), wrong)
        chosen = {each.name: text for each in self.filters if (text := args.get(each.name, "").strip())}
        mistaken: dict[str, tuple[str, Message]] = {}
        for each in self.filters:
            if each.name in chosen:
                try:
                    chosen[each.name] = each.canonical(chosen[each.name])
                except Invalid as error:
                    if forgiving and each.is_offered:
                        mistaken[each.name] = (chosen.pop(each.name), error.message)
                    else:
                        wrong.update(error.fields)
        shown = self._columns(args.getlist(COLUMNS), wrong)
        if wrong:
            raise Invalid(wrong)
        return Query(page, size, sort, search, chosen, shown, after, cursor, trail, mistaken)

    def _after(self, text: str, wrong: dict[str, Message]) -> Any:
        try:
            return self.by_key(text) if self.by_key and text else None
        except Invalid as error:
            wrong["after"] = error.message
            return None

    def _trail(self, text: str, wrong: dict[str, Message]) -> tuple[str, ...]:
        """The pages before, each checked like the place of this one."""
        trail = tuple(text.split(TRAIL_SEPARATOR)) if text and self.by_key else ()
        for cursor in trail:
            if cursor != FIRST_PAGE:
                self._after(cursor, wrong)
        if len(trail) > LONGEST_TRAIL:
            wrong["back"] = _("The address holds something that this list does not know.")
        return trail

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
        if query.mistaken:
            return self.shown(query, [], total=0)
        narrowed = self.narrowed(statement, query)
        bounded = narrowed.order_by(None).with_only_columns(self.tie[-1]).limit(self.counted + 1).subquery()
        total = session.scalar(select(func.count()).select_from(bounded)) or 0
        before = (query.page - 1) * query.size
        if before >= COUNT_BOUND:
            return self.shown(query, [], total=total)
        rows = session.execute(self._page_of(statement, narrowed.limit(query.size).offset(before), narrowed))
        found: list[Any] = list(rows.unique().scalars()) if _one_entity(statement) else list(rows.all())
        return self.shown(query, found, total=total)

    def shown(
        self, query: Query, found: Sequence[Row], *, total: int | None = None, following: str | None = None
    ) -> Shown[Row]:
        """These rows as a page. `following`: the place after which the next one begins, where pages go by key."""
        return Shown(self, query, found, total, following)

    def all(self, rows: Iterable[Row], query: Query | None = None) -> Shown[Row]:
        """Rows that are all at hand, on one page, in the query's order or their own."""
        found = builtins.list(rows)
        query = query or Query(sort=self.default_sort)
        column = next((each for each in self.columns if each.name == query.sort.removeprefix("-")), None)
        if column is not None and column.key is not None:
            by = column.key
            found.sort(key=lambda row: ((value := by(row)) is not None, value), reverse=query.sort.startswith("-"))
        return Shown(self, query, found, len(found), whole=True)

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
