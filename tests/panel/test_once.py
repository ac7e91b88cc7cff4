"""One intention, one record: each POST that creates is sent twice, and stored once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from itm_admin.foundation import once
from tests.factories import CASE, PERSON, Somebody
from tests.panel.panel_app import Browser, Records, RunningPanel


@dataclass
class Office:
    panel: RunningPanel
    own: Records
    focal: Somebody

    def browser(self) -> Browser:
        return self.panel.browser(self.focal)

    def count(self, table: str) -> int:
        return int(self.panel.value(f"select count(*) from {table}"))


@pytest.fixture
def office(panel: RunningPanel) -> Office:
    own = panel.records(panel.make.institution())
    return Office(panel, own, panel.make.focal_point(own.tenant))


def twice(send: Callable[[str], Any]) -> list[Any]:
    key = uuid.uuid4().hex
    return [send(key), send(key)]


def test_a_person_that_is_sent_twice_is_one_person(office: Office) -> None:
    browser, before = office.browser(), office.count("person")
    path = f"/persons/new/{office.own.case}"
    answers = twice(lambda key: browser.post(path, **PERSON, form_key=key))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert office.count("person") == before + 1


def test_five_at_the_same_moment_are_one_person(office: Office) -> None:
    browsers, before = [office.browser() for _ in range(5)], office.count("person")
    key = uuid.uuid4().hex
    with ThreadPoolExecutor(5) as pool:
        answers = list(
            pool.map(lambda each: each.post(f"/persons/new/{office.own.case}", **PERSON, form_key=key), browsers)
        )
    assert {answer.status_code for answer in answers} == {303}
    assert office.count("person") == before + 1


def test_an_assignment_a_link_a_profile_and_a_unit_that_are_sent_twice_are_answered_twice_and_stored_once(
    office: Office,
) -> None:
    browser, manager = office.browser(), office.panel.browser(office.panel.make.manager(office.own.tenant))
    other = office.panel.make.case(office.own.caseworker).id
    make = office.panel.make
    victim = make.person(office.own.caseworker, make.case(office.own.caseworker), role="VICTIM")
    for who, path, fields, table in (
        (browser, f"/cases/{office.own.case}/assign", {"account_id": str(office.own.colleague.id)}, "case_assignment"),
        (browser, f"/persons/link/{other}", {"pseudonym": office.own.pseudonym, "role": "WITNESS"}, "case_person"),
        (
            browser,
            f"/profiles/{victim.id}/edit",
            {"trafficking_status": "PossibleVictimOfTrafficking"},
            "victim_profile",
        ),
        (manager, "/units/new", {"name": "İki kez", "parent_id": str(office.own.tenant.root)}, "unit"),
    ):
        before = office.count(table)
        key = uuid.uuid4().hex
        answers = [who.post(path, **fields, form_key=key) for _time in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303], (path, answers[0].text[-800:])
        assert answers[0].headers["Location"] == answers[1].headers["Location"]
        assert office.count(table) == before + 1, path


def test_a_form_that_is_sent_again_with_other_content_is_no_silent_second_answer(office: Office) -> None:
    browser, key, before = office.browser(), uuid.uuid4().hex, office.count("person")
    path = f"/persons/new/{office.own.case}"
    assert browser.post(path, **PERSON, form_key=key).status_code == 303
    refused = browser.post(path, **{**PERSON, "given_name": "Başkası"}, form_key=key)
    assert (refused.status_code, "Başkası" in refused.text) == (422, True)
    assert (key in refused.text, office.count("person")) == (False, before + 1)


def test_the_api_answers_the_same_key_with_the_first_record_and_refuses_it_for_another(office: Office) -> None:
    browser, before = office.browser(), office.count("case_file")
    key = {once.HEADER: uuid.uuid4().hex, "X-CSRFToken": browser.token}

    def send(content: dict[str, Any]) -> Any:
        return browser.client.post(
            "/api/v1/cases/", data=json.dumps(content), headers=key, content_type="application/json"
        )

    first, second, other = send(CASE), send(CASE), send({**CASE, "province": "TR-35"})
    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert first.json["id"] == second.json["id"]
    assert office.count("case_file") == before + 1
    assert [event.target for event in office.panel.events(second)] == [first.json["id"]], "the second answer is a look"


def test_what_was_sent_is_kept_as_digests_for_its_sender_alone(office: Office) -> None:
    office.browser().post(f"/persons/new/{office.own.case}", **PERSON, form_key="a-key")
    rows = office.panel.rows("select key, content from submission where account_id = :id", id=office.focal.id)
    assert rows
    assert all(len(row.key) == len(row.content) == 64 for row in rows)


def test_an_account_that_is_sent_twice_is_one_account_and_its_link_is_shown_once(office: Office) -> None:
    manager, before = office.panel.browser(office.panel.make.manager(office.own.tenant)), office.count("account")
    key = uuid.uuid4().hex
    fields = {"first_name": "Ada", "last_name": "Kaya", "email": "ada@example.invalid", "language": "tr"}
    first, second = (
        manager.post("/accounts/new", **fields, role="caseworker", reason="NEW_TASK", form_key=key)
        for _time in range(2)
    )
    assert first.status_code == 200, first.text[-900:]
    assert "/accounts/" in second.headers["Location"]
    assert office.count("account") == before + 1
