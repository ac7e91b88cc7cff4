"""Forms that are sent empty: each required field says what to do, and the others are optional."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

from tests.house.visiting import Visit
from tests.house.walking import Walker

SAYS_NOTHING = ("Bu, seçeneklerden biri değildir.", "Bu alan zorunludur.")
OPTIONAL, CONDITION = "(isteğe bağlı)", "zorunlu)"
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
class Forms(HTMLParser):
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

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
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

    def handle_endtag(self, tag: str) -> None:
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

    def handle_data(self, data: str) -> None:
        if self._legend and self._group is not None:
            self._group.label += data
        elif self._label is not None:
            self._labels[self._label] = self._labels.get(self._label, "") + data
        if self._errors and data.strip():
            self.summary.append(" ".join(data.split()))


def read(page: str) -> Forms:
    forms = Forms()
    forms.feed(page)
    return forms


def faults_of_empty_forms(who: Walker, visited: Iterable[Visit]) -> tuple[list[str], bool]:
    """Sends the forms of these pages empty: what is wrong with them, and if a field said so, or there was no form."""
    offered = {}
    for visit in visited:
        if visit.answer.status_code == 200 and visit.answer.mimetype == "text/html":
            for action, hidden, controls in read(visit.answer.text).found:
                offered[visit.endpoint] = (urljoin(visit.address, action), hidden, controls)
    faults, empty = [], 0
    for address, hidden, controls in offered.values():
        for name, control in controls.items():
            marked = OPTIONAL in control.label or CONDITION in control.label
            if not control.alone and name != "chosen" and marked == control.required:
                faults.append(f"{address} {name}: {'both' if marked else 'neither'} required and optional")
        if "/sign-out" in address or "password" in address:
            continue
        answer = who.browser.post(address, **{**hidden, "csrf_token": who.browser.token})
        forms = read(answer.text)
        faults += [f"{address}: {said}" for said in forms.summary if any(words in said for words in SAYS_NOTHING)]
        for _action, _hidden, after in forms.found:
            wrong = {name for name, control in after.items() if control.wrong}
            empty += len(wrong)
            faults += [f"{address} {name}: wrong when empty, and marked as optional" for name in wrong
                       if OPTIONAL in after[name].label]  # fmt: skip
    return faults, bool(empty or not offered)
