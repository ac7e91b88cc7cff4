"""Our panel as the probes see it: people of institution A who ask for what is B's, and what must not happen.

A refusal is the same for what is foreign and for what does not exist, changes nothing, and stands in A's
ledger alone.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from difflib import unified_diff
from functools import cached_property
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from itm_admin.cases.models import Case, Person
from itm_admin.foundation import access
from itm_admin.foundation.database import db
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, route
from tests.panel.panel_app import Browser, RunningPanel, body_of

Fields = Mapping[str, Any]


class ForgottenView(Page):
    """A view whose author forgot every condition."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/forgotten"

    @route("/", act="list")
    def list(self) -> str:
        cases, persons = db.session.scalars(select(Case)).all(), db.session.scalars(select(Person)).all()
        return " ".join([*(case.reference for case in cases), *(person.pseudonym for person in persons)])


class PanelSite:
    """Alice, a focal point, and chief, a manager, of A; all of B's rows are known to the probes."""

    def __init__(self, panel: RunningPanel) -> None:
        self.panel = panel
        with panel.app.app_context():
            builder = panel.app.extensions["appbuilder"]
            builder.add_view_no_menu(ForgottenView)
            access.declare_views(panel.app, builder.baseviews)
        self.a = panel.records(panel.make.institution("JGK"))
        self.b = panel.records(panel.make.institution("EGM"))

    @cached_property
    def alice(self) -> Browser:
        return self.panel.browser(self.panel.make.focal_point(self.a.tenant))

    @cached_property
    def chief(self) -> Browser:
        return self.panel.browser(self.panel.make.manager(self.a.tenant))

    def rules(self) -> set[str]:
        return {rule.rule for rule in self.panel.app.url_map.iter_rules()}

    def opens(self, who: Browser, path: str, fields: Fields | None = None, method: str = "GET") -> TestResponse:
        """A page that comes, and shows nothing of B."""
        answer = who.ask(method, path, fields)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-1500:])
        return self.silent(answer)

    def silent(self, answer: TestResponse, *asked: object) -> TestResponse:
        """Nothing of B is in the answer, but for what was asked for."""
        shown = [mark for mark in self.b.marks if mark not in map(str, asked) and mark in answer.text]
        assert not shown, shown
        return answer

    def shut(self, who: Browser, method: str, path: str, foreign: uuid.UUID, **fields: Any) -> None:
        """B's id, at each ``{}`` of the path or the fields, is refused as one that does not exist."""
        refused = self.refused_alike(who, method, path, foreign, uuid.uuid4(), fields)
        for answer, id in refused:
            assert answer.status_code in (403, 404), (path, answer.status_code)
            events = self.panel.events(answer)
            assert [(event.code, event.outcome) for event in events] == [(self.a.tenant.code, "denied")], path
            if "{}" in path:
                assert events[0].target in _with(path, id)

    def refused_alike(
        self, who: Browser, method: str, path: str, foreign: object, missing: object, fields: Fields
    ) -> list[tuple[TestResponse, object]]:
        """The answers to both, which tell the same, after which nothing has changed."""
        who.get("/profile/password")  # shows, once, what an earlier change had to say
        rows, size = self.panel.state(), self.panel.size(self.b.tenant)
        answers = [(who.ask(method, _with(path, id), _fields(fields, id)), id) for id in (foreign, missing)]
        (here, _id), (nowhere, _missing) = answers
        assert here.status_code == nowhere.status_code, (path, here.status_code, nowhere.status_code)
        told, untold = body_of(here, foreign), body_of(nowhere, missing)
        assert told == untold, (path, list(unified_diff(told.splitlines(), untold.splitlines(), n=1)))
        self.silent(here, foreign, *re.findall(r"[0-9a-f-]{36}", path))
        assert self.panel.state() == rows, path
        assert self.panel.size(self.b.tenant) == size, path
        return answers

    def stays_shut_without(self, *words: str) -> None:
        """No route has any of these words: the feature does not exist here."""
        found = [rule for rule in self.rules() if any(re.search(word, rule) for word in words)]
        assert not found, found


def _with(path: str, id: object) -> str:
    return path.replace("{}", str(id))


def _fields(fields: Fields, id: object) -> dict[str, Any]:
    return {name: _with(value, id) if isinstance(value, str) else value for name, value in fields.items()}
