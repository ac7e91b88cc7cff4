"""The way to a new case, as a browser goes it: source, first person, what happened, and a last look."""

from __future__ import annotations

import re
from typing import Any, Protocol

from werkzeug.test import TestResponse

_PERSON = ("role", "given_name", "family_name", "birth_date", "tckn", "gender", "citizenships", "language")
_RISK = ("exploitation_types", "industry", "narrative", "trafficking_status", "control_methods")


class Posts(Protocol):
    def get(self, path: str) -> TestResponse: ...

    def post(self, path: str, **fields: Any) -> TestResponse: ...


def open_case(browser: Posts, address: str = "/cases/new", **fields: Any) -> TestResponse:
    """All steps; the last one's answer. A step that is refused ends it."""
    person = {name: fields.pop(name) for name in _PERSON if name in fields}
    risk = {name: fields.pop(name) for name in _RISK if name in fields}
    where = address
    for typed in (fields, person, risk):
        answer = browser.post(where, **typed)
        if answer.status_code != 303:
            return answer
        where = answer.headers["Location"]
    return browser.post(where, seen=seen_in(browser.get(where).text))


def seen_in(page: str) -> str:
    """The version of the draft that the last page shows."""
    field = re.search(r'name="seen" value="(\w+)"', page)
    return field[1] if field else ""
