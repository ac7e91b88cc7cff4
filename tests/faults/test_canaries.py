"""Personal data and people's input are in no log, entry, address, cookie, error page or cache."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import create_app
from itm_admin.foundation.config import Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.local import processes, web
from tests.conftest import settings_for
from tests.factories import CASE, Factory, Somebody
from tests.faults import canaries
from tests.faults.breaking import connect
from tests.faults.canaries import CLOSING, HEALTH, NARRATIVE, PERSON, STORED, found_in, typed
from tests.faults.conftest import OwnServer
from tests.faults.faulty_app import ROUTES
from tests.faults.web_server import PATIENCE, Answer, Program, WebServer

KEPT = {"secret", "ended", "csrf_token", "locale", "_flashes", "answers"}
FORM = "application/x-www-form-urlencoded"


@dataclass
class World:
    """One installation with everything personal planted, and every answer that it gave before a reveal."""

    own: OwnServer
    settings: Settings
    make: Factory
    web: WebServer
    case: str = ""
    open_case: str = ""
    person: str = ""
    link: str = ""
    people: dict[str, Program] = field(default_factory=dict)

    def program(self, somebody: Somebody) -> Program:
        program = Program(self.web.port, keeps=False)
        program.enter(self.settings, self.own.database, somebody.username)
        return program

    @property
    def focal_point(self) -> Program:
        return self.people["focal point"]

    def form(self, path: str, **values: Any) -> Answer:
        sent = self.focal_point.ask("POST", path, raw=urlencode(values, doseq=True).encode(), kind=FORM)
        leads = sent.headers.get("Location", "")
        return self.focal_point.ask("GET", leads) if "answer=" in leads or leads.startswith("/answers/") else sent


@pytest.fixture(scope="module")
def world(own_server: OwnServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("canaries")
    settings = settings_for(own_server.database, folder / "home")
    server = WebServer(settings, folder / "web.log", "tests.faults.faulty_app:create_app")
    make = Factory(own_server.database, Keyring.from_settings(settings))
    world = World(own_server, settings, make, server)
    server.start()
    try:
        _sign_in_everybody(world)
        _plant(world)
        yield world
    finally:
        server.stop()


def _sign_in_everybody(world: World) -> None:
    make = world.make
    world.people = {
        "focal point": world.program(make.focal_point()),
        "manager": world.program(make.manager()),
        "another institution": world.program(make.focal_point(make.other_institution())),
        "auditor": world.program(make.auditor()),
        "operator": world.program(make.operator()),
        "administrator": world.program(make.administrator()),
    }


def _plant(world: World) -> None:
    """By the API and by forms; then changed once, so that there are conflicts and histories to look at."""
    ask = world.focal_point.ask
    world.case = ask("POST", "/api/v1/cases/", {**CASE, "narrative": NARRATIVE}).json["id"]
    added = ask("POST", f"/api/v1/cases/{world.case}/people", {**PERSON, "gender": "Feminine", "role": "VICTIM"})
    assert added.status == 201, added.text
    world.person, world.link = added.json["person_id"], added.json["id"]
    world.open_case = ask("POST", "/api/v1/cases/", CASE).json["id"]
    profile = {"trafficking_status": "PossibleVictimOfTrafficking", "health": HEALTH, "needs": ["SHELTER"]}
    assert ask("PATCH", f"/api/v1/profiles/{world.link}", profile).status == 200
    change = {"row_version": 1, "citizenships": ["TR"], "address": PERSON["address"]}
    assert ask("PATCH", f"/api/v1/persons/{world.person}", change).status == 200
    said = world.form(f"/cases/{world.case}/close", version="1", reason="OTHER", note=CLOSING)
    assert said.status == 303, said.text[said.text.find("<main") :][:1500]


def _everything(world: World) -> list[str]:
    """Every address that the map has for GET, with the ids of what is planted; other ids are nobody's."""
    app = create_app(world.settings)
    ids = {
        "case": world.case,
        "link": world.link,
        "account": world.person,
        "kind": "case",
        "seq": 1,
        "token": "no-token",
    }
    ids |= {"filename": "panel.css", "name": "bootstrap.min.css"}
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            chosen = (world.case, world.person, world.link) if "id" in rule.arguments else ("",)
            for id in chosen:
                values = {name: ids.get(name, world.case) for name in rule.arguments} | ({"id": id} if id else {})
                found.append(app.url_map.bind("localhost").build(rule.endpoint, values, method="GET"))
    return found


