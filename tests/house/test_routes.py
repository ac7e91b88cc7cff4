"""Every route, walked as every role and as nobody: own records, another institution's, and ones that do not exist.

A route without a declaration fails here, and so does a deviation that names no route. One area more is walked with the
product's: the judgement of a new area is no word longer.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask_appbuilder import expose

from itm_admin.foundation import access
from itm_admin.foundation.views import Page, route
from tests.house.expectations import DEVIATIONS, FIELDS, PUBLIC, QUIET, expectations
from tests.house.walking import Step, Walker, World, guarded, in_turn, keys_of, steps
from tests.panel.handover_panel import with_handovers
from tests.panel.panel_app import RunningPanel, body_of

if TYPE_CHECKING:
    from tests.conftest import Database

CHANGES = ("POST", "PATCH", "PUT", "DELETE")
every_role = pytest.mark.parametrize(
    # The table of rights decides and is tested whole: each route refuses two roles here, others than the next one
    "every", [False, pytest.param(True, marks=pytest.mark.wide)], ids=["roles in turn", "every role"],
)  # fmt: skip
LEAVING = ("OwnSessionView.sign_out", "OwnSessionView.sign_out_everywhere", "SessionApi.end", "OwnFactorView.new_codes")


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    """The panel with one area more, which no expectation was written for."""
    with with_handovers(shared_database):
        yield RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def test_every_route_is_declared_and_every_deviation_names_one(panel: RunningPanel) -> None:
    expected = expectations(panel.app)
    assert expected.keys() == keys_of(panel.app)
    deviating = [key for each in DEVIATIONS for key in each.routes]
    assert len(deviating) == len(set(deviating))
    assert set(deviating) <= expected.keys()
    assert set(FIELDS) <= {key.partition(" ")[2] for key in expected}


def test_quiet_and_public_routes_are_named_with_their_reasons(panel: RunningPanel) -> None:
    register = panel.app.extensions["itm_access"]
    declared = {step.key: register[step.endpoint] for step in steps(panel.app, "GET", *CHANGES)}
    assert {key.partition(" ")[2] for key, each in declared.items() if each.public} == set(PUBLIC)
    assert {key.partition(" ")[2] for key, each in declared.items() if each.quiet and key.startswith("GET")} == set(
        QUIET
    )


def test_a_new_area_is_walked_without_a_word_about_it(panel: RunningPanel) -> None:
    written = {name.partition(".")[0] for name in FIELDS} | {
        key.partition(" ")[2].partition(".")[0] for each in DEVIATIONS for key in each.routes
    }
    walked = {step.key for step in steps(panel.app, "GET", *CHANGES)}
    assert {"GET HandoverView.list", "POST VisitView.mark_urgent_action", "POST VisitApi.add"} <= walked
    assert not {"HandoverView", "HandoverApi", "VisitView", "VisitApi"} & written


def _inside(world: World, step: Step) -> list[Walker]:
    return [who for who in world.walkers.values() if who.role in step.expected.may]


def _outside(world: World, step: Step) -> list[Walker]:
    return [who for who in world.walkers.values() if who.role not in step.expected.may and not step.expected.public]


@every_role
def test_everybody_sees_what_is_theirs_and_each_look_stands_in_the_ledger_before_it_is_shown(
    world: World, every: bool
) -> None:
    rows = world.panel.state()
    for at, step in enumerate(world.steps("GET")):
        inside = _inside(world, step)
        asking = in_turn(inside, at, every)
        for who in inside:
            look(world, step, who)
            if who in asking and step.expected.names and who.role not in step.expected.wide:
                foreign(world, step, who)
        for who in in_turn(_outside(world, step), at, every):
            refused(world, step, who)
    assert world.panel.state() == rows, "a GET changed a row"


def look(world: World, step: Step, who: Walker) -> None:
    """One's own record, or anybody's for those who reach everywhere."""
    wide = who.role in step.expected.wide
    record = world.theirs if wide else who.own or world.ours
    answer = who.browser.get(world.path(step, record, 1 if wide else world.own_entry(who)))
    guarded(answer, step)
    assert answer.status_code == step.expected.shown, (step.key, who.role, answer.status_code, answer.text[-600:])
    noted = world.panel.events(answer)
    assert bool(noted) != step.expected.quiet, (step.key, who.role)
    assert all((event.code, event.outcome) == (who.somebody.tenant.code, "success") for event in noted), step.key


def foreign(world: World, step: Step, who: Walker) -> None:
    """Another institution's id is answered as one that nobody has."""
    paths = [world.path(step, world.theirs), world.path(step, None)]
    answers = [who.browser.ask(step.method, path, world.fields(step, who)) for path in paths]
    told = []
    for path, answer in zip(paths, answers, strict=True):
        guarded(answer, step)
        assert answer.status_code == step.expected.refused, (step.key, who.role, answer.status_code, answer.text[-600:])
        noted = [(event.code, event.outcome) for event in world.panel.events(answer)]
        outcome = "denied" if step.expected.refused == 404 else "success"
        assert noted == [(who.somebody.tenant.code, outcome)], (step.key, who.role)
        told.append(body_of(answer, *[part for part in path.split("/") if len(part) == 36]))
        assert not [mark for mark in world.theirs.marks if mark not in path and mark in answer.text], step.key
    # A history has the attempts of one's own people, which are in one's own ledger.
    assert told[0] == told[1] or step.expected.refused == 200, (step.key, who.role)


