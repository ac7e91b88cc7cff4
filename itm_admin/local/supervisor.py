"""Runs the whole system on one machine: database, web server, scheduler, and the demonstration's witness.

Promises: they start in order, a dead one is started again, and they stop in the reverse order. After `kill -9` of this
process too, nothing is left behind: the kernel ends every child with its parent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import click
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from audit.store import checkpoints
from audit.store.session import OPTIONS
from itm_admin import models  # noqa: F401 (each must be known before one is used)
from itm_admin.accounts import provider_register
from itm_admin.cases import erasure_replay, upkeep
from itm_admin.foundation import claims, door_check, key_check
from itm_admin.foundation.config import Refusal, SettingError, Settings, all_at_once
from itm_admin.foundation.database import migration, roles
from itm_admin.ledger import sink_process
from itm_admin.local import embedded, installation, ownership, processes, programs, signing_setup, web, witness_process
from itm_admin.local.processes import Child, Signals
from itm_admin.local.programs import ProcessKind
from itm_admin.local.witness_process import LocalWitness

_DATABASE_PAUSE = 5.0
_LOG_PAUSE = 60.0
"""Seconds between two checks of the database log's size."""
_ALL = (*programs.WEB.variables, "ITM_DATABASE_OWNER_URL", "ITM_DATABASE_SIGNER_URL")


