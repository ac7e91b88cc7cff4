"""Every registered kind of record keeps the promises that all kinds make; a new one is tried by being there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask_appbuilder import Model
from flask_babel import force_locale
from playwright.sync_api import Playwright

from itm_admin.foundation import vocabulary
from itm_admin.foundation.roles import may as may_do
from itm_admin.record import fields, words
from itm_admin.record.kind import kinds
from tests.faults import breaking
from tests.house.kind_windows import Visitors, windows
from tests.house.kind_world import (
    BESIDE,
    INSIDE,
    NAMES,
    PAGED,
    STATED,
    KindWorld,
    answer_name,
    anything,
    form_fields,
)
from tests.house.samples import MADE_OTHERWISE
from tests.panel.erasing import erased
from tests.panel.handover_panel import with_handovers
from tests.panel.panel_app import RunningPanel, body_of
from tests.panel.test_query_counts import MOST_OF_A_LIST

if TYPE_CHECKING:
    from tests.conftest import Database

FEW, MANY = 5, 50
NO_SUCH = "no-such-record"
"""A malformed id."""


@pytest.fixture(scope="module")
def world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindWorld]:
    with with_handovers(shared_database):
        yield KindWorld(RunningPanel(shared_database, tmp_path_factory.mktemp("panel")))


each_kind = pytest.mark.parametrize("name", NAMES)
each_page = pytest.mark.parametrize("name", PAGED)
OTHERWISE_TRIED = ("case", "person", "victim_profile")
each_new_page = pytest.mark.parametrize(
    # tests/faults and tests/house/test_routes.py try the product's own kinds in the same ways
    "name", [pytest.param(name, marks=pytest.mark.wide if name in OTHERWISE_TRIED else ()) for name in PAGED],
)  # fmt: skip
each_with_states = pytest.mark.parametrize("name", STATED)


def test_every_kind_that_people_work_with_has_a_record_here(world: KindWorld) -> None:
    assert set(world.pages) == set(PAGED)
    assert set(world.pages) <= set(world.ids)
    assert set(MADE_OTHERWISE) == set(world.ids) - {name for name in world.pages if name not in MADE_OTHERWISE}, (
        "a reason too many"
    )
    assert {"handover", "visit", "person", "victim_profile"} <= set(world.pages)


# Shown masked, revealed for a purpose, nowhere else


@each_page
def test_no_page_shows_a_protected_value_before_it_is_revealed(world: KindWorld, name: str) -> None:
    page = world.pages[name]
    shown = 0
    for view in filter(None, (page, world.apis.get(name))):
        for of_record in (True, False):
            for _endpoint, _act, address in world.rules(view, of_record=of_record):
                for browser in world.browsers.values():
                    answer = browser.get(address)
                    assert answer.status_code in (200, 302, 303, 403, 404, 423), (address, answer.status_code)
                    assert world.shown_in(answer.text) == [], address
                    assert answer.headers["Cache-Control"] == "no-store", address
                    shown += answer.status_code == 200
    assert shown > 2, name


@each_page
def test_a_reveal_for_a_purpose_shows_what_is_stored_and_the_next_look_does_not(world: KindWorld, name: str) -> None:
    page = world.pages[name]
    reveals = [each for each in world.rules(page, "POST") if each[1] == "reveal"]
    for _endpoint, _act, address in reveals:
        values = set(world.canaries[name].values())
        assert world.browser.post(address).status_code == 422, "a purpose is asked for"
        answer = world.browser.post(address, purpose="CASE_WORK")
        assert answer.status_code == 200
        assert set(world.shown_in(answer.text)) >= {each for each in values if "-" not in each}, name
        assert world.shown_in(world.browser.get(address.removesuffix("/reveal")).text) == []
        told = world.browser.send("POST", f"/api/v1{address}", {"purpose": "CASE_WORK"})
        assert set(map(str, json.loads(told.text).values())) >= values, name
        events = {(each.action, each.kind) for each in world.panel.events(answer)}
        assert ("record.reveal", name) in events, "each look is an entry"


# Foreign, missing and malformed ids


@each_new_page
def test_a_foreign_a_missing_and_a_malformed_id_are_answered_alike(world: KindWorld, name: str) -> None:
    page = world.pages[name]
    for view, method in product(filter(None, (page, world.apis.get(name))), ("GET", "POST", "PATCH", "DELETE")):
        for _endpoint, act, address in world.rules(view, method):
            own = next(part for part in address.split("/") if len(part) == 36)
            may = may_do(world.strangers_roles, act, page.subject or "")
            stranger, told = world.stranger if may else world.strange_manager, []
            for wanted in (own, str(uuid.uuid4()), NO_SUCH):
                answer = stranger.ask(method, address.replace(own, wanted), anything(view, act))
                told.append((answer.status_code, body_of(answer, wanted)))
                assert world.shown_in(answer.text) == []
            assert told[0] == told[1] == told[2], address
            assert told[0][0] in (403, 404), (address, told[0][0])
            assert told[0][0] == 404 or not may, address


# States


@each_with_states
def test_a_transition_that_is_not_listed_is_refused_by_form_interface_and_database(world: KindWorld, name: str) -> None:
    states = kinds()[name].info.states
    assert states is not None
    kind = kinds()[name]
    every = sorted({state for pair in states.pairs() for state in pair} | {states.first})
    tried = 0
    for start in every:
        world.in_state(name, start)
        for act, transition in states.acts.items():
            if start in transition.of and transition.party in (None, "both", world.row(name).get("party")):
                continue
            world.in_state(name, start)
            values = world.values(kind, transition.columns)
            page, version = f"{world.pages[name].route_base}/{world.ids[name]}/{act}", world.row(name)["row_version"]
            assert world.browser.post(page, version=str(version), **values).status_code == 423, (start, act)
            api = f"/api/v1/{world.apis[name].resource_name}/{world.ids[name]}/{act}"
            assert world.browser.send("POST", api, {**values, "row_version": version}).status_code == 423, (start, act)
            tried += 1
        for state in every:
            if (start, state) not in states.pairs() and start != state:
                world.in_state(name, start)
                assert world.refused_by_sql(name, state), (start, state)
                tried += 1
        assert world.row(name)[states.column] == start
    world.in_state(name, states.first)
    assert tried >= len(every)


@each_with_states
def test_the_states_that_are_declared_are_the_databases(world: KindWorld, name: str) -> None:
    states = kinds()[name].info.states
    assert states is not None
    [arguments] = world.panel.rows(
        "select t.tgargs from pg_trigger t where t.tgrelid = cast(:table as regclass) and t.tgname = :rule",
        table=world.pages[name].datamodel.model.__tablename__, rule=f"c_{states.column}",
    )  # fmt: skip
    _column, *arrows = bytes(arguments[0]).decode().rstrip("\0").split("\0")
    assert {tuple(each.split(">")) for each in arrows} == {("", states.first), *states.pairs()}


# Schema, form, database, export, description


@pytest.fixture(scope="module")
def described(world: KindWorld) -> dict[str, Any]:
    return dict(json.loads(world.browser.get("/api/v1/openapi.json").text)["components"]["schemas"])


@each_page
def test_form_schema_database_and_description_agree_on_each_field(
    world: KindWorld, described: dict[str, Any], name: str
) -> None:
    api = world.apis.get(name)
    if api is None:
        return
    page, kind = api.page, kinds()[name]
    title = api.document_name or kind.model.__name__  # type: ignore[union-attr]
    empty = {
        row[0]: row[1] == "YES"
        for row in world.panel.rows(
            "select column_name, is_nullable from information_schema.columns where table_name = :table",
            table=page.datamodel.model.__tablename__,
        )
    }
    with world.panel.app.test_request_context():
        for schema, columns in ((f"{title}Input", page.add_columns), (f"{title}Change", page.edit_columns)):
            if schema not in described:
                continue
            members = described[schema]["properties"]
            assert set(members) - {"row_version"} == {*columns, *BESIDE.get(name, ())}, schema
            form = form_fields(page, columns)
            for column in columns:
                found, member = kind.field(column), members[column]
                assert found.may_be_empty == empty[found.column.name], (schema, column)
                follows = isinstance(found.field, fields.Link) and found.field.follows  # where none is named
                assert bool(member.get("nullable")) == (found.may_be_empty or follows), (schema, column)
                assert column in form, (schema, column)
                if schema.endswith("Input"):
                    required = column in described[schema].get("required", ())
                    assert required == found.required, (schema, column)
                    assert form[column] or not required, f"{column} is called optional"
                if isinstance(found.field, fields.Text) and type(found.field) is fields.Text:
                    assert member["maxLength"] == found.field.most, (schema, column)
                if isinstance(found.field, fields.Code):
                    allowed = set(found.field.among or vocabulary.codes(found.field.codes))
                    assert set(member["enum"]) - {None} == allowed, (schema, column)


@each_page
def test_an_answer_has_the_described_fields_and_an_export_the_lists(
    world: KindWorld, described: dict[str, Any], name: str
) -> None:
    api = world.apis.get(name)
    shows = [] if api is None else [each for each in world.rules(api) if each[0].endswith(".show")]
    for _endpoint, _act, address in shows:
        answer = json.loads(world.browser.get(address).text)
        shape = described[answer_name(api, described)]
        assert set(answer) == set(shape["properties"]), name
        told = answer[INSIDE[name]] if name in INSIDE else answer
        for each in kinds()[name].protected:
            assert told[each] in ("hidden", None), (name, each)
    page = world.pages.get(name)
    if page is not None and page.list_columns:
        assert len(page.exporting.columns) == len(page.export_columns or page.list_columns)


def test_the_models_are_the_tables(world: KindWorld) -> None:
    known = {each.model.__tablename__ for each in kinds().values() if each.model is not None}

    def ours(_object: Any, name: str | None, kind_of_object: str, *_more: Any) -> bool:
        return kind_of_object != "table" or name in known

    with world.make.superuser() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, Model.metadata) == []


# Words


@each_kind
@pytest.mark.parametrize("language", ["tr", "en"])
def test_a_kind_its_columns_states_acts_and_codes_have_words(world: KindWorld, name: str, language: str) -> None:
    kind = kinds()[name]
    watched = world.panel.rows("select columns from audit.watched where kind = :kind order by shape desc", kind=name)
    with world.panel.app.test_request_context(), force_locale(language):
        assert words.kind_words(name) not in (None, "", name)
        columns = {column for row in watched[:1] for column in row[0]}
        assert not [each for each in columns if words.column_words(name, each) == each], "declare them on the model"
        for each in kind.fields.values():
            assert str(each.label) not in ("", each.name), each.name
            if isinstance(each.field, fields.Code | fields.Codes):
                assert each.field.codes in vocabulary.names(), each.name
            if isinstance(each.field, fields.Choice):
                assert all(each.field.words(code) != code for code in each.field.choices), each.name
        states = kind.info.states
        for act, transition in states.acts.items() if states is not None else ():
            assert str(transition.label) not in ("", act)
            for state in (transition.to, *transition.of):
                assert words.value_words(name, states.column, state) != state  # type: ignore[union-attr]


def test_every_watched_table_is_one_declared_kind(world: KindWorld) -> None:
    watched = {row[0] for row in world.panel.rows("select kind from audit.watched")}
    assert len(watched) > 10
    assert watched <= set(kinds())


# Everybody can use them


@pytest.fixture(scope="module")
def visitors(playwright: Playwright, world: KindWorld) -> Iterator[Visitors]:
    with windows(playwright, world) as opened:
        yield opened


@pytest.mark.parametrize(
    # tests/journeys/test_every_page.py looks at the product's own pages
    "name", [pytest.param(name, marks=pytest.mark.wide if name in MADE_OTHERWISE else ()) for name in PAGED],
)  # fmt: skip
def test_its_pages_have_nothing_that_keeps_somebody_out(world: KindWorld, visitors: Visitors, name: str) -> None:
    page = world.pages[name]
    places = [(act, at) for each in (True, False) for _, act, at in world.rules(page, of_record=each)]
    for act, address in places:
        if act in ("list", "show", "edit", "add"):
            seen = (who for who, each in world.browsers.items() if each.get(address).status_code == 200)
            if (who := next(seen, None)) is not None:
                visitors[who.username].open(address)


# How often the database is asked


@each_page
def test_a_list_asks_as_often_for_fifty_rows_as_for_five(world: KindWorld, name: str) -> None:
    page = world.pages[name]
    if not page.list_columns or name in MADE_OTHERWISE:
        return  # the lists of those are counted in tests/panel/test_query_counts.py
    for other in ("person", *([page.datamodel.parent.kind.name] if page.datamodel.parent is not None else ())):
        world.vary(other)
    for _ in range(FEW - 1):
        world.new(name)
    few = world.asked(f"{page.route_base}/?size=100")
    for _ in range(MANY - FEW):
        world.new(name)
    many = world.asked(f"{page.route_base}/?size=100")
    assert len(many) == len(few), "\n".join(many)
    assert len(many) <= MOST_OF_A_LIST, "\n".join(many)


# While the ledger cannot be written


@each_new_page
def test_while_the_ledger_cannot_be_written_nothing_is_shown_and_nothing_stored(world: KindWorld, name: str) -> None:
    page = world.pages[name]
    views = [*filter(None, (page, world.apis.get(name)))]
    quiet = world.panel.app.extensions["itm_access"]  # a quiet route shows nothing that an entry would tell of
    shown = [
        address
        for view in views
        for of_record in (True, False)
        for endpoint, _act, address in world.rules(view, of_record=of_record)
        if not quiet[endpoint].quiet and world.browser.get(address).status_code == 200
    ]
    before, statuses = world.row(name), list[int]()
    with breaking.disk_is_full_at_commit(world.panel.database):
        for address in shown:
            refused = world.browser.get(address)
            assert refused.status_code == 503, address
            assert world.ids[name] not in refused.text.replace(address, "")
        for view, method in product(views, ("POST", "PATCH")):
            for _endpoint, act, address in world.rules(view, method):
                if act in ("add", "edit", "reveal", "end"):
                    told = world.browser.ask(method, address, {**anything(view, act), **world.change(page)})
                    statuses.append(told.status_code)
                    assert told.status_code in (400, 403, 409, 422, 503), (address, told.status_code)
                    assert world.shown_in(told.text) == []
    assert world.row(name) == before
    assert 503 in statuses
    assert all(world.browser.get(address).status_code == 200 for address in shown[:1])


# At the end: nothing of it anywhere, and gone with its person


def test_no_answer_log_entry_or_row_holds_a_protected_value(world: KindWorld) -> None:
    """Of all requests before this test, and of a look at each page."""
    for page in world.pages.values():
        for _endpoint, act, address in (*world.rules(page), *world.rules(page, "POST")):
            world.browser.post(address, purpose="CASE_WORK") if act == "reveal" else world.browser.get(address)
    assert len(world.told) > 100
    assert [each.path for each in world.told if not each.reveals and world.shown_in(each.text)] == []
    assert any(world.shown_in(each.text) for each in world.told if each.reveals)
    assert world.shown_in("\n".join(world.logged.lines)) == []
    assert {table: world.shown_in(rows) for table, rows in world.kept().items() if world.shown_in(rows)} == {}


def test_everything_protected_is_gone_with_its_person(world: KindWorld) -> None:
    """Every protected column of every kind, read from the register of kinds and from the database's."""
    registered = {(row[0], row[1]) for row in world.panel.rows("select relation, column_name from itm.protected")}
    about = [each for each in kinds().values() if each.protected and each.name != "case"]
    declared = {
        (each.model.__tablename__, each.field(name).column.name)
        for each in about if each.model is not None for name in each.protected
    }  # fmt: skip
    assert declared <= registered, "an erasure would miss it"
    filled = {
        (kinds()[kind].model.__tablename__, f"{name}_enc")  # type: ignore[union-attr]
        for kind, values in world.canaries.items() if kind != "case" for name in values
    }  # fmt: skip
    assert filled <= world.filled(declared), "nothing would be left of what never was"
    for (person,) in world.panel.rows("select id from person"):
        erased(world.make, world.manager, SimpleNamespace(person_id=person))  # type: ignore[arg-type]
    assert world.filled(declared) == set()
    for each in about:
        page = world.pages.get(each.name)
        for _endpoint, _act, address in world.rules(page) if page is not None else ():
            assert world.shown_in(world.browser.get(address).text) == []
