"""Every page that the menu offers to anybody, and those behind it: in both languages, both colour schemes, wide
and narrow. Key pages leave their pictures in tests/artifacts, to be looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import ViewportSize

from itm_admin.cases import services
from itm_admin.foundation.roles import ROLES
from tests.journeys.cast import ADMIN, FOCAL, INSIDE, MANAGER, NATIONAL, SUPERVISOR, WORKER, Cast
from tests.journeys.looking import axe_faults, frame_faults
from tests.journeys.panel import Panel
from tests.journeys.visitor import NARROW, WIDE, House, Visitor

Setting = tuple[ViewportSize, Literal["light", "dark"]]
ARTIFACTS = Path(__file__).parents[1] / "artifacts"
_FORM = "{case}/edit {case}/reveal {case}/close {person}/edit {person}/reveal {profile} {profile}/edit {profile}/reveal"
MORE = {
    FOCAL: f"/cases/new {{case}} {_FORM} {{person}} {{history}} /cases/export /persons/search /persons/new/{{case_id}}"
    " /persons/link/{case_id} /my-history/ /profile/ /profile/edit /profile/password /no-such-page",
    WORKER: "{case} {person}",
    MANAGER: "{case} {case}/delete {case}/assign {person}/delete /cases/deleted /persons/deleted /accounts/new"
    " {account} {account}/edit /roles/of/{account_id}/new /units/new {unit} {unit}",
    NATIONAL: "/ledgers/entries {ledger} {ledger}/2 /oversight/cases/{case_id} /audit/history/case/{case_id}"
    " /audit/history/person/{person_id} /audit/acts/{account_id} /audit/accounts/{account_id}",
    INSIDE: "{ledger}",
    SUPERVISOR: "/oversight/cases/{case_id} /institutions/new {institution} {institution}/edit",
    ADMIN: "/accounts/new {account}",
}
"""Pages that are reached from those of the menu."""
MISSING = "/no-such-page"
THE_SAME = "/api-guide/"
"""The programming interface's page is large, and the same for everybody: one role looks at it."""
_OTHERWISE = ("Ana sayfa", "Home")
KEPT = {
    f"{FOCAL} /": "focal-point-home",
    f"{FOCAL} /cases/": "cases",
    f"{FOCAL} /cases/new": "new-case",
    f"{FOCAL} {{case}}": "case",
    f"{FOCAL} {{person}}": "person",
    f"{FOCAL} {{person}}/reveal": "reveal",
    f"{FOCAL} {{history}}": "access-history",
    f"{MANAGER} {{account}}": "account",
    f"{NATIONAL} /": "auditor-home",
    f"{NATIONAL} /verification/": "verification",
    f"{NATIONAL} {{ledger}}": "ledger",
    f"{SUPERVISOR} /": "presidency-home",
}
"""The twelve key pages and their pictures."""


@pytest.fixture(scope="module")
def places(cast: Cast, panel: Panel) -> dict[str, str]:
    """Addresses of one record of each kind, among others."""
    worker, make = cast.of(FOCAL), panel.make
    cast.institution("ASHB")
    for number in range(3):
        make.case(worker, province=f"TR-0{number + 1}", exploitation_types=["ForcedLabour", "SexualExploitation"])
    case = make.case(worker, narrative="Anlatım", exploitation_types=["ForcedBegging"])
    link = make.person(worker, case, given_name="Gülşen", family_name="Çağlayan", citizenships=["SY"])
    with make.working(cast.of(MANAGER)) as session:
        services.assign(session, case.id, {"account_id": str(cast.of(WORKER).id)})
    (ledger,) = panel.ask("select id from audit.ledger where code = 'JGK'")
    ids = {"case": case.id, "person": link.person_id, "account": worker.id}
    return {
        "case": f"/cases/{case.id}", "person": f"/persons/{link.person_id}", "profile": f"/profiles/{link.id}",
        "history": f"/history/person/{link.person_id}", "account": f"/accounts/{worker.id}",
        "unit": f"/units/{cast.jgk.root}", "ledger": f"/ledgers/{ledger.id}",
        "institution": f"/institutions/{cast.jgk.id}", **{f"{name}_id": str(id) for name, id in ids.items()},
    }  # fmt: skip


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """Addresses that an earlier role looked at in Turkish."""
    return set()


