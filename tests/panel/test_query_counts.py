"""A page asks the database as often for thirty rows as for one, and as often with filters as without.

Every list of the address map is counted; those below beside it: with filters, as another role, of the interface.

Counted are the statements of the request; not counted are the settings that begin each transaction, and the
entry in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event, text

from itm_admin.cases import person_services
from itm_admin.foundation.database import db
from tests.factories import PERSON, Somebody
from tests.panel.panel_app import Browser, Records, RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

Figures = dict[tuple[str, str], tuple[list[str], list[str]]]
"""Statements with little data and with much, by person and address."""
MOST_OF_A_LIST, MOST_OF_A_PAGE = 8, 6
MANY = 30
_FREE = ("set_config", "audit.append", "pg_catalog.version")
_PINGS = frozenset({"SELECT 1", "select 1"})
"""A whole statement that only asks whether the connection lives; one that holds these words inside is counted."""


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.strip() not in _PINGS and not any(word in statement for word in _FREE):
            seen.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


class Counting:
    """One institution with a little data, to which more is added."""

    def __init__(self, panel: RunningPanel) -> None:
        self.panel, make = panel, panel.make
        with make.superuser() as connection:
            connection.execute(text("insert into itm.installation (synthetic) values (true)"))
        with panel.app.app_context():
            self.engine: Engine = db.engine
        self.own: Records = panel.records(make.institution())
        self.browsers = {
            role: panel.browser(somebody)
            for role, somebody in {
                "focal": make.focal_point(), "manager": make.manager(), "administrator": make.administrator(),
                "auditor": make.auditor(), "supervisor": make.supervisor(),
            }.items()
        }  # fmt: skip

    def statements(self, who: str, path: str, expected: int = 0) -> list[str]:
        """Of two requests the one that asked less: now and then one also looks whether the scheduler runs."""
        self.browsers[who].get(path)
        first = self._once(who, path)
        return first if len(first) == expected else min(first, self._once(who, path), key=len)

    def _once(self, who: str, path: str) -> list[str]:
        browser: Browser = self.browsers[who]
        with counted(self.engine) as seen:
            answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return list(seen)

    def grow(self) -> None:
        """Thirty of everything that a list shows, and of what hangs on one record."""
        make, worker = self.panel.make, self.own.caseworker
        for number in range(MANY):
            case = make.case(worker)
            make.person(worker, case)
            make.unit(f"Birim {number}")
        with make.working(worker) as session:
            for _ in range(5):
                person_services.add_person_to_case(session, make.keyring, self.own.case, PERSON)
        colleagues: list[Somebody] = [make.focal_point() for _ in range(MANY)]
        assert len(colleagues) == MANY


LISTS = (
    ("focal", "/cases/"), ("focal", "/persons/"),
    ("focal",
     "/cases/?status=Active&mine=yes&province=TR-06&from=2026-01-01&sort=-updated&q=ITM-2026"),
    ("focal", "/persons/?gender=Feminine&child=no&sort=age"), ("manager", "/cases/deleted"),
    ("focal", "/api/v1/cases/"), ("focal", "/api/v1/persons/"), ("focal", "/"), ("focal", "/institution-history/"),
    ("focal", "/my-history/"), ("manager", "/accounts/"), ("administrator", "/accounts/"),
    ("administrator", "/accounts/?institution=JGK&role=focal_point"), ("auditor", "/audit/accounts/"),
    ("manager", "/units/"), ("manager", "/roles/"), ("supervisor", "/institutions/"),
    ("supervisor", "/oversight/cases/"),
    ("supervisor", "/oversight/cases/?institution=JGK&status=Active&sort=reference"),
    ("supervisor", "/oversight/institutions/"), ("supervisor", "/"), ("auditor", "/ledgers/"), ("auditor", "/"),
    ("auditor", "/ledgers/entries"), ("auditor", "/verification/"), ("auditor", "/alerts/"), ("administrator", "/"),
)  # fmt: skip
PAGES = (
    ("focal", "/cases/{case}"), ("focal", "/cases/{case}/edit"), ("focal", "/cases/{case}/assign"),
    ("focal", "/persons/{person}"), ("focal", "/profiles/{link}"), ("focal", "/api/v1/cases/{case}"),
    ("focal", "/api/v1/persons/{person}"), ("focal", "/history/case/{case}"), ("manager", "/accounts/{account}"),
    ("manager", "/units/{unit}"), ("supervisor", "/oversight/cases/{case}"), ("focal", "/profile/"),
)  # fmt: skip


SEVERAL_LISTS = {("auditor", "/"): 10}
"""A page with ledgers, refusals, reveals and exports."""
MORE = {("focal", "/cases/{case}/edit"): 8, ("focal", "/history/case/{case}"): 7, **dict.fromkeys(
    [("focal", "/cases/{case}"), ("focal", "/persons/{person}"), ("supervisor", "/oversight/cases/{case}")], 7),
    ("manager", "/accounts/{account}"): 13}  # fmt: skip
"""A form asks for its choices too, for a draft that waits, and who else has it open; a history for names; a
record's page whether it was found changed outside the panel; an account's for its links and what waits."""


def _further_lists(counting: Counting) -> list[tuple[str, str]]:
    """Each list of the address map that is not named above, as one of those who may see it."""
    named = {path.partition("?")[0] for _who, path in LISTS}
    register = counting.panel.app.extensions["itm_access"]
    paths = [
        rule.rule for rule in counting.panel.app.url_map.iter_rules()
        if rule.endpoint in register and "GET" in (rule.methods or ()) and not rule.arguments
        and register[rule.endpoint].act in ("list", "restore") and not register[rule.endpoint].quiet
    ]  # fmt: skip
    return [
        (next(who for who, browser in counting.browsers.items() if browser.get(path).status_code == 200), path)
        for path in paths if path not in named
    ]  # fmt: skip


def _path(path: str, own: Records) -> str:
    return path.format(case=own.case, person=own.person, link=own.link, account=own.colleague.id, unit=own.unit)


@pytest.fixture(scope="module")
def figures(shared_database: Database, panel: RunningPanel) -> Figures:
    """The statements of each page with little and with much data."""
    counting = Counting(panel)
    further = _further_lists(counting)
    assert len(further) > 3
    wanted = (*LISTS, *PAGES, *further)
    little = {each: counting.statements(each[0], _path(each[1], counting.own)) for each in wanted}
    counting.grow()
    return {
        each: (little[each], counting.statements(each[0], _path(each[1], counting.own), len(little[each])))
        for each in wanted
    }


@pytest.mark.parametrize("page", LISTS, ids=" ".join)
def test_a_list_asks_at_most_eight_times_however_long_it_is(figures: Figures, page: tuple[str, str]) -> None:
    little, much = figures[page]
    assert len(much) == len(little), "\n".join(much)
    assert len(much) <= SEVERAL_LISTS.get(page, MOST_OF_A_LIST), "\n".join(much)


def test_so_does_every_list_of_the_address_map(figures: Figures) -> None:
    further = {page: each for page, each in figures.items() if page not in (*LISTS, *PAGES)}
    assert {page: each for page, each in further.items() if len(each[0]) != len(each[1])} == {}
    assert {page: each for page, each in further.items() if len(each[1]) > MOST_OF_A_LIST} == {}


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_a_page_of_one_record_asks_at_most_six_times(figures: Figures, page: tuple[str, str]) -> None:
    little, much = figures[page]
    assert len(much) == len(little), "\n".join(much)
    assert len(much) <= MORE.get(page, MOST_OF_A_PAGE), "\n".join(much)


def test_a_statement_that_asks_whether_something_exists_is_counted(panel: RunningPanel) -> None:
    with panel.app.app_context(), counted(db.engine) as seen, db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.execute(text("SELECT EXISTS (SELECT 1 FROM public.institution)"))
    assert seen == ["SELECT EXISTS (SELECT 1 FROM public.institution)"]


def test_the_figures_are_told(figures: Figures) -> None:
    told = {f"{who} {path}": (len(little), len(much)) for (who, path), (little, much) in figures.items()}
    print("\n".join(f"{few:3} {many:3}  {name}" for name, (few, many) in told.items()))
    assert min(many for _few, many in told.values()) > 0
