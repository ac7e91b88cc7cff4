"""What somebody who holds a role can change of it lasts until the next start, or stops the next start and is named."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text

from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import migration, roles
from tests.conftest import PASSWORDS, Cluster, Database

CHANGES = {
    "a password": "ALTER ROLE itm_app PASSWORD 'another'",
    "a setting": "ALTER ROLE itm_app RESET lock_timeout",
    "a path": "ALTER ROLE itm_signer SET search_path = elsewhere, public",
    "a path in one database": "ALTER ROLE itm_signer IN DATABASE {database} SET search_path = elsewhere",
    "the database's settings": "ALTER DATABASE {database} SET default_transaction_read_only = on",
    "a power": "ALTER ROLE itm_app BYPASSRLS CREATEROLE",
    "a membership": "GRANT itm_owner TO itm_app",
    "a member": "GRANT itm_app TO itm_purger WITH ADMIN OPTION",
    "no login": "ALTER ROLE itm_app NOLOGIN CONNECTION LIMIT 0",
}
_ROLES = (
    "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit, rolbypassrls,"
    " rolreplication, rolconfig FROM pg_roles WHERE rolname LIKE 'itm\\_%' ORDER BY 1"
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


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in ("a password", "a power", "no login")])
def test_where_roles_are_somebody_elses_a_deviation_refuses_to_start_and_is_named(
    cluster: Cluster, database: Database, change: str
) -> None:
    migration.upgrade(database.url("owner"))
    with cluster.connect() as connection:
        connection.execute(CHANGES[change].format(database=f'"{database.name}"').encode())
        try:
            with pytest.raises(Refusal, match="(has|lacks) the setting|is a member of"):
                migration.upgrade(database.url("owner"))
        finally:
            roles.ensure(connection, PASSWORDS)
            roles.make_database(connection, database.name)
