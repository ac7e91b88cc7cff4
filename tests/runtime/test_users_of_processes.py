"""Started as root, each process is a user of its own that reads its own secrets and nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest

from itm_admin.local import processes, programs
from itm_admin.local.processes import SystemAccount
from itm_admin.local.system_users import system_user
from tests.conftest import Database
from tests.runtime.running import ROOT, System, environment, free_port, itm, left_of, system
from tests.runtime.test_commands import external

KINDS = {name.lower(): kind for name, kind in vars(programs).items() if isinstance(kind, programs.ProcessKind)}
"""Every kind of process that there is."""
_AT_WORK = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = %(name)s AND datname = current_database())"
)
Read = TypeVar("Read")
if os.geteuid():
    pytest.skip("an ordinary user's processes are all that user's", allow_module_level=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="itm-users-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[System]:
    """With all that there can be: the demonstration's witness, what passes entries on, and what sends mails. Its data
    folder had the layout of an earlier version.
    """
    home = folder / "home"
    assert itm(home, "init").returncode == 0
    _as_earlier(home)
    (home / "demonstration-made").touch()
    password = folder / "smtp-password"
    password.write_text("secret", "ascii")
    password.chmod(0o600)
    told: dict[str, Any] = {"ITM_SMTP_URL": "smtp://itm@127.0.0.1:9", "ITM_SMTP_FROM": "itm@goc.invalid"}
    told |= {"ITM_SMTP_PASSWORD_FILE": str(password), "ITM_SINKS": f"file:{folder / 'out'}"}
    with system(home, demo=True, **told) as running:
        running.wait_until_it_says("Ctrl-C")
        running.wait_until_signed()
        yield running


def _as_earlier(home: Path) -> None:
    for path in (home / "secrets").glob("*/*"):
        path.rename(home / "secrets" / path.name)
        os.chown(home / "secrets" / path.name, 0, 0)
    (home / "access.log").write_text("a line\n", "ascii")
    for path in (home / "secrets" / "web", home / "checkpoints", home / "log"):
        shutil.rmtree(path)
    (home / "checkpoints").mkdir(0o700)


def _started(running: System) -> dict[str, list[psutil.Process]]:
    """Of each kind: the process and all below it."""
    found = {
        "database": running.database(),
        "web": running.web(),
        "scheduler": running.scheduler(),
        "sinks": running.child("itm_admin.commands.main", "sinks"),
        "mail": running.child("itm_admin.commands.main", "mail"),
        "witness": running.child("audit.witness"),
    }
    assert set(found) == {"database", *KINDS}
    return {kind: [process, *process.children(recursive=True)] for kind, process in found.items()}


def _read_of_each(running: System, read: Callable[[psutil.Process], Read]) -> Iterator[tuple[str, Read]]:
    """The files read of each process, with its kind. One below the first may have ended: a connection's, a query's."""
    for kind, (first, *below) in _started(running).items():
        yield kind, read(first)
        for process in below:
            with suppress(FileNotFoundError, ProcessLookupError):
                yield kind, read(process)


def _open_files(process: psutil.Process) -> list[Path]:
    found = []
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(Path(os.readlink(entry)))  # noqa: PTH115
    return found


def _status(process: psutil.Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text("utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _environ(process: psutil.Process) -> tuple[Path, str]:
    path = Path(f"/proc/{process.pid}/environ")
    return path, path.read_bytes().decode()


def _account(kind: str) -> SystemAccount:
    found = programs.account(KINDS[kind])
    assert found is not None
    return found


def _reads(user: SystemAccount, path: Path) -> bool:
    done = processes.run(["cat", path], folder=Path("/"), user=user)
    return done.returncode == 0 and bool(done.stdout)


def test_no_process_is_root_and_no_two_kinds_are_the_same_user(running: System) -> None:
    users = {}
    for kind, told in _read_of_each(running, _status):
        (users[kind],) = set(told["Uid"].split())
        (group,) = set(told["Gid"].split())
        assert "0" not in (users[kind], group, *told["Groups"].split())
        assert {told[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
        assert told["NoNewPrivs"] == "1"
    assert len(set(users.values())) == len(users) == len(KINDS) + 1
    assert [process.pid for process in running.children() if _is_root(process)] == []


def _is_root(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # a connection's may have ended meanwhile
        return process.uids().effective == 0
    return False


def test_each_user_reads_its_own_secrets_alone(running: System) -> None:
    home = running.home
    secrets = {path: path.parent.name for path in (home / "secrets").glob("*/*")}
    assert set(secrets.values()) == {"web", "scheduler", "operator"}
    others = {
        home / "witness" / "key": "witness",
        home / "witness" / "memory" / "key": "witness",
        home / "demo-logins.json": "operator",
        home / "postgres" / "PG_VERSION": "database",
        **dict.fromkeys((home / "checkpoints").rglob("*.checkpoint"), "scheduler"),
        **dict.fromkeys((home / "log").glob("*"), "web"),
        **dict.fromkeys((home.parent / "out").glob("*.jsonl"), "sinks"),
        home.parent / "smtp-password": "operator",
    }
    (home / "demo-logins.json").touch(0o600)
    for path, owner in {**secrets, **others}.items():
        readers = {kind for kind in KINDS if _reads(_account(kind), path)}
        assert readers == ({owner} & set(KINDS)), path
    database = system_user("itm-postgres")
    postgres = SystemAccount(database.pw_name, database.pw_uid, database.pw_gid)
    assert not [path for path in secrets if _reads(postgres, path)]


def test_nobody_reads_another_process_s_environment_and_none_holds_another_s_secret(running: System) -> None:
    values = {path: path.read_text("ascii").strip() for path in (running.home / "secrets").glob("*/*")}
    told = {"database": set[str](), "web": {"session_key", "database_app"}, "witness": set[str]()}
    told |= {kind: {"database_signer"} for kind in ("scheduler", "sinks", "mail")}
    for kind, (environ, content) in _read_of_each(running, _environ):
        if kind != "database":  # PostgreSQL writes its title over it
            assert {path.name for path, value in values.items() if value in content} == told[kind]
            assert "/root/" not in content
        assert not [other for other in KINDS if other != kind and _reads(_account(other), environ)]
    for _kind, line in _read_of_each(running, lambda process: Path(f"/proc/{process.pid}/cmdline").read_text("utf-8")):
        assert not [path.name for path, value in values.items() if value in line], "everybody reads command lines"


def test_a_process_inherits_no_file_of_another_s(running: System) -> None:
    own = {"web": "log", "scheduler": "checkpoints", "sinks": "../out", "witness": "witness", "database": "postgres"}
    own |= {"mail": "log"}
    for kind, links in _read_of_each(running, _open_files):
        within = [link for link in links if link.is_relative_to(running.home.parent)]
        place = (running.home / own[kind]).resolve()
        logs = [running.home / "postgres.log"] if kind == "database" else []
        assert not [link for link in within if not link.is_relative_to(place) and link not in logs], kind


def test_only_those_who_need_the_database_reach_its_socket(running: System) -> None:
    (socket,) = (running.home / "run").glob(".s.PGSQL.5432")
    for kind in KINDS:
        reaches = processes.run(["test", "-w", socket], folder=Path("/"), user=_account(kind)).returncode == 0
        assert reaches == (kind != "witness")
    nobody = SystemAccount("nobody", 65534, 65534)
    assert processes.run(["test", "-w", socket], folder=Path("/"), user=nobody).returncode != 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_started_again_is_its_user_again(running: System, kind: str) -> None:
    said = {"web": "The web server", "scheduler": "The scheduler", "witness": "The witness", "mail": "What sends mails"}
    killed = _started(running)[kind][0]
    killed.kill()
    running.wait_until_it_says(f"{said.get(kind, 'What passes entries on')} was started again")
    again = _started(running)[kind][0]
    assert (again.pid != killed.pid, again.uids().effective) == (True, _account(kind).uid)
    assert running.get("/sign-in") == 200


def test_commands_of_root_leave_nothing_that_a_process_cannot_read(running: System) -> None:
    for words in (["ledger", "rotate-key"], ["ledger", "verify", "--institution", "GIB"], ["erasures", "replay"]):
        done = itm(running.home, *words)
        assert done.returncode == 0, done.stderr
    folders = [running.home / name for name in ("checkpoints", "log", "secrets/scheduler", "witness")]
    assert [path for folder in folders for path in [folder, *folder.rglob("*")] if path.stat().st_uid == 0] == []
    assert _reads(_account("scheduler"), running.home / "secrets" / "scheduler" / "ledger-signing-key")


def test_the_list_of_erasures_is_read_and_written_by_both_who_need_it(running: System) -> None:
    erasures = running.home / "erasures"
    make = "import sys; from pathlib import Path; from audit import durable; durable.create(Path(sys.argv[1]), b'x')"
    for kind in ("web", "scheduler"):
        how = programs.call(KINDS[kind], running.settings())
        file = erasures / f".{kind}"
        with processes.start(
            [*how.words, "-c", make, str(file)],
            environment=how.environment,
            folder=how.folder,
            on_parents_death=9,  # type: ignore[arg-type]
            user=how.user,
            pass_fds=how.descriptors,
        ) as writing:
            assert writing.wait(60) == 0
        assert [each for each in KINDS if _reads(_account(each), file)] == ["web", "scheduler"]
        file.unlink()


def test_an_earlier_layout_was_taken_over_at_the_start_with_its_owners(running: System) -> None:
    home = running.home
    assert (home / "log" / "access.log").read_text("ascii").startswith("a line\n")
    assert _reads(_account("web"), home / "secrets" / "web" / "master_key")
    assert not [path for path in (home / "secrets").iterdir() if path.is_file()]


def _clone(folder: Path) -> Path:
    """The program below a folder that root alone may enter."""
    hidden = folder / "hidden"
    (hidden / "clone").mkdir(parents=True)
    hidden.chmod(0o700)
    (hidden / "clone").chmod(0o755)
    for name in ("itm_admin", "audit", "migrations"):
        shutil.copytree(ROOT / name, hidden / "clone" / name)  # with what is compiled, which its users may not write
    shutil.copy2(ROOT / "app.py", hidden / "clone")
    return hidden / "clone"


def test_a_clone_that_only_root_may_enter_serves_pages_files_and_translations_and_signs(folder: Path) -> None:
    clone = _clone(folder)
    try:
        with system(folder / "cloned", root=clone) as running:
            web = _account("web")
            assert processes.run(["test", "-r", clone / "app.py"], folder=Path("/"), user=web).returncode != 0
            assert running.web().uids().effective == web.uid
            assert "clone" in "".join(os.readlink(each) for each in Path(f"/proc/{running.web().pid}/fd").iterdir())  # noqa: PTH115
            for path in ("/sign-in", "/static/panel.css", "/vendor/bootstrap.min.css", "/api-guide/"):
                assert running.get(path) < 400, path
            assert itm(folder / "cloned", "init").returncode == 0
            running.wait_until_signed()
            assert running.get("/readyz") == 200
    finally:
        shutil.rmtree(folder / "hidden")


def test_a_program_that_root_alone_may_read_is_refused_in_one_line_with_what_to_do(folder: Path) -> None:
    clone = _clone(folder)
    try:
        (clone / "itm_admin" / "cases" / "models.py").chmod(0o600)
        refused = System(folder / "unread", root=clone)
        try:
            said = refused.until_it_ends()
        finally:
            refused.end()
        (line,) = [line for line in said.splitlines() if line.startswith("itm: ")]
        assert line.startswith(f"itm: {clone / 'itm_admin' / 'cases' / 'models.py'}: ")
        assert line.endswith(f"chmod -R a+rX {clone}")
    finally:
        shutil.rmtree(folder / "hidden")


@pytest.mark.wide  # what is started alone below is on a named server too
def test_on_a_named_server_files_that_only_root_reaches_serve_the_processes(database: Database, tmp_path: Path) -> None:
    """The data folder and the keys lie below a folder of root's, the key that signs is not made yet."""
    tmp_path.chmod(0o700)
    home, told = tmp_path / "home", external(database, tmp_path)
    assert itm(home, "init", **told).returncode == 0
    with (
        system(home, under_make=False, demo=False, root=ROOT, **told) as running,
        database.engine("superuser").connect() as waiting,
    ):
        running.wait_until_it_says("Ctrl-C")
        for _ in range(600):
            if signed := any((home / "checkpoints").rglob("*.checkpoint")):
                break
            waiting.exec_driver_sql("SELECT pg_sleep(0.1)")
        assert signed
        assert running.get("/readyz") == 200
        assert running.web().uids().effective == _account("web").uid
        assert (tmp_path / "signing-key").stat().st_uid == _account("scheduler").uid
        assert (tmp_path / "key").stat().st_uid == 0
        assert not [kind for kind in KINDS if _reads(_account(kind), tmp_path / "key")]
        assert itm(home, "ledger", "rotate-key", **told).returncode == 0
        assert (tmp_path / "signing-key").stat().st_uid == _account("scheduler").uid


