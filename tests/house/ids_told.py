"""Ids in answers: each is target or subject of an entry of its request, for every route, method and outcome.

A name stands for its record: where a page writes a reference, a pseudonym or a person's name, the entry has the id.
Names of institutions and units need none: the register is everybody's, and is read in no ledger.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from werkzeug.test import TestResponse

from tests.house.walking import Step, Walker, World, in_turn

LEAVING = ("OwnSessionView.sign_out", "OwnSessionView.sign_out_everywhere", "SessionApi.end")
ALSO = {"CaseApi.add_person": ({"person_id": "", "role": "RELATIVE"},)}
"""Further bodies of an operation that takes several shapes."""
IDS = {"person_id": "person"}
NAMED = {
    "case": "select reference, id::text from case_file",
    "person": "select pseudonym, id::text from person",
    "account": "select first_name || ' ' || last_name, id::text from account",
}
ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


class Told:
    """The records of a world by their names, read anew when records were added."""

    def __init__(self, world: World) -> None:
        self.world, self._names, self._any = world, dict[str, set[str]](), re.compile("(?!)")
        self.learn()

    def learn(self) -> None:
        self._names = {}
        for statement in NAMED.values():
            for name, id in self.world.panel.rows(statement):
                self._names.setdefault(name, set()).add(id)
        longest_first = sorted(map(re.escape, self._names), key=len, reverse=True)
        self._any = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")

    def untold(self, answer: TestResponse, who: Walker, sent: str = "") -> set[str]:
        """Ids, and names of records, in body and headers, that the entries of the request do not name.

        The frame of each page shows the own name.
        """
        texts = [value for _name, value in answer.headers.items()]
        if answer.mimetype in ("text/html", "application/json", "application/problem+json", "text/csv"):
            texts.append(html.unescape(answer.text))
        found = " ".join(texts)
        events = self.world.panel.shown(answer)
        told = {id for event in events for id in (event.actor, event.target, *event.subjects)} | {str(who.somebody.id)}
        # What came with a change that was refused, or that leads on to it, is known already; all else is told of
        ids = set(ID.findall(found)) - told - set(ID.findall(sent))
        return ids | {name for name in self._any.findall(found) if not self._names[name] & told and name not in sent}


def _asked(world: World, step: Step, who: Walker) -> Iterator[tuple[str, dict[str, Any]]]:
    wide, fields = who.role in step.expected.wide, world.fields(step, who)
    mine = who.own or world.ours
    for record in (mine, world.theirs) if who.role in step.expected.may and step.expected.names else (mine,):
        yield world.path(step, record, 1 if wide else world.own_entry(who)), fields
        for other in ALSO.get(step.endpoint, ()):
            yield (
                world.path(step, record),
                {**other, **{name: str(getattr(mine, what)) for name, what in IDS.items() if name in other}},
            )
        if fields and step.method != "GET":
            yield world.path(step, record), {}


def ask_everything(world: World, *methods: str, every: bool = False) -> Iterator[str]:
    """Asks for each route as two of the roles that may (or `every`), and as one that may not: ids that no entry of the
    request told. Each route has other two, so that every role asks for many.
    """
    register, told = world.panel.app.extensions["itm_access"], Told(world)
    steps = sorted(world.steps(*methods), key=lambda step: step.endpoint == "OwnProfileView.password")
    for at, step in enumerate(steps):
        # Units and the register of institutions are everybody's: their choices are in no ledger
        quiet = register[step.endpoint].quiet
        if step.endpoint in LEAVING or (quiet and step.method == "GET"):
            continue
        may = [who for who in world.walkers.values() if who.role in step.expected.may]
        outside = [who for who in world.walkers.values() if who not in may][:1]
        for who in [*in_turn(may, at, every), *outside]:
            for path, fields in _asked(world, step, who):
                answer = who.browser.ask(step.method, path, fields)
                # A refusal tells of what was asked for, and a redirect leads to it; what is shown is told of always
                known = ""
                if answer.status_code >= 300:
                    known = path if step.method == "GET" else f"{path} {fields}"
                if missing := told.untold(answer, who, known) if not quiet else set[str]():
                    yield f"{answer.status_code} {step.key} as {who.role}: {sorted(missing)[:2]}"
                answer.close()
