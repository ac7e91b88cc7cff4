"""Ways in which a ledger cannot be written, each done to a real database and undone at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
from sqlalchemy.engine import make_url

from itm_admin.foundation.command_door import CommandDoor
from tests.conftest import Database

Fault = Callable[[Database], AbstractContextManager[None]]


def connect(database: Database, role: str = "superuser") -> psycopg.Connection[tuple[object, ...]]:
    url = make_url(database.url(role)).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


@contextmanager
def _statements(database: Database, break_it: str, mend_it: str) -> Iterator[None]:
    with connect(database) as superuser:
        superuser.execute(break_it.encode())
        try:
            yield
        finally:
            superuser.execute(mend_it.encode())


def append_is_revoked(database: Database) -> AbstractContextManager[None]:
    """Neither the application nor its functions may append. What triggers write is not touched by this."""
    return _statements(
        database,
        "REVOKE EXECUTE ON FUNCTION audit.append FROM itm_app, itm_owner",
        "GRANT EXECUTE ON FUNCTION audit.append TO itm_app, itm_owner",
    )


def owner_may_not_insert(database: Database) -> AbstractContextManager[None]:
    """The functions' owner lost its right on the table of events."""
    return _statements(
        database, "REVOKE INSERT ON audit.event FROM itm_owner", "GRANT INSERT ON audit.event TO itm_owner"
    )


@contextmanager
def _disk_full(database: Database, function: str, arguments: str, returns: str) -> Iterator[None]:
    """The function fails as PostgreSQL does when a file cannot grow."""
    with connect(database) as superuser:
        found = superuser.execute(
            b"SELECT pg_get_functiondef(%s::regprocedure)", [f"{function}({arguments})"]
        ).fetchone()
        assert found is not None
        before, after = str(found[0]).split("AS $function$")
        assert returns in before
        superuser.execute(
            (
                f'{before} AS $function$ BEGIN RAISE EXCEPTION \'could not extend file "base/1/2": No space left on'
                " device' USING ERRCODE = 'disk_full'; END $function$"
            ).encode()
        )
        try:
            yield
        finally:
            superuser.execute(f"{before} AS $function${after}".encode())


def disk_is_full_for_events(database: Database) -> AbstractContextManager[None]:
    kinds = "uuid, text, text, text, text, text, uuid, text[], text, text"
    return _disk_full(database, "audit.write", kinds, "RETURNS uuid")


def disk_is_full_at_commit(database: Database) -> AbstractContextManager[None]:
    """The event found its place, its leaf does not: known only when the transaction commits."""
    return _disk_full(database, "audit.seal", "", "RETURNS trigger")


@contextmanager
def _quick_to_give_up(database: Database) -> Iterator[None]:
    """Waiting for a head takes ten seconds; here a hundredth of that."""
    with _statements(
        database,
        "ALTER FUNCTION audit.seal() SET lock_timeout = '100ms'",
        "ALTER FUNCTION audit.seal() SET lock_timeout = '10s'",
    ):
        yield


@contextmanager
def heads_are_held_by_a_superuser(database: Database) -> Iterator[None]:
    with _quick_to_give_up(database), connect(database) as holder, holder.transaction():
        holder.execute(b"SELECT FROM audit.ledger FOR UPDATE")
        yield


@contextmanager
def presidencys_head_is_held(database: Database) -> Iterator[None]:
    with _quick_to_give_up(database), connect(database) as holder, holder.transaction():
        holder.execute(b"SELECT FROM audit.ledger WHERE presidency FOR UPDATE")
        yield


@contextmanager
def head_is_held_by_the_application(database: Database) -> Iterator[None]:
    """A session of itm_app that seals at once and does not end, on JGK's ledger and the Presidency's."""
    with _quick_to_give_up(database), connect(database) as superuser:
        (ledger,) = superuser.execute(b"SELECT holder::text FROM audit.ledger WHERE code = 'JGK'").fetchone() or ("",)
        with connect(database, "app") as holder, holder.transaction(force_rollback=True):
            secret = CommandDoor(database.engine("owner"), "tests").secret("{}", json.dumps({"ledger": ledger}))
            holder.execute(b"SELECT itm.enter_command(%s)", [secret])
            holder.execute(b"SELECT audit.append('record.read'), audit.append('auth.login', to_presidency => true)")
            holder.execute(b"SET CONSTRAINTS ALL IMMEDIATE")
            yield


FAULTS: tuple[Fault, ...] = (
    append_is_revoked,
    owner_may_not_insert,
    disk_is_full_for_events,
    disk_is_full_at_commit,
    heads_are_held_by_a_superuser,
    head_is_held_by_the_application,
)
STOPPING_WRITES = FAULTS[1:]
"""Those that stop the triggers' entries as well."""
