"""Records against the ledger: what was changed behind its back is named by table and id, and nothing else is.

The attacker is the superuser, who disables triggers and enables them again; the judge is itm_signer's full round.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from audit import report, store
from audit.fast_check import Chunk, Task
from audit.store import chunks, records
from tests.audit.conftest import OURS, PRESIDENCY, THEIRS, World
from tests.stating import say

CODES = {OURS: "OURS", THEIRS: "THEIRS", PRESIDENCY: "PRES"}
Named = tuple[str, str, str | None, str | None]


def judged(world: World, level: Any = "full", code: str | None = None) -> list[Named]:
    """The findings of a round: ledger, kind, table, id."""
    rows, _ = report.report(world.engine("signer"), level, code)
    found = []
    for row in rows:
        assert (row["verdict"] == "tampered") == bool(row["findings"]), row
        assert row["first_broken"] is None
        found += [(row["institution"], each["kind"], each["table"], each["id"]) for each in row["findings"]]
    return found


def behind(world: World, statement: str, **values: Any) -> None:
    """As the superuser, with the table's triggers disabled and enabled again."""
    with world.engine("superuser").begin() as connection:
        connection.execute(text("ALTER TABLE thing DISABLE TRIGGER ALL"))
        for each in statement.split("; "):
            connection.execute(text(each), values)
        connection.execute(text("ALTER TABLE thing ENABLE TRIGGER ALL"))
        for trigger in ("audit_capture", "audit_truncate"):
            connection.execute(text(f"ALTER TABLE thing ENABLE ALWAYS TRIGGER {trigger}"))


@dataclass(frozen=True)
class Attack:
    """``finds`` of each: the ledger and the kind."""

    statement: str
    finds: tuple[tuple[uuid.UUID, str], ...]


CHANGED = ((OURS, "record.changed"),)
COLUMNS = {
    "name": "'another'",
    "amount": "amount * 1.0",
    "at": "at + interval '1 microsecond'",
    "day": "day + 1",
    "ready": "NOT ready",
    "tags": "array_append(tags, NULL)",
    "secret": "secret || '\\x00'",
    "token": "token || ' '",
    "deleted_at": "now()",
    "closed_on": "'2026-01-01'",
}
ATTACKS = {
    **{
        f"edit {name}": Attack(f"UPDATE thing SET {name} = {to} WHERE id = :id", CHANGED)
        for name, to in COLUMNS.items()
    },
    **{
        f"empty {name}": Attack(f"UPDATE thing SET {name} = NULL WHERE id = :id", CHANGED) for name in list(COLUMNS)[:8]
    },
    "delete": Attack("DELETE FROM thing WHERE id = :id", ((OURS, "record.removed"),)),
    "move": Attack(
        f"UPDATE thing SET holder = '{THEIRS}' WHERE id = :id", ((OURS, "record.removed"), (THEIRS, "record.added"))
    ),
    "move to nobody who has a ledger": Attack(
        "UPDATE thing SET holder = gen_random_uuid() WHERE id = :id",
        ((OURS, "record.removed"), (PRESIDENCY, "record.added")),
    ),
    "change the key": Attack("UPDATE thing SET id = gen_random_uuid() WHERE id = :id", ()),
    "edit what is not covered": Attack("UPDATE thing SET noted = 'x' WHERE id = :id", ()),
    "edit, and restore the same value": Attack(
        "UPDATE thing SET name = 'x' WHERE id = :id; UPDATE thing SET name = 'a thing' WHERE id = :id", ()
    ),
}
FULL = """
INSERT INTO thing (holder, name, amount, at, day, ready, tags, secret, token)
VALUES (:holder, 'a thing', 1.50, '2026-03-29 02:30:00.000001+02', '2026-03-29', true, '{a,NULL,"b,c"}', '\\x00ff', 't')
RETURNING id
"""


