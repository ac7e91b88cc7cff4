"""Walking through the panel by its links and GET forms, as somebody who is signed in; and the text that people see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from werkzeug.test import TestResponse

from tests.house.walking import Walker, World

KEPT = ("size", "sort", "cols")
OF_A_KIND = 2
"""So many addresses of one route are followed; of each filter of it, one."""


@dataclass
class Links(HTMLParser):
    """Addresses of a page: its links, and its GET forms with the first choices of each select after one another."""

    found: list[str] = field(default_factory=list)
    _form: tuple[str, dict[str, str], dict[str, list[str]]] | None = None
    _select: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href", "").startswith(("/", "?")):
            self.found.append(given["href"])
        elif tag == "form" and given.get("method", "get").lower() == "get":
            self._form = (given.get("action", ""), {}, {})
        elif tag == "input" and self._form and given.get("name") and given.get("type") != "checkbox":
            self._form[1][given["name"]] = given.get("value", "")
        elif tag == "select" and self._form:
            self._select = given.get("name")
        elif tag == "option" and self._form and self._select:
            self._form[2].setdefault(self._select, []).append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "form" and self._form:
            action, inputs, selects = self._form
            kept = {name: value for name, value in inputs.items() if value}
            self.found.append(f"{action}?{urlencode(kept)}")
            for name, values in selects.items():
                first = [value for value in values if value][:OF_A_KIND]
                self.found += [f"{action}?{urlencode({**kept, name: value})}" for value in first]
            self._form = None


@dataclass(frozen=True)
class Visit:
    """One answer, and where its address was offered."""

    source: str
    address: str
    endpoint: str
    answer: TestResponse


def kind_of(world: World, address: str) -> tuple[str, str]:
    """The route, and with the filters' names what an address has in common with others of its kind."""
    parts = urlsplit(address)
    endpoint, values = world.panel.app.url_map.bind("localhost").match(parts.path)
    asked = [(name, value) for name, value in parse_qsl(parts.query) if name not in KEPT]
    told = sorted({name for name, _value in asked})
    return str(endpoint), f"{endpoint} {values.get('kind', '')} {told}"


def visits(world: World, who: Walker, more: Sequence[str] = ()) -> Iterator[Visit]:
    """Every page that is reachable from the first one; `more` are visited in any case."""
    waiting, seen, times = [("", "/")], set[str](), Counter[str]()
    waiting += [("more", address) for address in more]
    while waiting:
        source, address = waiting.pop(0)
        if address in seen:
            continue
        seen.add(address)
        endpoint, kind = kind_of(world, address)
        if source != "more":
            times[kind] += 1
            if times[kind] > (OF_A_KIND if kind.endswith("[]") else 1) or "static" in kind:
                continue
        answer = who.browser.get(address)
        yield Visit(source, address, endpoint, answer)
        if answer.status_code in (302, 303):
            waiting.append((address, answer.headers["Location"]))
        if answer.mimetype == "text/html":
            page = Links()
            page.feed(answer.text)
            waiting += [(address, urljoin(address, link).split("#")[0]) for link in page.found]
        answer.close()


_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_OPENED = {"filters", "menu-toggle"}
"""Menus and filters: they are opened to be worked with, and not to read what is beneath them."""


@dataclass
class Seen(HTMLParser):
    """The text that people see without opening details: also in fields, buttons and the window's title."""

    texts: list[str] = field(default_factory=list)
    _closed: list[str] = field(default_factory=list)
    """Open elements from the first one on whose text is not seen."""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _VOID:
            if tag == "input" and given.get("type", "text") != "hidden" and "hidden" not in given and not self._closed:
                shown = () if given.get("type") in ("checkbox", "radio") else (given.get("value", ""),)
                self.texts += [*shown, given.get("placeholder", "")]
        elif (
            self._closed
            or tag in ("script", "style", "svg")
            or (tag == "details" and not _OPENED & set(given.get("class", "").split()))
        ):
            self._closed.append(tag)
        if not self._closed:
            self.texts += [given[name] for name in ("aria-label", "alt", "title") if given.get(name)]

    def handle_endtag(self, tag: str) -> None:
        if self._closed and tag in self._closed:
            while self._closed.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._closed and data.strip():
            self.texts.append(" ".join(data.split()))


def seen(page: str) -> list[str]:
    parser = Seen()
    parser.feed(re.sub(r"<br\s*/?>", " ", page))
    return parser.texts
