"""Plain Flask-AppBuilder as the probes see it: signed-in people, known rows, and the database behind.

Each probe starts from the same rows, so that none depends on what another one did. The application runs in a
process of its own and is asked over HTTP.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine, create_engine, text

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]

# What is A's is named Alpha, what is B's is named Bravo: a probe looks for Bravo in an answer to A.
A_PROJECT, A_ANNEX, A_RECORD, A_OTHER_RECORD, A_LABEL = 1, 3, 11, 12, 1
B_PROJECT, B_RECORD, B_LABEL = 2, 21, 2
B_FILE = "bravo_sep_report.txt"
FOREIGN = "Bravo"

ROWS = f"""
truncate record_label, label, record, project;
insert into project (id, tenant_id, name, budget_code) values
  ({A_PROJECT}, 1, 'Alpha project', '9-last'), ({A_ANNEX}, 1, 'Alpha annex', '1-first'),
  ({B_PROJECT}, 2, 'Bravo project', '5-bravo');
insert into label (id, tenant_id, name) values ({A_LABEL}, 1, 'Alpha label'), ({B_LABEL}, 2, 'Bravo label');
insert into record (id, tenant_id, code, title, state, secret, project_id) values
  ({A_RECORD}, 1, 'Alpha-1', 'Alpha title', 'open', 'zulu', {A_PROJECT}),
  ({A_OTHER_RECORD}, 1, 'Alpha-2', 'Alpha second', 'open', 'kilo', {A_ANNEX}),
  ({B_RECORD}, 2, 'Bravo-1', 'Bravo title', 'open', 'bravo secret', {B_PROJECT});
select setval(pg_get_serial_sequence('record', 'id'), 1000);
update ab_user u set password = k.password from kept_user k where k.id = u.id and k.password <> u.password;
delete from ab_user_role;
insert into ab_user_role select * from kept_user_role;
"""

KEPT = """
create table kept_user as select id, password from ab_user;
create table kept_user_role as select * from ab_user_role;
"""


@dataclass(frozen=True)
class Answer:
    status: int
    body: str

    def shows(self, value: str) -> bool:
        return value in self.body


class Browser:
    """One person's browser: keeps cookies, follows no redirect."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def sign_in(self, username: str, password: str | None = None) -> bool:
        self.post("/login/", {"username": username, "password": password or username})
        return self.get("/").shows("/logout/")

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, form: dict[str, Any]) -> Answer:
        return self.ask("POST", path, urlencode(form, doseq=True), "application/x-www-form-urlencoded")

    def send(self, method: str, path: str, content: Any) -> Answer:
        return self.ask(method, path, json.dumps(content), "application/json")

    def ask(self, method: str, path: str, body: str | None = None, kind: str = "text/plain") -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": kind, "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.read().decode())
        for value in response.headers.get_all("Set-Cookie") or ():
            self.cookies.update({name: cookie.value for name, cookie in SimpleCookie(value).items()})
        connection.close()
        return answer


class Site:
    """The plain application with alice of tenant A, bob of tenant B, A's administrator and the platform's root."""

    def __init__(self, port: int, database: Engine) -> None:
        self.port, self.database = port, database
        self.execute(KEPT)
        self.alice, self.bob, self.chief = (self.person(name) for name in ("alice", "bob", "chief"))

    def person(self, username: str) -> Browser:
        browser = Browser(self.port)
        assert browser.sign_in(username), f"{username} could not sign in"
        return browser

    def begin_again(self) -> None:
        self.execute(ROWS)

    def execute(self, sql: str) -> None:
        with self.database.begin() as connection:
            connection.execute(text(sql))

    def value(self, sql: str, **values: Any) -> Any:
        with self.database.connect() as connection:
            return connection.scalar(text(sql), values)

    def user(self, username: str) -> int:
        return int(self.value("select id from ab_user where username = :name", name=username))


@contextmanager
def plain_site(server: Engine, folder: Path) -> Iterator[Site]:
    """Plain Flask-AppBuilder in a database of its own on that server (whose superuser `server` is)."""
    name = f"plain_{uuid.uuid4().hex[:12]}"
    url = server.url.set(database=name)
    (folder / B_FILE).write_text("Bravo report")
    errors = folder / "stderr"
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"create database {name} template template0"))
    command = [sys.executable, "-m", "tests.panel.probes.plain", url.render_as_string(hide_password=False), str(folder)]
    engine = create_engine(url, hide_parameters=True)
    try:
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            ) as process,
        ):
            assert process.stdout is not None
            port = process.stdout.readline()
            assert port, f"plain Flask-AppBuilder did not start:\n{errors.read_text()}"
            yield Site(int(port), engine)
    finally:
        engine.dispose()
        with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"drop database {name} with (force)"))
