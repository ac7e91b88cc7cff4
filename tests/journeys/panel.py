"""The panel as people meet it: the web server and the scheduler in processes of their own, on a test's database.

The web process knows the application's role alone, as in an installation. Nothing here waits by the clock.
"""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from itm_admin.foundation.encryption import Keyring
from itm_admin.local import processes, web
from tests import signed_in
from tests.conftest import Database, settings_for
from tests.factories import Factory

PATIENCE = 60
_WEB = (
    *("ITM_HOME", "ITM_DATABASE_URL", "ITM_SECRET_KEY", "ITM_MASTER_KEY_FILE"),
    *("ITM_WEB_WORKERS", "ITM_WEB_THREADS", "ITM_PORT"),
)
_SIGNER = ("ITM_HOME", "ITM_DATABASE_SIGNER_URL", "ITM_SIGNING_KEY_FILE")


class Panel:
    """One installation with a web server; the scheduler runs where a journey asks for it."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.settings = replace(
            settings_for(database, home), web_workers=1, web_threads=8, signing_key_file=home / "signing-key",
            port=self._socket.getsockname()[1],
        )  # fmt: skip
        self.make = Factory(database, Keyring.from_settings(self.settings))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._log = home / "log"

    def let_in(self, username: str) -> str:
        """The cookie of a new session of somebody who has signed in."""
        return signed_in.cookie_of(self.settings.secret_key, self.database, username)

    @contextmanager
    def serving(self) -> Iterator[Panel]:
        """While the web server answers."""
        number = self._socket.fileno()
        command = web.command(self.settings, number)
        with self._process(command, self.settings.environment(*_WEB), signal.SIGINT, [number]):
            asking = http.client.HTTPConnection("127.0.0.1", self._socket.getsockname()[1], timeout=PATIENCE)
            asking.request("GET", "/healthz")
            assert asking.getresponse().status in (200, 503), self._log.read_text()
            asking.close()
            yield self
        self._socket.close()

    @contextmanager
    def scheduling(self) -> Iterator[None]:
        """While the scheduler's process runs; it is waited for at the end, with the job that it is at."""
        command = [sys.executable, "-m", "itm_admin.commands.main", "scheduler"]
        with self._process(command, self.settings.environment(*_SIGNER), signal.SIGTERM):
            yield

    def itm(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The console command, as an operator of this installation calls it."""
        return subprocess.run(
            [sys.executable, "-m", "itm_admin.commands.main", *words],
            cwd=web.ROOT, env=self.settings.environment(*_SIGNER), capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def ask(self, statement: str, **values: Any) -> list[Any]:
        """Rows, read past row-level security."""
        with self.make.superuser() as connection:
            return list(connection.execute(text(statement), values))

    def logged(self) -> str:
        """The last lines of its processes' log."""
        return self._log.read_text()[-4000:]

    @contextmanager
    def _process(
        self, command: list[str], environment: dict[str, str], end: signal.Signals, pass_fds: Sequence[int] = ()
    ) -> Iterator[None]:
        with self._log.open("ab") as log:
            child = processes.start(
                command, environment=environment, folder=web.ROOT, on_parents_death=signal.SIGKILL, output=log,
                errors=log, pass_fds=pass_fds,
            )  # fmt: skip
        try:
            yield
        finally:
            child.send_signal(end)
            child.wait(PATIENCE)
