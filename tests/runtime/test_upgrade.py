"""A database that a released version made, with data, becomes one of this version: whole, or not at all."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import text

from app import create_app
from audit import store
from itm_admin.foundation import claims
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import migration
from itm_admin.ledger import verification_jobs
from tests.conftest import Database
from tests.panel.panel_app import Browser
from tests.runtime import released_database as released
from tests.runtime.running import ROOT, environment

FOLDERS = pytest.mark.parametrize("folder", released.FOLDERS, ids=lambda path: path.name)


@pytest.fixture
def old(folder: Path, empty_database: Database) -> Database:
    released.restore(folder, empty_database)
    return empty_database


def verdicts(database: Database, catalogue: bool) -> set[str]:
    """Of every ledger, with its records; and with the catalogue where it is said."""
    with database.engine("signer").connect() as connection:
        ledgers = store.ledgers(connection)
    manifest = migration.manifest() if catalogue else None
    done = store.verify_all(database.engine("signer"), ledgers, "full", manifest)
    assert len(done) == len(ledgers) > 25
    found = [str(finding) for each in done for finding in each.verdict.findings]
    assert not found
    return {each.verdict.verdict for each in done}


def told_as_outside(database: Database) -> list[str]:
    """The holders whose ledgers have changes that are told as no upgrade."""
    with database.engine("signer").connect() as connection:
        assert connection.scalar(text("SELECT itm.upgrades()"))
        return [row.code for row in connection.execute(verification_jobs._OUTSIDE)]


def rows(database: Database) -> dict[str, int]:
    """The number of rows in each table of records."""
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    with database.engine("superuser").connect() as connection:
        names = connection.execute(text(tables)).scalars().all()
        return {name: connection.execute(text(f'SELECT count(*) FROM public."{name}"')).scalar_one() for name in names}


@FOLDERS
@pytest.mark.parametrize("entries", [5_000, pytest.param(50_000, marks=pytest.mark.wide)])
def test_an_old_database_with_thousands_more_entries_comes_up_whole(
    folder: Path, entries: int, old: Database, tmp_path: Path
) -> None:
    released.add_looks(old, entries)
    assert verdicts(old, catalogue=False) == {"intact"}
    before = rows(old)
    migration.upgrade(old.url("owner"))
    assert verdicts(old, catalogue=True) == {"intact"}
    after = rows(old)
    assert {name: after[name] for name in before} == before
    assert before["case_file"] > 50
    assert told_as_outside(old) == []
    settings = released.settings_of(folder, old, tmp_path / "home")
    claims.bring_of(settings)
    app = create_app(settings)
    for login in released.logins(folder):
        browser = Browser(app.test_client())
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/sign-in").text)
        assert token is not None
        browser.token = token[1]
        signed_in = browser.post("/sign-in", username=login["username"], password=login["password"])
        assert signed_in.status_code == 303, login
        assert browser.get("/").status_code == 303, login  # a second factor is set up first
        page = browser.get("/sign-in/set-up").text
        secret = re.search(r'<code class="secret">([^<]+)</code>', page)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert secret
        assert token
        browser.token, code = token[1], pyotp.TOTP(secret[1].replace(" ", "")).now()
        assert browser.post("/sign-in/set-up", code=code).text.count("<li><code>") == 10
        assert browser.get("/").status_code == 200, login


@contextmanager
def _version_held(database: Database) -> Iterator[None]:
    """Holds the table that a migration writes last: it waits there with everything else done."""
    with database.engine("superuser").begin() as connection:
        connection.execute(text("LOCK TABLE public.alembic_version IN SHARE MODE"))
        yield


@contextmanager
def _migrating(database: Database, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    told = {"ITM_DATABASE_URL": database.url("app"), "ITM_DATABASE_OWNER_URL": database.url("owner")}
    process = subprocess.Popen(
        [sys.executable, "-m", "itm_admin.commands.main", "migrate"],
        cwd=ROOT,
        env=environment(home, **told),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_until_one_waits(database: Database) -> None:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'public.alembic_version'::regclass)"
    deadline = time.monotonic() + 60
    with database.engine("superuser").connect() as connection:
        while not connection.execute(text(waiting)).scalar_one():
            assert time.monotonic() < deadline, "the migration never came to its end"


@FOLDERS
def test_a_migration_that_was_killed_changed_nothing_and_is_taken_up(
    folder: Path, old: Database, tmp_path: Path
) -> None:
    with _version_held(old), _migrating(old, tmp_path) as process:
        _wait_until_one_waits(old)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert released.revision(old) == folder.name
    assert verdicts(old, catalogue=False) == {"intact"}
    migration.upgrade(old.url("owner"))
    assert verdicts(old, catalogue=True) == {"intact"}


@FOLDERS
def test_an_older_program_refuses_what_a_newer_one_migrated(
    folder: Path, old: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration.upgrade(old.url("owner"))
    older = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", older)
    for script in (older / "versions").glob("*.py"):
        if script.name.partition("_")[0] > folder.name:
            script.unlink()
    monkeypatch.setattr(migration, "_SCRIPTS", older)
    monkeypatch.setattr(migration, "_revisions", migration._revisions.__wrapped__)  # without its memory
    newer = r"^ITM_DATABASE_URL: .* is newer than this program"
    with pytest.raises(Refusal, match=newer):
        migration.check_version(old.engine("app"))
    with pytest.raises(Refusal, match=newer):
        migration.upgrade(old.url("owner"))