@pytest.mark.parametrize(
    "what",
    # Of each kind of value an edit; to empty one is the same change
    [
        pytest.param(what, marks=pytest.mark.wide if what.startswith("empty ") and what != "empty name" else ())
        for what in ATTACKS
    ],
)
def test_a_row_that_was_changed_with_its_triggers_off_is_named(world: World, what: str) -> None:
    attack = ATTACKS[what]
    world.fill(2)
    row: uuid.UUID = world.run(FULL, holder=OURS)
    world.fill(2, THEIRS)
    behind(world, attack.statement, id=row)
    named = judged(world)
    if what == "change the key":
        (other,) = world.run("SELECT array_agg(id) FROM thing WHERE name = 'a thing'", "superuser")
        assert set(named) == {
            ("OURS", "record.removed", "public.thing", str(row)),
            ("OURS", "record.added", "public.thing", str(other)),
        }
        return
    assert named == [(CODES[whose], kind, "public.thing", str(row)) for whose, kind in attack.finds]


def test_a_row_that_was_added_with_its_triggers_off_is_named(world: World) -> None:
    world.fill(3)
    behind(world, "INSERT INTO thing (id, holder) VALUES (:id, :holder)", id=uuid.UUID(int=7), holder=OURS)
    assert judged(world) == [("OURS", "record.added", "public.thing", str(uuid.UUID(int=7)))]


def test_a_deleted_row_that_is_there_again_is_named(world: World) -> None:
    row = world.add()
    world.run("DELETE FROM thing WHERE id = :id", id=row)
    assert judged(world) == []
    behind(world, "INSERT INTO thing (id, holder, name) VALUES (:id, :holder, 'a thing')", id=row, holder=OURS)
    assert judged(world) == [("OURS", "record.added", "public.thing", str(row))]


def test_a_row_that_went_and_was_brought_back_behind_the_ledger_is_named_in_both_ledgers(world: World) -> None:
    row = world.add()
    world.run("UPDATE thing SET holder = :to WHERE id = :id", to=THEIRS, id=row)
    assert judged(world) == []
    behind(world, "UPDATE thing SET holder = :to WHERE id = :id", to=OURS, id=row)
    assert judged(world) == [
        ("OURS", "record.changed", "public.thing", str(row)),
        ("THEIRS", "record.removed", "public.thing", str(row)),
    ]


def test_a_whole_table_that_was_emptied_is_counted_and_a_hundred_rows_are_named(world: World) -> None:
    world.fill(130)
    behind(world, "DELETE FROM thing")
    rows, code = report.report(world.engine("signer"), "full")
    assert (code, len(rows[0]["findings"])) == (1, 100)
    assert world.run("SELECT detail ->> 'tampered' FROM (SELECT content::jsonb -> 'detail' AS detail FROM audit.event"
                     " WHERE action = 'ledger.verify') x", "superuser") == "1"  # fmt: skip


def test_a_captured_row_is_not_behind_the_ledgers_back_whatever_the_session_says(world: World) -> None:
    """session_replication_role disarms no ENABLE ALWAYS trigger."""
    row = world.add()
    with world.engine("superuser").begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE thing SET name = 'another' WHERE id = :id"), {"id": row})
    assert [content["action"] for content in world.contents()] == ["record.create", "record.update"]
    assert judged(world) == []


def test_an_event_that_was_appended_is_not_believed(world: World) -> None:
    row = world.add()
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=row)
    with world.engine("app").begin() as connection:
        say(connection, ledger=str(OURS))
        store.append(connection, "record.read", kind="thing", id=str(row))
    assert judged(world) == [("OURS", "record.changed", "public.thing", str(row))]


# What follows a finding


def test_a_changed_row_is_told_until_it_is_written_again_where_the_ledger_sees_it(world: World) -> None:
    row = world.add()
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=row)
    assert len(judged(world)) == 1
    assert len(judged(world, "incremental")) == 1, "a tampered verdict stands until a thorough round is content"
    world.run("UPDATE thing SET name = 'a thing again' WHERE id = :id", id=row)
    assert judged(world, "incremental") == []
    assert judged(world) == []


