"""A row that can be read twice, not at all, or otherwise than by its index is found: pages and verifier read one truth.

Each attack is the superuser's, without triggers; what it switched off is on again when the verifier comes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import get_args

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from audit import report, store
from audit.read_plan import Level
from audit.store import ways
from tests.audit.conftest import World

FALSE = "purpose = 'other', content = replace(content, '\"purpose\":null', '\"purpose\":\"other\"')"
THIRD = (
    "(SELECT event_id FROM audit.leaf WHERE seq = 3 AND ledger_id = (SELECT id FROM audit.ledger WHERE code = 'OURS'))"
)


def _switched(connection: Connection, table: str, flag: str, on: bool, index: str = "%") -> None:
    connection.execute(
        text(
            f"UPDATE pg_index SET {flag} = :on FROM pg_class i WHERE i.oid = indexrelid"
            " AND indrelid = cast(:table AS regclass) AND i.relname LIKE :index"
        ),
        {"on": on, "table": table, "index": index},
    )
    connection.execute(text("UPDATE pg_class SET reltuples = reltuples WHERE oid = cast(:t AS regclass)"), {"t": table})


def _hidden_copy(connection: Connection, table: str, where: str, index: str = "%") -> None:
    """The row once more, in no index, or not in those that are named."""
    connection.exec_driver_sql(f"CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE {where}")
    _switched(connection, table, "indisready", on=False, index=index)
    connection.exec_driver_sql(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM copied")
    _switched(connection, table, "indisready", on=True, index=index)


def _edit_and_hide_the_true_one(connection: Connection) -> None:
    connection.exec_driver_sql(f"CREATE TEMP TABLE t AS SELECT * FROM audit.event WHERE id = {THIRD}")
    connection.exec_driver_sql(f"UPDATE audit.event SET {FALSE} WHERE id = {THIRD}")
    _switched(connection, "audit.event", "indisready", on=False)
    connection.exec_driver_sql("INSERT INTO audit.event SELECT * FROM t")
    _switched(connection, "audit.event", "indisready", on=True)


def _true_rows_in_a_child(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.e () INHERITS (audit.event);"
        " INSERT INTO elsewhere.e SELECT * FROM ONLY audit.event;"
        f" UPDATE ONLY audit.event SET {FALSE}"
    )


def _false_row_in_a_child(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.e () INHERITS (audit.event);"
        f" INSERT INTO elsewhere.e SELECT * FROM audit.event WHERE id = {THIRD}; UPDATE elsewhere.e SET {FALSE}"
    )


def _false_copy_of_another_ledger(connection: Connection) -> None:
    connection.exec_driver_sql(f"CREATE TEMP TABLE t AS SELECT * FROM audit.event WHERE id = {THIRD}")
    connection.exec_driver_sql(f"UPDATE t SET {FALSE}, ledger_id = (SELECT id FROM audit.ledger WHERE code = 'THEIRS')")
    _switched(connection, "audit.event", "indisready", on=False)
    connection.exec_driver_sql("INSERT INTO audit.event SELECT * FROM t")
    _switched(connection, "audit.event", "indisready", on=True)


Attack = Callable[[Connection], object]
ENTRIES: dict[str, tuple[Attack, str]] = {
    "the page's row is false, the true one in no index": (_edit_and_hide_the_true_one, "OURS"),
    "a true copy in no index": (lambda c: _hidden_copy(c, "audit.event", f"id = {THIRD}"), "OURS"),
    "the pages' rows are false, the true ones a child's": (_true_rows_in_a_child, "OURS"),
    "a child has a false row": (_false_row_in_a_child, "OURS"),
    "a copy in no index that names another ledger": (_false_copy_of_another_ledger, "THEIRS"),
    "a leaf twice": (lambda c: _hidden_copy(c, "audit.leaf", f"event_id = {THIRD}"), "OURS"),
    "the ledger's row twice": (lambda c: _hidden_copy(c, "audit.ledger", "code = 'OURS'"), "OURS"),
    "an index that is switched off": (lambda c: _switched(c, "audit.leaf", "indisvalid", on=False), "OURS"),
    "a rule": (lambda c: c.exec_driver_sql("CREATE RULE r AS ON INSERT TO audit.event DO ALSO NOTHING"), "OURS"),
}  # fmt: skip


@pytest.fixture
def attacker(world: World) -> Iterator[Connection]:
    world.fill(8)
    with world.engine("superuser").connect() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("event", "leaf", "ledger", "action", "watched", "verification"):
            connection.execute(text(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL"))
        yield connection
        connection.rollback()


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("what", ENTRIES)
def test_what_can_be_read_in_two_ways_is_found_at_every_level(attacker: Connection, what: str, level: Level) -> None:
    attack, code = ENTRIES[what]
    ledgers = {ledger.code: ledger for ledger in store.ledgers(attacker)}
    assert store.verify(attacker, ledgers[code], level).verdict.verdict == "intact"
    attack(attacker)
    assert store.verify(attacker, ledgers[code], level).verdict.verdict == "tampered"


def _unreached(connection: Connection, table: str, where: str, index: str) -> None:
    connection.exec_driver_sql(f"CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE {where}")
    connection.exec_driver_sql(f"DELETE FROM {table} WHERE {where}")
    _switched(connection, table, "indisready", on=False, index=index)
    connection.exec_driver_sql(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM copied")
    _switched(connection, table, "indisready", on=True, index=index)


def _nearly(connection: Connection) -> None:
    """The index knows the row by a value that it does not have, and that lies between the same neighbours."""
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE copied AS SELECT * FROM audit.event WHERE id = {THIRD};"
        f" DELETE FROM audit.event WHERE id = {THIRD}; UPDATE copied SET target_id = target_id || '-';"
        " INSERT INTO audit.event SELECT * FROM copied"
    )
    _switched(connection, "audit.event", "indislive", on=False)
    connection.exec_driver_sql(f"UPDATE audit.event SET target_id = rtrim(target_id, '-') WHERE id = {THIRD}")
    _switched(connection, "audit.event", "indislive", on=True)


def _otherwise(connection: Connection) -> None:
    """The index leads to the row under the value that it had before."""
    _switched(connection, "audit.event", "indislive", on=False, index="event_target")
    connection.exec_driver_sql(f"UPDATE audit.event SET target_id = 'zzz' WHERE id = {THIRD}")
    _switched(connection, "audit.event", "indislive", on=True, index="event_target")


INDEXES: dict[str, tuple[Attack, str]] = {
    "an event that its record's history misses": (
        lambda c: _unreached(c, "audit.event", f"id = {THIRD}", "event_target"), "event_target"
    ),
    "an event that the actor's page misses": (
        lambda c: _unreached(c, "audit.event", f"id = {THIRD}", "event_action"), "event_action"
    ),
    "an event under another record's id": (_otherwise, "event_target"),
    "an event under nearly its record's id": (_nearly, "event_target"),
    "an entry that filters by time miss": (
        lambda c: _unreached(c, "audit.leaf", f"event_id = {THIRD}", "leaf_recorded"), "leaf_recorded"
    ),
    "an action twice": (lambda c: _hidden_copy(c, "audit.action", "code = 'record.read'"), "action_pkey"),
    "a watched table twice": (lambda c: _hidden_copy(c, "audit.watched", "kind = 'thing'"), "watched_pkey"),
}  # fmt: skip


@pytest.mark.parametrize("what", INDEXES)
def test_an_index_that_does_not_lead_to_each_row_once_is_named(attacker: Connection, what: str) -> None:
    attack, index = INDEXES[what]
    assert ways.check(attacker, None).findings == {}
    attack(attacker)
    found = ways.check(attacker, None)
    assert found.failure is None
    assert index in [finding.id for finding in found.findings[None]]


def test_each_index_of_the_ledger_is_asked(attacker: Connection) -> None:
    """None of a kind that this does not know how to ask."""
    methods = text(
        "SELECT DISTINCT a.amname FROM pg_class i JOIN pg_am a ON a.oid = i.relam"
        " WHERE i.relkind = 'i' AND i.relnamespace = 'audit'::regnamespace"
    )
    assert set(attacker.execute(methods).scalars()) <= {"btree", "gin"}


@pytest.mark.parametrize("same", [True, False])
def test_a_record_that_is_there_twice_is_found_though_its_index_knows_one(world: World, same: bool) -> None:
    row = world.add()
    assert report.report(world.engine("signer"), "full")[1] == 0
    with world.engine("superuser").begin() as connection:
        connection.execute(text("ALTER TABLE public.thing DISABLE TRIGGER audit_capture"))
        _hidden_copy(connection, "public.thing", f"id = '{row}'")
        if not same:
            connection.execute(
                text("UPDATE public.thing SET name = 'false' WHERE ctid = (SELECT max(ctid) FROM thing)")
            )
        connection.execute(text("ALTER TABLE public.thing ENABLE ALWAYS TRIGGER audit_capture"))
    rows, code = report.report(world.engine("signer"), "full")
    found = [(each["institution"], each["verdict"]) for each in rows if each["verdict"] != "intact"]
    assert (code, found) == (1, [("OURS", "tampered")])
    assert ("twice", "public.thing", str(row)) in [
        (each["kind"], each["table"], each["id"]) for each in rows[0]["findings"]
    ]


def _edit(connection: Connection, row: uuid.UUID) -> None:
    """Behind the ledger's back."""
    connection.execute(text("ALTER TABLE public.thing DISABLE TRIGGER audit_capture"))
    connection.execute(text("UPDATE public.thing SET name = 'false' WHERE id = :id"), {"id": row})
    connection.execute(text("ALTER TABLE public.thing ENABLE ALWAYS TRIGGER audit_capture"))


