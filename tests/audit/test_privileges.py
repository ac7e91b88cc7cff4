"""The ledger is written by its own functions only: no role can do more than LEDGER's privileges say."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from audit import store
from tests.audit.conftest import OURS, PRESIDENCY, THEIRS, Migrated, World, build
from tests.stating import say

APPEND_ONLY = ("event", "leaf", "verification", "checkpoint", "key", "cosignature", "timestamp")
TABLES = (*APPEND_ONLY, "ledger", "tile", "sink", "sink_cursor", "action", "watched", "deployment")
WRITES = {
    "insert": "INSERT INTO audit.{} DEFAULT VALUES",
    "update": "UPDATE audit.{} SET {} = {}",
    "delete": "DELETE FROM audit.{}",
    "truncate": "TRUNCATE audit.{} CASCADE",
}
FIRST = {
    "ledger": "size",
    "event": "content",
    "leaf": "hash",
    "verification": "verdict",
    "action": "code",
    "watched": "kind",
    "deployment": "name",
    "checkpoint": "note",
    "key": "verifier",
    "cosignature": "line",
    "timestamp": "answer",
    "tile": "hashes",
    "sink": "name",
    "sink_cursor": "next_seq",
}
FUNCTIONS = {
    "app": {"append", "context", "reads", "own_holder", "own_user", "hashes"},
    "signer": {
        *("append", "record_verification", "context", "row_states", "hashes", "is_upkeep"),
        *("record_checkpoints", "state_key", "record_cosignatures", "record_timestamp", "put_tile"),
        *("name_sinks", "move_sink", "tell_of_sink", "mark_sink"),
    },
}


@pytest.fixture(scope="module")
def filled(shared_database: Migrated) -> World:
    world = build(shared_database)
    for holder in (OURS, THEIRS):
        for user in ("anna", "berk"):
            world.run(
                "INSERT INTO thing (holder, name) VALUES (:h, 'x')",
                context={"ledger": str(holder), "actor": {"user": user}},
                h=holder,
            )
    return world


@pytest.mark.parametrize("statement", WRITES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["app", "signer"])
def test_nobody_writes_the_ledgers_tables(filled: World, role: str, table: str, statement: str) -> None:
    column = FIRST[table]
    with pytest.raises(ProgrammingError, match="permission denied"):
        filled.run(WRITES[statement].format(table, column, column), role)


@pytest.mark.parametrize("statement", ["update", "delete", "truncate"])
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("role", ["owner", "superuser"])
def test_not_even_the_owner_rewrites_history_by_mistake(filled: World, role: str, table: str, statement: str) -> None:
    command = WRITES[statement].format(table, FIRST[table], FIRST[table])
    with filled.engine(role).connect() as connection:
        if role == "superuser":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        with pytest.raises(ProgrammingError, match="refused"):
            connection.execute(text(command))


@pytest.mark.parametrize("role", FUNCTIONS)
def test_each_role_may_call_these_functions_and_no_other(filled: World, role: str) -> None:
    callable_ = (
        "SELECT array_agg(p.proname::text) FROM pg_proc p WHERE p.pronamespace = 'audit'::regnamespace"
        " AND has_function_privilege(:login, p.oid, 'EXECUTE')"
    )
    assert set(filled.run(callable_, "superuser", login=f"itm_{role}")) == FUNCTIONS[role]


def test_every_definer_function_pins_its_search_path(filled: World) -> None:
    loose = (
        "SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'audit'::regnamespace AND p.prosecdef"
        " AND NOT coalesce(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']"
    )
    assert filled.run(loose, "superuser") == 0


def test_every_capturing_trigger_fires_always(filled: World) -> None:
    loose = (
        "SELECT count(*) FILTER (WHERE t.tgenabled <> 'A'), count(*) FROM pg_trigger t"
        " WHERE NOT t.tgisinternal AND t.tgname IN ('audit_capture', 'audit_truncate', 'append_only', 'seal')"
    )
    with filled.engine("superuser").connect() as connection:
        sleeping, all_of_them = connection.execute(text(loose)).one()
    assert sleeping == 0
    assert all_of_them >= 2 * 14 + 5


ACTIONS_OF_OTHERS = (
    "record.create",
    "role.change",
    "ledger.verify",
    "ledger.checkpoint",
    "ledger.key",
    "ledger.purge",
    "no.such",
)


@pytest.mark.parametrize("action", ACTIONS_OF_OTHERS)
def test_the_panel_cannot_append_what_is_not_its_own(filled: World, action: str) -> None:
    with pytest.raises(DBAPIError, match=r"may not append|unknown action"):
        filled.run("SELECT audit.append(:a)", context={"ledger": str(OURS)}, a=action)


REFUSED: dict[str, dict[str, Any]] = {
    "a row's state": {"detail": {"state": "x"}},
    "changes": {"detail": {"changes": "x"}},
    "a nested detail": {"detail": {"a": {"b": 1}}},
    "a list for a detail": {"detail": {"a": [1]}},
    "a long detail": {"detail": {"a": "x" * 1001}},
    "a detail that is no object": {"detail": "x"},
    "many subjects": {"subjects": ["x"] * 1001},
    "a long subject": {"subjects": ["x" * 201]},
    "a missing subject": {"subjects": ["x", None]},
    "a long purpose": {"purpose": "x" * 1001},
    "a long target": {"id": "x" * 201},
    "an unknown outcome": {"outcome": "perhaps"},
    "more than 64 KiB": {"subjects": ["ğ" * 200] * 400},
}


@pytest.mark.parametrize("what", REFUSED)
def test_append_refuses(filled: World, what: str) -> None:
    with filled.engine("app").begin() as connection:
        say(connection, ledger=str(OURS))
        with pytest.raises(DBAPIError):
            store.append(connection, "record.read", **REFUSED[what])
        connection.rollback()


def test_append_goes_to_the_contexts_ledger_or_the_presidencys_and_nowhere_else(world: World) -> None:
    with world.engine("app").begin() as connection:
        say(connection, ledger=str(OURS), actor={"user": "anna"})
        store.append(connection, "record.read", kind="case", id="7", purpose="care", subjects=["a", "b"])
        store.append(connection, "auth.login", outcome="denied", to_presidency=True)
    assert [content["action"] for content in world.contents(OURS)] == ["record.read"]
    assert [content["action"] for content in world.contents(PRESIDENCY)] == ["auth.login"]
    assert world.contents(THEIRS) == []
    read = world.contents(OURS)[0]
    assert (read["via"], read["actor"]["user"], read["actor"]["session"]) == ("append", "anna", "itm_app")
    assert (read["subjects"], read["purpose"], read["target"]["id"]) == (["a", "b"], "care", "7")


def test_a_holder_without_a_ledger_gets_no_event(filled: World) -> None:
    with pytest.raises(DBAPIError, match="no open ledger"):
        filled.run("SELECT audit.append('record.read')", context={"ledger": str(uuid.UUID(int=77))})


SIGHT = [
    ({}, 0, 0, 0),
    ({"reads": "none", "ledger": str(OURS)}, 0, 0, 0),
    ({"reads": "anything", "ledger": str(OURS)}, 0, 0, 0),
    ({"reads": "actor", "ledger": str(OURS), "actor": {"user": "anna"}}, 1, 1, 1),
    ({"reads": "actor", "ledger": str(OURS)}, 1, 0, 0),
    # Whose records are not shown here: only the entries that are about none (itm.sees_entry; the panel's tests)
    ({"reads": "ledger", "ledger": str(OURS)}, 1, 0, 0),
    ({"reads": "ledger"}, 0, 0, 0),
    ({"reads": "all"}, 3, 4, 4),
]


@pytest.mark.parametrize(("context", "ledgers", "events", "entries"), SIGHT)
def test_the_panel_sees_as_far_as_its_context(
    filled: World, context: dict[str, Any], ledgers: int, events: int, entries: int
) -> None:
    with filled.engine("app").begin() as connection:
        say(connection, **context)
        for table, seen in (("ledger", ledgers), ("event", events), ("leaf", events), ("entry", entries)):
            assert connection.execute(text(f"SELECT count(*) FROM audit.{table}")).scalar() == seen, table


def test_nothing_said_is_nothing_seen_also_after_an_earlier_transaction(filled: World) -> None:
    with filled.engine("app").connect() as connection:
        with connection.begin():
            say(connection, reads="all")
            assert connection.execute(text("SELECT count(*) FROM audit.entry")).scalar() == 4
        with connection.begin():
            assert connection.execute(text("SELECT count(*) FROM audit.entry")).scalar() == 0
            assert connection.execute(text("SELECT count(*) FROM audit.verification")).scalar() == 0


def test_verifications_are_seen_by_those_who_see_the_ledger(world: World) -> None:
    with world.engine("signer").begin() as connection:
        store.record_round(connection, [world.verify(OURS)])
    count = "SELECT count(*) FROM audit.verification"
    assert world.run(count, context={"reads": "ledger", "ledger": str(OURS)}) == 1
    assert world.run(count, context={"reads": "ledger", "ledger": str(THEIRS)}) == 0
    assert world.run(count, context={"reads": "all"}) == 1
    assert world.run(count, context={}) == 0


def test_the_panel_cannot_record_a_verification(world: World) -> None:
    with world.engine("app").begin() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        store.record(connection, world.verify(OURS))


def test_the_context_is_parsed_and_never_pasted(world: World) -> None:
    name = '"},"action":"x\u2028\\u0000 ğ\U0001f600'
    world.run(
        "INSERT INTO thing (holder, name) VALUES (:h, 'x')", context={"actor": {"user": "u", "name": name}}, h=OURS
    )
    assert world.contents()[0]["actor"]["name"] == name
    assert world.verify().verdict.verdict == "intact"
    assert json.dumps(world.contents()[0]["action"]) == '"record.create"'