def test_an_incremental_round_does_not_compare_records(world: World) -> None:
    row = world.add()
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=row)
    assert judged(world, "incremental") == []


def test_one_ledger_is_told_what_is_its_own(world: World) -> None:
    row = world.add(THEIRS)
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=row)
    assert judged(world, code="OURS") == []
    assert judged(world, code="THEIRS") == [("THEIRS", "record.changed", "public.thing", str(row))]


def test_the_round_says_how_many_rows_it_compared(world: World) -> None:
    world.fill(3)
    judged(world)
    details = [c["detail"] for c in world.contents(PRESIDENCY) if c["action"] == "ledger.verify"]
    assert [detail["records"] for detail in details] == [3]
    judged(world, "incremental")
    assert world.contents(PRESIDENCY)[-1]["detail"]["records"] is None


def test_both_findings_stand_where_the_chain_is_broken_too(world: World) -> None:
    row = world.add()
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=row)
    with world.engine("superuser").begin() as connection:
        connection.execute(text("ALTER TABLE audit.event DISABLE TRIGGER append_only"))
        connection.execute(text("UPDATE audit.event SET purpose = 'x' WHERE target_id = :id"), {"id": str(row)})
        connection.execute(text("ALTER TABLE audit.event ENABLE ALWAYS TRIGGER append_only"))
    rows, _ = report.report(world.engine("signer"), "full")
    assert (rows[0]["first_broken"], [each["kind"] for each in rows[0]["findings"]]) == (
        0,
        ["column", "record.changed"],
    )


# Normal life finds nothing


SHAPES = """
CREATE TABLE public.odd (
    holder uuid, a integer, b text, moment timestamptz, local timestamp, span interval, facts jsonb, number numeric,
    many timestamptz[], real double precision, raw bytea, terms bytea[], PRIMARY KEY (a, b)
);
SELECT audit.watch('public.odd', 'odd', 1, 'holder', 'a,b', '{facts,terms}', '{}');
CREATE TABLE public.empty (id uuid PRIMARY KEY, holder uuid NOT NULL);
SELECT audit.watch('public.empty', 'empty', 1, 'holder', 'id', '{}', '{}');
CREATE TABLE public.unheld (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
SELECT audit.watch('public.unheld', 'unheld', 1, NULL, 'id', '{}', '{}');
GRANT ALL ON public.odd, public.empty, public.unheld TO itm_app;
"""
LIFE = (
    "INSERT INTO odd SELECT :ours, n, chr(64 + n), '2026-03-29 01:59:59.999999 Europe/Istanbul', '2026-10-25 03:30',"
    ' \'1 mon -2 days 03:04:05.000006\', \'{"b": 1.10, "a": [null, "ü"]}\', 1.500,'
    " array['infinity', '-infinity', '0044-03-15 BC', NULL]::timestamptz[], 0.1 + n, '\\x00ff',"
    " array['\\x00', '\\xff']::bytea[] FROM generate_series(1, 12) n",
    "INSERT INTO odd (holder, a, b) VALUES (NULL, -1, ''), (:ours, 100, 'z'), (:ours, 20, 'Z'), (:ours, 3, 'ğ,ü')",
    "INSERT INTO unheld (name) VALUES ('a'), (NULL)",
    "INSERT INTO thing (holder, name, at, amount)"
    " VALUES (:ours, 'new', '2011-03-27 02:30+02', 1.00), (:theirs, '', NULL, 'NaN')",
    "UPDATE odd SET number = number * 1.00, moment = moment + interval '1 microsecond', facts = '[]' WHERE a > 4",
    "UPDATE odd SET holder = :theirs WHERE a BETWEEN 5 AND 8",
    "UPDATE odd SET holder = NULL WHERE a BETWEEN 7 AND 8",
    "UPDATE odd SET holder = :ours WHERE a = 8",
    "UPDATE odd SET facts = NULL, many = '{}' WHERE a < 5",
    "UPDATE thing SET deleted_at = now(), secret = '\\x01', token = 'x', tags = array[NULL, 'a\"b', '']",
    "UPDATE thing SET deleted_at = NULL, noted = 'not covered' WHERE holder = :ours",
    "UPDATE thing SET holder = :theirs WHERE holder = :ours",
    "UPDATE thing SET holder = :ours WHERE name = 'new'",
    "DELETE FROM odd WHERE a IN (2, 6)",
    "INSERT INTO odd (holder, a, b) VALUES (:theirs, 2, 'B')",
    "DELETE FROM thing WHERE name = ''",
    "UPDATE unheld SET name = 'b'",
    "INSERT INTO thing (holder) SELECT :ours FROM generate_series(1, 30)",
)


