"""A part of a case with a protected value about the case: sealed under the case's key, and gone when it is shredded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from itm_admin import areas
from itm_admin.cases import lookup
from itm_admin.cases.models import CasePerson
from itm_admin.foundation.roles import ROLES, SUBJECTS
from itm_admin.record import kind
from tests.factories import Somebody
from tests.panel.erasing import erased
from tests.panel.panel_app import Browser, RunningPanel
from tests.panel.plans import TABLE, contributed

if TYPE_CHECKING:
    from tests.conftest import Database

API, NOTE = "/api/v1/plans", "Kanarya evi 4711"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    with shared_database.engine("owner").begin() as connection:
        connection.exec_driver_sql(TABLE, execution_options={"no_parameters": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "ROOMS", (*kind.ROOMS, "tests.panel.plans"))
        patch.setattr(areas, "AREAS", (*areas.AREAS, contributed()))
        yield RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))
    SUBJECTS.pop("Plan", None)
    for role in ROLES.values():
        role.may.pop("Plan", None)


@pytest.fixture(scope="module")
def author(panel: RunningPanel) -> Somebody:
    return panel.make.focal_point()


@pytest.fixture(scope="module")
def browser(panel: RunningPanel, author: Somebody) -> Browser:
    return panel.browser(author)


@pytest.fixture
def link(panel: RunningPanel, author: Somebody) -> CasePerson:
    return panel.make.person(author, panel.make.case(author), role="VICTIM")


def plan(browser: Browser, case: uuid.UUID) -> str:
    added = browser.send("POST", f"{API}/in/{case}", {"day": "2026-04-01", "agreed": NOTE})
    assert added.status_code == 201, added.text
    return str(json.loads(added.text)["id"])


def test_it_is_sealed_under_the_cases_key_and_revealed_for_a_purpose(
    panel: RunningPanel, browser: Browser, link: CasePerson
) -> None:
    id = plan(browser, link.case_id)
    (sealed,) = panel.rows("select agreed_enc, data_key is not null from plan join case_file c on c.id = case_id"
                           " where plan.id = :id", id=id)  # fmt: skip
    assert NOTE.encode() not in bytes(sealed[0])
    assert sealed[1], "the case has a key, also where it has no narrative"
    page = browser.get(f"/plans/{id}").text
    assert NOTE not in page
    assert f'href="/plans/{id}/reveal"' in page
    answer = browser.send("POST", f"{API}/{id}/reveal", {"purpose": "CASE_WORK"})
    assert json.loads(answer.text)["agreed"] == NOTE
    assert [event.target for event in panel.events(answer) if event.action == "record.reveal"] == [id]


def test_the_page_of_its_case_lists_it_and_the_list_is_filtered_by_the_case(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson
) -> None:
    id, other = plan(browser, link.case_id), plan(browser, panel.make.case(author).id)
    shown = browser.get(f"/cases/{link.case_id}")
    assert f'href="/plans/{id}"' in shown.text
    assert other not in shown.text
    assert any(event.kind == "plan" and id in event.subjects for event in panel.events(shown))
    reference = panel.value("select reference from case_file where id = :id", id=link.case_id)
    found = browser.get(f"/plans/?case_id={reference}").text
    assert id in found
    assert other not in found
    assert json.loads(browser.get(f"{API}/{id}").text)["case_id"] == str(link.case_id)


def test_it_goes_when_its_case_is_shredded_and_a_new_one_is_written_under_a_new_key(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson
) -> None:
    manager, id = panel.make.manager(author.tenant), plan(browser, link.case_id)
    page = panel.browser(manager).get(f"/erasures/{link.person_id}").text
    with panel.make.working(manager) as session:
        assert str(lookup.get_case(session, link.case_id).reference) in page, "it is asked about, without a narrative"
    erased(panel.make, manager, link)
    assert panel.value("select agreed_enc is null from plan where id = :id", id=id)
    assert panel.value("select data_key is null from case_file where id = :id", id=link.case_id)
    again = plan(browser, link.case_id)
    answer = browser.send("POST", f"{API}/{again}/reveal", {"purpose": "CASE_WORK"})
    assert json.loads(answer.text)["agreed"] == NOTE
    emptied = browser.send("POST", f"{API}/{id}/reveal", {"purpose": "CASE_WORK"})
    assert json.loads(emptied.text)["agreed"] is None
