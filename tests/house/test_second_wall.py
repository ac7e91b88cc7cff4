"""Behind the gate stands Flask-AppBuilder's own `has_access` or `protect`, in each method that is not public.

The gate is taken out: it still knows who is at work and binds a context, and lets everybody in. Each route of the
address map must refuse the same people in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask import current_app, g
from flask_appbuilder import expose

from itm_admin.foundation import access
from itm_admin.foundation.access import Access
from itm_admin.foundation.api import Api
from itm_admin.foundation.views import Page
from tests.house.walking import METHODS, Step, Walker, World, steps
from tests.panel.panel_app import Browser, RunningPanel, body_of

if TYPE_CHECKING:
    from flask import Flask

    from tests.conftest import Database


API = "/api/v1"


def open_gate() -> None:
    """In place of `access.enter`."""
    g.actor = g.access and current_app.extensions["itm_load_actor"]()
    if g.actor is not None:
        access.bind_request(g.actor.context())


class Forgotten(Page):
    """`@expose` alone: the gate does not know the method, and the wall is put around it all the same."""

    subject = "Case"
    route_base = "/forgotten"

    @expose("/page")
    def look(self) -> str:
        return "leaked"


class ForgottenApi(Api):
    subject = "Nothing that a role may"
    route_base = "/api/v1/forgotten"

    @expose("/", methods=("GET", "POST"))
    def look(self) -> str:
        return "leaked"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    panel = RunningPanel(shared_database, tmp_path_factory.mktemp("wall"))
    with panel.app.app_context():
        for view in (Forgotten, ForgottenApi):
            panel.app.extensions["appbuilder"].add_view_no_menu(view)
    return panel


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


@pytest.fixture
def without_gate(panel: RunningPanel) -> Iterator[Flask]:
    before = panel.app.before_request_funcs[None]
    panel.app.before_request_funcs[None] = [open_gate if each is access.enter else each for each in before]
    assert open_gate in panel.app.before_request_funcs[None]
    yield panel.app
    panel.app.before_request_funcs[None] = before


def access_of(panel: RunningPanel, step: Step) -> Access:
    found: Access = panel.app.extensions["itm_access"][step.endpoint]
    return found


def _walled(panel: RunningPanel) -> Iterator[Step]:
    """Each route that somebody has to be signed in for."""
    return (step for step in steps(panel.app, *METHODS) if not access_of(panel, step).public)


def _outside(world: World) -> Iterator[tuple[Step, Walker | None]]:
    """Each route with nobody, and with somebody who may not enter: with each role in its turn."""
    for place, step in enumerate(_walled(world.panel)):
        yield step, None
        outside = [who for role, who in world.walkers.items() if role not in step.expected.may]
        if outside:
            yield step, outside[place % len(outside)]


def test_every_route_refuses_nobody_and_who_may_not_without_the_gate(world: World, without_gate: Flask) -> None:
    rows, asked = world.panel.state(), 0
    for step, who in _outside(world):
        browser = who.browser if who else world.anonymous
        answer = browser.ask(step.method, world.path(step, (who and who.own) or world.ours), {})
        api = access_of(world.panel, step).api
        expected = 403 if who else 401 if api else 302 if step.method == "GET" else 303
        assert answer.status_code == expected, (step.key, who and who.role, answer.status_code)
        assert answer.mimetype == ("application/problem+json" if api else "text/html"), step.key
        asked += 1
    assert asked > 350
    assert world.panel.state() == rows


def test_a_refusal_of_the_wall_is_that_of_the_gate(world: World, panel: RunningPanel) -> None:
    inside = world.walkers["auditor_institution"].browser
    paths = [
        (browser, f"{base}/cases/{world.ours.case}") for browser in (inside, world.anonymous) for base in ("", API)
    ]
    gate = [browser.get(path) for browser, path in paths]
    before = panel.app.before_request_funcs[None]
    panel.app.before_request_funcs[None] = [open_gate if each is access.enter else each for each in before]
    wall = [browser.get(path) for browser, path in paths]
    panel.app.before_request_funcs[None] = before
    for one, other in zip(gate, wall, strict=True):
        assert (one.status_code, dict(one.headers).keys()) == (other.status_code, dict(other.headers).keys())
        assert one.headers.get("Location") == other.headers.get("Location")
        assert body_of(one) == body_of(other)


def test_a_refusal_of_the_wall_is_an_entry_in_the_persons_own_ledger(world: World, without_gate: Flask) -> None:
    who = world.walkers["auditor_institution"]
    for path in (f"/cases/{world.ours.case}", f"/api/v1/cases/{world.ours.case}"):
        events = world.panel.events(who.browser.get(path))
        assert [(each.code, each.outcome) for each in events] == [(who.somebody.tenant.code, "denied")]


def test_who_may_is_let_through_by_the_wall(world: World, without_gate: Flask) -> None:
    who = world.walkers["focal_point"].browser
    assert who.get(f"/cases/{world.ours.case}").status_code == 200
    assert who.get(f"/api/v1/cases/{world.ours.case}").status_code == 200


def test_a_role_of_another_scope_is_refused_though_it_may_do_the_act(world: World, without_gate: Flask) -> None:
    assert world.walkers["system_administrator"].browser.get("/units/").status_code == 403


def test_a_method_that_is_exposed_without_a_declaration_is_open_to_nobody(world: World, without_gate: Flask) -> None:
    browsers: list[Browser] = [world.anonymous, *(who.browser for who in world.walkers.values())]
    for browser in browsers:
        for path in ("/forgotten/page", "/api/v1/forgotten/"):
            assert "leaked" not in browser.get(path).text


def test_a_method_with_two_addresses_has_one_wall(panel: RunningPanel) -> None:
    views = panel.app.extensions["appbuilder"].baseviews
    delete = next(view for view in views if type(view).__name__ == "PersonApi").delete
    assert len(delete._urls) == 2
    depth, inner = 0, delete
    while hasattr(inner, "__wrapped__"):
        depth, inner = depth + 1, inner.__wrapped__
    assert depth == 2, "what asks to sign in, and Flask-AppBuilder's own"
