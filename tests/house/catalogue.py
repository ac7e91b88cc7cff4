"""What the database's catalogue says of a fresh schema, as lines of text that a change of the schema changes.

Written anew with ``make .venv && .venv/bin/python -m tests.house.catalogue``; the difference is read in review.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

SNAPSHOT = Path(__file__).with_name("catalogue.txt")

_OURS = "n.nspname in ('public', 'itm', 'audit')"
_QUESTIONS = {
    "schema": f"""
        select format('%s owner %s grants %s', nspname, pg_get_userbyid(nspowner), coalesce(nspacl::text, '-'))
          from pg_namespace n where {_OURS} and nspname <> 'public'""",
    "relation": f"""
        select format('%s.%s kind %s owner %s rls %s forced %s options %s grants %s', n.nspname, c.relname, c.relkind,
                      pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
                      coalesce(c.reloptions::text, '-'), coalesce(c.relacl::text, '-'))
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where {_OURS} and c.relkind in ('r', 'v', 'm', 'S')""",
    "column grant": f"""
        select format('%s.%s.%s %s', n.nspname, c.relname, a.attname, a.attacl)
          from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
         where {_OURS} and a.attacl is not null""",
    "policy": f"""
        select format('%s.%s %s for %s %s to %s using %s check %s', schemaname, tablename, policyname, cmd, permissive,
                      roles, coalesce(regexp_replace(qual, '\\s+', ' ', 'g'), '-'),
                      coalesce(regexp_replace(with_check, '\\s+', ' ', 'g'), '-'))
          from pg_policies join pg_namespace n on n.nspname = schemaname where {_OURS}""",
    "trigger": f"""
        select format('%s.%s enabled %s: %s', n.nspname, c.relname, t.tgenabled, pg_get_triggerdef(t.oid))
          from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
         where {_OURS} and not t.tgisinternal""",
    "constraint": f"""
        select format('%s.%s %s: %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid))
          from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
         where {_OURS} and k.contype in ('c', 'f', 'u')""",
    "index": f"""
        select indexdef from pg_indexes join pg_namespace n on n.nspname = schemaname where {_OURS}""",
    "default grant": """
        select format('%s %s %s', pg_get_userbyid(defaclrole), defaclobjtype, defaclacl) from pg_default_acl""",
    "watched": """
        select format('%s %s/%s private %s ignored %s', relation, kind, shape, private, ignored) from audit.watched""",
    "action": "select format('%s by %s', code, by) from audit.action",
}  # fmt: skip
_FUNCTIONS = f"""
    select format('%s.%s(%s) owner %s definer %s volatility %s settings %s grants %s', n.nspname, p.proname,
                  pg_get_function_identity_arguments(p.oid), pg_get_userbyid(p.proowner), p.prosecdef, p.provolatile,
                  coalesce(p.proconfig::text, '-'), coalesce(p.proacl::text, '-')), pg_get_functiondef(p.oid)
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_OURS}"""


def catalogue(connection: Connection) -> Iterator[str]:
    """The lines, sorted inside their sections. Functions are told by the digest of their definition."""
    for name, question in _QUESTIONS.items():
        yield from sorted(f"{name}: {line}" for line in connection.scalars(text(question.replace(":", r"\:"))))
    rows = connection.execute(text(_FUNCTIONS)).all()
    yield from sorted(f"function: {told} sha256 {_digest(body)}" for told, body in rows)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def as_text(connection: Connection) -> str:
    lines = (line.replace("=arwdDxtm/", "=arwdDxt/") for line in catalogue(connection))  # m: PostgreSQL 17 and later
    return "\n".join(lines) + "\n"


def main() -> None:
    """Migrates an empty database of a passing server and writes the snapshot."""
    import tempfile

    from itm_admin.foundation.database import migration, roles
    from itm_admin.foundation.database.embedded import Server
    from tests.conftest import PASSWORDS, Cluster

    with tempfile.TemporaryDirectory(prefix="itm-") as folder:
        Path(folder).chmod(0o711)
        server = Server(Path(folder) / "server", superuser_password="a-superuser-for-tests", durable=False)
        server.start()
        try:
            cluster = Cluster(server.url())
            with cluster.connect() as connection:
                roles.ensure(connection, PASSWORDS)
                roles.make_database(connection, "itm_catalogue")
            with cluster.connect("itm_catalogue") as connection:
                roles.prepare_database(connection)
            migration.upgrade(cluster.url("owner", "itm_catalogue"))
            with create_engine(cluster.url("superuser", "itm_catalogue")).connect() as superuser:
                SNAPSHOT.write_text(as_text(superuser), "utf-8")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
