"""Walking through the panel by its links and GET forms, as somebody who is signed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urljoin, urlsplit

from werkzeug.test import TestResponse

from tests.house.page_parts import OF_A_KIND, Parts, parts_of
from tests.house.walking import Walker, World

KEPT = ("size", "sort", "cols")


@dataclass(frozen=True)
class Visit:
    """One answer, and where its address was offered."""

    source: str
    address: str
    endpoint: str
    answer: TestResponse
    parts: Parts | None
    """Of a page; None for other answers."""


def _parts(answer: TestResponse) -> Parts | None:
    return parts_of(answer.text) if answer.mimetype == "text/html" else None


def english(who: Walker, visit: Visit) -> Visit:
    """The same address once more, now that the person reads English."""
    answer = who.browser.get(visit.address)
    return Visit(visit.source, visit.address, visit.endpoint, answer, _parts(answer))


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
        parts = _parts(answer)
        yield Visit(source, address, endpoint, answer, parts)
        if answer.status_code in (302, 303):
            waiting.append((address, answer.headers["Location"]))
        if parts is not None:
            waiting += [(address, urljoin(address, link).split("#")[0]) for link in parts.links.found]
        answer.close()
