"""The panel with the tests' own area: its tables, pages and roles are there while it is used, and gone afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from itm_admin import areas
from itm_admin.foundation.roles import ROLES, SUBJECTS
from itm_admin.record import kind
from tests.conftest import Database
from tests.panel.handovers.area import contributed
from tests.panel.panel_app import Browser, RunningPanel

ROOM = "tests.panel.handovers."
TABLES = Path(__file__).parent / "handovers" / "handover.sql"
NOTE = "Kanarya notu 4711"
API = "/api/v1"


@contextmanager
def with_handovers(database: Database) -> Iterator[None]:
    with database.engine("owner").begin() as connection:
        connection.exec_driver_sql(TABLES.read_text("utf-8"), execution_options={"no_parameters": True})
    area = contributed()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "ROOMS", (*kind.ROOMS, ROOM))
            patch.setattr(areas, "AREAS", (*areas.AREAS, area))
            yield
    finally:
        for subject in area.may:
            SUBJECTS.pop(subject, None)
            for role in ROLES.values():
                role.may.pop(subject, None)


class World:
    """A handover from one institution to another, about a person of the sender, and people of both."""

    def __init__(self, panel: RunningPanel) -> None:
        make = panel.make
        self.panel, self.focal, self.manager = panel, make.focal_point(), make.manager()
        self.receiver = make.focal_point(make.other_institution())
        self.case = make.case(self.focal)
        self.link = make.person(self.focal, self.case)
        self.browser, self.receiving = panel.browser(self.focal), panel.browser(self.receiver)
        self.id = self.handover()

    def handover(self, browser: Browser | None = None, **values: Any) -> str:
        data = {"other_institution_id": str(self.receiver.tenant.id), "need": "SHELTER", "due_day": "2026-05-01",
                "person_id": str(self.link.person_id), "note": NOTE, **values}  # fmt: skip
        return made(browser or self.browser, f"{API}/handovers/", data)

    def other(self, id: str) -> str:
        """The other side of a handover."""
        rows = "select o.id from handover o join handover h on h.common = o.common where h.id = :id and o.id <> h.id"
        return str(self.panel.value(rows, id=id))

    def visit(self, of: str | None = None, browser: Browser | None = None, **values: Any) -> str:
        data = {"day": "2026-04-01", "note": NOTE, **values}
        return made(browser or self.browser, f"{API}/visits/in/{of or self.id}", data)


def made(browser: Browser, path: str, data: Any) -> str:
    answer = browser.send("POST", path, data)
    assert answer.status_code == 201, answer.text
    return str(json.loads(answer.text)["id"])
