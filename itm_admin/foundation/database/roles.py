"""The four login roles, and the limits of their power.

The owner migrates and owns, the application serves people, the signer does the scheduler's ledger work, the purger
destroys content past its retention time after two people's decision and serves no automatic job. They are made here in
the embedded server; for any other server a DBA runs, once, the script printed by `itm database sql`. The first
migration refuses to go on if a role is missing or has more power than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import psycopg
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url

from itm_admin.foundation.config import Refusal, SettingError, Settings, all_at_once

DATABASE = "itm"
OWNER, APP, SIGNER, PURGER = "itm_owner", "itm_app", "itm_signer", "itm_purger"
ROLES: Mapping[str, str] = {"owner": OWNER, "app": APP, "signer": SIGNER, "purger": PURGER}
OLDEST_SERVER = 15

_POWERLESS = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
_LIMITS: Mapping[str, Mapping[str, str]] = {
    OWNER: {"timezone": "UTC", "idle_in_transaction_session_timeout": "10min"},
    APP: {
        "timezone": "UTC",
        "lock_timeout": "10s",  # waiting for a ledger's head must end in a clear 503
        "statement_timeout": "60s",
        "idle_in_transaction_session_timeout": "60s",
    },
    SIGNER: {"timezone": "UTC", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "15min"},
    PURGER: {"timezone": "UTC", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "60s"},
}


PROVED = "backtrace_functions"
"""The setting in which the database writes who is at work: the owner's functions alone may set it."""
_GRANT = f"GRANT SET ON PARAMETER {PROVED} TO {OWNER}"


def _limits(role: str) -> list[str]:
    return [f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in _LIMITS[role].items()]


def _rights(database: str) -> list[str]:
    """Rights on a database: only the four may connect, only the owner may make temporary or other objects."""
    return [
        f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC',
        f'GRANT CONNECT ON DATABASE "{database}" TO {APP}, {SIGNER}, {PURGER}',
    ]


_IN_THE_DATABASE = (
    f"ALTER SCHEMA public OWNER TO {OWNER}",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    # Large objects know no policy and no trigger: what one puts there, all others of the same login could read
    "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid),"
    " pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC",
)


def dba_sql() -> str:
    """The script that a DBA runs once, as superuser, with psql on an external server. It holds no password."""
    lines = [
        "-- Once, as superuser: psql -d postgres -f THIS_FILE",
        "-- Passwords are asked for, unless psql was given them: -v owner_password=… (app_…, signer_…, purger_…)",
        "\\set ON_ERROR_STOP on",
        "SET password_encryption = 'scram-sha-256';",
        "SET log_statement = 'none';",
        "SET log_min_error_statement = 'panic';",
    ]
    for short, role in ROLES.items():
        lines += [
            f"\\if :{{?{short}_password}}",
            "\\else",
            f"\\prompt 'Password for {role}: ' {short}_password",
            "\\endif",
            f"CREATE ROLE {role} LOGIN {_POWERLESS} PASSWORD :'{short}_password';",
            *(f"{statement};" for statement in _limits(role)),
        ]
    lines += [
        f"CREATE DATABASE {DATABASE} OWNER {OWNER} ENCODING 'UTF8' TEMPLATE template0;",
        *(f"{statement};" for statement in _rights(DATABASE)),
        f"{_GRANT};",
        f"\\connect {DATABASE}",
        *(f"{statement};" for statement in _IN_THE_DATABASE),
    ]
    return "\n".join(lines) + "\n"