# Those that pass entries and mails on are started as the scheduler is
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.wide if kind in ("sinks", "mail") else ())
        for kind in KINDS
        if kind != "witness"
    ],
)
def test_a_process_that_is_started_alone_drops_too_and_ends_with_a_signal(
    database: Database, tmp_path: Path, short_folder: Path, kind: str
) -> None:
    told = external(database, tmp_path) | {"ITM_PORT": str(free_port())}
    told |= {"ITM_SINKS": f"file:{short_folder / 'out'}"} if kind == "sinks" else {}
    told |= {"ITM_SMTP_URL": "smtp://127.0.0.1:9", "ITM_SMTP_FROM": "itm@goc.invalid"} if kind == "mail" else {}
    name = {"web": "itm-upkeep"}.get(kind, f"itm-{kind}")
    command = [sys.executable, "-m", "itm_admin.commands.main", kind]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environment(tmp_path / "home", **told)) as alone,
        # One transaction would see the same connections again and again
        database.engine("superuser").execution_options(isolation_level="AUTOCOMMIT").connect() as waiting,
    ):
        try:
            for _ in range(600):
                if at_work := waiting.exec_driver_sql(_AT_WORK, {"name": name}).scalar():
                    break
                waiting.exec_driver_sql("SELECT pg_sleep(0.1)")
            assert at_work
            process = psutil.Process(alone.pid)
            everybody = [process, *process.children(recursive=True)]
            serving = everybody if kind == "web" else everybody[1:]  # the others' parent would keep a database
            assert {each.uids().effective for each in serving} == {_account(kind).uid}
        finally:
            alone.terminate()
        assert alone.wait(60) in (0, -15)
        assert left_of(everybody) == []


def test_a_folder_for_entries_that_its_process_cannot_enter_is_refused(tmp_path: Path, folder: Path) -> None:
    tmp_path.chmod(0o700)
    refused = itm(folder / "sinks", "run", ITM_PORT=str(free_port()), ITM_SINKS=f"file:{tmp_path / 'hidden' / 'out'}")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"itm: ITM_SINKS: {tmp_path / 'hidden' / 'out'}: the system user itm-sinks")


def test_ages_are_put_right_by_the_web_server_s_side_on_the_scheduler_s_call(running: System) -> None:
    assert "ITM_MASTER_KEY_FILE" not in running.scheduler().environ()
    with psycopg.connect(itm(running.home, "database", "url", "--role", "signer").stdout.strip()) as connection:
        for _ in range(600):
            row = connection.execute("SELECT outcome, detail FROM job_run WHERE job = 'person.upkeep'").fetchone()
            if row and row[0] != "running":
                break
            connection.rollback()
            connection.execute("SELECT pg_sleep(0.1)")
        assert row == ("success", None)
