"""The way to a new case, as a browser goes it: source, first person, what happened, and a last look."""

from __future__ import annotations

from typing import Any, Protocol

from werkzeug.test import TestResponse

_PERSON = ("role", "given_name", "family_name", "birth_date", "gender", "citizenships", "language")
_RISK = ("exploitation_types", "industry", "narrative", "trafficking_status", "control_methods")


class Posts(Protocol):
    def post(self, path: str, **fields: Any) -> TestResponse: ...


def open_case(browser: Posts, address: str = "/cases/new", **fields: Any) -> TestResponse:
    """All steps; the last one's answer. A step that is refused ends it."""
    person = {name: fields.pop(name) for name in _PERSON if name in fields}
    risk = {name: fields.pop(name) for name in _RISK if name in fields}
    for path, typed in ((address, fields), ("/cases/new/person", person), ("/cases/new/risk", risk)):
        answer = browser.post(path, **typed)
        if answer.status_code != 303:
            return answer
    return browser.post("/cases/new/check")