def ensure(connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, str]) -> None:
    """Makes the roles, or corrects them: password, attributes, settings, memberships.

    A role may change its own password and settings, so this runs at each start. `connection` is a superuser's, in
    autocommit; passwords by short name.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('itm roles'))")
        for short, role in ROLES.items():
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            verifier = connection.pgconn.encrypt_password(passwords[short].encode(), role.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL(
                    "ALTER ROLE {} LOGIN " + _POWERLESS + " CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD {}"
                ).format(sql.Identifier(role), sql.Literal(verifier.decode()))
            )
            _take_away(connection, role)
            for statement in _limits(role):
                connection.execute(statement.encode())
        connection.execute(_GRANT.encode())
        for role in (APP, SIGNER, PURGER):
            connection.execute(f"REVOKE ALL ON PARAMETER {PROVED} FROM {role} CASCADE".encode())


def _take_away(connection: psycopg.Connection[tuple[object, ...]], role: str) -> None:
    """Removes every setting of the role, in any database, and every membership that it has or gives."""
    for (statement,) in connection.execute(_TAKE_AWAY, {"role": role}).fetchall():
        connection.execute(str(statement).encode())


_TAKE_AWAY = """
    SELECT CASE WHEN s.setdatabase = 0 THEN format('ALTER ROLE %%I RESET ALL', r.rolname)
                ELSE format('ALTER ROLE %%I IN DATABASE %%I RESET ALL', r.rolname, d.datname) END
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
    WHERE r.rolname = %(role)s
    UNION ALL
    SELECT format('REVOKE %%I FROM %%I GRANTED BY %%I CASCADE', granted.rolname, member.rolname, grantor.rolname)
    FROM pg_auth_members m JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
    JOIN pg_roles grantor ON grantor.oid = m.grantor
    WHERE %(role)s IN (granted.rolname, member.rolname)
"""


def make_database(
    connection: psycopg.Connection[tuple[object, ...]], name: str = DATABASE, template: str = "template0"
) -> None:
    """Makes the owner's database of this name if it does not exist. `connection` as in `ensure`."""
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template)
            )
        )
    for statement in (f'ALTER DATABASE "{name}" RESET ALL', *_rights(name)):
        connection.execute(statement.encode())


