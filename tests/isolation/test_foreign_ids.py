"""Each route, method and role with identifiers of every table: another institution's are answered as nobody's.

Routes come from the URL map, roles from the roles' table, identifiers from the catalogue. `make test` tries each route
with one role and three identifiers; `make isolation` tries all.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.house.expectations import FOCAL, INSIDE, MANAGER, WORKER
from tests.house.walking import METHODS, Step, Walker, World, guarded
from tests.isolation import identifiers
from tests.panel.panel_app import RunningPanel, body_of

MALFORMED = ("0", "'", "%00", "null", "../1", "00000000-0000-0000-0000-00000000000g")
CHANGING = frozenset(METHODS) - {"GET"}


@dataclass(frozen=True)
class Ask:
    """A step by somebody, with identifiers in its address."""

    step: Step
    who: Walker
    path: str
    named: tuple[str, ...]


@dataclass
class Isolated:
    """The walk's world, with every identifier of the two institutions and answers to those that nobody has."""

    world: World
    ours: Mapping[str, uuid.UUID]
    theirs: Mapping[str, uuid.UUID]
    asked: int = 0

    def routes(self) -> Iterator[tuple[Step, Walker, tuple[str, ...]]]:
        """Every route that names a record, for every role; and its arguments."""
        for step in self.world.steps(*METHODS):
            rule = next(
                each for each in self.world.panel.app.url_map.iter_rules(step.endpoint)
                if step.method in (each.methods or ())
            )  # fmt: skip
            arguments = tuple(sorted(rule.arguments - {"seq", "filename", "name", "kind", "token"}))
            if step.expected.names and arguments and not step.expected.public:
                for who in self.world.walkers.values():
                    yield step, who, arguments

    def ask(self, step: Step, who: Walker, values: Mapping[str, object]) -> Ask:
        rest = {"kind": "case", "seq": 1, "token": "no-such-token"}
        path = self.world.panel.app.url_map.bind("localhost").build(
            step.endpoint, {**rest, **values} if step.expected.names else values, method=step.method
        )
        return Ask(step, who, path.partition("?")[0], tuple(map(str, values.values())))

    def answer(self, ask: Ask) -> TestResponse:
        self.asked += 1
        answer = ask.who.browser.ask(ask.step.method, ask.path, self.world.fields(ask.step, ask.who))
        guarded(answer, ask.step)
        return answer

    def shown(self, ask: Ask) -> tuple[int, str]:
        answer = self.answer(ask)
        marks = [mark for mark in self.world.theirs.marks if mark not in ask.path and mark in answer.text]
        around = [answer.text[max(0, answer.text.index(mark) - 900) :][:1000] for mark in marks]
        assert not marks, (ask.step.key, ask.who.role, ask.path, marks, around)
        # A history has the attempts of one's own people, which are in one's own ledger.
        body = "" if ask.step.expected.refused == 200 else body_of(answer, *ask.named)
        return answer.status_code, body


@pytest.fixture(scope="module")
def isolated(panel: RunningPanel) -> Isolated:
    world = World(panel)
    return Isolated(world, identifiers.of(panel, world.ours.tenant), identifiers.of(panel, world.theirs.tenant))


def _reaches(step: Step, who: Walker) -> bool:
    return who.role in step.expected.may and who.role in step.expected.wide


def _addresses(
    isolated: Isolated, step: Step, who: Walker, arguments: Sequence[str], foreign: uuid.UUID
) -> Iterator[Ask]:
    """The foreign identifier in every place of the address; with several places, in each alone too, beside own ones."""
    own = who.own or isolated.world.ours
    for chosen in itertools.product((True, False), repeat=len(arguments)):
        if any(chosen):
            beside = [isolated.world.id_of(_KINDS.get(each, step.expected.names), own) for each in arguments]
            values = [foreign if here else other for here, other in zip(chosen, beside, strict=True)]
            yield isolated.ask(step, who, dict(zip(arguments, values, strict=True)))


_KINDS = {"case": "case", "link": "link", "account": "account"}


def _try(isolated: Isolated, chosen: Iterator[tuple[Step, Walker, tuple[str, ...]]], tables: Sequence[str]) -> None:
    world = isolated.world
    rows, size = world.panel.state(world.theirs.tenant), world.panel.size(world.theirs.tenant)
    nobodys: dict[tuple[str, str, int], tuple[int, str]] = {}
    for step, who, arguments in chosen:
        if _reaches(step, who):
            continue
        for table in tables:
            known = _addresses(isolated, step, who, arguments, isolated.theirs[table])
            unknown = _addresses(isolated, step, who, arguments, uuid.uuid4())
            for place, (theirs, none) in enumerate(zip(known, unknown, strict=True)):
                key = (step.key, who.role, place)
                if key not in nobodys:
                    nobodys[key] = isolated.shown(none)
                assert isolated.shown(theirs) == nobodys[key], (theirs.path, who.role, table)
    assert world.panel.state(world.theirs.tenant) == rows, "another institution's rows changed"
    assert world.panel.size(world.theirs.tenant) == size, "another institution's ledger grew"


def test_a_sample_of_foreign_identifiers_is_answered_as_nobodys(isolated: Isolated) -> None:
    random = Random(uuid.uuid4().int)
    by_step: dict[str, list[tuple[Step, Walker, tuple[str, ...]]]] = {}
    for each in isolated.routes():
        if each[1].role in each[0].expected.may and not _reaches(each[0], each[1]):
            by_step.setdefault(each[0].key, []).append(each)
    chosen = [random.choice(those) for those in by_step.values()]
    tables = random.sample(sorted(isolated.theirs), 3)
    _try(isolated, iter(chosen), tables)
    assert isolated.asked > 3 * len(chosen) > 150, tables


@pytest.mark.isolation
def test_every_foreign_identifier_is_answered_as_nobodys_on_every_route_to_every_role(isolated: Isolated) -> None:
    isolated.asked = 0
    _try(isolated, isolated.routes(), sorted(isolated.theirs))
    print(f"{isolated.asked} requests with identifiers of {len(isolated.theirs)} tables")
    assert isolated.asked > 15_000


@pytest.mark.isolation
def test_own_identifiers_of_another_table_and_malformed_ones_show_nothing_of_others(isolated: Isolated) -> None:
    """No fault, and never a row of another kind: each is answered, or is nobody's."""
    isolated.asked = 0
    for step, who, arguments in isolated.routes():
        if step.method != "GET":
            continue
        for value in (*isolated.ours.values(), *MALFORMED):
            answer = isolated.answer(isolated.ask(step, who, dict.fromkeys(arguments, value)))
            assert answer.status_code < 500
            reaching = _reaches(step, who) or who.role in step.expected.wide
            assert reaching or not [mark for mark in isolated.world.theirs.marks if mark in answer.text], step.key
    print(f"{isolated.asked} requests with own and malformed identifiers")
    assert isolated.asked > 5_000


@pytest.mark.parametrize("role", [WORKER, FOCAL, MANAGER, INSIDE])
def test_an_identifier_of_another_institution_has_no_name(isolated: Isolated, role: str) -> None:
    """In no scope of the person, whatever page would ask."""
    who = isolated.world.walkers[role].somebody
    asked = {"ids": list(isolated.theirs.values())}
    for scope in who.actor.scopes:
        with isolated.world.panel.make.working(who, scope) as session:
            named = session.execute(text("select kind, name from itm.names(cast(:ids as uuid[]))"), asked).all()
        assert {each.kind for each in named} <= {"ledger"}, scope  # its name is the institution's code
