"""The side navigation is Flask-AppBuilder's Menu: who sees which entries, in which order, and where each leads."""

from __future__ import annotations

import re
from html import unescape

import pytest

from itm_admin import areas
from itm_admin.foundation.views import Page
from itm_admin.panel import Panel
from itm_admin.record.area import Area, MenuEntry
from tests.house.expectations import ADMIN, FOCAL, INSIDE, MANAGER, NATIONAL, OPERATOR, SUPERVISOR, WORKER
from tests.house.walking import World
from tests.panel.panel_app import Browser, RunningPanel

_GROUP = re.compile(r'<h2 class="side-title">(.*?)</h2>\s*<ul>(.*?)</ul>', re.DOTALL)
_ENTRY = re.compile(r'<a href="([^"]*)"( aria-current="page")?>.*?#([\w-]+)">.*?<span>(.*?)</span>', re.DOTALL)

WORK = ("Work", ("Home", "Cases", "Persons"))
HOME = ("Work", ("Home",))
OVERSIGHT = ("Oversight", ("National overview", "Cases of all institutions"))
LOOKING = ("Who looked?", "Ledgers", "Verification", "Alerts")
PROGRAMS = "Programming interface"
MENUS = {
    FOCAL: (WORK, ("Audit", ("Our access history",)), ("Administration", ("Waiting for confirmation",))),
    WORKER: (WORK, ("Audit", ("Our access history",)), ("Administration", ("Waiting for confirmation",))),
    MANAGER: (
        WORK,
        ("Audit", ("Who looked?", "Our access history", "Alerts")),
        ("Administration", ("Accounts", "Waiting for confirmation", "Roles and rights", "Units", PROGRAMS)),
    ),
    NATIONAL: (
        HOME,
        OVERSIGHT,
        ("Audit", (*LOOKING, "Decisions about ledgers", "Accounts and roles")),
        ("Administration", ("Roles and rights",)),
    ),
    INSIDE: (
        HOME,
        ("Oversight", ("Cases of all institutions",)),
        ("Audit", (*LOOKING, "Accounts and roles")),
        ("Administration", ("Roles and rights",)),
    ),
    OPERATOR: (
        WORK,
        OVERSIGHT,
        ("Audit", ("Alerts",)),
        ("Administration", ("Waiting for confirmation", "Roles and rights", "Register of institutions", PROGRAMS)),
    ),
    SUPERVISOR: (
        HOME,
        OVERSIGHT,
        ("Audit", ("Alerts", "Decisions about ledgers")),
        (
            "Administration",
            ("Approvals", "Waiting for confirmation", "Roles and rights", "Register of institutions", PROGRAMS),
        ),
    ),
    ADMIN: (HOME, ("Administration", ("Accounts", "Waiting for confirmation", "Roles and rights", PROGRAMS))),
}
"""By role. What a later area adds is its own to test; it stands behind these, and before the last one."""
PLACES = {
    "Home": ("/", "home"),
    "Cases": ("/cases/", "case"),
    "Persons": ("/persons/", "person"),
    "National overview": ("/oversight/institutions/", "building"),
    "Ledgers": ("/ledgers/", "ledger"),
    "Our access history": ("/institution-history/", "history"),
    "Units": ("/units/", "unit"),
    "Roles and rights": ("/rights/", "key"),
    PROGRAMS: ("/api-guide/", "document"),
}


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    world = World(panel)
    for who in world.walkers.values():
        who.browser.post("/language", language="en", next="/")
    return world


def shown(browser: Browser, path: str = "/") -> dict[str, list[tuple[str, str, bool, str]]]:
    """The menu of a page: entries by group, each with its address, its icon, whether it is marked, and its text."""
    side = browser.get(path).text.partition('<nav class="side"')[2].partition("</nav>")[0]
    return {
        group: [(place, icon, bool(here), unescape(text)) for place, here, icon, text in _ENTRY.findall(entries)]
        for group, entries in _GROUP.findall(side)
    }


