"""One record of every kind that people work with, full of values that can be recognised, and all that was answered.

Kinds come from the register, their pages and interfaces from the panel that runs. What a record is made of follows from
its kind's fields, so that a new area's records are made without a word here.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest
from flask import Response, request
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import configure_mappers

from itm_admin import areas
from itm_admin.foundation.database import db
from itm_admin.record import kind
from itm_admin.record.api import RecordApi
from itm_admin.record.area import MenuEntry
from itm_admin.record.derive import form_class
from itm_admin.record.kind import BoundField, Kind, kind_of, kinds
from itm_admin.record.pages import RecordPage
from tests.factories import Factory, Somebody, without_rules
from tests.faults.canaries import PERSON
from tests.house.samples import MADE_OTHERWISE, Samples, sent_referral
from tests.panel.handover_panel import ROOM
from tests.panel.handovers import views as handover_views
from tests.panel.panel_app import Browser, RunningPanel
from tests.panel.program import make_key
from tests.panel.test_query_counts import counted

VARIETY = 7
OF_ARGUMENTS = {"link": "case_person", "case": "case", "person": "person"}
"""The kinds that arguments of addresses name, where the argument is not the page's own record or its parent."""
BESIDE = {"case": {"status"}, "person": {"somebody_else"}}
"""Fields of an interface alone: the wizard asks for no status; whether a person is another one is no column."""
INSIDE = {"victim_profile": "profile"}
"""Kinds whose answer is a member of the answer of their parent."""


def named() -> list[str]:
    """Every kind of the register, those of the tests' own area among them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "ROOMS", (*kind.ROOMS, ROOM))
        configure_mappers()
        return sorted(kinds())


NAMES = named()
_VIEWS = (
    *(each.view if isinstance(each, MenuEntry) else each for area in areas.AREAS for each in area.views),
    *vars(handover_views).values(),
)
PAGED = sorted(
    {
        view.datamodel.kind.name for view in _VIEWS
        if isinstance(view, type) and issubclass(view, RecordPage) and hasattr(view, "datamodel")
    }
)  # fmt: skip
"""Kinds that people work with on pages of the base."""
STATED = sorted(
    view.datamodel.kind.name for view in _VIEWS
    if isinstance(view, type) and issubclass(view, RecordPage) and hasattr(view, "datamodel")
    and view.datamodel.kind.info.states is not None
)  # fmt: skip
"""Those with states."""


@dataclass(frozen=True)
class Told:
    """An answer's text, and what was asked."""

    method: str
    path: str
    text: str

    @property
    def reveals(self) -> bool:
        return self.method == "POST" and self.path.endswith("/reveal")


