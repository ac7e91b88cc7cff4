"""The database restarts, is killed, or drops connections while people work: a clear answer, then work as before."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from werkzeug.test import TestResponse

from audit import report
from tests.factories import Somebody
from tests.faults.breaking import connect
from tests.faults.conftest import OwnServer
from tests.faults.panel_at_work import Browser, Panel, Records

PATIENCE = 60
INTERNAL = ("psycopg", "sqlalchemy", "Traceback", "server closed", "socket")


@dataclass
class World:
    own: OwnServer
    panel: Panel
    person: Somebody
    records: Records


@pytest.fixture(scope="module")
def world(own_server: OwnServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    panel = Panel(own_server.database, tmp_path_factory.mktemp("home"))
    person = panel.make.focal_point()
    return World(own_server, panel, person, panel.records(person))


def honest(answer: TestResponse) -> None:
    assert answer.status_code == 503, (answer.status, answer.text[:300])
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Retry-After"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"] in answer.text
    assert not [
        word for word in ("psycopg", "sqlalchemy", "Traceback", "server closed", "socket") if word in answer.text
    ]


@dataclass
class Work:
    """People who look and change without a pause, and what they were answered."""

    panel: Panel
    seen: list[Counter[int]] = field(default_factory=list)
    bad: list[TestResponse] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    """A case's last version that somebody was told is stored."""
    stop: bool = False
    moved: threading.Condition = field(default_factory=threading.Condition)

    def one(self, browser: Browser, case: str, answers: Counter[int]) -> None:
        version = None
        while not self.stop:
            if version is None:
                answer = self._noted(browser.get(f"/api/v1/cases/{case}"), answers)
                version = answer.json["row_version"] if answer.status_code == 200 else None  # type: ignore[index]
                self._noted(browser.get(f"/cases/{case}"), answers)
                continue
            province = f"TR-{version % 80 + 1:02}"
            change = {"row_version": version, "province": province}
            answer = self._noted(browser.call("PATCH", f"/api/v1/cases/{case}", change), answers)
            if answer.status_code == 200:
                self.acknowledged[case] = answer.json["row_version"]  # type: ignore[index]
            version = None

    def _noted(self, answer: TestResponse, answers: Counter[int]) -> TestResponse:
        with self.moved:
            answers[answer.status_code] += 1
            if answer.status_code not in (200, 503):
                self.bad.append(answer)
            self.moved.notify_all()
        if answer.status_code == 503:
            honest(answer)
        return answer

    def wait_for(self, status: int, more: int) -> None:
        """Until everybody was answered with this status so many times more."""
        with self.moved:
            goal = [answers[status] + more for answers in self.seen]
            reached = self.moved.wait_for(
                lambda: all(answers[status] >= least for answers, least in zip(self.seen, goal, strict=True)), PATIENCE
            )
        assert reached, self.seen


@contextmanager
def at_work(world: World, people: int = 4) -> Iterator[Work]:
    work = Work(world.panel)
    cases = [str(world.panel.make.case(world.person).id) for _ in range(people)]
    browsers = [world.panel.browser(world.person) for _ in cases]
    work.seen = [Counter() for _ in cases]
    with ThreadPoolExecutor(people) as pool:
        doing = [pool.submit(work.one, *each) for each in zip(browsers, cases, work.seen, strict=True)]
        try:
            yield work
        finally:
            work.stop = True
        for each in doing:
            each.result(PATIENCE)


def _killed(own: OwnServer) -> None:
    assert own.server.process is not None
    own.server.process.send_signal(signal.SIGKILL)
    own.server.process.wait(PATIENCE)


def _at_once(own: OwnServer) -> None:
    assert own.server.process is not None
    own.server.process.send_signal(signal.SIGQUIT)
    own.server.process.wait(PATIENCE)


def _fast(own: OwnServer) -> None:
    own.server.stop()


@pytest.mark.parametrize("end", [_killed, _at_once, _fast], ids=["killed", "immediate", "fast"])
def test_people_work_on_after_the_database_came_back(world: World, end: Callable[[OwnServer], None]) -> None:
    with at_work(world) as work:
        work.wait_for(200, 4)
        end(world.own)
        work.wait_for(503, 2)
        world.own.server.process = None
        world.own.server.start()
        work.wait_for(200, 4)
    assert work.bad == []
    for case, version in work.acknowledged.items():
        stored, entries = world.panel.rows(
            "select row_version, (select count(*) from audit.entry where target_id = c.id::text and via = 'trigger')"
            " from case_file c where id = :case",
            case=case,
        )[0]
        assert stored == entries
        assert stored >= version
    rows, _ = report.report(world.own.database.engine("signer"), "full")
    assert {row["verdict"] for row in rows} == {"intact"}