def live(world: World) -> None:
    """Every kind of change, from sessions that print their values in every way."""
    settings = ("TimeZone = 'Pacific/Apia'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'",
                "bytea_output = 'escape'", "extra_float_digits = 0", "search_path = 'public'")  # fmt: skip
    for number, statement in enumerate(LIFE):
        with world.engine("app").begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL {settings[number % len(settings)]}")
            connection.execute(text(statement), {"ours": OURS, "theirs": THEIRS})


ODDLY = {"TimeZone": "Asia/Kathmandu", "DateStyle": "SQL, DMY", "IntervalStyle": "sql_standard",
         "bytea_output": "escape", "extra_float_digits": "0"}  # fmt: skip


@pytest.fixture
def lived(world: World) -> World:
    with world.engine("owner").begin() as connection:
        connection.exec_driver_sql(SHAPES, execution_options={"no_parameters": True})
    live(world)
    return world


def test_nothing_is_found_after_normal_life(lived: World) -> None:
    assert judged(lived) == []
    assert judged(lived, "incremental") == []


def test_nothing_is_found_however_the_session_that_compares_prints_its_values(lived: World) -> None:
    signer = lived.engine("signer")

    @event.listens_for(signer, "connect")
    def oddly(driver: Any, _record: Any) -> None:
        for name, value in ODDLY.items():
            driver.execute(f"SET {name} = '{value}'")
        driver.commit()

    signer.dispose()
    assert judged(lived) == []


