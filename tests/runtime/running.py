"""A whole system as `itm run` starts it, seen from outside: its words, its processes, its first page."""

from __future__ import annotations

import http.client
import multiprocessing.connection
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psutil
import psycopg

from itm_admin.commands.main import main
from itm_admin.foundation.config import Settings
from itm_admin.local import installation

ROOT = Path(__file__).parents[2]
PATIENCE = 90


def environment(home: Path, **settings: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "ITM_HOME": str(home), **settings}


def itm(home: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "itm_admin.commands.main", *words],
        cwd=ROOT,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def itm_of_a_fork(home: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """As `itm`, in a fork of this process: what it imports is there already. For the many that are refused; a command
    that works is run by `itm` somewhere.
    """
    command = ["itm", *words]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        child = os.fork()
        if child == 0:
            _run_here(command, environment(home, **settings), out.fileno(), error.fileno())
        ended = multiprocessing.connection.wait([os.pidfd_open(child)], PATIENCE)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _pid, status = os.waitpid(child, 0)
        assert ended, f"{command} did not end within {PATIENCE} s"
        for file in (out, error):
            file.seek(0)
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), out.read(), error.read())


def _run_here(command: list[str], variables: dict[str, str], out: int, error: int) -> NoReturn:
    code = 70
    try:
        os.dup2(out, 1)
        os.dup2(error, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(ROOT)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv = command
        main()
    except SystemExit as said:
        code = said.code if isinstance(said.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        number: int = probing.getsockname()[1]
        return number


class System:
    """`itm run` on a data folder of its own."""

    def __init__(
        self, home: Path, under_make: bool = False, demo: bool = False, root: Path = ROOT, **settings: str
    ) -> None:
        self.home, self.port, self.said, self._heard = home, free_port(), "", 0
        shell = ["sh", "-c", '"$@"; true', "sh"] if under_make else []
        self.process = subprocess.Popen(
            [*shell, sys.executable, "-m", "itm_admin.commands.main", "run", *(["--demo"] if demo else [])],
            cwd=root,
            env=environment(home, ITM_PORT=str(self.port), **settings, **({"MAKELEVEL": "1"} if under_make else {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._waiting = selectors.DefaultSelector()
        assert self.process.stdout is not None
        self._output = self.process.stdout.fileno()
        self._waiting.register(self._output, selectors.EVENT_READ)

    def wait_until_it_says(self, words: str) -> None:
        """Reads on until the words were said after those that were waited for before."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.said[self._heard :]:
            if not self._waiting.select(deadline - time.monotonic()):
                raise AssertionError(f"{words!r} was not said within {PATIENCE} s, but:\n{self.said}")
            piece = os.read(self._output, 65536)
            if not piece:
                raise AssertionError(f"it ended without saying {words!r}, but:\n{self.said}")
            self.said += piece.decode()
        self._heard = self.said.index(words, self._heard) + len(words)

    def until_it_ends(self) -> str:
        """All that it said, where it ends by itself."""
        deadline = time.monotonic() + PATIENCE
        while piece := os.read(self._output, 65536) if self._waiting.select(deadline - time.monotonic()) else b"":
            self.said += piece.decode()
        return self.said

    def settings(self) -> Settings:
        """As a command on the same data folder has them."""
        return installation.of(Settings(home=self.home, embedded=True)).settings

    def wait_until_signed(self) -> None:
        """Until a checkpoint is held outside the database."""
        address = itm(self.home, "database", "url", "--role", "superuser").stdout.strip()
        with psycopg.connect(address, autocommit=True) as connection:
            for _ in range(10 * PATIENCE):
                if any((self.home / "checkpoints").rglob("*.checkpoint")):
                    return
                connection.execute("SELECT pg_sleep(0.1)")
        raise AssertionError(f"nothing was signed within {PATIENCE} s:\n{self.said}")

    def get(self, path: str = "/healthz") -> int:
        """The status of a page; waits as long as a browser would."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def children(self) -> list[psutil.Process]:
        """Every process below the supervisor."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, *words: str) -> psutil.Process:
        """The direct child whose command line has these words."""
        for child in psutil.Process(self.process.pid).children():
            if all(any(word in part for part in child.cmdline()) for word in words):
                return child
        raise AssertionError(f"no child with {words} among {[c.cmdline() for c in self.children()]}")

    def database(self) -> psutil.Process:
        return self.child("bin/postgres")

    def web(self) -> psutil.Process:
        return self.child("itm_admin.local.web")

    def scheduler(self) -> psutil.Process:
        return self.child("itm_admin.commands.main", "scheduler")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self._waiting.close()
        self.process.stdout.close()


@contextmanager
def system(
    home: Path, under_make: bool = False, demo: bool = False, root: Path = ROOT, **settings: str
) -> Iterator[System]:
    """A system that has served its first page; killed at the end if the test has not ended it.

    `root` is the folder of the program.
    """
    running = System(home, under_make, demo, root, **settings)
    children: list[psutil.Process] = []
    try:
        running.wait_until_it_says(f"Ready: http://localhost:{running.port}/")
        children = running.children()
        yield running
    finally:
        running.end()
        psutil.wait_procs(children, timeout=PATIENCE)


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are still there when all should have ended."""
    return list(psutil.wait_procs(processes, timeout=30)[1])
