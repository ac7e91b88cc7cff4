"""A page, read once: its addresses, the text that people see, and its forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Protocol
from urllib.parse import urlencode

OF_A_KIND = 2
"""So many addresses of one route are followed; of each filter of it, one."""


class _Reader(Protocol):
    def begins(self, tag: str, given: dict[str, str]) -> None: ...

    def ends(self, tag: str) -> None: ...

    def says(self, data: str) -> None: ...


class _Once(HTMLParser):
    """Reading a page takes as long as making it: each part is handed on to all readers."""

    def __init__(self, *readers: _Reader) -> None:
        super().__init__()
        self._readers = readers

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for reader in self._readers:
            reader.begins(tag, given)

    def handle_endtag(self, tag: str) -> None:
        for reader in self._readers:
            reader.ends(tag)

    def handle_data(self, data: str) -> None:
        for reader in self._readers:
            reader.says(data)

    def updatepos(self, _start: int, end: int) -> int:
        """Nobody asks for the number of a line."""
        return end


@dataclass
class Links:
    """Addresses of a page: its links, and its GET forms with the first choices of each select after one another."""

    found: list[str] = field(default_factory=list)
    _form: tuple[str, dict[str, str], dict[str, list[str]]] | None = None
    _select: str | None = None

    def begins(self, tag: str, given: dict[str, str]) -> None:
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

    def ends(self, tag: str) -> None:
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

    def says(self, data: str) -> None:
        """Words are no addresses."""


_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_OPENED = {"filters", "menu-toggle"}
"""Menus and filters: they are opened to be worked with, and not to read what is beneath them."""


@dataclass
class Seen:
    """The text that people see without opening details: also in fields, buttons and the window's title."""

    texts: list[str] = field(default_factory=list)
    _closed: list[str] = field(default_factory=list)
    """Open elements from the first one on whose text is not seen."""

    def begins(self, tag: str, given: dict[str, str]) -> None:
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

    def ends(self, tag: str) -> None:
        if self._closed and tag in self._closed:
            while self._closed.pop() != tag:
                pass

    def says(self, data: str) -> None:
        if not self._closed and data.strip():
            self.texts.append(" ".join(data.split()))


_CHOICES = ("radio", "checkbox")


@dataclass
class Control:
    """One field, or one group of choices, with the words of its label or legend."""

    required: bool
    label: str = ""
    wrong: bool = False
    alone: bool = False
    """A single check box: ticked or not, it is answered."""


@dataclass
class Forms:
    """The forms of a page that are sent by POST: their fields by name, and what is hidden in them."""

    found: list[tuple[str, dict[str, str], dict[str, Control]]] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    _open: bool = False
    _ids: dict[str, str] = field(default_factory=dict)
    _labels: dict[str, str] = field(default_factory=dict)
    _label: str | None = None
    _group: Control | None = None
    _legend: bool = False
    _errors: bool = False

    def begins(self, tag: str, given: dict[str, str]) -> None:
        classes = given.get("class", "").split()
        if "error-summary" in classes:
            self._errors = True
        if tag == "form" and "form" in classes:
            self._open = True
            self.found.append((given["action"], {}, {}))
        elif self._open and tag == "fieldset" and "field" in classes:
            self._group = Control(given.get("aria-required") == "true", wrong="field-wrong" in classes)
        elif self._open and tag == "legend":
            self._legend = True
        elif self._open and tag == "label":
            self._label = given.get("for", "")
        elif self._open and tag in ("input", "select", "textarea") and given.get("name"):
            self._control(given, given.get("type", ""))

    def _control(self, given: dict[str, str], kind: str) -> None:
        _action, hidden, controls = self.found[-1]
        if kind == "hidden":
            hidden[given["name"]] = given.get("value", "")
        elif self._group is not None and kind in _CHOICES:
            controls[given["name"]] = self._group
        else:
            self._ids[given["id"]] = given["name"]
            wrong = given.get("aria-invalid") == "true"
            controls[given["name"]] = Control(given.get("aria-required") == "true", "", wrong, kind in _CHOICES)

    def ends(self, tag: str) -> None:
        if tag == "form" and self._open:
            self._open = False
            for id, text in self._labels.items():
                if self._ids.get(id) in self.found[-1][2]:
                    self.found[-1][2][self._ids[id]].label = text
            self._ids, self._labels = {}, {}
        elif tag == "fieldset":
            self._group = None
        elif tag == "legend":
            self._legend = False
        elif tag == "label":
            self._label = None
        elif tag == "ul":
            self._errors = False

    def says(self, data: str) -> None:
        if self._legend and self._group is not None:
            self._group.label += data
        elif self._label is not None:
            self._labels[self._label] = self._labels.get(self._label, "") + data
        if self._errors and data.strip():
            self.summary.append(" ".join(data.split()))


@dataclass(frozen=True)
class Parts:
    """One page."""

    links: Links
    seen: Seen
    forms: Forms


def parts_of(page: str) -> Parts:
    parts = Parts(Links(), Seen(), Forms())
    _Once(parts.links, parts.seen, parts.forms).feed(re.sub(r"<br\s*/?>", " ", page))
    return parts
