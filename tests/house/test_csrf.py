"""Every route that changes something, from the address map: no other site and no page without its token sets it off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from itm_admin.foundation.access import METHODS_THAT_CHANGE
from tests.house.walking import Step, Walker, World
from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
)


@pytest.fixture(scope="module")
def world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(RunningPanel(shared_database, tmp_path_factory.mktemp("panel")))


def changes(world: World) -> Iterator[tuple[Step, Walker]]:
    """Each route that changes, and somebody who may use it."""
    for step in world.steps(*sorted(METHODS_THAT_CHANGE)):
        for who in world.walkers.values():
            if step.expected.public or who.role in step.expected.may:
                yield step, who
                break


def send(world: World, step: Step, who: Walker, headers: dict[str, str], token: str | None = None) -> int:
    record = world.theirs if who.role in step.expected.wide else who.own or world.ours
    fields = world.fields(step, who)
    given = {**headers, **({"X-CSRFToken": token} if token is not None else {})}
    path = world.path(step, record, world.own_entry(who))
    body = {"json": fields} if path.startswith("/api/") else {"data": fields}
    return who.browser.client.open(path, method=step.method, headers=given, **body).status_code  # type: ignore[arg-type]


def test_no_other_site_sets_off_a_change_even_with_a_right_token(world: World) -> None:
    rows, tried = world.panel.state(), 0
    for number, (step, who) in enumerate(changes(world)):
        headers = FOREIGN[number % len(FOREIGN)]
        assert send(world, step, who, headers, who.browser.token) == 400, (step.key, headers)
        tried += 1
    assert tried > 100
    assert world.panel.state() == rows
    assert all(who.browser.get("/profile/").status_code == 200 for who in world.walkers.values()), "who was signed out?"


def test_no_page_without_its_token_sets_off_a_change(world: World) -> None:
    rows = world.panel.state()
    for step, who in changes(world):
        assert send(world, step, who, {}) == 400, step.key
        assert send(world, step, who, {}, "wrong") == 400, step.key
    assert world.panel.state() == rows
    assert all(who.browser.get("/profile/").status_code == 200 for who in world.walkers.values()), "who was signed out?"