each_way = pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=pytest.mark.wide)], ids=["once", "of every role"]
)


@each_way
@pytest.mark.parametrize("role", ROLES)
def test_every_page_of_a_role_is_fit_for_everybody(
    role: str, every: bool, house: House, cast: Cast, places: dict[str, str], seen: set[str]
) -> None:
    """An address that several roles have is opened once, as the first of them; the home page as each."""
    visitor = house.visitor(cast.of(role))
    faults = list(_walk(visitor, role, places, (WIDE, "light"), (NARROW, "dark"), seen=set() if every else seen))
    assert not faults, "\n".join(faults)


@each_way
def test_every_english_page_is_fit_for_everybody(every: bool, house: House, cast: Cast, places: dict[str, str]) -> None:
    """Without `every` those of the menu and the key pages: the others are the same as in Turkish but for their words,
    which are shorter and are read by tests/house/test_walks.py.
    """
    faults, seen = list[str](), {place for more in MORE.values() for place in more.split()}
    for role in ROLES:
        visitor = house.visitor(cast.of(role))
        visitor.language = "en"
        visitor.send("English", visitor.page.locator("header"))
        if every:
            faults += _walk(visitor, role, places, (NARROW, "light"), (WIDE, "dark"), seen=set())
        else:
            faults += _walk(visitor, role, places, (NARROW, "light"), seen=seen)
    assert not faults, "\n".join(faults)


def _walk(visitor: Visitor, role: str, places: dict[str, str], *settings: Setting, seen: set[str]) -> Iterator[str]:
    """Faults of each page in these settings; the other language has the other two. axe-core judges what a language does
    not change: it sees the Turkish pages, each in the first setting, and those of the menu in both."""
    menu = visitor.page.locator(".side-wide nav a").evaluate_all("links => links.map((link) => link.pathname)")
    for place in dict.fromkeys([*menu, *MORE.get(role, "").split()]):
        if (place == THE_SAME and role != FOCAL) or (place in seen and place != "/" and f"{role} {place}" not in KEPT):
            continue
        seen.add(place)
        path, expected = place.format(**places), 404 if place == MISSING else 200
        answer = visitor.page.goto(visitor.address + path)
        assert answer is not None
        found = [] if answer.status == expected else [f"status {answer.status}"]
        if place == THE_SAME:
            visitor.page.locator(".opblock").first.wait_for()
        for size, scheme in settings:
            visitor.page.set_viewport_size(size)
            visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            faults = frame_faults(visitor.page, visitor.language)
            if visitor.language == "tr" and ((size, scheme) == settings[0] or place in menu):
                faults += axe_faults(visitor.page)
            found += [f"{size['width']} px {scheme}: {fault}" for fault in faults]
            if picture := KEPT.get(f"{role} {place}"):
                _keep(visitor, picture)
        found += _lost(visitor, place in menu) + visitor.console.take(answer.url if expected == 404 else None)
        yield from (f"{role} {path} {visitor.language}: {fault}" for fault in found)


def _lost(visitor: Visitor, in_menu: bool) -> list[str]:
    """A page of the menu is called as the menu calls it; every other one has a way back above its title."""
    here, called = visitor.page.locator(".side-wide a[aria-current]"), visitor.page.locator("h1").inner_text()
    if in_menu:
        names = [name for name in here.all_inner_texts() if name not in (called, *_OTHERWISE)]
        return [f"the menu calls {called!r} {name!r}" for name in names]
    return [] if not here.count() or visitor.page.locator(".trail a").count() else ["no way back above the title"]


def _keep(visitor: Visitor, picture: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    width = visitor.page.evaluate("innerWidth")
    visitor.page.screenshot(path=ARTIFACTS / f"{picture}-{visitor.language}-{width}.png", full_page=True)
