"""`kill -9` of the web server among people who write: nothing stored without its entry, no entry without its change."""

from __future__ import annotations

import http.client
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import text

from audit import report
from itm_admin.foundation.encryption import Keyring
from tests.conftest import Database, settings_for
from tests.factories import CASE, Factory, Somebody
from tests.faults.reconciling import differences
from tests.faults.web_server import PATIENCE, Answer, Program, WebServer

KILLS, WRITERS, BETWEEN = int(os.environ.get("ITM_TEST_KILLS", "2")), 8, 12
Gone = (OSError, http.client.HTTPException)


@dataclass
class Progress:
    """The progress of the writers, for the one who kills."""

    answers: Counter[int] = field(default_factory=Counter)
    cut_off: int = 0
    writing: int = 0
    stop: bool = False
    moved: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, stored: int, writing: int) -> None:
        """Until so many more changes are stored, and so many people wait for an answer."""
        with self.moved:
            goal = self.answers[200] + self.answers[201] + stored
            assert self.moved.wait_for(
                lambda: self.answers[200] + self.answers[201] >= goal and self.writing >= writing, PATIENCE
            ), self.answers


@dataclass
class Writer:
    """Signs in, opens cases, adds persons, edits; signs in anew after being cut off four times."""

    server: WebServer
    database: Database
    program: Program
    person: Somebody
    progress: Progress
    stored: dict[str, int] = field(default_factory=dict)
    """Cases that the server said are stored, and the last version that it named."""

    def work(self) -> None:
        cut_off = 4
        while not self.progress.stop:
            try:
                if cut_off >= 4:
                    self.program.enter(self.server.settings, self.database, self.person.username)
                    cut_off = 0
                self._an_edit()
                self._a_case()
            except Gone:
                cut_off += 1
                with self.progress.moved:
                    self.progress.cut_off += 1

    def _an_edit(self) -> None:
        """Of the case that was worked on when the server went away: how far that came is to be looked up."""
        if not self.stored:
            return
        path = f"/api/v1/cases/{list(self.stored)[-1]}"
        found = self.program.ask("GET", path).json
        change = {"row_version": found["row_version"], "province": "TR-36", "shared": not found["shared"]}
        self.stored[found["id"]] = self._write("PATCH", path, change).json["row_version"]

    def _a_case(self) -> None:
        opened = self._write("POST", "/api/v1/cases/", {**CASE, "narrative": "Anlatı"}).json
        case, version = opened["id"], opened["row_version"]
        self.stored[case] = version
        person = {"role": "VICTIM", "gender": "Feminine", "given_name": "Ayşe", "family_name": "Yılmaz"}
        self._write("POST", f"/api/v1/cases/{case}/people", person)
        for province in ("TR-34", "TR-35"):
            change = {"row_version": version, "province": province, "narrative": f"Anlatı {province}"}
            version = self._write("PATCH", f"/api/v1/cases/{case}", change).json["row_version"]
            self.stored[case] = version

    def _write(self, method: str, path: str, body: object) -> Answer:
        with self.progress.moved:
            self.progress.writing += 1
            self.progress.moved.notify_all()
        try:
            answer = self.program.ask(method, path, body)
        finally:
            with self.progress.moved:
                self.progress.writing -= 1
        with self.progress.moved:
            self.progress.answers[answer.status] += 1
            self.progress.moved.notify_all()
        assert answer.status in (200, 201), answer.text
        return answer


def test_kills_among_eight_writers_leave_changes_and_entries_that_agree(database: Database, tmp_path: Path) -> None:
    settings = replace(settings_for(database, tmp_path / "home"), web_workers=2, web_threads=8)
    make = Factory(database, Keyring.from_settings(settings))
    tenants = [make.institution(), make.other_institution()]
    progress, server = Progress(), WebServer(settings, tmp_path / "web.log")
    writers = [
        Writer(server, database, Program(server.port), make.focal_point(tenants[number % 2]), progress)
        for number in range(WRITERS)
    ]
    server.start()
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            doing = [pool.submit(writer.work) for writer in writers]
            try:
                for _ in range(KILLS):
                    progress.wait_for(stored=BETWEEN, writing=WRITERS // 2)
                    server.kill()
                    server.start()
                progress.wait_for(stored=WRITERS, writing=0)
            finally:
                progress.stop = True
            for each in doing:
                each.result(PATIENCE)
    finally:
        server.stop()
    assert progress.cut_off >= KILLS
    with make.superuser() as connection:
        assert differences(connection) == {}
        halves = "select count(*) from person p where not exists (select from case_person l where l.person_id = p.id)"
        assert connection.scalar(text(halves)) == 0
        stored: dict[str, int] = {
            row.id: row.row_version for row in connection.execute(text("select id::text, row_version from case_file"))
        }
        numbers = connection.execute(
            text(
                "select institution_id, count(*), max(right(reference, 6)::int), (select last from case_counter n"
                " where n.institution_id = c.institution_id) from case_file c group by institution_id"
            )
        ).all()
    for writer in writers:
        assert all(stored.get(case, 0) >= version for case, version in writer.stored.items())
    assert [(count, count) for _, count, _, _ in numbers] == [(highest, last) for _, _, highest, last in numbers]
    rows, exit_code = report.report(database.engine("signer"), "full")
    assert (exit_code, {row["verdict"] for row in rows}) == (0, {"intact"})
    print(f"{dict(progress.answers)} answers, {progress.cut_off} cut off, {len(stored)} cases")


def test_the_comparison_finds_what_was_changed_behind_the_ledgers_back(database: Database) -> None:
    """Else its silence above would say nothing."""
    make = Factory(database)
    person = make.focal_point()
    kept, removed, changed = (make.case(person).id for _ in range(3))
    with make.superuser() as connection:
        assert differences(connection) == {}
        connection.execute(text("set local session_replication_role = replica"))  # no foreign key stands in the way
        connection.execute(
            text("alter table case_file disable trigger user; alter table audit.event disable trigger user")
        )
        connection.execute(text("update case_file set province = 'TR-01' where id = :id"), {"id": changed})
        connection.execute(text("delete from case_file where id = :id"), {"id": removed})
        connection.execute(text("delete from audit.event where target_id = :id"), {"id": str(kept)})
        assert differences(connection) == {
            "public.case_file: rows that are not as their last entry says": 2,
            "public.case_file: entries of rows that are not there": 1,
            "public.case_file: rows with more or fewer versions than entries": 1,
            "places without an entry": 1,
        }