def prepare_database(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Prepares the database once, as superuser. Repeating it changes nothing."""
    for statement in _IN_THE_DATABASE:
        connection.execute(statement.encode())


_FACTS = text("""
    SELECT rolname, rolcanlogin,
           rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS powerful,
           (SELECT string_agg(granted.rolname, ', ') FROM pg_auth_members m
            JOIN pg_roles granted ON granted.oid = m.roleid WHERE m.member = r.oid) AS member_of
    FROM pg_roles r WHERE rolname = ANY(:names)
""")


def check(connection: Connection) -> None:
    """Raises Refusal unless the server is new enough, the roles exist, and none has more power than it needs."""
    version = int(connection.scalar(text("SHOW server_version_num")))
    if version // 10000 < OLDEST_SERVER:
        raise Refusal(f"ITM_DATABASE_URL: PostgreSQL {OLDEST_SERVER} or newer is needed, this is {version // 10000}")
    if connection.scalar(text("SHOW server_encoding")) != "UTF8":
        raise Refusal("ITM_DATABASE_URL: the database's encoding must be UTF8")
    role = connection.scalar(text("SELECT current_user"))
    if role != OWNER:
        raise Refusal(f"ITM_DATABASE_OWNER_URL: migrations run as {OWNER}, not as {role}")
    if not connection.scalar(
        text("SELECT has_parameter_privilege(:owner, :name, 'SET')"), {"owner": OWNER, "name": PROVED}
    ):
        raise Refusal(f"ITM_DATABASE_URL: a superuser must run once, as in what `itm database sql` prints: {_GRANT};")
    facts = {row.rolname: row for row in connection.execute(_FACTS, {"names": list(ROLES.values())})}
    for name in ROLES.values():
        if name not in facts or not facts[name].rolcanlogin:
            raise Refusal(f"The role {name} is missing or may not log in: run what `itm database sql` prints")
        if facts[name].powerful or facts[name].member_of:
            power = (
                f"is a member of {facts[name].member_of}" if facts[name].member_of else "has a power such as SUPERUSER"
            )
            raise Refusal(f"The role {name} {power} and must not: compare it with what `itm database sql` prints")


def refuse_failed_logins(settings: Settings) -> None:
    """Raises SettingErrors for all addresses at which a server answers and refuses its role."""
    addresses = {
        "ITM_DATABASE_URL": settings.database_url,
        "ITM_DATABASE_OWNER_URL": settings.owner_url,
        "ITM_DATABASE_SIGNER_URL": settings.signer_url,
    }
    all_at_once(*(partial(_log_in, name, address) for name, address in addresses.items() if address))


def _log_in(name: str, address: str) -> None:
    url = make_url(address)
    try:
        psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False), connect_timeout=5
        ).close()
    except psycopg.OperationalError as error:
        said = str(error)
        if any(words in said for words in ("authentication failed", "not permitted to log in", "too many connections")):
            reason = said.strip().splitlines()[-1].partition("FATAL:")[2].strip()
            raise SettingError(
                name, f"{url.username} is not let in: {reason}: an administrator of the server runs ALTER ROLE"
            ) from None


def _missing(connection: Connection) -> list[str]:
    there = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    return [name for name in ROLES.values() if name not in there]


_MEMBERS = text("""
    SELECT member.rolname || ' is a member of ' || granted.rolname FROM pg_auth_members m
    JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
    WHERE granted.rolname = ANY(:names) OR member.rolname = ANY(:names)
""")
_SETTINGS = text("""
    SELECT coalesce(r.rolname, '') AS role,
           lower(split_part(setting, '=', 1)) || '=' || substr(setting, strpos(setting, '=') + 1) AS setting
    FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
    CROSS JOIN LATERAL unnest(s.setconfig) AS setting
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND (r.rolname = ANY(:names) OR s.setrole = 0)
""")


_ATTRIBUTES = text("""
    SELECT r.rolname || ' ' || fault FROM pg_roles r CROSS JOIN LATERAL unnest(ARRAY[
        CASE WHEN NOT r.rolcanlogin THEN 'may not log in' END,
        CASE WHEN r.rolsuper THEN 'has SUPERUSER' END,
        CASE WHEN r.rolcreatedb THEN 'has CREATEDB' END,
        CASE WHEN r.rolcreaterole THEN 'has CREATEROLE' END,
        CASE WHEN r.rolreplication THEN 'has REPLICATION' END,
        CASE WHEN r.rolbypassrls THEN 'has BYPASSRLS' END,
        CASE WHEN r.rolinherit THEN 'has INHERIT' END,
        CASE WHEN r.rolconnlimit <> -1 THEN 'has CONNECTION LIMIT ' || r.rolconnlimit END,
        CASE WHEN r.rolvaliduntil < 'infinity' THEN 'has VALID UNTIL ' || r.rolvaliduntil END]) AS fault
    WHERE r.rolname = ANY(:names) AND fault IS NOT NULL ORDER BY 1
""")


_SETTERS = text("""
    SELECT r.rolname || ' may set ' || :name FROM pg_roles r
    WHERE NOT r.rolsuper AND r.rolname <> :owner AND has_parameter_privilege(r.rolname, :name, 'SET')
    UNION ALL
    SELECT :name || ' has a value' FROM pg_settings WHERE name = :name AND boot_val IS DISTINCT FROM reset_val
""")


def refuse_setters(connection: Connection) -> None:
    """Raises Refusal if anybody but the owner may say who is at work, or if the server says it for everybody."""
    wrong = connection.scalars(_SETTERS, {"name": PROVED, "owner": OWNER}).all()
    if wrong:
        raise Refusal(f"ITM_DATABASE_URL: {'; '.join(wrong)}: compare with what `itm database sql` prints")


def refuse_deviations(connection: Connection) -> None:
    """Raises Refusal for an attribute, setting or membership that `itm database sql` does not give.

    Called at each start: a role may change its own settings, and an administrator of the server all of them.
    """
    refuse_setters(connection)
    names = {"names": list(ROLES.values())}
    expected = {(role, f"{name}={value}") for role, settings in _LIMITS.items() for name, value in settings.items()}
    found = {(row.role, row.setting) for row in connection.execute(_SETTINGS, names)}
    wrong = [f"{role or 'the database'} has the setting {setting}" for role, setting in sorted(found - expected)]
    wrong += [f"{role} lacks the setting {setting}" for role, setting in sorted(expected - found)]
    wrong += connection.scalars(_ATTRIBUTES, names).all()
    wrong += [f"{name} is missing" for name in _missing(connection)]
    wrong += sorted(connection.scalars(_MEMBERS, names).all())
    if wrong:
        raise Refusal(f"ITM_DATABASE_URL: {'; '.join(wrong)}: compare with what `itm database sql` prints")
