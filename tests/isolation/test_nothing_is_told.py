"""Another institution at work changes nothing that one is shown: no count, no order, no number, no length.

One database is copied; in one copy another institution works. The same person then asks for the same pages in the same
order of both, and the answers are alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Cluster, Database, copied
from tests.house.expectations import FOCAL, INSIDE, MANAGER, WORKER
from tests.house.walking import Walker, World
from tests.panel.panel_app import Browser, Records, RunningPanel, body_of

OWN = (WORKER, FOCAL, MANAGER, INSIDE)
"""Roles whose reach is their institution."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+\d\d:\d\d)|\b\d{1,2}[:.]\d\d(?:[:.]\d\d)?\b")
_LEFT = re.compile(r'"(absolute|idle|surely)":\d+')
_MADE = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9a-f]{40,}|[A-Za-z0-9+/_.-]{40,}={0,2}")
_LINK = re.compile(r'href="(/[^"#]*\?[^"#]*)"')


@pytest.fixture(scope="module")
def panels(
    cluster: Cluster, shared_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, RunningPanel, RunningPanel]]:
    """The world, and the panel on two copies of its database: a quiet one, and one in which others have worked."""
    home = tmp_path_factory.mktemp("panel")
    world = World(RunningPanel(shared_database, home))
    world.panel.close()
    with copied(cluster, shared_database) as first, copied(cluster, shared_database) as second:
        quiet, busy = RunningPanel(first, home), RunningPanel(second, home)
        _work(busy, world.theirs)
        yield world, quiet, busy


def _work(panel: RunningPanel, theirs: Records) -> None:
    """The other institution opens cases, adds persons, units and colleagues, and looks at what it has."""
    panel.make.knows(theirs.tenant)
    for number in range(5):
        case = panel.make.case(theirs.caseworker, opened_on=f"2026-03-0{number + 1}")
        panel.make.person(theirs.caseworker, case, given_name=f"Ad{number}", family_name="Çok")
        panel.make.unit(f"Birim {number}", theirs.tenant)
        panel.make.focal_point(theirs.tenant)
    browser = panel.browser(theirs.caseworker)
    for path in ("/cases/", f"/cases/{theirs.case}", f"/persons/{theirs.person}"):
        assert browser.get(path).status_code == 200


def _same_person(panel: RunningPanel, who: Walker) -> Browser:
    """The person's browser, at another copy: its session is a row that was copied too."""
    browser = Browser(panel.app.test_client())
    for name in ("itm", "__Host-itm"):
        if (cookie := who.browser.client.get_cookie(name)) is not None:
            browser.client.set_cookie(name, cookie.value)
    browser.token = who.browser.token
    return browser


def _plain(answer: TestResponse) -> str:
    """The text without moments, and without numbers that each copy draws for itself."""
    if not answer.content_type.startswith(("text/", "application/json")):
        return answer.content_type
    return _MADE.sub("MADE", _LEFT.sub("LEFT", _MOMENT.sub("MOMENT", body_of(answer))))


def _unescaped(link: str) -> str:
    return link.replace("&amp;", "&")


def _pages(world: World, who: Walker) -> list[str]:
    return [
        world.path(step, who.own or world.ours, world.own_entry(who)) for step in world.steps("GET")
        if who.role in step.expected.may and who.role not in step.expected.wide and "static" not in step.endpoint
    ]  # fmt: skip


@pytest.mark.parametrize("role", OWN)
def test_no_page_of_an_institution_tells_that_another_one_is_at_work(
    panels: tuple[World, RunningPanel, RunningPanel], role: str
) -> None:
    world, quiet, busy = panels
    who = world.walkers[role]
    one, other = _same_person(quiet, who), _same_person(busy, who)
    asked, waiting = set[str](), [(path, path) for path in _pages(world, who)]
    while waiting:
        path, there = waiting.pop(0)
        if path in asked:
            continue
        asked.add(path)
        first, second = one.get(path), other.get(there)
        assert first.status_code == second.status_code, path
        assert _plain(first) == _plain(second), path
        own = urlsplit(path)
        if not own.query and first.content_type.startswith("text/html"):  # orders, filters and pages of the list itself
            # Where a page begins is a moment of its copy's own, so each copy is asked for what it offers
            for links in zip(*(map(_unescaped, _LINK.findall(page.text)) for page in (first, second)), strict=True):
                waiting += [links] if links[0].startswith(f"{own.path}?") else []
    assert len(asked) > 30


def test_the_numbers_of_new_records_do_not_tell_how_many_others_have_made(
    panels: tuple[World, RunningPanel, RunningPanel],
) -> None:
    world, quiet, busy = panels
    made = []
    for panel in (quiet, busy):
        panel.make.knows(world.ours.tenant)
        case = panel.make.case(world.walkers[FOCAL].somebody)
        made.append((case.reference, str(case.id)))
    assert made[0][0] == made[1][0]
    assert made[0][1] != made[1][1], "an identifier is drawn, not counted"
