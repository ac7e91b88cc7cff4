"""A real PostgreSQL for every test that needs one, and databases that are fresh, migrated and quick to make.

Each test process has an embedded server of its own, or shares the one that ITM_TEST_DATABASE_URL (its
superuser's address) names. A template is migrated once; each `database` is a copy of it.
"""

from __future__ import annotations

import base64
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import settings as examples
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from playwright.sync_api import Playwright, sync_playwright
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url

from itm_admin.accounts import passwords
from itm_admin.foundation import claims
from itm_admin.foundation.command_door import CommandDoor
from itm_admin.foundation.config import Settings
from itm_admin.foundation.database import engine_options, migration, roles
from itm_admin.local.embedded import SUPERUSER, EmbeddedServer
from tests import forms_client

forms_client.install()
examples.register_profile("patient", deadline=None)  # a busy machine is no failure
examples.load_profile("patient")

# Passwords are slow to guess on purpose, and thousands of sign-ins would be slow with them: here they cost little,
# but for `slow_passwords`.
_FOR_PEOPLE = {"HASHER": passwords.HASHER}
passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class _Compiled(BytecodeCache):
    """Each application of a test process has templates of its own: they are compiled once."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _Compiled()}

SECRET = "a-secret-of-the-tests-of-at-least-32-characters"
PASSWORDS = {
    "owner": "an-owner-for-tests",
    "app": "an-app-for-tests",
    "signer": "a-signer-for-tests",
    "purger": "a-purger-for-tests",
}


@dataclass(frozen=True)
class Cluster:
    """A server that tests may do anything with; `address` is its superuser's."""

    address: URL

    def url(self, role: str, database: str) -> URL:
        if role == "superuser":
            return self.address.set(database=database)
        return self.address.set(username=roles.ROLES[role], password=PASSWORDS[role], database=database)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """As superuser, in autocommit."""
        url = self.address.set(drivername="postgresql", database=database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


class Database:
    """One migrated database. Roles: app, owner, signer, purger, superuser."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self._engines: dict[str, Engine] = {}

    def url(self, role: str) -> str:
        return self.cluster.url(role, self.name).render_as_string(hide_password=False)

    def engine(self, role: str) -> Engine:
        if role not in self._engines:
            options = engine_options()
            if role == "superuser":  # who leaves functions of its own behind on purpose
                del options["pool_events"]
                options["pool_pre_ping"] = True
            self._engines[role] = create_engine(self.url(role), **options)
            if role == "app":  # tests work as commands do; the panel's own engine has no such door
                CommandDoor(self.engine("owner"), "tests").open(self._engines[role])
        return self._engines[role]

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()


@pytest.fixture
def slow_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are kept as they are for people."""
    for name, value in _FOR_PEOPLE.items():
        monkeypatch.setattr(passwords, name, value)


def _in_memory() -> str | None:
    """A file system in memory with room for a server, if there is one. A fresh database is 900 files: on a disk they
    take ten times as long.
    """
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return None
    roomy = found.f_bavail * found.f_frsize > 2 << 30
    return "/dev/shm" if roomy and not found.f_flag & os.ST_NOEXEC and os.access("/dev/shm", os.W_OK) else None


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short name (a socket's path is limited) that another user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="itm-test-", dir=_in_memory()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster(short_folder: Path) -> Iterator[Cluster]:
    """The server of this test process, with our three roles."""
    if address := os.environ.get("ITM_TEST_DATABASE_URL"):
        cluster = Cluster(make_url(address).set(drivername="postgresql+psycopg"))
        with cluster.connect() as connection:
            _roles_for_tests(connection)
        yield cluster
        return
    server = EmbeddedServer(short_folder / "server", superuser_password="a-superuser-for-tests", durable=False)
    server.start()
    try:
        cluster = Cluster(server.url())
        with cluster.connect() as connection:
            _roles_for_tests(connection)
            superuser = f"ALTER ROLE {SUPERUSER} PASSWORD '{server.superuser_password}'"
            connection.execute(superuser.encode())
        yield cluster
    finally:
        server.stop()


def _roles_for_tests(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """On a named server several test processes come here at once, and the roles may stand from an earlier run."""
    connection.execute("SELECT pg_advisory_lock(hashtext('itm roles for tests'))")
    if connection.info.server_version >= 160000:
        connection.execute("SET scram_iterations = 1")  # tests connect very often, and nobody guesses here
    roles.ensure(connection, PASSWORDS)
    for short, role in roles.ROLES.items():
        connection.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORDS[short]}'".encode())
    connection.execute("SELECT pg_advisory_unlock(hashtext('itm roles for tests'))")


_numbers = count(1)


def _name() -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"itm_test_{worker}_{os.getpid()}_{next(_numbers)}"


def _drop(cluster: Cluster, name: str) -> None:
    with cluster.connect() as connection:
        # DROP looks for those who are leaving ten times a second
        left = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        for _ in range(20):
            if connection.execute(left, [name]).fetchone() == (0,):
                break
            connection.execute("SELECT pg_sleep(0.004)")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> Iterator[str]:
    """The name of a database that was migrated as an operator would and that nobody is connected to."""
    name = _name()
    with cluster.connect() as connection:
        roles.make_database(connection, name)
    with cluster.connect(name) as connection:
        roles.prepare_database(connection)
    migration.upgrade(cluster.url("owner", name))
    claims.bring(cluster.url("owner", name), SECRET)
    with cluster.connect(name) as connection:
        connection.execute("update itm.door set parameters = %s", [passwords.parameters()])
    yield name
    _drop(cluster, name)


def _copy(cluster: Cluster, template: str) -> Iterator[Database]:
    name = _name()
    with cluster.connect() as connection:
        # Through the write-ahead log, as is usual, it would take twice as long
        owner, copying = roles.ROLES["owner"], "STRATEGY file_copy"
        connection.execute(f'CREATE DATABASE "{name}" OWNER {owner} TEMPLATE "{template}" {copying}'.encode())
        roles.make_database(connection, name)  # its rights
    database = Database(cluster, name)
    yield database
    database.close()
    _drop(cluster, name)


@contextmanager
def copied(cluster: Cluster, original: Database) -> Iterator[Database]:
    """A copy of a database that nobody uses any more."""
    original.close()
    with cluster.connect() as connection:
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        connection.execute(ended, (original.name,))
    yield from _copy(cluster, original.name)


@pytest.fixture
def database(cluster: Cluster, template: str) -> Iterator[Database]:
    """A fresh, migrated, empty database for one test."""
    yield from _copy(cluster, template)


@pytest.fixture(scope="module")
def shared_database(cluster: Cluster, template: str) -> Iterator[Database]:
    """The same for all tests of a module, which must not mind each other's rows."""
    yield from _copy(cluster, template)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[Database]:
    """A database made as the DBA's script makes it, before the first migration."""
    name = _name()
    with cluster.connect() as connection:
        roles.make_database(connection, name)
    with cluster.connect(name) as connection:
        roles.prepare_database(connection)
    database = Database(cluster, name)
    yield database
    database.close()
    _drop(cluster, name)


@pytest.fixture
def owner(database: Database) -> Engine:
    return database.engine("owner")


@pytest.fixture
def app_engine(database: Database) -> Engine:
    return database.engine("app")


@pytest.fixture
def signer(database: Database) -> Engine:
    return database.engine("signer")


@pytest.fixture
def superuser(database: Database) -> Engine:
    return database.engine("superuser")


def settings_for(database: Database, home: Path) -> Settings:
    """Settings of an installation on this database, with secrets made for the occasion in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    key = home / "master_key"
    if not key.exists():
        key.touch(0o600)
        key.write_bytes(base64.b64encode(os.urandom(32)))
    return Settings(
        home=home,
        database_url=database.url("app"),
        owner_url=database.url("owner"),
        signer_url=database.url("signer"),
        secret_key=SECRET,
        master_key_file=key,
        web_threads=4,
    )


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return settings_for(database, tmp_path / "home")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """One for each test process: a second one beside it cannot be started."""
    with sync_playwright() as started:
        yield started


LONGEST = (
    "house/test_walks runtime/test_users_of_processes journeys/test_every_page panel/test_schedule"
    " runtime/test_running_everything house/test_routes faults/test_canaries panel/test_signing_verification"
    " isolation/test_nothing_is_told journeys/test_tampering journeys/test_story faults/test_ledger_unwritable"
    " panel/test_demo journeys/test_accounts faults/test_held_heads panel/test_purge audit/test_reconciliation"
    " runtime/test_local_witness panel/test_resume_marks panel/test_signing_crashes journeys/test_everyday"
    " house/test_kinds runtime/test_evidence_commands house/test_one_record faults/test_slow_connections"
    " panel/test_assurance_verification panel/test_generations panel/test_assurance_records panel/test_attacks"
    " runtime/test_running_sinks panel/test_evidence_pages isolation/test_foreign_ids journeys/test_keyboard"
    " faults/test_killed_web_server journeys/test_passkeys panel/test_bad_input journeys/test_sessions"
    " panel/test_signing_process journeys/test_sent_once journeys/test_forms runtime/test_upgrade"
    " audit/test_html_verifier panel/test_receipts audit/test_tampering_matrix audit/test_catalogue"
    " runtime/test_embedded_server audit/test_bundle_fuzz journeys/test_lists panel/test_query_counts"
    " panel/test_api_generated house/test_csrf panel/test_lost_checkpoints journeys/test_api_keys"
    " audit/test_witness_service audit/test_ways audit/test_chunks audit/test_restore panel/test_purge_in_parts"
    " faults/test_database_gone panel/test_signing"
).split()
"""Files that take longest, the longest first."""


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end: the collector of garbage need not look at them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files are given to test processes in this order: a long one that begins last is waited for by all others
    assert all((Path(__file__).parent / f"{name}.py").exists() for name in LONGEST), "a file of LONGEST is gone"
    order = {f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get("/".join(item.path.parts[-2:]), len(order)))


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # The published vectors lie beside the project, not in it: without them alone a run may still be green.
    if report.skipped and "::test_published_" not in report.nodeid:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was skipped has shown nothing: no run with one is green."""
    if _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
