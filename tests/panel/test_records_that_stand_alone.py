"""A kind without a parent: added at an address of its own, in the unit of the person who adds it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from itm_admin import areas
from itm_admin.foundation.roles import ROLES
from itm_admin.record import kind
from tests.factories import Somebody
from tests.panel.offices import TABLE, contributed
from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

API = "/api/v1/offices"
OFFICE = {"name": "Kuzey bürosu", "opened_on": "2026-04-01"}


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    with shared_database.engine("owner").begin() as connection:
        connection.exec_driver_sql(TABLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "ROOMS", (*kind.ROOMS, "tests.panel.offices"))
        patch.setattr(areas, "AREAS", (*areas.AREAS, contributed()))
        yield RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))
    for role in ROLES.values():
        role.may.pop("Office", None)


@pytest.fixture(scope="module")
def north(panel: RunningPanel) -> Somebody:
    return panel.make.focal_point(unit=panel.make.unit("Kuzey"))


@pytest.fixture(scope="module")
def manager(panel: RunningPanel) -> Somebody:
    return panel.make.manager()


def test_a_record_is_added_at_an_address_without_a_parent(panel: RunningPanel, north: Somebody) -> None:
    browser = panel.browser(north)
    assert 'href="/offices/new"' in browser.get("/offices/").text
    form = browser.get("/offices/new")
    assert form.status_code == 200
    assert re.search(r'<input checked [^>]*name="public"', form.text), "a new record begins with it"
    assert browser.post("/offices/new", name="", opened_on="1.4.2026").status_code == 422
    added = browser.post("/offices/new", name="Kuzey bürosu", opened_on="1.4.2026")
    assert added.status_code == 303, added.text
    page = browser.get(added.headers["Location"])
    assert "Kuzey bürosu" in page.text
    assert "01.04.2026" in page.text
    stands = panel.rows("select o.unit_id, u.name from office o join unit u on u.id = o.unit_id")
    assert {row.name for row in stands} == {"Kuzey"}


def test_it_is_added_by_programs_at_its_lists_address_and_once_for_a_key(panel: RunningPanel, north: Somebody) -> None:
    browser = panel.browser(north)
    answers = [
        browser.client.post(f"{API}/", json=OFFICE, headers={"X-CSRFToken": browser.token, "Idempotency-Key": "o1"})
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    paths = json.loads(browser.get("/api/v1/openapi.json").text)["paths"]
    assert {"get", "post"} == set(paths[f"{API}/"])
    assert not [path for path in paths if path.startswith(f"{API}/in/")]


def test_it_belongs_to_a_unit_that_its_author_works_in(panel: RunningPanel, north: Somebody, manager: Somebody) -> None:
    south = panel.make.unit("Güney")
    made = json.loads(panel.browser(north).send("POST", f"{API}/", OFFICE).text)
    elsewhere = panel.browser(panel.make.focal_point(unit=south))
    assert elsewhere.get(f"/offices/{made['id']}").status_code == 404
    change: dict[str, Any] = {"name": "Yeni ad", "row_version": 1}
    assert elsewhere.send("PATCH", f"{API}/{made['id']}", change).status_code == 404
    assert panel.browser(north).send("PATCH", f"{API}/{made['id']}", change).status_code == 200
    deleted = {"reason": "DUPLICATE", "row_version": 2}
    assert panel.browser(north).send("DELETE", f"{API}/{made['id']}", deleted).status_code == 403
    assert panel.browser(manager).send("DELETE", f"{API}/{made['id']}", deleted).status_code == 200


def test_those_without_the_act_see_no_button_and_add_nothing(panel: RunningPanel) -> None:
    browser = panel.browser(panel.make.caseworker())
    assert browser.get("/offices/new").status_code == 403
    assert browser.send("POST", f"{API}/", OFFICE).status_code == 403


def test_what_was_typed_is_kept_for_its_author_alone(panel: RunningPanel, north: Somebody, manager: Somebody) -> None:
    browser, place = panel.browser(north), f"/drafts/new-office/{north.id}"
    assert browser.post(place, name="Yarım kalan").status_code == 200
    assert "/offices/new?draft=resume" in browser.get("/offices/new").text
    assert "Yarım kalan" in browser.get("/offices/new?draft=resume").text
    other = panel.browser(panel.make.focal_point())
    assert other.post(place, name="Yabancı").status_code == 404
    assert browser.post("/offices/new", name="Kuzey 2", opened_on="1.4.2026").status_code == 303
    assert "draft=resume" not in browser.get("/offices/new").text


def test_a_person_who_keeps_no_drafts_adds_one_too(panel: RunningPanel, manager: Somebody) -> None:
    browser = panel.browser(manager)
    form = browser.get("/offices/new")
    assert (form.status_code, "data-keep" in form.text) == (200, False)
    added = browser.post("/offices/new", name="Merkez bürosu", opened_on="1.4.2026")
    assert added.status_code == 303, added.text
