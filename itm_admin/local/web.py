"""The web server's processes: one copy of the code, several processes that share a listening socket, threads in each.

`words` is the line that starts it. Promises: a fault in the panel ends the start at once; a process that dies is
started again; at the end, requests that were begun are answered; no process outlives the first.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from waitress.adjustments import Adjustments

from itm_admin import models  # noqa: F401 (each must be known before one is used)
from itm_admin.accounts.directory_check import DIRECTORIES
from itm_admin.cases.upkeep_calls import UPKEEP
from itm_admin.foundation.config import Settings
from itm_admin.foundation.log_trace import trace
from itm_admin.foundation.proxies import Proxies
from itm_admin.foundation.rotating_log import RotatingLog
from itm_admin.ledger import called_work
from itm_admin.local import lock_watch, processes, web_connections
from itm_admin.local.ownership import LOGS

ROOT = Path(__file__).parents[2]
GRACE = 20
"""Seconds for running requests after a stop signal."""
_PAUSE = 1.0
"""Seconds before a dead process is started again."""
_SPARE_FILES = 300
"""For the database, files and pipes, beside the connections."""
_MEGABYTE = 1024 * 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def words(settings: Settings, descriptor: int | None = None, application: str = "app:create_app") -> list[str]:
    """Python's arguments to serve on a listening socket, or on the settings' address."""
    where = [f"fd:{descriptor}"] if descriptor is not None else [settings.host, str(settings.port)]
    return ["-m", "itm_admin.local.web", application, *where]


def command(settings: Settings, descriptor: int | None = None, application: str = "app:create_app") -> list[str]:
    """The same as a command line of this user."""
    return [sys.executable, *words(settings, descriptor, application)]


def main(application: str, *where: str) -> None:
    """Listens, loads the application and keeps the processes running until SIGTERM or SIGINT."""
    settings = Settings.from_environment()
    listening = listen(*where)
    module, _, function = application.partition(":")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    panel = getattr(importlib.import_module(module), function)()
    gc.collect()
    gc.freeze()  # what was loaded stays: no request waits while it is looked through, and the processes share it
    _Processes(panel, listening, settings).run()


def listen(where: str, port: str = "") -> socket.socket:
    if where.startswith("fd:"):
        return socket.socket(fileno=int(where[3:]))
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    return socket.create_server((where, int(port)), family=family, backlog=256)


class _Stop(Exception):
    """SIGTERM or SIGINT arrived."""


class _Processes:
    """The first process, which answers no request itself."""

    def __init__(self, panel: Any, listening: socket.socket, settings: Settings) -> None:
        self.panel, self.listening, self.settings = panel, listening, settings
        self.running: set[int] = set()
        self.beside: int | None = None
        """Process id of the one that does the scheduler's calls which need the master key; it serves no request."""

    def run(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, _stop)
        try:
            while True:
                while len(self.running) < self.settings.web_workers:
                    self.running.add(self._fork(lambda: _work(self.panel, self.listening, self.settings)))
                if self.beside is None:
                    self.beside = self._fork(lambda: _keep_up(self.settings, self.listening))
                began = time.monotonic()
                ended = os.wait()[0]
                self.running.discard(ended)
                self.beside = None if ended == self.beside else self.beside
                logging.getLogger("itm.web").warning("a process of the web server ended and is started again")
                time.sleep(max(0.0, _PAUSE - (time.monotonic() - began)))
        except _Stop:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._end()

    def _fork(self, work: Callable[[], None]) -> int:
        """Forks; gives the process id. SIGTERM, blocked until the child can handle it, tells it to stop."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        parent, pid = os.getpid(), os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return pid
        code = 1
        try:
            processes.die_with_parent(parent, signal.SIGKILL)
            work()
            code = 0
        except BaseException as fault:
            logging.getLogger("itm.web").error("a process of the web server failed: %s", trace(fault))
        finally:
            os._exit(code)

    def _end(self) -> None:
        deadline = time.monotonic() + GRACE + 2
        everybody = [*self.running, *([self.beside] if self.beside else [])]
        for pid in everybody:
            os.kill(pid, signal.SIGTERM)
        for pid in everybody:
            if not processes.wait_for_end(pid, max(0.0, deadline - time.monotonic())):
                os.kill(pid, signal.SIGKILL)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def _work(panel: Any, listening: socket.socket, settings: Settings) -> None:
    """One process that answers requests."""
    told: list[int] = []
    limits = web_connections.Limits(
        settings.web_connections,
        settings.web_connections_per_address,
        settings.web_request_seconds,
        Proxies(settings.trusted_proxies),
    )
    _allow_files(settings.web_connections + _SPARE_FILES)
    lock_watch.start(settings.direct_url or settings.database_url or "")
    server = web_connections.BoundedServer(
        panel,
        _sock=listening,
        bind_socket=False,
        sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
        adj=_adjustments(settings),
        limits=limits,
        access_log=RotatingLog(settings.home / LOGS / "access.log"),
    )

    def stop(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        server.pull_trigger()

    for number in _SIGNALS:
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    server.serve(lambda: bool(told), GRACE)


def _keep_up(settings: Settings, listening: socket.socket) -> None:
    told: list[int] = []
    listening.close()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _frame: told.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    called_work.serve((UPKEEP, DIRECTORIES), settings, lambda: bool(told))


def _adjustments(settings: Settings) -> Adjustments:
    return Adjustments(
        threads=settings.web_threads,
        connection_limit=settings.web_connections + _SPARE_FILES,  # our own limit closes connections before this one
        backlog=256,
        asyncore_use_poll=True,
        ident=None,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=False,  # ITM_TRUSTED_PROXIES alone decides which proxies are trusted
        max_request_header_size=32 * 1024,
        max_request_body_size=4 * _MEGABYTE,  # the panel's own limit answers with a page; this one with a line
        inbuf_overflow=64 * 1024,
        outbuf_overflow=_MEGABYTE,
        outbuf_high_watermark=4 * _MEGABYTE,
    )


def _allow_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _log() -> None:
    """Waitress's log lines go to stderr, without any content of requests."""
    said = logging.StreamHandler()
    said.addFilter(web_connections.Reticent())
    waitress = logging.getLogger("waitress")
    waitress.addHandler(said)
    waitress.propagate = False
    logging.getLogger("waitress.queue").disabled = True


if __name__ == "__main__":
    _log()
    main(*sys.argv[1:])