def test_no_address_of_the_map_shows_a_stored_value_to_anybody(world: World) -> None:
    """Derived from the address map, so that a new page is tried by being there; by each role in turn."""
    stranger = Program(world.web.port, keeps=False)
    people = [*world.people.values(), stranger]
    shown = 0
    for number, path in enumerate(_everything(world)):
        for program in (world.focal_point, people[number % len(people)]):
            answer = program.ask("GET", path)
            assert answer.status < 500 or path == "/readyz", (path, answer.status)
            assert found_in(answer.body) == [], path
            assert found_in(answer.headers.as_string()) == [], path
            if not path.startswith(("/static/", "/vendor/")):
                assert answer.headers["Cache-Control"] == "no-store", path
            shown += answer.status == 200
    assert shown > 60


def _pages(world: World) -> list[str]:
    return [
        *("/", "/cases/", "/persons/", "/persons/search", "/cases/export", "/persons/export"),
        *("/my-history/", "/profile/", "/ledgers/", "/ledgers/entries"),
        *(f"/cases/{world.case}{part}" for part in ("", "/edit", "/close", "/reveal", "/assign", "/delete")),
        *(f"/persons/{world.person}{part}" for part in ("", "/edit", "/reveal", "/delete")),
        *(f"/profiles/{world.link}{part}" for part in ("", "/edit", "/reveal")),
        *(f"/persons/unlink/{world.link}", f"/persons/new/{world.case}", f"/persons/link/{world.case}"),
        *(f"/history/case/{world.case}", f"/history/person/{world.person}", "/institution-history/"),
        *(f"/audit/history/case/{world.case}", f"/audit/history/person/{world.person}"),
        *("/oversight/cases/", f"/oversight/cases/{world.case}", "/oversight/institutions/", "/accounts/", "/alerts/"),
        *("/api/v1/cases/", f"/api/v1/cases/{world.case}", "/api/v1/persons/", f"/api/v1/persons/{world.person}"),
        *(f"/api/v1/profiles/{world.link}", "/api/v1/openapi.json", "/institutions/", "/roles/"),
    ]


def _asked_by(world: World, who: str) -> list[str]:
    """All pages by those who have the records; by others their own pages, and of records each a part."""
    pages = _pages(world)
    if who in ("focal point", "manager"):
        return pages
    records = ("/cases/", "/persons/", "/profiles/", "/history/", "/api/v1/")
    of_records = [path for path in pages if path.startswith(records)]
    share = of_records[list(world.people).index(who) % 4 :: 4]
    return [path for path in pages if path not in of_records or path in share]


def _keeps_nothing(answer: Answer) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    assert found_in(answer.headers.as_string()) == []


def test_no_page_shows_a_stored_value_before_it_is_revealed(world: World, subtests: pytest.Subtests) -> None:
    shown = 0
    for who, program in world.people.items():
        for path in _asked_by(world, who):
            with subtests.test(f"{who} {path}"):
                answer = program.ask("GET", path)
                assert answer.status in (200, 302, 403, 404), answer.text[:300]
                assert found_in(answer.body) == []
                _keeps_nothing(answer)
                shown += answer.status == 200
    assert shown > 60


def test_an_export_holds_no_stored_value(world: World) -> None:
    for path in ("/cases/export", "/persons/export"):
        answer = world.form(path, purpose="STATISTICS", format="csv")
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert answer.body.count(b"\n") >= 2
        assert found_in(answer.body) == []
        _keeps_nothing(answer)


