"""`itm run`: what is started, what happens when something dies, and what is left when it ends."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.runtime.running import System, itm, left_of, system


class Kept:
    """One system for all tests here, on one data folder; started when there is none, on what the one before left."""

    def __init__(self, home: Path) -> None:
        self.home, self._ending = home, ExitStack()
        self._now: System | None = None

    def started(self) -> System:
        if self._now is None or self._now.process.poll() is not None:
            self.end()
            self._now = self._ending.enter_context(system(self.home))
        return self._now

    def end(self) -> None:
        self._ending.close()
        self._now = None


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    folder = Path(tempfile.mkdtemp(prefix="itm-run-"))
    folder.chmod(0o711)
    kept = Kept(folder / "home")
    yield kept
    kept.end()
    shutil.rmtree(folder)


@pytest.fixture
def home(kept: Kept) -> Path:
    return kept.home


@pytest.fixture
def running(kept: Kept) -> System:
    return kept.started()


def test_killing_make_stops_what_it_had_started(kept: Kept) -> None:
    kept.end()
    with system(kept.home, under_make=True) as running:
        children = running.children()
        running.process.kill()
        assert left_of(children) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.wide)])
def test_it_stops_in_order_and_leaves_no_process_behind(running: System, number: signal.Signals) -> None:
    children = running.children()
    assert running.get() < 500
    running.process.send_signal(number)
    running.wait_until_it_says("Stopping")
    assert running.process.wait(60) == 0
    assert left_of(children) == []
    assert not (running.home / "postgres" / "postmaster.pid").exists()


def test_killing_the_supervisor_leaves_no_process_behind_and_the_next_start_works(running: System, kept: Kept) -> None:
    children = running.children()
    running.process.kill()
    assert left_of(children) == []
    assert kept.started().get() < 500


def test_a_killed_web_server_is_started_again(running: System) -> None:
    killed = running.web()
    workers = killed.children()
    assert workers
    killed.kill()
    running.wait_until_it_says("The web server was started again")
    assert left_of([killed, *workers]) == []
    assert running.get() < 500


def test_a_killed_scheduler_is_started_again(running: System) -> None:
    killed = running.scheduler()
    killed.kill()
    running.wait_until_it_says("The scheduler was started again")
    assert running.get() < 500
    assert running.scheduler().pid != killed.pid


def test_a_killed_database_is_started_again(running: System, home: Path) -> None:
    killed = running.database()
    killed.kill()
    running.wait_until_it_says("The database answers again")
    address = itm(home, "database", "url", "--role", "app").stdout.strip()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("itm_app",)
    assert running.get() < 500


def test_the_web_process_knows_the_application_role_and_no_other(running: System) -> None:
    for process in [running.web(), *running.web().children()]:
        told = process.environ()
        assert "itm_app" in told["ITM_DATABASE_URL"]
        assert not {"ITM_DATABASE_OWNER_URL", "ITM_DATABASE_SIGNER_URL"} & set(told)
        assert not any("itm_owner" in value or "itm_signer" in value for value in told.values())


def test_the_scheduler_knows_the_signer_and_neither_another_role_nor_a_key_of_the_data(running: System) -> None:
    told = running.scheduler().environ()
    assert not any(role in value for role in ("itm_owner", "itm_app", "itm_purger") for value in told.values())
    assert not {"ITM_DATABASE_URL", "ITM_SECRET_KEY", "ITM_MASTER_KEY_FILE"} & set(told)


def test_a_password_that_a_role_gave_itself_is_mended_by_a_restart(running: System, kept: Kept) -> None:
    address = itm(kept.home, "database", "url", "--role", "app").stdout.strip()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER ROLE itm_app PASSWORD 'another'")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    kept.end()
    again = kept.started()
    psycopg.connect(address).close()
    assert again.get("/sign-in") == 200


def test_without_the_demonstration_there_is_no_witness_but_those_that_the_settings_name(running: System) -> None:
    assert "ITM_WITNESSES" not in running.scheduler().environ()
    with pytest.raises(AssertionError):
        running.child("audit.witness", "--listen")
    assert not (running.home / "witness" / "address").exists()


def test_passwords_are_in_no_command_line(running: System) -> None:
    secrets = [path.read_text("ascii").strip() for path in (running.home / "secrets").glob("*/*")]
    for process in running.children():
        assert not any(secret in part for secret in secrets for part in process.cmdline())


def test_a_second_run_on_the_same_data_folder_is_refused(running: System, home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = str(other.getsockname()[1])
    refused = itm(home, "run", ITM_PORT=port)
    assert refused.returncode == 2
    assert refused.stderr.strip() == f"itm: ITM_HOME: {home} is in use by another itm (process {running.process.pid})"
    assert psutil.pid_exists(running.database().pid)


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = itm(tmp_path / "home", "run", ITM_PORT=str(port))
    assert refused.returncode == 2
    assert refused.stderr.strip() == f"itm: ITM_PORT: {port} is in use by another program: choose another"
    assert not (tmp_path / "home").exists()