def test_each_page_goes_on_where_the_last_ended_whatever_the_key(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(lived, "UPDATE thing SET name = 'another' WHERE id = (SELECT max(id::text)::uuid FROM thing)")
    whole = judged(lived)
    assert len(whole) == 1
    for page in (1, 2, 3, 7):
        monkeypatch.setattr(records, "ROWS", page)
        assert judged(lived) == whole


NEXT = """
ALTER TABLE public.thing ADD COLUMN more jsonb DEFAULT '{"a": 1}', DROP COLUMN day;
SELECT audit.watch('public.thing', 'thing', 2, 'holder', 'id', '{secret,token}', '{noted}');
"""


def test_a_baseline_in_the_next_shape_is_believed_and_a_migration_without_one_is_told(lived: World) -> None:
    with lived.engine("owner").begin() as connection:
        connection.exec_driver_sql(NEXT, execution_options={"no_parameters": True})
    named = judged(lived)
    assert {(kind, table) for _, kind, table, _ in named} == {("record.changed", "public.thing")}
    with lived.engine("owner").begin() as connection:
        connection.execute(text("SELECT audit.baseline('public.thing')"))
    assert judged(lived) == []
    lived.run("UPDATE thing SET more = '{\"a\": 2}'")
    assert judged(lived) == []
    behind(lived, "UPDATE thing SET more = NULL WHERE id = (SELECT min(id::text)::uuid FROM thing)")
    assert [kind for _, kind, _, _ in judged(lived)] == ["record.changed"]


RENAMED = """
ALTER TABLE public.thing RENAME COLUMN holder TO whose;
SELECT audit.watch('public.thing', 'object', 2, 'whose', 'id', '{secret,token}', '{noted}');
SELECT audit.baseline('public.thing');
"""


def test_rows_that_moved_before_their_kind_and_holders_column_had_other_names_moved_all_the_same(world: World) -> None:
    row = world.add()
    world.run("UPDATE thing SET holder = :to WHERE id = :id", to=THEIRS, id=row)
    with world.engine("owner").begin() as connection:
        connection.exec_driver_sql(RENAMED, execution_options={"no_parameters": True})
    assert judged(world) == []
    world.run("UPDATE thing SET whose = :to WHERE id = :id", to=PRESIDENCY, id=row)
    assert judged(world) == []
    behind(world, "UPDATE thing SET whose = :to WHERE id = :id", to=OURS, id=row)
    assert {(code, kind) for code, kind, _, _ in judged(world)} == {
        ("OURS", "record.changed"), ("PRES", "record.removed")
    }  # fmt: skip


def test_a_value_that_a_migration_changes_behind_the_capture_needs_a_baseline(world: World) -> None:
    world.add()
    behind(world, "UPDATE thing SET name = 'as the migration writes it'")
    assert len(judged(world)) == 1
    with world.engine("owner").begin() as connection:
        connection.execute(text("SELECT audit.baseline('public.thing')"))
    assert judged(world) == []


def test_changes_that_arrive_while_it_compares_do_not_disturb(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "ROWS", 1)
    world.fill(3)
    arrived = []

    def arrive(origin: str, done: int, total: int) -> None:
        arrived.append(world.add())
        world.run("UPDATE thing SET name = 'later'")

    rows, code = report.report(world.engine("signer"), "full", progress=arrive)
    assert (code, [row["findings"] for row in rows]) == (0, [[], [], []])
    assert len(arrived) > 3
    assert judged(world) == []


SUCCESSOR = """
UPDATE audit.ledger SET closed_at = now() WHERE code = 'OURS';
INSERT INTO audit.ledger (holder, code, generation, origin)
SELECT holder, code, 2, replace(origin, '/OURS/1', '/OURS/2') FROM audit.ledger WHERE code = 'OURS';
SELECT audit.baseline('public.thing');
"""


def test_the_next_generation_goes_on_from_its_baseline_and_is_told_what_is_found(world: World) -> None:
    kept, edited = world.add(), world.add()
    with world.engine("superuser").begin() as connection:
        connection.exec_driver_sql(SUCCESSOR, execution_options={"no_parameters": True})
    world.run("UPDATE thing SET name = 'in the next generation' WHERE id = :id", id=edited)
    assert judged(world) == []
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=kept)
    rows, _ = report.report(world.engine("signer"), "full")
    told = {row["origin"].rpartition("/")[2]: row["findings"] for row in rows if row["institution"] == "OURS"}
    assert (told["1"], [each["id"] for each in told["2"]]) == ([], [str(kept)])


# What the comparison may, and what becomes of it when it cannot


