"""The embedded PostgreSQL server of this installation.

Promises: only a local socket, a password for everybody (the superuser too), no parameter in any log, and a start after
any `kill -9`. Of the roles it knows only the superuser's first login.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL

from itm_admin.foundation import rotating_log
from itm_admin.foundation.config import Refusal, SettingError
from itm_admin.local import processes
from itm_admin.local.binaries import MAJOR, Binaries, find

SUPERUSER = "postgres"
START_SECONDS = 60
_LONGEST_SOCKET = 107  # bytes of sockaddr_un's path, without its closing zero

_ACCESS = """\
# Written at every start. No network, and nobody without a password.
local all all scram-sha-256
"""

_CONFIGURATION = """\
# Written at every start.
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0777  # the folder is private
password_encryption = scram-sha-256
max_connections = 100
max_prepared_transactions = 0
shared_buffers = {shared}MB
max_wal_size = 1GB
dynamic_shared_memory_type = posix
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
default_transaction_isolation = 'read committed'
idle_in_transaction_session_timeout = 10min
logging_collector = off
log_line_prefix = '%m [%p] %u@%d '
log_statement = none
log_min_messages = log  # an error quotes its input, and a failed statement too: a person's data
log_min_error_statement = panic
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
{durability}
"""

_LEAST_SHARED, _MOST_SHARED = 128, 512

_FAST = "fsync = off\nsynchronous_commit = on\nfull_page_writes = off"


@dataclass
class EmbeddedServer:
    """One data folder and its server. Only tests that cut no power use `durable=False`."""

    home: Path
    superuser_password: str = field(repr=False)
    durable: bool = True
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def url(self, role: str = SUPERUSER, password: str | None = None, database: str = "postgres") -> URL:
        """SQLAlchemy's URL of a database here, as this role."""
        return URL.create(
            "postgresql+psycopg",
            username=role,
            password=self.superuser_password if password is None else password,
            database=database,
            query={"host": str(socket_folder(self.home))},
        )

    def start(self) -> None:
        """Makes the data folder if needed, starts the server as a child process and waits until it answers."""
        prepare_home(self.home)
        binaries = find(self.home)
        refuse_other_major(self.home)
        if not self.data.exists():
            self._initialise(binaries)
        socket = _own_socket_folder(self.home, binaries)
        self._configure(socket)
        _end_predecessor(self.data)
        deadline = time.monotonic() + START_SECONDS
        while not self._started(binaries, deadline):
            if time.monotonic() > deadline:
                raise Refusal(f"PostgreSQL did not start within {START_SECONDS} s: see {self.log}")

    def cut_log(self) -> None:
        """Rotates the log once it is large."""
        if rotating_log.cut(self.log):
            self.log.chmod(0o600)

    def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back, committed ones are on the disk."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(10)
        self.process = None

    def _initialise(self, binaries: Binaries) -> None:
        unfinished = self.data.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(0o700)
        password = self.home / "initial-password"
        password.touch(0o600)
        password.write_text(self.superuser_password, "ascii")
        if binaries.user:
            os.chown(unfinished, binaries.user.uid, binaries.user.gid)
            os.chown(password, binaries.user.uid, binaries.user.gid)
        try:
            done = processes.run(
                [
                    *(binaries / "initdb", "-D", unfinished, "-U", SUPERUSER, f"--pwfile={password}"),
                    *("--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"),
                    "--data-checksums" if self.durable else "--no-sync",
                ],
                folder=Path("/"),
                user=binaries.user,
            )
        finally:
            password.unlink()
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["initdb failed"])[-1]
            raise SettingError("ITM_HOME", f"no database could be made in {self.data}: {reason}")
        unfinished.rename(self.data)

    def _configure(self, socket: Path) -> None:
        quoted = str(socket).replace("'", "''")
        text = _CONFIGURATION.format(
            socket=quoted, shared=_shared_megabytes(), durability="" if self.durable else _FAST
        )
        for name, content in (("postgresql.conf", text), ("pg_hba.conf", _ACCESS), ("pg_ident.conf", "")):
            (self.data / name).write_text(content, "utf-8")
        (self.data / "postgresql.auto.conf").write_text("", "utf-8")

    def _started(self, binaries: Binaries, deadline: float) -> bool:
        """One try. False: it ended at once, because a killed predecessor's children are still ending."""
        self.cut_log()
        self.log.touch(0o600)
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = processes.start(
                [binaries / "postgres", "-D", self.data],
                environment={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
                folder=Path("/"),
                on_parents_death=signal.SIGINT,
                user=binaries.user,
                output=log,
                errors=log,
            )
        pause = 0.02
        while time.monotonic() < deadline:
            try:
                self.process.wait(pause)
            except subprocess.TimeoutExpired:
                if self._answers():
                    return True
                pause = min(pause * 1.5, 0.25)
                continue
            self.process = None
            said = self.log.read_bytes()[before:].decode("utf-8", "replace")
            if "still in use" in said or "is already in use" in said or "lock file" in said:
                time.sleep(0.1)
                return False
            lines = [line.partition("FATAL:")[2] for line in said.splitlines() if "FATAL:" in line] or said.splitlines()
            raise Refusal(f"PostgreSQL did not start: {(lines or ['it said nothing'])[0].strip()} (see {self.log})")
        return False

    def _answers(self) -> bool:
        try:
            psycopg.connect(
                host=str(socket_folder(self.home)),
                user=SUPERUSER,
                password=self.superuser_password,
                dbname="postgres",
                connect_timeout=5,
            ).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                self.stop()
                raise SettingError(
                    "ITM_HOME", f"{self.home / 'secrets'} does not belong to the database beside it: password refused"
                ) from None
            return False
        return True


def prepare_home(home: Path) -> None:
    """Makes the data folder: private, but enterable if this is root, since another user runs PostgreSQL."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        if home.stat().st_uid == os.geteuid():
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise SettingError("ITM_HOME", f"{home} cannot be used: {error.strerror}") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise SettingError("ITM_HOME", f"{home} cannot be written by this user")


def refuse_other_major(home: Path) -> None:
    """Raises SettingError if another major version of PostgreSQL made the data folder."""
    try:
        major = (home / "postgres" / "PG_VERSION").read_text("ascii").strip()
    except FileNotFoundError:
        return
    if major != str(MAJOR):
        raise SettingError("ITM_HOME", f"{home / 'postgres'} belongs to PostgreSQL {major}, this is PostgreSQL {MAJOR}")


def socket_folder(home: Path) -> Path:
    """The socket's folder: in the data folder, or elsewhere if that path is too long."""
    remembered = home / "socket-folder"
    return Path(remembered.read_text("utf-8")) if remembered.exists() else home / "run"


def _own_socket_folder(home: Path, binaries: Binaries) -> Path:
    remembered, folder = home / "socket-folder", home / "run"
    owner = binaries.user.uid if binaries.user else os.geteuid()
    if len(os.fsencode(folder / ".s.PGSQL.5432")) > _LONGEST_SOCKET:
        folder = socket_folder(home)
        if folder == home / "run" or not folder.is_dir() or folder.is_symlink() or folder.stat().st_uid != owner:
            folder = Path(tempfile.mkdtemp(prefix="itm-"))
            remembered.write_text(str(folder), "utf-8")
    else:
        remembered.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
    folder.chmod(0o710 if binaries.user else 0o700)  # the group of the processes that connect
    if binaries.user:
        os.chown(folder, binaries.user.uid, binaries.user.gid)
    return folder


def _end_predecessor(data: Path) -> None:
    """Waits for a server that is still shutting down after its supervisor was killed; removes a dead one's pid file.

    Process ids are reused: the pid file counts only if the process is PostgreSQL on this very folder.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text("ascii").split("\n", 1)[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pid, command = 0, []
    if os.fsencode(data) not in command:
        pid_file.unlink(missing_ok=True)
    elif not processes.wait_for_end(pid, 10):
        os.kill(pid, signal.SIGQUIT)
        processes.wait_for_end(pid, 10)


def _shared_megabytes() -> int:
    """An eighth of the machine's memory, within limits. Walking the ledger's indexes is twice as fast from memory."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return max(_LEAST_SHARED, min(machine // 8, _MOST_SHARED))
