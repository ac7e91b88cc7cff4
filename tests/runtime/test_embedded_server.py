"""The server of our own: who may enter it, what it writes down, and that it starts after any end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from itm_admin.foundation.config import Refusal, SettingError, Settings
from itm_admin.foundation.database import roles
from itm_admin.local import embedded, installation
from itm_admin.local.binaries import MAJOR, find
from itm_admin.local.embedded import EmbeddedServer


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="itm-pg-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def own(folder: Path) -> Iterator[EmbeddedServer]:
    """For a test after which it does not start again."""
    server = EmbeddedServer(folder / "home", "a-superuser-for-tests")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kept() -> Iterator[EmbeddedServer]:
    """One data folder for all others."""
    folder = Path(tempfile.mkdtemp(prefix="itm-pg-"))
    folder.chmod(0o711)
    server = EmbeddedServer(folder / "home", "a-superuser-for-tests")
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def server(kept: EmbeddedServer) -> EmbeddedServer:
    if kept.process is None or kept.process.poll() is not None:
        kept.start()
    return kept


def connect(server: EmbeddedServer, role: str = "postgres", password: str | None = None) -> psycopg.Connection[object]:
    url = server.url(role, password).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def test_what_was_committed_survives_kill_9_of_the_server(server: EmbeddedServer) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()
    with connect(server) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_pid_file_whose_number_went_to_a_stranger_does_not_stop_the_start(server: EmbeddedServer) -> None:
    pid_file = server.data / "postmaster.pid"
    before = pid_file.read_text("ascii")
    assert server.process is not None
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait()
    pid_file.write_text(before.replace(before.split("\n", 1)[0], str(os.getpid()), 1), "ascii")
    server.start()
    connect(server).close()


def test_a_server_that_is_still_shutting_down_is_waited_for(server: EmbeddedServer) -> None:
    assert server.process is not None
    first = server.process
    first.send_signal(signal.SIGINT)
    server.start()
    assert server.process.pid != first.pid
    first.wait(30)
    connect(server).close()


@pytest.mark.parametrize("role", ["postgres", roles.APP, roles.OWNER])
@pytest.mark.parametrize("password", ["", "guessed"])
def test_nobody_enters_without_the_password(server: EmbeddedServer, role: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        connect(server, role, password)


def test_a_role_of_ours_does_not_become_superuser(folder: Path) -> None:
    settings = Settings(home=folder / "home", embedded=True)
    place = installation.of(settings)
    place.start()
    try:
        assert place.server is not None
        app = place.url("app")
        with psycopg.connect(app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET SESSION AUTHORIZATION postgres")
        with psycopg.connect(app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET ROLE itm_owner")
        password = (folder / "home" / "secrets" / "web" / "database_app").read_text("ascii").strip()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(place.server, "postgres", password)
    finally:
        place.stop()


def test_no_network_port_is_open(server: EmbeddedServer) -> None:
    assert server.process is not None
    for process in [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children()]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a helper of the server may end while it is asked
            assert process.net_connections("inet") == []


def test_it_runs_without_root_and_its_files_are_private(server: EmbeddedServer) -> None:
    assert server.process is not None
    assert psutil.Process(server.process.pid).uids().effective != 0
    assert stat.S_IMODE(server.data.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(embedded.socket_folder(server.home).stat().st_mode) & 0o067 == 0  # its group may enter it


def test_typed_values_are_not_in_the_servers_log(server: EmbeddedServer) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE person (name text UNIQUE)")
        connection.execute("INSERT INTO person VALUES (%s)", ["Canary Kanarya"])
        for bad in ("INSERT INTO person VALUES (%s)", "SELECT (%s)::uuid"):
            with pytest.raises(psycopg.Error):
                connection.execute(bad, ["Canary Kanarya"])
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 'Canary Kanarya'::integer")
    server.stop()
    assert "Canary" not in server.log.read_text("utf-8")


def test_a_socket_path_that_would_be_too_long_is_put_elsewhere_and_remembered(folder: Path) -> None:
    server = EmbeddedServer(folder / ("long" * 25) / "home", "a-superuser-for-tests")
    server.start()
    try:
        place = embedded.socket_folder(server.home)
        assert not place.is_relative_to(server.home)
        assert stat.S_IMODE(place.stat().st_mode) & 0o067 == 0  # its group may enter it
        connect(server).close()
        server.stop()
        server.start()
        assert embedded.socket_folder(server.home) == place
    finally:
        server.stop()
        shutil.rmtree(place)


def test_another_majors_data_folder_is_refused_by_the_settings_name(folder: Path) -> None:
    data = folder / "home" / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n", "ascii")
    with pytest.raises(SettingError, match="^ITM_HOME: .* belongs to PostgreSQL 16, this is PostgreSQL 18"):
        EmbeddedServer(folder / "home", "a-superuser-for-tests").start()


def test_a_server_that_cannot_start_says_why(own: EmbeddedServer) -> None:
    own.stop()
    (own.data / "global" / "pg_control").unlink()
    with pytest.raises(Refusal, match="PostgreSQL did not start: .*could not find the database system"):
        own.start()


def test_another_installations_secrets_are_refused(server: EmbeddedServer) -> None:
    server.stop()
    other = EmbeddedServer(server.home, "another")
    with pytest.raises(SettingError, match=r"^ITM_HOME: .*secrets does not belong to the database beside it"):
        other.start()
    assert other.process is None


def test_it_starts_from_a_package_that_only_we_can_reach(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root the server runs as another user, who then works from a copy; a second start uses it again."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    package = find(folder).folder.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, private / part.name)
    monkeypatch.syspath_prepend(private)
    server = EmbeddedServer(folder / "home", "a-superuser-for-tests")
    for _ in range(2):
        server.start()
        connect(server).close()
        server.stop()
    assert (folder / "home" / f"postgresql-{MAJOR}").exists() == (os.geteuid() == 0)


def test_a_home_that_the_system_user_cannot_enter_is_refused(folder: Path) -> None:
    folder.chmod(0o700)
    server = EmbeddedServer(folder / "home", "a-superuser-for-tests")
    if os.geteuid() == 0:
        with pytest.raises(SettingError, match="^ITM_HOME: the system user itm-postgres cannot enter"):
            server.start()
    else:
        server.start()
        server.stop()
