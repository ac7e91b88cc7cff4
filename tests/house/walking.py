"""A person of every role, records of three institutions, and addresses for every route of the panel."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from audit.checkpoint_folder import CheckpointFolder
from itm_admin.ledger.keyring import SigningKeyFile
from itm_admin.ledger.signing import Signing, SigningPlace
from tests.conftest import Database
from tests.factories import Somebody
from tests.house import samples
from tests.house.expectations import (
    ADMIN,
    EVERYBODY,
    FOCAL,
    INSIDE,
    MANAGER,
    METHODS,
    NATIONAL,
    OPERATOR,
    SUPERVISOR,
    WORKER,
    Expected,
    expectations,
    routes,
)
from tests.panel.panel_app import Browser, Records, RunningPanel

__all__ = ["METHODS", "Step", "Walker", "World", "guarded", "in_turn", "keys_of", "sign", "steps"]


def keys_of(app: Flask) -> set[str]:
    """ "METHOD endpoint" of every route."""
    return {key for key, _rule in routes(app)}


def sign(database: Database) -> None:
    """One round of checkpoints, so that there is something to take away."""
    with tempfile.TemporaryDirectory() as folder:
        outside = CheckpointFolder(Path(folder) / "checkpoints")
        done = Signing(SigningPlace(outside, SigningKeyFile(Path(folder) / "key", outside))).round(
            database.engine("signer")
        )
    assert done is not None
    assert done.failed is None


@dataclass
class Walker:
    """One signed-in person of a role."""

    role: str
    somebody: Somebody
    browser: Browser
    own: Records | None


def in_turn(people: Sequence[Walker], at: int, every: bool = False) -> list[Walker]:
    """Two of the people for the step with this number, others than for the next one; or every one of them."""
    first = at % len(people) if people else 0
    return list(people) if every else [*people[first:], *people[:first]][:2]


@dataclass(frozen=True)
class Step:
    """One route and what is expected of it."""

    method: str
    endpoint: str
    expected: Expected

    @property
    def key(self) -> str:
        return f"{self.method} {self.endpoint}"


def steps(app: Flask, *methods: str) -> Iterator[Step]:
    """Every declared route of these methods, with its expectation."""
    for key, expected in expectations(app).items():
        method, endpoint = key.split()
        if method in methods:
            yield Step(method, endpoint, expected)


class World:
    """Everybody and everything that the walk needs."""

    def __init__(self, panel: RunningPanel) -> None:
        self.panel, make = panel, panel.make
        self.ours, self.theirs = panel.records(make.institution("JGK")), panel.records(make.other_institution())
        self.presidency = panel.records(make.presidency())
        people = {
            WORKER: self.ours.caseworker,
            FOCAL: make.focal_point(self.ours.tenant),
            MANAGER: make.manager(self.ours.tenant),
            INSIDE: make.auditor(self.ours.tenant),
            NATIONAL: make.auditor(),
            OPERATOR: self.presidency.caseworker,
            SUPERVISOR: make.supervisor(),
            ADMIN: make.administrator(),
        }
        assert set(people) == EVERYBODY
        records = {each.tenant.code: each for each in (self.ours, self.presidency)}
        self.walkers = {
            role: Walker(role, person, panel.browser(person), records.get(person.tenant.code))
            for role, person in people.items()
        }
        self.anonymous = panel.browser()
        for walker in self.walkers.values():  # an entry of everybody's, to be signed
            assert walker.browser.get("/profile/").status_code == 200
        sign(panel.database)
        makers = {FOCAL: self.ours, OPERATOR: self.presidency}
        self.more = {each.tenant.code: self._assurance(each) for each in (self.ours, self.theirs, self.presidency)}
        for role, each in makers.items():
            self.more[each.tenant.code] |= self._samples(self.walkers[role].browser, each)
        stranger = panel.browser(make.focal_point(self.theirs.tenant))
        self.more[self.theirs.tenant.code] |= self._samples(stranger, self.theirs)

    def _samples(self, browser: Browser, records: Records) -> dict[str, uuid.UUID]:
        """A record of each kind of the areas that is not among the records."""
        known = {"case": records.case, "person": records.person, "case_person": records.link, "unit": records.unit,
                 "account": records.colleague.id, "institution": records.tenant.id,
                 "victim_profile": records.link}  # fmt: skip
        return samples.make(self.panel, browser, known)

    def steps(self, *methods: str) -> Iterator[Step]:
        """Every declared route of this panel, for people whose second factor is fresh."""
        self.panel.show_factors()
        return steps(self.panel.app, *methods)

    def _assurance(self, records: Records) -> dict[str, uuid.UUID]:
        """A verification that was asked for, an alert, and a proposed decision, of the institution's ledger."""
        found = {"request": uuid.uuid4(), "alert": uuid.uuid4(), "decision": uuid.uuid4(), "change": uuid.uuid4(),
                 "api_key": uuid.uuid4()}  # fmt: skip
        supervisor = self.walkers[SUPERVISOR].somebody
        values = {
            **found,
            "colleague": records.colleague.id,
            "holder": records.tenant.id,
            "code": records.tenant.code,
            "supervisor": supervisor.id,
            "home": supervisor.tenant.id,
        }
        with self.panel.make.superuser() as connection:
            connection.execute(
                text("insert into verification_request (id, holder, level, requested_by)"
                     " values (:request, :holder, 'full', :holder)"), values)  # fmt: skip
            connection.execute(
                text("insert into alert (id, kind, severity, holder, subject)"
                     " values (:alert, 'ledger.tampered', 'critical', :holder, :code)"), values)  # fmt: skip
            connection.execute(
                text("insert into ledger_decision"
                     " (id, institution_id, kind, reason, proposed_by, proposer_institution_id)"
                     " values (:decision, :holder, 'generation', 'TAMPERED', :supervisor, :home)"), values)  # fmt: skip
            connection.execute(
                text("insert into access_change (id, institution_id, account_id, kind)"
                     " values (:change, :holder, :colleague, 'link')"), values)  # fmt: skip
            connection.execute(
                text("insert into api_key (id, institution_id, account_id, name, scopes, networks, expires_at)"
                     " values (:api_key, :holder, :colleague, 'Aktarım', '{Case.list}', '{192.0.2.0/24}',"
                     " now() + interval '1 day')"),
                values)  # fmt: skip
        return found

    def path(self, step: Step, record: Records | None, seq: int = 1) -> str:
        """The route's address for an institution's record, or for one that does not exist."""
        values: dict[str, Any] = {"kind": "case", "seq": seq, "filename": "mark.svg", "name": "bootstrap.min.css",
                                  "provider_code": "none"}  # fmt: skip
        values |= {"token": "no-such-token", "account": record.colleague.id if record else uuid.uuid4()}
        values |= dict.fromkeys(("id", "case", "link", "parent"), self.id_of(step.expected.names, record))
        rules = self.panel.app.url_map.iter_rules(step.endpoint)
        rule = next(rule for rule in rules if step.method in (rule.methods or ()))
        known = {name: value for name, value in values.items() if name in rule.arguments}
        return self.panel.app.url_map.bind("localhost").build(step.endpoint, known, method=step.method)

    def id_of(self, kind: str, record: Records | None) -> uuid.UUID:
        if record is None:
            return uuid.uuid4()
        named = {**self.more[record.tenant.code], "account": record.colleague.id, "institution": record.tenant.id}
        return named[kind] if kind in named else getattr(record, kind, None) or uuid.uuid4()

    def fields(self, step: Step, who: Walker) -> dict[str, Any]:
        """The step's fields, with the person's own records in place of their names."""
        own = {"colleague": str(who.own.colleague.id), "pseudonym": who.own.pseudonym} if who.own else {}
        return {name: own.get(value, value) if isinstance(value, str) else value
                for name, value in step.expected.fields.items()}  # fmt: skip

    def own_entry(self, who: Walker) -> int:
        """An entry of the person's own."""
        return int(self.panel.value("select min(seq) from audit.entry where actor_id = :id and code = :code",
                                    id=str(who.somebody.id), code=who.somebody.tenant.code) or 1)  # fmt: skip


def guarded(answer: TestResponse, step: Step) -> None:
    """The headers that every answer must have."""
    assert answer.status_code < 500 or answer.status_code == step.expected.shown, (step, answer.status_code)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'"), step
    assert answer.headers["X-Content-Type-Options"] == "nosniff", step
    if "static" not in step.endpoint:
        assert answer.headers["Cache-Control"] == "no-store", step
    assert b"Traceback" not in answer.data, step