class KindWorld:
    """People of two institutions, and a record of each kind in the first."""

    def __init__(self, panel: RunningPanel) -> None:
        self.panel, self.make = panel, panel.make
        self.told: list[Told] = []
        panel.app.after_request(self._hear)
        self.logged = _Heard()
        logging.getLogger().addHandler(self.logged)
        make: Factory = panel.make
        tenant, other = make.institution(), make.other_institution()
        self.own = panel.records(tenant)
        stranger = make.focal_point(other)
        self.stranger, self.strangers_roles = panel.browser(stranger), stranger.context().roles
        self.strange_manager = panel.browser(make.manager(other))
        self.focal, self.manager = make.focal_point(tenant), make.manager(tenant)
        people = (self.focal, self.manager, make.supervisor(), make.administrator())
        self.browsers: dict[Somebody, Browser] = {who: panel.browser(who) for who in people}
        self.browser = self.browsers[self.focal]
        views = panel.app.extensions["appbuilder"].baseviews
        self.pages: dict[str, type[RecordPage]] = {
            type(view).datamodel.kind.name: type(view) for view in views if isinstance(view, RecordPage)
        }
        self.apis: dict[str, type[RecordApi]] = {
            type(view).datamodel.kind.name: type(view) for view in views if isinstance(view, RecordApi)
        }
        self.canaries: dict[str, dict[str, str]] = {}
        self.others: dict[str, Iterator[str]] = {}
        self.ids: dict[str, str] = self._by_hand()
        for name in self.pages:
            if name not in self.ids:
                self.ids[name] = self.new(name)

    # -- records ----------------------------------------------------------------------------------------------------

    def _by_hand(self) -> dict[str, str]:
        narrative, health = "Kanaryaanlati", "Kanaryasaglik"
        with_values = {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "POLICE"}
        case = self.sent("POST", "/api/v1/cases/", {**with_values, "narrative": narrative})["id"]
        born = {**PERSON, "gender": "Feminine", "role": "VICTIM"}
        link = self.sent("POST", f"/api/v1/cases/{case}/people", born)
        profile = {"trafficking_status": "PossibleVictimOfTrafficking", "health": health}
        self.sent("PATCH", f"/api/v1/profiles/{link['id']}", profile)
        self.canaries |= {
            "case": {"narrative": narrative}, "person": dict(PERSON), "victim_profile": {"health": health},
        }  # fmt: skip
        found = self.panel.value("select id from victim_profile where case_person_id = :id", id=link["id"])
        return {
            "case": case, "person": link["person_id"], "case_person": link["id"], "victim_profile": str(found),
            "institution": str(self.own.tenant.id), "unit": str(self.own.unit), "account": str(self.own.colleague.id),
            "api_key": str(make_key(self.browsers[self.manager], self.own.colleague)),
            "referral": str(sent_referral(self.browser, link["person_id"], case, self.make.other_institution().id)),
        }  # fmt: skip

    def new(self, name: str, **values: Any) -> str:
        """A new record by the interface, as its kind's fields say."""
        page, api = self.pages[name], self.apis[name]
        parent = page.datamodel.parent
        above = self.one_of(parent.kind.name) if parent is not None else None
        place = f"in/{above}" if parent is not None else ""
        content = {**self.values(page.datamodel.kind, page.add_columns), **values}
        if parent is not None and parent.kind.name == "person" and "case_id" in content:
            content["case_id"] = str(
                self.panel.value("select case_id from case_person where person_id = :id", id=above)
            )
        return str(self.sent("POST", f"/api/v1/{api.resource_name}/{place}", content)["id"])

    def one_of(self, name: str) -> str:
        """A record of the kind: this world's, or the next of those that `vary` made."""
        return next(self.others[name]) if name in self.others else self.ids[name]

    def vary(self, name: str) -> None:
        """More records of a kind, so that rows of a list do not all name the same one."""
        if name in self.apis and name not in MADE_OTHERWISE:
            more = [self.new(name) for _ in range(VARIETY)]
        elif name == "person":
            more = [str(self.make.person(self.focal, self.make.case(self.focal)).person_id) for _ in range(VARIETY)]
        else:
            return
        self.others[name] = cycle(more)

    def values(self, of: Kind, columns: tuple[str, ...]) -> dict[str, Any]:
        return Samples(self._named, self._words).values(of, columns)

    def _words(self, of: Kind, found: BoundField) -> str:
        """A protected text is one that is recognised wherever it comes to light."""
        if not found.protected:
            return "Sıradan"
        value = PERSON.get(found.name) or f"Kanarya{of.name}{found.name}".replace("_", "")
        self.canaries.setdefault(of.name, {})[found.name] = value
        return value

    def _named(self, of: Kind, found: BoundField) -> str:
        link: Any = found.field
        if link.shown in ("other_institution", "receiver"):
            return str(self.make.other_institution().id)
        relations = inspect(of.model).relationships
        if link.shown in relations:
            return self.one_of(kind_of(relations[str(link.shown)].mapper.class_).name)
        target = next(iter(found.column.foreign_keys)).column.table.name
        return self.ids[
            next(
                name for name, each in kinds().items() if each.model is not None and each.model.__tablename__ == target
            )
        ]

    def sent(self, method: str, path: str, content: Any) -> dict[str, Any]:
        answer = self.browser.send(method, path, content)
        assert answer.status_code in (200, 201), (path, answer.text)
        return dict(json.loads(answer.text))

    # -- addresses --------------------------------------------------------------------------------------------------

    def rules(self, view: type[Any], method: str = "GET", *, of_record: bool = True) -> Iterator[tuple[str, str, str]]:
        """The endpoint, the act and the address of each of the class's routes, with this world's record in it."""
        for rule in self.panel.app.url_map.iter_rules():
            name, _dot, _function = rule.endpoint.partition(".")
            if name == view.__name__ and method in (rule.methods or ()) and bool(rule.arguments) == of_record:
                values = {argument: self.id_of(view, argument) for argument in rule.arguments}
                act = self.panel.app.extensions["itm_access"][rule.endpoint].act
                address = self.panel.app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
                yield rule.endpoint, act, address

    def id_of(self, view: type[Any], argument: str) -> uuid.UUID:
        model = view.datamodel
        if argument in OF_ARGUMENTS and argument != "id":
            return uuid.UUID(self.ids[OF_ARGUMENTS[argument]])
        above = model.parent.kind.name if argument == "parent" and model.parent is not None else model.kind.name
        return uuid.UUID(self.ids[above])

    def row(self, name: str) -> dict[str, Any]:
        model: Any = kinds()[name].model
        statement = f"select to_jsonb(t) from {model.__tablename__} t where t.id = :id"
        return dict(self.panel.value(statement, id=self.ids[name]))

    # -- what was said ----------------------------------------------------------------------------------------------

    def _hear(self, response: Response) -> Response:
        if not response.is_streamed and not response.direct_passthrough:
            heads = " ".join(f"{name}: {value}" for name, value in response.headers)
            self.told.append(Told(request.method, request.full_path.rstrip("?"), response.get_data(True) + heads))
        return response

    def shown_in(self, content: str) -> list[str]:
        """The protected values in a text."""
        low = content.lower()
        return [
            value for values in self.canaries.values() for value in values.values()
            if value.lower() in low or value.encode().hex() in low
        ]  # fmt: skip

    def kept(self) -> Mapping[str, str]:
        """Every row of every table as text, as the superuser reads it."""
        tables = self.panel.rows(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname in ('public', 'audit', 'itm')"
        )
        read = "select coalesce(string_agg(t::text, chr(10)), '') from {} t"
        return {table: str(self.panel.value(read.format(table))) for (table,) in tables}

    def in_state(self, name: str, state: str) -> None:
        """Puts the record there past its rules; of two parties both sides."""
        model: Any = kinds()[name].model
        table, states = model.__tablename__, kinds()[name].info.states
        assert states is not None
        both = "common = (select common from {0} where id = :id)" if kinds()[name].info.common else "id = :id"
        change = f"update {table} set {states.column} = :state where {both.format(table)}"
        with self.make.superuser() as connection, without_rules(connection, table):
            connection.execute(text(change), {"state": state, "id": self.ids[name]})

    def refused_by_sql(self, name: str, state: str) -> bool:
        """True if the database refuses the panel's login to bring the record to a state."""
        table = self.pages[name].datamodel.model.__tablename__
        column = kinds()[name].info.states.column  # type: ignore[union-attr]
        statements = [f"update {table} set {column} = :state where id = :id"]
        if kinds()[name].info.common:
            changed = f"jsonb_build_object('{column}', cast(:state as text))"
            statements.append(f"select itm.act_on_{table}(:id, (select act from {table} where id = :id), {changed})")
        refusals = 0
        for statement in statements:
            try:
                with self.make.working(self.focal) as session:
                    done: Any = session.execute(text(statement), {"state": state, "id": uuid.UUID(self.ids[name])})
                    refusals += not done.rowcount
            except DBAPIError:
                refusals += 1
        return refusals == len(statements)

    def asked(self, path: str) -> list[str]:
        """The statements of a page."""
        with self.panel.app.app_context():
            engine = db.engine
        counts: list[list[str]] = []
        for _time in range(3):
            with counted(engine) as seen:
                assert self.browser.get(path).status_code == 200
            counts.append(list(seen))
        return min(counts, key=len)

    def filled(self, columns: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the columns that hold anything."""
        count = "select count(*) from {} where {} is not null"
        return {each for each in columns if self.panel.value(count.format(*each))}

    def change(self, page: Any) -> dict[str, Any]:
        values = self.values(page.datamodel.kind, page.edit_columns)
        return {name: value for name, value in values.items() if name not in page.datamodel.kind.protected}


@dataclass
class _Heard(logging.Handler):
    """All that was written into logs."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage() + str(record.exc_info or ""))

    __hash__ = object.__hash__


def answer_name(api: Any, described: dict[str, Any]) -> str:
    title = api.document_name or api.datamodel.model.__name__
    own = getattr(api.show, "_gives", None)
    names = [own.__name__ if own is not None else "", f"{title}Answer"]
    return next(each for each in names if each in described)


def form_fields(page: Any, columns: Any) -> dict[str, bool]:
    """The form's fields, and whether they must be filled in."""
    return {each.name: bool(each.flags.needed) for each in form_class(page.datamodel.kind, columns)()}


def anything(view: Any, act: str) -> dict[str, Any]:
    """A body that would be taken."""
    why = {"reason": "DUPLICATE", "purpose": "CASE_WORK"} if act in ("delete", "reveal") else {}
    return {**why, **({"row_version": 1} if view.__name__.endswith("Api") and act != "reveal" else {"version": "1"})}
