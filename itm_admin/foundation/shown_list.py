"""A page of a list, as templates and the programming interface show it: rows, columns, filters, links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from flask import request, url_for

from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.errors import Message
from itm_admin.foundation.list_parts import (
    PAGE_SIZES,
    BulkAct,
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

if TYPE_CHECKING:
    from itm_admin.foundation.lists import Listing

COUNT_BOUND = 10_000
"""Beyond so many rows no page is shown and nothing is counted: a list must not slow down as it grows."""
COLUMNS = "cols"
"""The one name that may stand several times in a list's address: once for each column to show."""


class Shown(Generic[Row]):
    """One page of a listing. `whole`: of rows that are all at hand, so that nothing is paged or narrowed."""

    def __init__(
        self,
        listing: Listing[Row],
        query: Query,
        found: Sequence[Row],
        total: int | None,
        following: str | None = None,
        whole: bool = False,
    ) -> None:
        self._listing, self._query, self.found, self._following = listing, query, found, following
        self._by_key = listing.by_key is not None
        self.whole = whole
        self._shown = [each for each in listing.columns if not query.columns or each.name in query.columns]
        self.total: int | None = total if total is not None and total <= listing.counted else None
        self.counted = listing.counted
        self.caption, self.empty_text, self.name = listing.caption, listing.empty_text, listing.name
        self.search: str | None = query.search if listing.search is not None else None
        self.filter_url: str | None = None
        """The address to which filters are posted, where a name may be typed into one."""
        self.search_label = listing.search_label
        self.by_reference = listing.by_reference
        self.page, self.page_size = query.page, query.size
        self.first = (query.page - 1) * query.size + 1 if found and not self._by_key else 0
        self.last = self.first + len(found) - 1 if self.first else 0
        self.pages: int | None = None if self.total is None else max(1, -(-self.total // query.size))
        self.beyond = not found and (query.page - 1) * query.size >= COUNT_BOUND
        """True if the page asked for lies beyond the rows that are shown."""
        self.mistaken = query.mistaken
        self.status = 400 if query.mistaken else 200
        """The status of the list's page."""
        self.exports: list[tuple[str, str]] = []
        self.add: tuple[str, str] | None = None
        self.bulk: list[BulkAct] = []
        self.apart: set[str] = set()
        """Ids of rows that cannot be chosen for the acts on several."""
        self.sort = query.sort

    @property
    def ids(self) -> list[str]:
        """The ids that are shown, and those of records that are named, for the ledger, each once."""
        shows = self._listing.shows or (lambda row: (self._listing.identify(row),))
        named = [column.names for column in self._shown if column.names is not None]
        ids = (id for row in self.found for ids in (shows(row), *(names(row) for names in named)) for id in ids)
        return list(dict.fromkeys(ids))

    def record(self, kind: str, id: Any = None, *, detail: Mapping[str, Any] | None = None) -> None:
        """Queues the entry for what this page shows; of a list with filters with what was chosen."""
        record_read("record.list", kind, id, subjects=self.ids, detail=detail)

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
        if not column.sortable or (self.whole and not self._query.sort):
            return ShownColumn(column.name, column.label, None, None)
        here = self._query.sort.removeprefix("-") == column.name
        down = self._query.sort.startswith("-")
        turned = column.name if not here or down else f"-{column.name}"
        return ShownColumn(
            column.name, column.label, self._url(sort=turned, page=None), ("desc" if down else "asc") if here else None
        )

    @property
    def column_choices(self) -> list[ShownChoice]:
        if self.whole:
            return []
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
        pairs = [("sort", self.sort)] if self.sort else []
        pairs.append(("size", str(self.page_size)))
        if "filters" not in without:
            pairs += [("q", self.search), *self._query.chosen.items()] if self.search else self._query.chosen.items()
        elif self.filter_url:
            pairs += [(name, str(value)) for name, value in (request.view_args or {}).items()]
            pairs += [pair for each in self._listing.filters for pair in each.kept(self._chosen(each.name))]
        if COLUMNS not in without:
            pairs += [(COLUMNS, name) for name in self._query.columns]
        return pairs

    def _chosen(self, name: str) -> str:
        return self._query.chosen.get(name, "")

    @property
    def filters(self) -> list[ShownFilter]:
        offered = [(each, self._chosen(each.name)) for each in self._listing.filters if each.is_offered]
        return [
            ShownFilter(each.name, each.label, each.kind, each.options(), text, *self._typed(each, text))
            for each, text in offered
        ]

    def _typed(self, filter: Filter, text: str) -> tuple[str, Message]:
        """The text that the filter's field shows, and what is wrong with it."""
        return self.mistaken.get(filter.name) or (filter.typed(text), "")

    @property
    def chips(self) -> list[Chip]:
        chosen = [(each, text) for each in self._listing.filters if (text := self._chosen(each.name))]
        return [
            Chip(f"{each.label}: {each.said(text)}", self._url(page=None, after=None, **{each.name: None}))
            for each, text in chosen
        ]

    @property
    def all_url(self) -> str:
        """Without filters and search, in the same order and columns."""
        return self._url(page=None, after=None, q=None, **{each.name: None for each in self._listing.filters})

    @property
    def unsearched_url(self) -> str:
        """The same filters, order and columns, without what was searched for."""
        return self._url(page=None, q=None)

    @property
    def previous_url(self) -> str | None:
        if self._by_key:
            before = self._query.backward()
            return None if before is None else self._url(**before)
        return self._url(page=self.page - 1) if self.page > 1 else None

    @property
    def newest_url(self) -> str | None:
        """The first page, where pages go by key: it says no number that one could go back to."""
        return self._url(after=None) if self._query.after else None

    @property
    def ended_url(self) -> str | None:
        """The list's last page, where the page asked for lies behind it."""
        if self._by_key or self.found or self.page == 1 or self.beyond or not self.pages or not self.total:
            return None
        return self._url(page=self.pages)

    @property
    def next_url(self) -> str | None:
        if self._by_key:
            return self._url(**self._query.onward(self._following)) if self._following else None
        if self.last >= COUNT_BOUND or self.whole:
            return None
        full = len(self.found) == self.page_size
        more = full if self.pages is None else self.page < self.pages
        return self._url(page=self.page + 1) if more else None

    @property
    def page_sizes(self) -> list[tuple[int, str]]:
        return [(size, self._url(size=size, page=None, after=None)) for size in PAGE_SIZES]

    def _url(self, **changed: Any) -> str:
        """This list with something changed. It always says its order: so no view opens in its place by itself."""
        asked: Mapping[str, Any] = request.args.to_dict(flat=False)
        trail = {"back": None} if "after" in changed else {}  # another page's way back is not this one's
        values = {**(request.view_args or {}), **asked, "sort": self.sort, **trail, **changed}
        endpoint = request.endpoint or ""
        return url_for(endpoint, **{name: value for name, value in values.items() if value not in (None, "", [""])})