@pytest.mark.parametrize("role", ["app", "owner", "superuser"])
def test_only_the_signer_compares(world: World, role: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied|only itm_signer compares"):
        world.run("SELECT * FROM audit.row_states('public.thing', NULL, 10)", role)


def test_the_signer_learns_keys_holders_and_digests_and_reads_no_record(world: World) -> None:
    world.add()
    with pytest.raises(DBAPIError, match="permission denied"):
        world.run("SELECT * FROM thing", "signer")
    with world.engine("signer").connect() as connection:
        row = connection.execute(text("SELECT * FROM audit.row_states('public.thing', NULL, 10)")).one()
    assert row._fields == ("key", "holder", "state")
    assert world.contents()[0]["state"]["sha256"] in row.state


@pytest.mark.parametrize("relation", ["public.alert", "pg_catalog.pg_authid", "thing; SELECT 1", ""])
def test_what_is_not_watched_is_not_compared(world: World, relation: str) -> None:
    with world.engine("signer").connect() as connection, pytest.raises(DBAPIError, match="query returned no rows"):
        connection.execute(text("SELECT * FROM audit.row_states(:r, NULL, 10)"), {"r": relation})


def test_rows_under_forced_row_level_security_are_compared_and_the_owner_still_sees_none(world: World) -> None:
    row = world.add()
    with world.engine("owner").begin() as connection:
        connection.execute(text("ALTER TABLE thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"))
        assert connection.execute(text("SELECT count(*) FROM thing")).scalar() == 0
    assert judged(world) == []
    behind(world, "UPDATE thing SET name = 'another' WHERE id = :id", id=row)
    assert judged(world) == [("OURS", "record.changed", "public.thing", str(row))]


def test_a_comparison_that_fails_is_cannot_tell_and_what_the_entries_say_stays(world: World) -> None:
    world.fill(2)
    world.run("REVOKE EXECUTE ON FUNCTION audit.row_states FROM itm_signer", "owner")
    rows, code = report.report(world.engine("signer"), "full")
    assert (code, {row["verdict"] for row in rows}) == (2, {"cannot tell"})
    assert [[(each["kind"], each["detail"]) for each in row["findings"]] for row in rows] == [
        [("unread", "records were not compared: InsufficientPrivilege")]
    ] * 3


def test_a_ledger_that_cannot_be_read_does_not_spoil_the_snapshot_for_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill(2)
    ours = world.ledger().id

    def breaking(connection: psycopg.Connection[Any], task: Task) -> Chunk | None:
        if task.ledger == ours:
            connection.execute("SELECT 1 / 0")
        return chunks.read(connection, task)

    monkeypatch.setattr("audit.store.reader_pool.read", breaking)
    rows, code = report.report(world.engine("signer"), "full")
    assert code == 2
    assert {row["institution"]: [each["detail"] for each in row["findings"]] for row in rows} == {
        "OURS": ["DivisionByZero"], "PRES": [], "THEIRS": []
    }  # fmt: skip


def test_keys_of_text_are_compared_byte_by_byte_whatever_their_collation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only if the server has a collation that puts a before B; without one all of them order by byte."""
    found = world.run("SELECT quote_ident(max(collname)) FROM pg_collation WHERE collname = 'en-x-icu'", "superuser")
    with world.engine("owner").begin() as connection:
        connection.execute(
            text(f"CREATE TABLE worded (word text COLLATE {found or chr(34) + 'C' + chr(34)} PRIMARY KEY)")
        )
        connection.execute(text("SELECT audit.watch('public.worded', 'worded', 1, NULL, 'word', '{}', '{}')"))
        connection.execute(text("INSERT INTO worded VALUES ('a'), ('B'), ('c'), ('Ç'), ('ı'), ('I'), ('-b'), ('')"))
    for page in (1, 3, 100):
        monkeypatch.setattr(records, "ROWS", page)
        assert judged(world) == []


def test_a_comparison_that_is_stopped_gives_no_verdict(world: World) -> None:
    world.fill(2)
    with world.engine("signer").connect() as connection:
        ledgers = store.ledgers(connection)
    reached: list[str] = []
    stopped = store.verify_all(
        world.engine("signer"), ledgers, "full", None, lambda origin, done, total: reached.append(origin),
        lambda: "records" in reached,
    )  # fmt: skip
    assert (stopped, reached[-1]) == ([], "records")


def test_progress_ends_where_it_said_that_it_would(world: World) -> None:
    world.fill(5)
    told: list[tuple[str, int, int]] = []
    report.report(world.engine("signer"), "full", progress=lambda *said: told.append(said))
    assert told[-1] == ("records", 5, 5)