def _searches(world: World) -> dict[str, Answer]:
    """Boxes that people type into, with a page of their own as the answer: it may show what was typed."""
    ask = world.focal_point.ask
    return {
        "a person's name": world.form("/persons/search", name=typed("Name")),
        "a number": world.form("/persons/search", number="31415926599"),
        "a bad number": world.form("/persons/search", number=typed("Number")),
        "an address": world.form("/persons/search", email=typed("Mail") + "@example.invalid"),
        "found": world.form("/persons/search", name=PERSON["family_name"]),
        "a search of the API": ask("POST", "/api/v1/persons/search", {"number": typed("Find")}),
        "the list": ask("GET", "/cases/?q=" + typed("List")),
        "a refused case": world.form("/cases/new", province=typed("Province"), narrative=typed("Narrative")),
        "a refused person": world.form(
            f"/persons/new/{world.open_case}", tckn=typed("Tckn"), given_name=typed("Given")
        ),
        "a conflict": world.form(
            f"/persons/{world.person}/edit", version="1", gender="Feminine", given_name=typed("Conflict")
        ),
        "a refused password": world.form("/profile/password", current=typed("Current"), password=typed("New")),
    }


def _refusals(world: World) -> dict[str, Answer]:
    """Answers that repeat nothing of what was sent."""
    ask = world.focal_point.ask
    stranger = Program(world.web.port)
    strangers = {
        "a login name": stranger.sign_in(typed("Login"), typed("Password")),
        "a password": stranger.sign_in("jgk.focal_point_1", typed("Wrong")),
    }
    return {
        **strangers,
        "a filter": ask("GET", "/cases/?province=" + typed("Filter")),
        "an order": ask("GET", "/api/v1/persons/?sort=" + typed("Sort")),
        "an unknown parameter": ask("GET", "/cases/?" + typed("Parameter") + "=1"),
        "an unknown address": ask("GET", "/cases/" + typed("Path")),
        "an address of the API": ask("GET", "/api/v1/persons/" + typed("Path")),
        "an invitation": ask("GET", "/invitation/" + typed("Token")),
        "a case of others": world.people["another institution"].ask("GET", f"/cases/{world.case}?q={typed('Other')}"),
        "an unknown field": ask("POST", "/api/v1/cases/", {**CASE, "field": typed("Value")}),
        "a wrong value": ask("POST", "/api/v1/cases/", {**CASE, "province": typed("Code")}),
        "a wrong number": ask("PATCH", f"/api/v1/persons/{world.person}", {"row_version": 2, "tckn": typed("Digits")}),
        "malformed JSON": ask("POST", "/api/v1/cases/", raw=b'{"narrative": "' + typed("Json").encode() + b'"'),
        "no JSON": ask("POST", "/api/v1/cases/", raw=typed("Text").encode(), kind="text/plain"),
        "an old version": ask("PATCH", f"/api/v1/persons/{world.person}", {"row_version": 1, "guardian": typed("Old")}),
        "a purpose": ask("POST", f"/api/v1/persons/{world.person}/reveal", {"purpose": typed("Purpose")}),
        "NUL": ask("GET", "/cases/?q=%00" + typed("Nul")),
        **{f"a fault in the {name}": _fault(world, name) for name in ROUTES if name not in ("teardown", "stream")},
    }


def _fault(world: World, name: str) -> Answer:
    return world.focal_point.ask("GET", f"/faulty/{name}?q={typed(name)}")


def test_what_is_typed_is_in_no_header_cookie_or_error_page(world: World, subtests: pytest.Subtests) -> None:
    for name, answer in _searches(world).items():
        with subtests.test(name):
            assert answer.status in (200, 303, 400, 409, 422, 423), answer.text[:300]
            assert [value for value in STORED if value in found_in(answer.body)] in ([], [PERSON["family_name"]])
            _keeps_nothing(answer)
            assert found_in(answer.headers.as_string()) == []
    for name, answer in _refusals(world).items():
        with subtests.test(name):
            assert answer.status >= 400
            assert found_in(answer.body) == []
            _keeps_nothing(answer)