@dataclass
class Supervisor:
    """The system's processes. `run` returns after a stop signal."""

    place: installation.Installation
    settings: Settings
    listening: socket.socket
    tell_logins: Callable[[Settings], None] | None
    """Prints the demonstration's logins; None without a demonstration."""
    empty: bool = False
    children: list[Child] = field(default_factory=list)
    witness: LocalWitness | None = None
    ready: socket.socket | None = None
    database_due: float | None = None

    def run(self) -> None:
        with Signals() as signals:
            try:
                self._prepare()
                signals.interrupt = False
                self._serve(signals)
            except KeyboardInterrupt:
                pass
            finally:
                signals.interrupt = False
                self._stop()

    def _prepare(self) -> None:
        """Prepares the database, its schema and, if asked for, its demonstration. Ctrl-C interrupts it."""
        click.echo("Starting the database …")
        self.place.start()
        self.settings = self.place.with_addresses()
        if self.place.server is None:
            roles.refuse_failed_logins(self.settings)
        migration.upgrade(str(self.settings.owner_url))
        claims.bring_of(self.settings)
        _check_master_key(self.settings)
        erasure_replay.at_start(self.settings)
        upkeep.run(self.settings, all_ages=False)
        signing_setup.prepare_key(self.settings)
        if self.tell_logins is not None:
            self._seed()
            if not self.settings.witnesses:
                self._begin_witness()
        self.empty = not _has_institutions(self.settings)

    def _seed(self) -> None:
        """Once: a mark records completion, and the database that was filled."""
        mark = self.settings.home / "demonstration-made"
        if mark.exists() and _has_institutions(self.settings):
            return
        seeding = processes.start(
            [sys.executable, "-m", "itm_admin.commands.main", "demo"],
            environment=self.settings.environment(*_ALL),
            folder=web.ROOT,
            on_parents_death=signal.SIGKILL,
        )
        try:
            if seeding.wait():
                raise Refusal("The demonstration could not be made: its reason is above")
        finally:
            seeding.kill()
            seeding.wait()
        mark.touch()

    def _begin_witness(self) -> None:
        """Starts the witness.

        If that fails the demonstration runs without: its ledgers are not witnessed, and say so.
        """
        try:
            self.witness = witness_process.begin(self.settings, _deployment(self.settings))
        except Refusal as reason:
            click.echo(f"itm: {reason}", err=True)
        else:
            ownership.give_witness(self.witness.folder)
            self.settings = replace(self.settings, witnesses=(self.witness.address,))

    def _cosign(self, witness: LocalWitness) -> subprocess.Popen[bytes]:
        descriptor = witness.listening.fileno()
        return programs.start(
            programs.WITNESS, witness.words(), self.settings, output=subprocess.DEVNULL, pass_fds=[descriptor]
        )

    def _itm(self, words: list[str], kind: ProcessKind) -> subprocess.Popen[bytes]:
        return programs.start(kind, ["-m", "itm_admin.commands.main", *words], self.settings)

    def _web(self) -> subprocess.Popen[bytes]:
        descriptor = self.listening.fileno()
        return programs.start(programs.WEB, web.words(self.settings, descriptor), self.settings, pass_fds=[descriptor])

    def _serve(self, signals: Signals) -> None:
        """Serves until a signal. The others start once the web server serves, because people wait for that one."""
        self.children = [
            Child("The web server", self._web, 25),
            Child("The scheduler", lambda: self._itm(["scheduler"], programs.SCHEDULER), 60),
        ]
        if self.witness is not None:
            self.children.append(Child("The witness", partial(self._cosign, self.witness), 15))
        if self.settings.sinks:
            self.children.append(Child("What passes entries on", lambda: self._itm(["sinks"], programs.SINKS), 30))
        if self.settings.smtp_url:
            self.children.append(Child("What sends mails", lambda: self._itm(["mail"], programs.MAIL), 30))
        self.children[0].start()
        self.ready = _ask(self.settings)
        while not self._wait(signals.descriptor):
            if self.place.server is not None:
                self.place.server.cut_log()
            self._look_after_database()
            for child in self.children:
                self._look_after(child)

    def _wait(self, stop: int) -> bool:
        """Waits for the next event. True: a stop signal."""
        running = [child.process for child in self.children if child.process]
        if self.place.server is not None and self.place.server.process is not None:
            running.append(self.place.server.process)
        handles = [os.pidfd_open(process.pid) for process in running]
        waited_for: list[Any] = [stop, *handles, *([self.ready] if self.ready else [])]
        due = [due for due in (self.database_due, *(child.due for child in self.children)) if due is not None]
        now = time.monotonic()
        try:
            happened, _, _ = select.select(waited_for, [], [], max(0.0, min([*due, now + _LOG_PAUSE]) - now))
        finally:
            for handle in handles:
                os.close(handle)
        if self.ready in happened:
            for child in reversed(self.children[1:]):
                child.start()
            self._announce()
        return stop in happened

    def _look_after_database(self) -> None:
        """Starts it again, also if that fails at first, as on a full disk; meanwhile the panel shows the trouble."""
        server = self.place.server
        if server is None or (server.process is not None and server.process.poll() is None):
            return
        if server.process is not None:
            click.echo("The database ended unexpectedly and is started again", err=True)
            server.process, self.database_due = None, time.monotonic()
        if self.database_due is None or time.monotonic() < self.database_due:
            return
        try:
            server.start()
        except Refusal as reason:
            self.database_due = time.monotonic() + _DATABASE_PAUSE
            click.echo(f"itm: {reason}; tried again in {_DATABASE_PAUSE:.0f} s", err=True)
        else:
            self.database_due = None
            click.echo("The database answers again", err=True)

    def _look_after(self, child: Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            code = child.process.returncode
            if self.ready is not None:
                raise Refusal(f"{child.name} could not start (exit code {code}; its reason is above)")
            child.died()
            click.echo(f"{child.name} ended unexpectedly (exit code {code})", err=True)
        if child.due is not None and child.due <= time.monotonic():
            child.start()
            click.echo(f"{child.name} was started again", err=True)

    def _announce(self) -> None:
        if self.ready is not None:
            self.ready.close()
            self.ready = None
        click.echo(f"\nReady: {self.settings.origin}/\n")
        if self.tell_logins is not None:
            self.tell_logins(self.settings)
        elif self.empty:
            click.echo("There are no institutions yet: `itm init` registers them and invites an administrator.\n")
        click.echo("Ctrl-C stops everything.")
        sys.stdout.flush()

    def _stop(self) -> None:
        """Stops web, then scheduler, then witness, then database; a second signal does not cut it short."""
        if self.children:
            click.echo("Stopping …")
        for child in self.children:
            child.stop()
        if self.witness is not None:
            self.witness.close()
        self.place.stop()
        self.listening.close()


def run(settings: Settings, tell_logins: Callable[[Settings], None] | None = None) -> None:
    """Runs the system, with the demonstration if `tell_logins` is given.

    Raises Refusal or SettingError with the reason if it cannot.
    """
    if "MAKELEVEL" in os.environ:  # a killed make does not signal its child
        processes.die_with_parent(os.getppid(), signal.SIGTERM)
    all_at_once(
        *()
        if settings.embedded
        else (lambda: settings.require(*installation.NEEDED_EXTERNALLY, "ITM_SIGNING_KEY_FILE"),),
        *(settings.master_key,) if settings.master_key_file or settings.master_key_command else (),
        lambda: sink_process.maker(settings),
        lambda: signing_setup.check_key(settings),
    )
    listening = _listen(settings)
    embedded.prepare_home(settings.home)
    with installation.alone(settings) if settings.embedded else contextlib.nullcontext():
        witness_process.forget(settings.home)
        place = installation.arranged(settings)
        place.settings.master_key()
        Supervisor(place, place.settings, listening, tell_logins).run()


def _listen(settings: Settings) -> socket.socket:
    """Binds first of all: a taken port is found before anything is started."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise SettingError("ITM_HOST", f"{settings.host} is no address of this machine") from None
    listening = socket.socket(family, kind)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(256)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingError("ITM_PORT", f"{settings.port} is in use by another program: choose another") from None
        name = "ITM_PORT" if error.errno == errno.EACCES else "ITM_HOST"
        raise SettingError(name, f"{settings.host}:{settings.port}: {error.strerror}") from None
    return listening


def _ask(settings: Settings) -> socket.socket:
    """Sends a first request; any answer shows that the web server serves."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 (compared)
    asking = socket.create_connection((host, settings.port), timeout=10)
    name = settings.trusted_hosts[0] if settings.trusted_hosts else "localhost"
    asking.sendall(f"GET /healthz HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode("ascii"))
    return asking


def _check_master_key(settings: Settings) -> None:
    engine = create_engine(str(settings.database_url), poolclass=NullPool, hide_parameters=True)
    door_check.check(engine, settings)
    key_check.check(engine, settings)
    provider_register.declare(engine, settings)


def _deployment(settings: Settings) -> str:
    engine = create_engine(
        str(settings.signer_url), poolclass=NullPool, hide_parameters=True, connect_args={"options": OPTIONS}
    )
    with engine.connect() as connection:
        return checkpoints.deployment(connection)


def _has_institutions(settings: Settings) -> bool:
    engine = create_engine(
        str(settings.signer_url), poolclass=NullPool, hide_parameters=True, connect_args={"options": OPTIONS}
    )
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT EXISTS (SELECT FROM institution)")))