def refused(world: World, step: Step, who: Walker) -> None:
    """A role that may not enter: 403 whatever it names, and an entry in the person's own ledger."""
    answer = who.browser.ask(step.method, world.path(step, who.own or world.ours), world.fields(step, who))
    guarded(answer, step)
    assert answer.status_code == 403, (step.key, who.role, answer.status_code)
    noted = [(event.code, event.outcome) for event in world.panel.events(answer)]
    assert noted == [(who.somebody.tenant.code, "denied")], (step.key, who.role)


@every_role
def test_nobody_changes_what_is_not_theirs(world: World, every: bool) -> None:
    rows = world.panel.state()
    for at, step in enumerate(world.steps(*CHANGES)):
        for who in in_turn(_outside(world, step), at, every):
            refused(world, step, who)
        for who in in_turn(_inside(world, step), at, every):
            if step.expected.names and who.role in step.expected.wide:
                answer = who.browser.ask(step.method, world.path(step, None), world.fields(step, who))
                guarded(answer, step)
                assert answer.status_code == 404, (step.key, who.role, answer.status_code)
            elif step.expected.names and not step.expected.public:
                foreign(world, step, who)
    assert world.panel.state() == rows


def test_an_empty_form_stores_nothing(world: World) -> None:
    rows = world.panel.state()
    for step in world.steps(*CHANGES):
        if step.expected.names or step.expected.public or step.endpoint in LEAVING:
            continue
        for who in world.walkers.values():
            if who.role in step.expected.may:
                answer = who.browser.ask(step.method, world.path(step, None), {})
                guarded(answer, step)
                assert answer.status_code == step.expected.empty, (step.key, who.role, answer.status_code)
    without = [row for row in world.panel.state() if row[0] != "credential"]  # a wrong password counts
    assert without == [row for row in rows if row[0] != "credential"]


def test_a_head_request_is_a_look_as_well(world: World) -> None:
    for step in world.steps("GET"):
        who = next((each for role, each in world.walkers.items() if role in step.expected.may), None)
        if who is None:
            continue
        record = world.theirs if who.role in step.expected.wide else who.own or world.ours
        answer = who.browser.ask("HEAD", world.path(step, record, world.own_entry(who)))
        guarded(answer, step)
        assert (answer.status_code, answer.text) == (step.expected.shown, ""), step.key
        assert bool(world.panel.events(answer)) != step.expected.quiet, step.key


def test_who_is_not_signed_in_sees_the_sign_in_page_and_nothing_else(world: World) -> None:
    for step in world.steps("GET", *CHANGES):
        path = world.path(step, world.ours)
        answer = world.anonymous.ask(step.method, path, world.fields(step, world.walkers["focal_point"]))
        guarded(answer, step)
        if not step.expected.public:
            api = world.panel.app.extensions["itm_access"][step.endpoint].api
            assert answer.status_code == (401 if api else 302 if step.method == "GET" else 303), step.key
            assert api or "/sign-in" in answer.headers["Location"]
        elif step.expected.names == "token":
            assert answer.status_code == 404
        elif step.method == "GET":
            assert answer.status_code == step.expected.shown, step.key
        else:
            assert answer.status_code == (401 if step.endpoint == "SessionApi.end" else step.expected.empty), step.key
        marks = [mark for mark in (*world.ours.marks, *world.theirs.marks) if mark not in path]
        shown = [mark for mark in marks if mark.encode() in answer.data]
        assert not shown, step.key
        assert step.expected.public or world.panel.events(answer) == []


def test_signing_out_ends_this_session_and_all_my_sessions_ends_all(world: World) -> None:
    who = world.walkers["focal_point"]
    for method, path, told, other in (
        ("POST", "/profile/sign-out", 303, 200),
        ("DELETE", "/api/v1/session/", 200, 200),
        ("POST", "/profile/sign-out-everywhere", 303, 302),
    ):
        first, second = world.panel.browser(who.somebody), world.panel.browser(who.somebody)
        assert first.ask(method, path).status_code == told
        assert [each.get("/cases/").status_code for each in (first, second)] == [302, other], path


class Undeclared(Page):
    """A subject, and a method that Flask-AppBuilder exposes without an act."""

    subject = "Case"
    route_base = "/undeclared"

    @expose("/method")
    def method(self) -> str:
        return "leaked"


class WithoutSubject(Page):
    route_base = "/without-subject"

    @route("/", act="list")
    def show(self) -> str:
        return "leaked"


class OfUnknownSubject(Page):
    subject = "Nothing that a role may"
    route_base = "/unknown-subject"

    @route("/", act="list")
    def show(self) -> str:
        return "leaked"


def test_a_route_that_declares_nothing_stays_shut(database: Database, tmp_path_factory: pytest.TempPathFactory) -> None:
    panel = RunningPanel(database, tmp_path_factory.mktemp("undeclared"))
    with panel.app.app_context():
        builder = panel.app.extensions["appbuilder"]
        for view in (Undeclared, WithoutSubject, OfUnknownSubject):
            builder.add_view_no_menu(view)
        access.declare_views(panel.app, builder.baseviews)
    panel.app.add_url_rule("/undeclared/function", "a_function", lambda: "leaked")
    panel.app.add_url_rule(f"/undeclared/{uuid.uuid4()}", "another", lambda: "leaked", methods=["POST"])
    assert len(keys_of(panel.app) - expectations(panel.app).keys()) == 4, "a route is declared by its view alone"
    everybody = [panel.browser(), panel.browser(panel.make.focal_point()), panel.browser(panel.make.administrator())]
    for browser in everybody:
        for path in ("/undeclared/method", "/without-subject/", "/undeclared/function"):
            answer = browser.get(path)
            assert (answer.status_code, "leaked" in answer.text) == (404, False)
    assert [browser.get("/unknown-subject/").status_code for browser in everybody] == [302, 403, 403]
