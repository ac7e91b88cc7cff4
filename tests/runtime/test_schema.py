"""The schema's version and the roles' power are checked before anything is done with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import migration, roles
from tests.conftest import Cluster, Database
from tests.runtime.running import itm


def _say(database: Database, statement: str) -> None:
    with database.cluster.connect(database.name) as connection:
        connection.execute(statement.encode())


def test_a_newer_schema_is_refused_by_the_settings_name(database: Database) -> None:
    _say(database, "UPDATE alembic_version SET version_num = '9999'")
    newer = r"^ITM_DATABASE_URL: .*\(9999\) is newer than this program"
    with pytest.raises(Refusal, match=newer):
        migration.check_version(database.engine("app"))
    with pytest.raises(Refusal, match=newer):
        migration.upgrade(database.url("owner"))


def test_an_empty_database_is_told_to_be_migrated(empty_database: Database) -> None:
    with pytest.raises(Refusal, match="run `itm migrate`"):
        migration.check_version(empty_database.engine("app"))


def test_a_current_schema_passes_and_migrating_again_changes_nothing(database: Database) -> None:
    migration.check_version(database.engine("app"))
    migration.upgrade(database.url("owner"))
    migration.check_version(database.engine("app"))


def test_migrations_at_the_same_time_wait_for_each_other(empty_database: Database, tmp_path: Path) -> None:
    told = {"ITM_DATABASE_URL": empty_database.url("app"), "ITM_DATABASE_OWNER_URL": empty_database.url("owner")}
    with ThreadPoolExecutor(2) as threads:
        started = [threads.submit(itm, tmp_path, "migrate", **told) for _ in range(2)]
        assert [done.result().returncode for done in started] == [0, 0]
    migration.check_version(empty_database.engine("app"))


def test_only_the_owner_migrates(empty_database: Database) -> None:
    with pytest.raises(Refusal, match="^ITM_DATABASE_OWNER_URL: migrations run as itm_owner, not as postgres"):
        migration.upgrade(empty_database.url("superuser"))


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ("ALTER ROLE itm_app BYPASSRLS", "itm_app has a power"),
        ("ALTER ROLE itm_signer CREATEROLE", "itm_signer has a power"),
        ("GRANT itm_owner TO itm_app", "itm_app is a member of itm_owner"),
        ("ALTER ROLE itm_signer NOLOGIN", "itm_signer is missing or may not log in"),
    ],
)
def test_a_role_with_more_power_than_it_needs_is_refused(empty_database: Database, power: str, said: str) -> None:
    """Inside a transaction that is undone: roles are shared by every database of the server."""
    with empty_database.engine("superuser").connect() as connection:
        connection.execute(text(power))
        connection.execute(text("SET LOCAL SESSION AUTHORIZATION itm_owner"))
        with pytest.raises(Refusal, match=said):
            roles.check(connection)
        connection.rollback()


def test_roles_as_they_should_be_pass(empty_database: Database) -> None:
    with empty_database.engine("owner").connect() as connection:
        roles.check(connection)


def test_the_dbas_script_makes_what_the_check_asks_for(cluster: Cluster) -> None:
    script = roles.dba_sql()
    for role in roles.ROLES.values():
        assert f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS" in script
    assert "PASSWORD :'app_password'" in script


def test_the_applications_waits_are_limited(database: Database) -> None:
    with database.engine("app").connect() as connection:
        limits = {
            name: connection.scalar(text(f"SHOW {name}"))
            for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        }
    assert limits == {
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
    }


def test_a_migration_whose_folder_holds_no_sql_fails_and_changes_nothing(
    empty_database: Database, tmp_path: Path
) -> None:
    """A folder that was forgotten or misspelt: such a migration would be noted as made."""
    (tmp_path / "notes.txt").write_text("select 1", "ascii")
    with empty_database.engine("superuser").connect() as connection:
        for folder in (tmp_path, tmp_path / "misspelt"):
            with pytest.raises(FileNotFoundError, match=str(folder)):
                migration.run_scripts(connection, folder)
    for path in migration.manifest_path().parent.glob("versions/*_*.py"):
        assert list((path.parent / path.name[:4]).glob("*.sql")), path.name
