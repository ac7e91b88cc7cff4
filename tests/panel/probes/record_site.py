"""The tests' own area as the probes see it: handovers and visits of A and B on the base of all records."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from itm_admin.foundation import access
from itm_admin.foundation.database import db
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, route
from tests.factories import Somebody, Tenant
from tests.panel.handovers.models import Handover, Visit
from tests.panel.panel_app import Browser, RunningPanel
from tests.panel.probes.panel_site import PanelSite

API = "/api/v1"
ASKED = {"need": "SHELTER", "due_day": "2026-05-01"}
VISITED = {"day": "2026-04-01"}


@dataclass(frozen=True)
class Held:
    """A handover with its visit, and the words that stand in both notes."""

    handover: uuid.UUID
    visit: uuid.UUID
    note: str


class ForgottenRecords(Page):
    """A view whose author forgot every condition."""

    subject = "Handover"
    scopes = (INSTITUTION,)
    route_base = "/forgotten-records"

    @route("/", act="list")
    def list(self) -> str:
        return " ".join(str(row.id) for model in (Handover, Visit) for row in db.session.scalars(select(model)))


class RecordSite(PanelSite):
    """Alice and chief of A; B's handovers go to a third institution, so that none of them is A's to see."""

    def __init__(self, panel: RunningPanel) -> None:
        super().__init__(panel)
        with panel.app.app_context():
            builder = panel.app.extensions["appbuilder"]
            builder.add_view_no_menu(ForgottenRecords)
            access.declare_views(panel.app, builder.baseviews)
        self.third: Tenant = panel.make.institution("ASHB")
        self.bob_himself: Somebody = panel.make.focal_point(self.b.tenant)
        self.bob = panel.browser(self.bob_himself)
        self.ours = self.held(self.alice, self.a.person, "Alfa notu")
        self.theirs = self.held(self.bob, self.b.person, "Bravo notu")

    def held(self, who: Browser, person: uuid.UUID, note: str) -> Held:
        handover = self.made(who, f"{API}/handovers/", {**self.asked, "person_id": str(person), "note": note})
        return Held(handover, self.made(who, f"{API}/visits/in/{handover}", {**VISITED, "note": note}), note)

    @property
    def asked(self) -> dict[str, Any]:
        """A handover's fields without a person."""
        return {**ASKED, "other_institution_id": str(self.third.id)}

    def made(self, who: Browser, path: str, content: dict[str, Any]) -> uuid.UUID:
        answer = who.send("POST", path, content)
        assert answer.status_code == 201, answer.text
        return uuid.UUID(json.loads(answer.text)["id"])

    def pairs(self) -> tuple[tuple[str, uuid.UUID, uuid.UUID], ...]:
        """By name: A's record and B's."""
        return (
            ("handovers", self.ours.handover, self.theirs.handover),
            ("visits", self.ours.visit, self.theirs.visit),
        )

    def silent(self, answer: TestResponse, *asked: object) -> TestResponse:
        marks = (str(self.theirs.handover), str(self.theirs.visit), self.theirs.note)
        assert not [mark for mark in marks if mark not in map(str, asked) and mark in answer.text]
        return super().silent(answer, *asked)

    def unlinked(self, who: Browser, method: str, path: str, fields: dict[str, Any]) -> None:
        """B's person at the ``{}`` is refused as one that nobody has."""
        for answer, _id in self.refused_alike(who, method, path, self.b.person, uuid.uuid4(), fields):
            assert answer.status_code in (400, 404, 422), (path, answer.status_code)