def test_a_session_holds_ids_and_no_value(world: World) -> None:
    app = Flask("reader")
    app.secret_key = world.settings.secret_key
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    for program in world.people.values():
        for answer in program.answers:
            for line in answer.headers.get_all("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                content = serializer.loads(value) if name == "itm" and value else {}
                assert found_in(repr(content)) == []
                assert set(content) <= KEPT


def test_the_one_answer_that_shows_a_value_is_that_of_a_reveal(world: World) -> None:
    purpose = {"purpose": "CASE_WORK"}
    shown = {
        "the API's person": world.focal_point.ask("POST", f"/api/v1/persons/{world.person}/reveal", purpose),
        "a person": world.form(f"/persons/{world.person}/reveal", purpose="CASE_WORK"),
        "a case": world.form(f"/cases/{world.case}/reveal", purpose="CASE_WORK"),
        "a profile": world.form(f"/profiles/{world.link}/reveal", purpose="CASE_WORK"),
    }
    for answer in shown.values():
        assert answer.status == 200
        assert found_in(answer.body)
        _keeps_nothing(answer)
    assert set(found_in(shown["the API's person"].body)) >= set(PERSON.values())
    assert set(found_in(shown["a case"].body)) == {NARRATIVE, CLOSING}
    assert found_in(shown["a profile"].body) == [HEALTH]
    assert found_in(world.focal_point.ask("GET", f"/persons/{world.person}").body) == []


def _raw(port: int, request: bytes) -> bytes:
    """The answers to programs that do not speak HTTP as they should."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # an answer that breaks off is broken off hard
            while piece := connection.recv(65536):
                answer += piece
    return answer


def test_the_web_servers_logs_hold_no_value(world: World) -> None:
    """Also of requests that never reach the panel, and of faults that no handler sees."""
    canary = typed("Raw").encode()
    _searches(world)
    _refusals(world)
    for request in (
        b"GET /persons/?q=" + canary + b" and more HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?q=" + canary + b" HTTP/9.9\r\nHost: localhost\r\n\r\n",
        canary + b"? /cases/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + canary + b" x: " + canary + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + canary + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + b"\r\n",
        b"GET /?q=" + canary * 500 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + canary + b".example\r\nConnection: close\r\n\r\n",
        *(
            f"GET /faulty/{name}?q={typed(name)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            for name in ("teardown", "stream")
        ),
    ):
        _raw(world.web.port, request)
    said = world.web.log.read_text("utf-8", "replace")
    assert "ValueError at faulty_app.py" in said
    assert found_in(said) == []
    asked = (world.settings.home / "log" / "access.log").read_text("utf-8", "replace")
    assert "/cases/" in asked
    assert found_in(asked) == []


def test_a_host_name_that_is_not_ours_is_refused_without_being_repeated(world: World) -> None:
    answer = _raw(
        world.web.port, b"GET / HTTP/1.1\r\nHost: " + typed("Host").encode() + b"\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert found_in(answer) == []


def test_a_database_errors_text_leaves_its_parameters_out(world: World) -> None:
    """Should anybody ever print one."""
    with pytest.raises(DBAPIError) as caught, world.own.database.engine("app").connect() as connection:
        connection.execute(text("select * from nowhere where name = :typed"), {"typed": typed("Parameter")})
    assert found_in(str(caught.value)) == []


def test_no_row_and_no_entry_holds_a_value(world: World) -> None:
    """Every table, as the superuser reads it: what is personal is sealed, what was typed is at most a keyed digest."""
    with world.make.superuser() as connection:
        named = "select format('%I.%I', schemaname, tablename) from pg_tables"
        tables = connection.scalars(text(f"{named} where schemaname in ('public', 'audit', 'itm')")).all()
        for table in tables:
            content = connection.scalar(text(f"select string_agg(t::text, chr(10)) from {table} t")) or ""
            assert found_in(content) == [], table
        entries = connection.scalar(text("select count(*) from audit.event where action = 'record.search'"))
    assert entries


def test_the_schedulers_log_holds_no_value(world: World, tmp_path: Path) -> None:
    """One start of its process, until a job has run over the ledgers with all of this in them."""
    log = tmp_path / "scheduler.log"
    variables = ("ITM_HOME", "ITM_DATABASE_URL", "ITM_SECRET_KEY", "ITM_MASTER_KEY_FILE", "ITM_DATABASE_SIGNER_URL")
    with log.open("wb") as output:
        process = processes.start(
            [sys.executable, "-m", "itm_admin.commands.main", "scheduler"],
            environment={
                **world.settings.environment(*variables),
                "ITM_SIGNING_KEY_FILE": str(tmp_path / "signing-key"),
                "ITM_CHECKPOINTS": str(tmp_path / "checkpoints"),
            },
            folder=web.ROOT,
            on_parents_death=signal.SIGKILL,
            output=output,
            errors=output,
        )
    try:
        with connect(world.own.database) as superuser:
            while not superuser.execute(b"SELECT 1 FROM job_run WHERE finished_at IS NOT NULL").fetchone():
                with suppress(subprocess.TimeoutExpired):
                    raise AssertionError(f"it ended with {process.wait(0.1)}: {log.read_text()}")
    finally:
        process.terminate()
        process.wait(PATIENCE)
    assert found_in(log.read_bytes()) == []


CANARY = canaries.typed("Statement")
FAILING = {
    "a syntax error": f"SELECT '{CANARY}' FROM FROM",
    "a wrong literal": f"SELECT '{CANARY}'::uuid",
    "a missing table": f'SELECT * FROM "{CANARY}"',
    "a failed check": (
        "INSERT INTO case_file (institution_id, unit_id, reference, opened_on, province, referral_source, sensitivity,"
        f" lead_institution_id) SELECT institution_id, unit_id, '{CANARY}', now(), '{CANARY}', 'POLICE', 9,"
        " lead_institution_id FROM case_file LIMIT 1"
    ),
    "a value that is taken": (
        f"INSERT INTO institution (id, code, name_tr, name_en, kind) SELECT id, '{CANARY}', '{CANARY}', '', kind"
        " FROM institution LIMIT 1"
    ),
    "a raised error": f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}'; END $$",
    "a raised warning": f"DO $$ BEGIN RAISE WARNING '{CANARY}'; END $$",
    "a refused right": f"SELECT audit.append('{CANARY}')",
}


def test_the_databases_log_holds_no_value(world: World, subtests: pytest.Subtests) -> None:
    """With the settings that are shipped: failing statements, a deadlock, and a backend that is killed at work."""
    database = world.own.database
    for name, statement in FAILING.items():
        with subtests.test(name), connect(database) as superuser, suppress(psycopg.Error):
            superuser.execute(statement.encode())
    with connect(database) as superuser, pytest.raises(psycopg.errors.InvalidTextRepresentation):
        superuser.execute(b"SELECT %s::uuid", [CANARY])
    _deadlock(world)
    _ended_at_work(world)
    _killed_at_work(world)
    said = world.own.server.log.read_bytes()
    assert b"terminated by signal 9" in said
    assert found_in(said) == []


def _deadlock(world: World) -> None:
    with connect(world.own.database) as one, connect(world.own.database) as other, ThreadPoolExecutor(1) as pool:
        rows = one.execute(b"SELECT id FROM account ORDER BY id LIMIT 2").fetchall()
        update = f"UPDATE account SET title = '{CANARY}' WHERE id = %s".encode()

        def second() -> None:
            with other.transaction(force_rollback=True):
                other.execute(update, rows[1])
                ready.send(b"!")
                other.execute(update, rows[0])

        ready, waiting = socket.socketpair()
        with ready, waiting, suppress(psycopg.errors.DeadlockDetected), one.transaction(force_rollback=True):
            one.execute(update, rows[0])
            asked = pool.submit(second)
            waiting.recv(1)
            one.execute(update, rows[1])
        with suppress(psycopg.errors.DeadlockDetected):
            asked.result(PATIENCE)
    assert world.own.server.process is not None


def _ended_at_work(world: World) -> None:
    """It tells of that itself, with the statement where statements of errors are logged."""
    _cut_off(world, signal.SIGTERM)
    assert b"terminating connection due to administrator command" in world.own.server.log.read_bytes()


def _cut_off(world: World, how: signal.Signals) -> None:
    with connect(world.own.database) as victim, ThreadPoolExecutor(1) as pool:
        pid = victim.info.backend_pid
        asked = pool.submit(victim.execute, f"SELECT '{CANARY}', pg_sleep(60)".encode())
        with suppress(psycopg.OperationalError), connect(world.own.database) as watching:
            while not watching.execute(
                b"SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'", [pid]
            ).fetchone():
                assert not asked.done()
            os.kill(pid, how)
        with pytest.raises(psycopg.OperationalError):
            asked.result(PATIENCE)


def _killed_at_work(world: World) -> None:
    """The postmaster tells of it, with the statement as a detail where details are logged."""
    _cut_off(world, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while b"terminated by signal 9" not in world.own.server.log.read_bytes():
        assert time.monotonic() < deadline
        with suppress(psycopg.OperationalError):
            connect(world.own.database).close()
