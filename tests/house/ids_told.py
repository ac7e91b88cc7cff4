"""Ids in answers: each is target or subject of an entry of its request, for every route, method and outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from werkzeug.test import TestResponse

from tests.house.walking import Step, Walker, World

LEAVING = ("OwnSessionView.sign_out", "OwnSessionView.sign_out_everywhere", "SessionApi.end")
ALSO = {"CaseApi.add_person": ({"person_id": "", "role": "RELATIVE"},)}
"""Further bodies of an operation that takes several shapes."""
IDS = {"person_id": "person"}
ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def untold(world: World, answer: TestResponse, sent: str = "") -> set[str]:
    """Ids in body and headers that the entries of the request do not name."""
    texts = [value for _name, value in answer.headers.items()]
    if answer.mimetype in ("text/html", "application/json", "application/problem+json", "text/csv"):
        texts.append(answer.text)
    found = set(ID.findall(" ".join(texts)))
    events = world.panel.shown(answer)
    told = {id for event in events for id in (event.target, *event.subjects)}
    # What came with a change that was refused, or that leads on to it, is known already; all else is told of
    return found - told - set(ID.findall(sent))


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
    register = world.panel.app.extensions["itm_access"]
    steps = sorted(world.steps(*methods), key=lambda step: step.endpoint == "OwnProfileView.password")
    for at, step in enumerate(steps):
        # Units and the register of institutions are everybody's: their choices are in no ledger
        quiet = register[step.endpoint].quiet
        if step.endpoint in LEAVING or (quiet and step.method == "GET"):
            continue
        may = [who for who in world.walkers.values() if who.role in step.expected.may]
        outside = [who for who in world.walkers.values() if who not in may][:1]
        first = at % len(may) if may else 0
        for who in (may if every else (may[first:] + may[:first])[:2]) + outside:
            for path, fields in _asked(world, step, who):
                answer = who.browser.ask(step.method, path, fields)
                # A refusal tells of what was asked for, and a redirect leads to it; what is shown is told of always
                known = ""
                if answer.status_code >= 300:
                    known = path if step.method == "GET" else f"{path} {fields}"
                if missing := untold(world, answer, known) if not quiet else set[str]():
                    yield f"{answer.status_code} {step.key} as {who.role}: {sorted(missing)[:2]}"
                answer.close()
