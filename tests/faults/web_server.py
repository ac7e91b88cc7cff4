"""The real web server, as the system starts it, and people's programs that talk to it over real connections."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import psutil

from itm_admin.foundation.config import Settings
from itm_admin.local import processes, web
from tests import signed_in
from tests.conftest import Database

PATIENCE = 60
_SETTINGS = (
    *("ITM_HOME", "ITM_DATABASE_URL", "ITM_SECRET_KEY", "ITM_MASTER_KEY_FILE"),
    *("ITM_WEB_WORKERS", "ITM_WEB_THREADS", "ITM_WEB_REQUEST_SECONDS", "ITM_WEB_CONNECTIONS_PER_ADDRESS"),
    *("ITM_HTTPS", "ITM_TRUSTED_HOSTS", "ITM_TRUSTED_PROXIES"),
)


class WebServer:
    """The web server on a socket that outlives it, as under the supervisor. `application` replaces the panel's own."""

    def __init__(self, settings: Settings, log: Path, application: str = "app:create_app") -> None:
        self.settings, self.log, self.application = settings, log, application
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listening.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits for its first answer."""
        descriptor = self.listening.fileno()
        with self.log.open("ab") as log:
            self.process = processes.start(
                web.command(self.settings, descriptor, self.application),
                environment=self.settings.environment(*_SETTINGS),
                folder=web.ROOT,
                on_parents_death=signal.SIGKILL,
                output=log,
                errors=log,
                pass_fds=[descriptor],
            )
        Program(self.port).ask("GET", "/healthz")

    def kill(self) -> None:
        """`kill -9` of the server; its workers must go with it."""
        assert self.process is not None
        workers = psutil.Process(self.process.pid).children()
        self.process.kill()
        self.process.wait(PATIENCE)
        assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.listening.close()


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass
class Program:
    """A client of the API that keeps its connection, its cookie and its anti-forgery token."""

    port: int
    cookie: str = ""
    token: str = ""
    keeps: bool = True
    """True if it keeps its connection, which the server closes when it is idle."""
    answers: list[Answer] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, kind: str = "") -> Answer:
        """OSError or HTTPException when the server goes away meanwhile: whether it was done is then not known."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        headers = {"X-CSRFToken": self.token, "Cookie": self.cookie}
        if content is not None:
            headers["Content-Type"] = kind or "application/json"
        try:
            self._connection.request(method, path, content, {name: value for name, value in headers.items() if value})
            found = self._connection.getresponse()
            answer = Answer(found.status, found.msg, found.read())
        except (OSError, http.client.HTTPException):
            self.hang_up()
            raise
        if not self.keeps:
            self.hang_up()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in SimpleCookie(line).items())
        self.answers.append(answer)
        return answer

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def enter(self, settings: Settings, database: Database, username: str) -> None:
        """Has signed in: a new session, without the sign-in page."""
        self.cookie = f"{signed_in.COOKIE}={signed_in.cookie_of(settings.secret_key, database, username)}"
        self.token = self.ask("GET", "/api/v1/session/").json["csrf_token"]

    def sign_in(self, username: str, password: str) -> Answer:
        self.token = self.ask("GET", "/api/v1/session/").json["csrf_token"]
        answer = self.ask("POST", "/api/v1/session/", {"username": username, "password": password})
        if answer.status == 200:
            self.token = answer.json["csrf_token"]
        return answer