def test_while_it_is_gone_every_page_says_so(world: World, subtests: pytest.Subtests) -> None:
    browser = world.panel.browser(world.person)
    stranger = Browser(world.panel.app.test_client())
    stranger.get("/sign-in")
    stranger.learn_token()
    records = world.records
    asks: dict[str, Callable[[], TestResponse]] = {
        "home": lambda: browser.get("/"),
        "a case": lambda: browser.get(f"/cases/{records.case}"),
        "a form": lambda: browser.post("/cases/new", opened_on="01.03.2026", narrative="Kanarya"),
        "a reveal": lambda: browser.post(f"/persons/{records.person}/reveal", purpose="CASE_WORK"),
        "an export": lambda: browser.post("/cases/export", purpose="STATISTICS", format="csv"),
        "an unknown record": lambda: browser.get("/cases/00000000-0000-4000-8000-000000000000"),
        "the API": lambda: browser.get("/api/v1/cases/"),
        "the API's change": lambda: browser.call("PATCH", f"/api/v1/cases/{records.case}", {"row_version": 1}),
        "signing out": lambda: browser.post("/profile/sign-out"),
        "signing in": lambda: stranger.post("/sign-in", username="jgk.somebody", password="secret"),
        "the API's signing in": lambda: stranger.call(
            "POST", "/api/v1/session/", {"username": "jgk.somebody", "password": "secret"}
        ),
    }
    world.own.server.stop()
    try:
        for name, ask in asks.items():
            with subtests.test(name):
                honest(ask())
        assert stranger.get("/sign-in").status_code == 200
        assert stranger.get("/healthz").status_code == 200
        assert stranger.get("/readyz").status_code == 503
        assert world.panel.ready()["database"]["ok"] is False
    finally:
        world.own.server.start()
    assert browser.get(f"/cases/{records.case}").status_code == 200


def test_connections_that_were_cut_between_requests_are_not_noticed(world: World) -> None:
    with at_work(world) as work:
        work.wait_for(200, 2)
    browsers = [world.panel.browser(world.person) for _ in range(4)]
    with connect(world.own.database) as superuser:
        superuser.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'itm_app'")
    assert [browser.get("/cases/").status_code for browser in browsers] == [200] * 4


def _in_the_middle(
    world: World, browser: Browser, change: dict[str, object], held: str, cut: Callable[[int], object]
) -> TestResponse:
    """A change that waits for what is held, and whose connection is cut while it does."""
    path = f"/api/v1/cases/{world.records.case}"
    with (
        ThreadPoolExecutor(1) as pool,
        connect(world.own.database) as watching,
        connect(world.own.database) as holding,
        contextlib.suppress(psycopg.OperationalError),  # the server may take them with it
        holding.transaction(),
    ):
        holding.execute(held.encode())
        asked = pool.submit(browser.call, "PATCH", path, change)
        waiting = b"SELECT pid FROM pg_stat_activity WHERE usename = 'itm_app' AND wait_event_type = 'Lock'"
        while not (found := watching.execute(waiting).fetchone()):
            assert not asked.done(), asked.result().text
        cut(int(str(found[0])))
        asked.result(PATIENCE)
    return asked.result(PATIENCE)


@pytest.mark.parametrize("held", ["SELECT FROM case_file FOR UPDATE", "SELECT FROM audit.ledger FOR UPDATE"])
def test_a_connection_that_is_cut_in_the_middle_of_a_change_stores_nothing(world: World, held: str) -> None:
    """At the statement, and at the commit, while its entry waits to be sealed."""
    browser = world.panel.browser(world.person)
    version = world.panel.scalar("select row_version from case_file where id = :id", id=world.records.case)
    change = {"row_version": version, "province": f"TR-{40 + version}"}
    before = world.panel.stored()

    def cut(pid: int) -> None:
        with connect(world.own.database) as superuser:
            superuser.execute(b"SELECT pg_terminate_backend(%s)", [pid])

    answer = _in_the_middle(world, browser, change, held, cut)
    honest(answer)
    assert answer.json["code"] in ("unavailable", "ledger_unavailable")  # type: ignore[index]
    assert world.panel.stored() == before
    assert browser.call("PATCH", f"/api/v1/cases/{world.records.case}", change).status_code == 200


def test_where_the_server_dies_during_a_commit_the_answer_does_not_say_that_nothing_was_stored(world: World) -> None:
    browser = world.panel.browser(world.person)
    version = world.panel.scalar("select row_version from case_file where id = :id", id=world.records.case)
    change = {"row_version": version, "province": f"TR-{40 + version}"}
    held = "SELECT FROM audit.ledger FOR UPDATE"
    answer = _in_the_middle(world, browser, change, held, lambda pid: os.kill(pid, signal.SIGKILL))
    honest(answer)
    assert answer.json["code"] == "uncertain"  # type: ignore[index]
    deadline = time.monotonic() + PATIENCE
    while browser.get("/cases/").status_code != 200:  # the server recovers by itself
        assert time.monotonic() < deadline
