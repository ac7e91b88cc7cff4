"""Every id in an answer is target or subject of an entry of its request: for every route, method and outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.factories import CASE
from tests.house.walking import Step, Walker, World
from tests.panel.panel_app import RunningPanel

LEAVING = ("OwnSessionView.sign_out", "OwnSessionView.sign_out_everywhere", "SessionApi.end")
ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def untold(world: World, answer: TestResponse, sent: str = "") -> set[str]:
    """Ids in body and headers that the entries of the request do not name."""
    texts = [value for _name, value in answer.headers.items()]
    if answer.mimetype in ("text/html", "application/json", "application/problem+json", "text/csv"):
        texts.append(answer.text)
    found = set(ID.findall(" ".join(texts)))
    events = world.panel.shown(answer)
    told = {id for event in events for id in (event.target, *event.subjects)}
    # What came with a change that was refused or stored is known already; what is new is told of
    return found - told - set(ID.findall(sent))


def _asked(world: World, step: Step, who: Walker) -> Iterator[tuple[str, dict[str, Any]]]:
    wide, fields = who.role in step.expected.wide, world.fields(step, who)
    mine = who.own or world.ours
    for record in (mine, world.theirs) if who.role in step.expected.may and step.expected.names else (mine,):
        yield world.path(step, record, 1 if wide else world.own_entry(who)), fields
        if fields and step.method != "GET":
            yield world.path(step, record), {}


@pytest.mark.parametrize("methods", [("GET",), ("POST", "PATCH", "PUT", "DELETE")], ids=["looks", "changes"])
def test_every_id_in_an_answer_is_target_or_subject_of_an_entry_of_its_request(
    world: World, methods: tuple[str, ...]
) -> None:
    faults = []
    register = world.panel.app.extensions["itm_access"]
    for step in world.steps(*methods):
        if step.endpoint in LEAVING or register[step.endpoint].quiet:
            continue  # units and the register of institutions are everybody's: their choices are in no ledger
        may = [who for who in world.walkers.values() if who.role in step.expected.may]
        outside = [who for who in world.walkers.values() if who not in may][:1]
        for who in may + outside:
            for path, fields in _asked(world, step, who):
                answer = who.browser.ask(step.method, path, fields)
                # A refusal tells of what was asked for, and so may a page that shows it
                known = path if answer.status_code >= 400 else ""
                if step.method != "GET":
                    known = f"{path} {fields}"
                if missing := untold(world, answer, known):
                    faults.append(f"{answer.status_code} {step.key} as {who.role}: {sorted(missing)[:2]}")
                answer.close()
    assert not faults, "\n".join(faults[:30])


def test_a_conflict_and_a_change_of_nothing_leave_an_entry_with_the_record(world: World) -> None:
    who = world.walkers["focal_point"]
    worker, case = who.browser, str(world.panel.make.case(who.somebody).id)
    path = f"/api/v1/cases/{case}"
    version = worker.send("GET", path).json["row_version"]  # type: ignore[index]
    for data, status in (
        ({"province": "TR-01", "row_version": version + 7}, 409),
        ({"province": CASE["province"], "row_version": version}, 200),
    ):
        answer = worker.send("PATCH", path, data)
        assert answer.status_code == status, answer.text
        assert [event.target for event in world.panel.events(answer)] == [case], status
        assert not untold(world, answer)
