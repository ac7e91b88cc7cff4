"""Every link that a page offers is followed and every filter submitted, as each role: nothing answers 4xx or 5xx.

A link that is refused is a dead end for whoever was offered it, and an entry in the auditors' list of refusals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest

from itm_admin.foundation.roles import ROLES
from tests.house.walking import Walker, World
from tests.panel.panel_app import RunningPanel

KEPT = ("size", "sort", "cols")
OF_A_KIND = 2
"""So many addresses of one route, with the same names in their query, are followed."""


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


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def _kind(world: World, address: str) -> str:
    """What an address has in common with others of its kind: the route and the filters' names."""
    parts = urlsplit(address)
    endpoint, values = world.panel.app.url_map.bind("localhost").match(parts.path)
    asked = [(name, value) for name, value in parse_qsl(parts.query) if name not in KEPT]
    told = sorted({name for name, _value in asked})
    return f"{endpoint} {values.get('kind', '')} {told}"


def faults(world: World, who: Walker) -> Iterator[str]:
    waiting, seen, times = [("", "/")], set[str](), Counter[str]()
    while waiting:
        source, address = waiting.pop(0)
        if address in seen:
            continue
        seen.add(address)
        kind = _kind(world, address)
        times[kind] += 1
        if times[kind] > OF_A_KIND or "static" in kind:
            continue
        answer = who.browser.get(address)
        if answer.status_code >= 400:
            yield f"{answer.status_code} {address}, offered at {source}"
        if answer.status_code in (302, 303):
            waiting.append((address, answer.headers["Location"]))
        if answer.mimetype == "text/html":
            page = Links()
            page.feed(answer.text)
            waiting += [(address, urljoin(address, link).split("#")[0]) for link in page.found]
        answer.close()


@pytest.mark.parametrize("role", ROLES)
def test_no_link_and_no_filter_that_a_role_is_offered_is_refused_or_fails(role: str, world: World) -> None:
    assert list(faults(world, world.walkers[role])) == []
