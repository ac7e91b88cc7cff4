"""Every statement that changes a watched row, by any role, has its event in the same transaction."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import FetchedValue

from audit import store
from itm_admin.local import binaries
from tests.audit.conftest import OURS, PRESIDENCY, THEIRS, World


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
    holder: Mapped[uuid.UUID]
    name: Mapped[str | None]


def _actions(world: World, holder: uuid.UUID = OURS) -> list[str]:
    return [content["action"] for content in world.contents(holder)]


def test_the_orm_is_captured(world: World) -> None:
    with Session(world.engine("app")) as session:
        thing = Thing(holder=OURS, name="a")
        session.add(thing)
        session.commit()
        thing.name = "b"
        session.commit()
        session.delete(thing)
        session.commit()
    assert _actions(world) == ["record.create", "record.update", "record.delete"]
    assert world.contents()[1]["changes"] == {"name": {"old": "a", "new": "b"}}
    assert world.contents()[2]["state"] is None


def test_bulk_statements_are_captured_row_by_row(world: World) -> None:
    with Session(world.engine("app")) as session:
        session.execute(insert(Thing), [{"holder": OURS, "name": str(n)} for n in range(5)])
        session.execute(update(Thing).values(name="same"))
        session.commit()
    assert _actions(world) == ["record.create"] * 5 + ["record.update"] * 5


STATEMENTS = {
    "insert select": ("INSERT INTO thing (holder, name) SELECT holder, 'copy' FROM thing", "record.create"),
    "upsert": (
        "INSERT INTO thing (id, holder) SELECT id, holder FROM thing ON CONFLICT (id) DO UPDATE SET name = 'again'",
        "record.update",
    ),
    "merge": (
        "MERGE INTO thing t USING (SELECT 1) x ON true WHEN MATCHED THEN UPDATE SET name = 'merged'",
        "record.update",
    ),
    "inside a with": ("WITH w AS (UPDATE thing SET name = 'w' RETURNING id) SELECT count(*) FROM w", "record.update"),
    "delete": ("DELETE FROM thing", "record.delete"),
    "without triggers": ("SET LOCAL session_replication_role = replica; DELETE FROM thing", "record.delete"),
}


@pytest.mark.parametrize("what", STATEMENTS)
def test_raw_statements_are_captured(world: World, what: str) -> None:
    world.add()
    statement, action = STATEMENTS[what]
    with world.engine("superuser").begin() as connection:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    assert _actions(world) == ["record.create", action]
    assert world.verify().verdict.verdict == "intact"


def test_a_prompt_without_any_context_is_recorded_as_such(world: World, short_folder: Path) -> None:
    address = world.database.url("superuser").replace("+psycopg", "")
    insert_ = f"INSERT INTO thing (holder, name) VALUES ('{OURS}', 'typed')"
    subprocess.run([binaries.find(short_folder) / "psql", address, "-qc", insert_], check=True)
    actor = world.contents()[0]["actor"]
    assert (actor["user"], actor["role"]) == (None, None)
    assert actor["session"] == world.run("SELECT session_user::text", "superuser")


def test_truncate_is_refused_whoever_asks(world: World) -> None:
    with pytest.raises(DBAPIError, match="refused"):
        world.run("TRUNCATE thing", "superuser")


def test_a_key_never_changes(world: World) -> None:
    world.add()
    with pytest.raises(DBAPIError, match="never changes"):
        world.run("UPDATE thing SET id = gen_random_uuid()")
    assert _actions(world) == ["record.create"]


@pytest.mark.parametrize(
    ("changes", "actions"),
    [
        (["deleted_at = now()"], ["record.delete"]),
        (["deleted_at = now()", "deleted_at = null"], ["record.delete", "record.restore"]),
        (["deleted_at = now()", "deleted_at = '2020-01-01Z'"], ["record.delete", "record.update"]),
        (["closed_on = '2026-01-01'"], ["record.close"]),
        (["closed_on = '2026-01-01'", "closed_on = null"], ["record.close", "record.update"]),
        (["name = 'other', closed_on = '2026-01-01'"], ["record.close"]),
    ],
)
def test_an_update_is_named_by_what_it_does(world: World, changes: list[str], actions: list[str]) -> None:
    world.add()
    for change in changes:
        world.run(f"UPDATE thing SET {change}")
    assert _actions(world)[1:] == actions


@pytest.mark.parametrize("change", ["name = name", "noted = 'x'", "amount = amount"])
def test_what_changes_no_covered_column_gives_no_event(world: World, change: str) -> None:
    world.add()
    world.run(f"UPDATE thing SET {change}")
    assert _actions(world) == ["record.create"]


def test_equal_numbers_that_are_written_differently_are_a_change(world: World) -> None:
    world.add()
    for value in ("1.0", "1.00"):
        world.run(f"UPDATE thing SET amount = {value}")
    assert world.contents()[2]["changes"] == {"amount": {"old": "1.0", "new": "1.00"}}


def test_a_row_that_moves_is_told_in_both_ledgers(world: World) -> None:
    world.add(OURS)
    world.run("UPDATE thing SET holder = :to", to=THEIRS)
    ours, theirs = world.contents(OURS)[-1], world.contents(THEIRS)[-1]
    assert ours["changes"] == theirs["changes"] == {"holder": {"old": str(OURS), "new": str(THEIRS)}}
    assert (ours["target"]["institution"], theirs["target"]["institution"]) == (str(OURS), str(THEIRS))
    assert ours["state"] == theirs["state"]
    assert {world.verify(holder).verdict.verdict for holder in (OURS, THEIRS)} == {"intact"}


def test_private_columns_are_named_and_never_shown(world: World) -> None:
    world.run(
        "INSERT INTO thing (holder, secret, token) VALUES (:h, convert_to('canary-one', 'UTF8'), 'canary-two')", h=OURS
    )
    world.run("UPDATE thing SET secret = convert_to('canary-three', 'UTF8'), token = 'canary-four'")
    world.run("DELETE FROM thing")
    created, updated, deleted = world.contents()
    assert updated["changes"] == {"secret": {"private": True}, "token": {"private": True}}
    assert created["changes"]["token"] == deleted["changes"]["token"] == {"private": True}
    assert created["state"] != updated["state"]
    written = json.dumps(world.contents())
    for canary in ("canary-one", "canary-two", "canary-three", "canary-four"):
        assert canary not in written
        assert canary.encode().hex() not in written


def test_passwords_and_tokens_stand_in_no_event(world: World) -> None:
    private = "SELECT private FROM audit.watched WHERE relation = :r"
    assert world.run(private, "superuser", r="public.credential") == ["password_hash"]
    assert world.run(private, "superuser", r="public.invitation") == ["token_digest"]


def test_what_is_stored_as_bytes_is_a_secret_of_every_watched_table(world: World) -> None:
    shown = (
        "SELECT array_agg(w.relation || '.' || a.attname) FROM audit.watched w"
        " JOIN pg_attribute a ON a.attrelid = w.relation::regclass AND a.attname = ANY (w.columns)"
        " WHERE a.atttypid IN ('bytea'::regtype, 'bytea[]'::regtype) AND a.attname <> ALL (w.private)"
    )
    assert world.run(shown, "superuser") is None


# Each has its reason in the migration that decides what is captured.
def test_a_long_value_enters_as_its_digest(world: World) -> None:
    world.add(name="ğ" * 2000)
    world.add(name="ğ" * 2001)
    short, long = (content["changes"]["name"]["new"] for content in world.contents())
    assert short == "ğ" * 2000
    assert long["length"] == 2001
    assert set(long) == {"sha256", "length"}


AWKWARD: dict[str, Any] = {
    "name": 'quote " back \\ newline \n tab \t \u202e \U0001f600',
    "tags": ["a", 'b"', "ş,", ""],
    "amount": 12.5,
    "ready": True,
}


def test_every_kind_of_value_comes_back_as_it_was(world: World) -> None:
    world.run(
        "INSERT INTO thing (holder, name, tags, amount, ready, at, day) VALUES"
        " (:h, :name, :tags, :amount, :ready, '2026-07-01 12:00:00+03', '2026-07-01')",
        h=OURS,
        **AWKWARD,
    )
    new = {name: value.get("new") for name, value in world.contents()[0]["changes"].items()}
    assert (new["name"], new["tags"], new["ready"]) == (AWKWARD["name"], AWKWARD["tags"], True)
    assert (new["at"], new["day"], new["amount"]) == ("2026-07-01T09:00:00.000000Z", "2026-07-01", "12.5")
    assert world.verify().verdict.verdict == "intact"


SETTINGS = (
    "SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'German'; SET LOCAL bytea_output = 'escape';"
    " SET LOCAL IntervalStyle = 'sql_standard'; SET LOCAL extra_float_digits = 0; SET LOCAL search_path = pg_temp"
)


def test_the_same_row_has_the_same_state_under_any_settings(world: World) -> None:
    values: dict[str, Any] = {"h": OURS}
    fill = (
        "INSERT INTO public.thing (id, holder, at, day, secret) VALUES"
        " ('00000000-0000-0000-0000-000000000009', :h, '2026-07-01Z', '2026-07-01', '\\xff00')"
    )
    for settings in ("SELECT 1", SETTINGS):
        with world.engine("superuser").begin() as connection:
            connection.exec_driver_sql(settings, execution_options={"no_parameters": True})
            connection.execute(text(fill), values)
        world.run("DELETE FROM thing", "superuser")
    first, _, second, _ = world.contents()
    assert first["state"] == second["state"]
    assert first["changes"] == second["changes"]


def test_a_baseline_names_the_state_that_the_row_has(world: World) -> None:
    world.run("ALTER TABLE thing ENABLE ROW LEVEL SECURITY; ALTER TABLE thing FORCE ROW LEVEL SECURITY", "owner")
    with world.engine("superuser").begin() as connection:
        connection.execute(text("INSERT INTO thing (holder, name, secret) VALUES (:h, 'x', '\\x01')"), {"h": OURS})
    assert world.run("SELECT audit.baseline('public.thing')", "owner") == 1
    created, baseline = world.contents()
    assert baseline["via"] == "baseline"
    assert baseline["state"] == created["state"]
    assert baseline["target"] == created["target"]
    forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'public.thing'::regclass"
    assert world.run(forced, "superuser") is True


def test_a_new_shape_covers_the_new_columns(world: World) -> None:
    world.add()
    world.run("ALTER TABLE thing ADD COLUMN extra text", "owner")
    world.run("SELECT audit.watch('public.thing', 'thing', 2, 'holder', 'id', '{secret,token}', '{noted}')", "owner")
    world.run("UPDATE thing SET extra = 'x'")
    update_ = world.contents()[-1]
    assert update_["changes"] == {"extra": {"old": None, "new": "x"}}
    assert update_["state"]["shape"] == "thing/2"


@pytest.mark.parametrize(
    "arguments",
    ["'holder', 'id', '{nothing}', '{noted}'", "'nobody', 'id', '{}', '{}'", "'holder', 'id', '{}', '{holder}'"],
)
def test_a_table_is_not_watched_by_columns_that_it_does_not_cover(world: World, arguments: str) -> None:
    with pytest.raises(DBAPIError, match="must be covered"):
        world.run(f"SELECT audit.watch('public.thing', 'thing', 2, {arguments})", "owner")


def test_what_belongs_to_nobody_goes_to_the_presidency(world: World) -> None:
    with world.engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE public.setting (name text, part int, value text, PRIMARY KEY (name, part));"
            "SELECT audit.watch('public.setting', 'setting', 1, NULL, 'name, part', '{}', '{}');"
            "INSERT INTO public.setting VALUES ('a', 1, 'x')",
            execution_options={"no_parameters": True},
        )
    content = world.contents(PRESIDENCY)[0]
    assert content["target"] == {"kind": "setting", "id": "a,1", "institution": None}
    assert world.verify(PRESIDENCY).verdict.verdict == "intact"


_UNPINNED = """
CREATE TABLE public.unpinned (
    id uuid PRIMARY KEY, holder uuid, day date, at timestamptz, number bigint, ready boolean, name varchar, tags text[],
    secret bytea
);
SELECT audit.watch('public.unpinned', 'unpinned', 1, 'holder', 'id', '{secret}', '{}');
GRANT SELECT, INSERT, UPDATE ON public.unpinned TO itm_app;
"""
_ODD = ("'2026-03-01'", "'0044-03-15 BC'", "'infinity'", "NULL")


@pytest.mark.parametrize("moment", _ODD)
def test_a_row_without_settings_in_its_text_is_told_alike_whatever_the_session_is_set_to(
    world: World, moment: str
) -> None:
    with world.engine("owner").begin() as connection:
        connection.exec_driver_sql(_UNPINNED, execution_options={"no_parameters": True})
    pinned = "SELECT proconfig::text FROM pg_proc WHERE proname = 'capture_public_unpinned'"
    assert "DateStyle" not in world.run(pinned, "superuser")
    told = []
    for number, (style, zone, output) in enumerate((("ISO", "UTC", "hex"), ("SQL, DMY", "Asia/Tokyo", "escape"))):
        with world.engine("app").begin() as connection:
            for setting in (f"DateStyle = '{style}'", f"TimeZone = '{zone}'", f"bytea_output = '{output}'"):
                connection.execute(text(f"SET LOCAL {setting}"))
            statement = (
                f"INSERT INTO unpinned VALUES (:id, :holder, {moment}, timezone('UTC', CAST({moment} AS timestamp)),"
                " -5, true, 'a \"name\"', '{b,c}', '\\x00ff')"
            )
            connection.execute(text(statement), {"id": uuid.UUID(int=number), "holder": OURS})
        content = world.contents()[-1]
        told.append({name: value for name, value in content["changes"].items() if name != "id"})
    assert told[0] == told[1]
    (verified,) = store.verify_all(world.engine("signer"), [world.ledger()], "full", None)
    assert verified.verdict.verdict == "intact", verified.verdict.findings
