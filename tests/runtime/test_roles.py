"""A role's change of its own settings lasts until the next start, or stops the next start with its name."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.store import catalogue
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import migration, roles
from tests.conftest import PASSWORDS, Cluster, Database
from tests.runtime.running import free_port, itm_of_a_fork
from tests.runtime.test_commands import external

CHANGES = {
    "a password": "ALTER ROLE itm_app PASSWORD 'another'",
    "a setting": "ALTER ROLE itm_app RESET lock_timeout",
    "a path": "ALTER ROLE itm_signer SET search_path = elsewhere, public",
    "a path in one database": "ALTER ROLE itm_signer IN DATABASE {database} SET search_path = elsewhere",
    "the database's settings": "ALTER DATABASE {database} SET default_transaction_read_only = on",
    "a power": "ALTER ROLE itm_app BYPASSRLS CREATEROLE",
    "a membership": "GRANT itm_owner TO itm_app",
    "a member": "GRANT itm_app TO itm_purger WITH ADMIN OPTION",
    "no login": "ALTER ROLE itm_app NOLOGIN",
    "no connection": "ALTER ROLE itm_signer CONNECTION LIMIT 0",
    "no time": "ALTER ROLE itm_app VALID UNTIL '2001-01-01'",
    "a power of the server": "ALTER ROLE itm_purger SUPERUSER",
    "inheritance": "ALTER ROLE itm_app INHERIT",
}
_ROLES = (
    "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit, rolbypassrls,"
    " rolreplication, rolconfig, rolvaliduntil::text FROM pg_roles WHERE rolname LIKE 'itm\\_%' ORDER BY 1"
)
_OTHER = (
    "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting WHERE setdatabase <> 0",
    "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members WHERE member::regrole::text LIKE 'itm%'",
)


def _state(connection: psycopg.Connection[tuple[object, ...]]) -> list[object]:
    return [connection.execute(question.encode()).fetchall() for question in (_ROLES, *_OTHER)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_start_makes_roles_right(cluster: Cluster, database: Database, change: str) -> None:
    with cluster.connect() as connection:
        before = _state(connection)
        connection.execute(CHANGES[change].format(database=f'"{database.name}"').encode())
        try:
            if change != "a password":
                assert _state(connection) != before
        finally:
            roles.ensure(connection, PASSWORDS)
            roles.make_database(connection, database.name)
        assert _state(connection) == before
    with database.engine("app").connect() as app:
        assert app.scalar(text("SELECT current_user")) == "itm_app"


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "a password"])
def test_where_roles_are_somebody_elses_a_deviation_refuses_to_start_and_is_named(
    cluster: Cluster, database: Database, change: str
) -> None:
    migration.upgrade(database.url("owner"))
    with cluster.connect() as connection:
        connection.execute(CHANGES[change].format(database=f'"{database.name}"').encode())
        try:
            with pytest.raises(Refusal, match="itm_|the database has"):
                migration.upgrade(database.url("owner"))
        finally:
            roles.ensure(connection, PASSWORDS)
            roles.make_database(connection, database.name)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["ALTER ROLE itm_app PASSWORD 'x'", "ALTER ROLE itm_signer PASSWORD 'x'"], ["_URL", "_SIGNER_URL"]),
        (["ALTER ROLE itm_signer NOLOGIN", "ALTER ROLE itm_app CONNECTION LIMIT 0"], ["_URL", "_SIGNER_URL"]),
        (["ALTER ROLE itm_owner VALID UNTIL '2001-01-01'"], ["_OWNER_URL"]),
    ],
)
def test_a_start_on_somebody_elses_server_names_every_role_that_is_not_let_in(
    cluster: Cluster, database: Database, tmp_path: Path, change: list[str], named: list[str]
) -> None:
    told = external(database, tmp_path)
    with cluster.connect() as connection:
        try:
            for statement in change:
                connection.execute(statement.encode())
            refused = itm_of_a_fork(tmp_path / "home", "run", **told, ITM_PORT=str(free_port()))
        finally:
            roles.ensure(connection, PASSWORDS)
    assert refused.returncode == 2
    lines = refused.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == [f"ITM_DATABASE{name}" for name in named], refused.stderr
    assert all("is not let in" in line and "ALTER ROLE" in line for line in lines)


@pytest.mark.parametrize("words", [["run"], ["web"], ["migrate"]])
def test_a_power_given_by_a_superuser_refuses_each_start(
    cluster: Cluster, database: Database, tmp_path: Path, words: list[str]
) -> None:
    told = external(database, tmp_path)
    with cluster.connect() as connection:
        connection.execute(b"ALTER ROLE itm_app BYPASSRLS")
        try:
            refused = itm_of_a_fork(tmp_path / "home", *words, **told, ITM_PORT=str(free_port()))
        finally:
            roles.ensure(connection, PASSWORDS)
    assert refused.returncode == 2
    assert "itm_app has BYPASSRLS" in refused.stderr


def _differences(connection: Connection) -> str:
    manifest = migration.manifest()
    found = catalogue.catalogue(connection, manifest.schemas)
    return "; ".join(str(each) for each in manifest.compare(catalogue.major(connection), found))


def test_a_full_verification_tells_of_a_power_that_was_given_meanwhile(cluster: Cluster, database: Database) -> None:
    with cluster.connect() as connection, database.engine("signer").connect() as signer:
        assert _differences(signer) == ""
        for statement in ("ALTER ROLE itm_app BYPASSRLS", "ALTER ROLE itm_app RESET lock_timeout"):
            connection.execute(statement.encode())
            try:
                signer.rollback()
                assert "itm_app" in _differences(signer)
            finally:
                roles.ensure(connection, PASSWORDS)