@pytest.mark.parametrize(
    "setting",
    ["search_path = elsewhere, pg_catalog, public", "enable_seqscan = off", "enable_indexscan = off",
     "transform_null_equals = on", "quote_all_identifiers = on"],
)  # fmt: skip
def test_no_setting_of_the_signers_role_hides_a_changed_record(world: World, setting: str) -> None:
    row = world.add()
    with world.engine("superuser").begin() as connection:
        _edit(connection, row)
    state = world.run("SELECT state FROM audit.row_states('public.thing', NULL, NULL)", "signer")
    with world.engine("superuser").begin() as connection:
        connection.exec_driver_sql(
            "CREATE SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO PUBLIC;"
            " CREATE FUNCTION elsewhere.right(text, integer) RETURNS text LANGUAGE sql"
            f""" RETURN ',"state":{state}' || '}}';"""
            f" DO $$ BEGIN EXECUTE format('ALTER ROLE itm_signer IN DATABASE %I SET {setting}', current_database());"
            " END $$",
            execution_options={"no_parameters": True},
        )
    bare = create_engine(world.database.url("signer"), poolclass=NullPool)
    rows, code = report.report(bare, "full")
    assert code == 1
    assert [(each["kind"], each["id"]) for each in rows[0]["findings"]] == [("record.changed", str(row))]


def test_what_was_found_is_said_though_the_round_cannot_be_recorded(world: World) -> None:
    row = world.add()
    with world.engine("superuser").begin() as connection:
        connection.execute(text("REVOKE EXECUTE ON FUNCTION audit.append FROM itm_signer"))
        _edit(connection, row)
    rows, code = report.report(world.engine("signer"), "full")
    assert code == 1
    assert [(each["kind"], each["id"]) for each in rows[0]["findings"]] == [("record.changed", str(row))]
    assert rows[-1]["findings"][0]["detail"].startswith("the round could not be recorded")