def test_each_role_sees_its_entries_in_their_order(world: World) -> None:
    named = {entry for groups in MENUS.values() for _group, entries in groups for entry in entries}
    for role, who in world.walkers.items():
        seen = {group: [text for *_rest, text in entries] for group, entries in shown(who.browser).items()}
        ours = {group: tuple(text for text in entries if text in named) for group, entries in seen.items()}
        assert tuple(ours.items()) == MENUS[role], role


def test_entries_lead_to_their_lists_with_their_icons(world: World) -> None:
    for who in world.walkers.values():
        for entries in shown(who.browser).values():
            for place, icon, _here, text in entries:
                assert PLACES.get(text, (place, icon)) == (place, icon)


def test_a_page_is_marked_at_its_own_entry_and_at_that_of_the_pages_it_belongs_to(world: World) -> None:
    focal, manager = world.walkers[FOCAL].browser, world.walkers[MANAGER].browser
    ours = world.ours
    for browser, path, entry in (
        (focal, "/", "Home"),
        (focal, f"/cases/{ours.case}", "Cases"),
        (focal, "/cases/new", "Cases"),
        (focal, f"/profiles/{ours.link}", "Cases"),
        (focal, f"/persons/{ours.person}", "Persons"),
        (focal, f"/persons/new/{ours.case}", "Cases"),
        (focal, f"/persons/link/{ours.case}", "Cases"),
        (focal, f"/history/case/{ours.case}", "Cases"),
        (focal, f"/history/person/{ours.person}", "Persons"),
        (focal, f"/history/case_person/{ours.link}", "Persons"),
        (manager, f"/erasures/{ours.person}", "Persons"),
        (manager, f"/history/account/{ours.colleague.id}", "Accounts"),
        (manager, f"/roles/of/{ours.colleague.id}/new", "Accounts"),
        (manager, "/institution-looks/", "Who looked?"),
        (world.walkers[INSIDE].browser, "/looks/", "Who looked?"),
    ):
        marked = [text for entries in shown(browser, path).values() for *_place, here, text in entries if here]
        assert marked == [entry], path
    assert not [entry for entries in shown(focal, "/profile/").values() for entry in entries if entry[2]]


def test_the_interfaces_page_stays_open_to_those_whom_the_menu_does_not_lead_there(world: World) -> None:
    assert world.walkers[WORKER].browser.get("/api-guide/").status_code == 200


def test_nobody_sees_a_menu(world: World) -> None:
    assert shown(world.anonymous, "/sign-in") == {}


def test_the_menu_is_flask_appbuilders_own_and_holds_no_second_table(panel: RunningPanel) -> None:
    builder = panel.app.extensions["appbuilder"]
    names = [item.name for group in builder.menu.get_list() for item in (group, *group.childs)]
    declared = {entry.key for area in areas.AREAS for entry in area.entries()}
    assert len(names) == len(set(names))
    assert set(names) == {*declared, "HomeView", "SwaggerPage", "Work", "Oversight", "Audit", "Administration"}
    with panel.app.test_request_context():
        assert builder.menu.get_data() == []


class Nothing(Page):
    route_base = "/nothing"


@pytest.mark.parametrize(
    "entry",
    [MenuEntry(Nothing, "Nothing", "case", "Elsewhere"), MenuEntry(Nothing, "Nothing", "case", "Work", ("NoView",))],
    ids=["an unknown category", "an unknown view"],
)
def test_a_misspelled_entry_is_refused_when_the_panel_is_put_together(
    entry: MenuEntry, panel: RunningPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(areas, "AREAS", (*areas.AREAS, Area("nothing", views=(entry,))))
    fresh = type(panel.app)("fresh")
    fresh.config.update(SECRET_KEY="x" * 32)
    fresh.extensions["itm_access"] = {}
    with fresh.app_context(), pytest.raises(TypeError, match=r"no category|do not exist"):
        Panel(fresh, None)
