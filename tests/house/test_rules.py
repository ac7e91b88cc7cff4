"""Rules that hold for every table, read from the catalogue: triggers that fire always, states as lists of steps, and a
register in which every sealed column stands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from itertools import product

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

import itm_admin.models  # noqa: F401  the kinds of all areas
from itm_admin.cases import person_services
from itm_admin.foundation import vocabulary
from itm_admin.foundation.roles import ROLES
from itm_admin.record.fields import Choice, Code, Codes
from itm_admin.record.kind import kinds
from tests.conftest import Database
from tests.factories import Factory, without_rules
from tests.panel.handover_panel import with_handovers

SOMETIMES: Mapping[str, str] = {}
"""Rules of ours that a session may switch off with session_replication_role, each with its reason. None needs it."""
ABOUT_NOBODY = {
    "account_session.secret_digest": "the digest of a random secret",
    "api_key_secret.digest": "the digest of a random secret",
    "draft.sealed": "goes with the drafts, which an erasure throws away",
    "form_answer.sealed": "goes with the kept answers, which an erasure throws away",
    "institution_key.wrapped": "an institution's key opens nothing without a record's own key",
    "institution_pair.data_key": "the wrapped key of the next but one",
    "institution_pair.public_sealed": "a public key of an institution",
    "institution_pair.private_sealed": "the seed of an institution's private key, under the next key",
    "invitation.token_digest": "the digest of a random secret",
    "known_device.secret_digest": "the digest of a random secret",
    "login_throttle.key": "a keyed digest of a try to sign in",
    "passkey_challenge.challenge": "a random number, for minutes",
    "provider_message.digest": "the digest of a random number",
    "referral_content.sealed": "sealed for the receiver under a fresh key; the row is emptied where it ends unanswered",
    "referral_content.sealed_key": "the fresh key, sealed for the receiver",
    "recovery_codes.digests": "digests of random secrets",
    "second_factor.credential": "a number that a device drew",
    "second_factor.data_key": "the wrapped key of the next one",
    "second_factor.public_key": "a public key of a device",
    "second_factor.sealed": "the secret of a member of staff's app, under a key of its own",
    "sign_in_tally.subject": "a keyed digest of a network, or an account's id",
}
"""Binary columns outside the register of protected columns, with the reason."""
ANY = {
    "uuid": "gen_random_uuid()", "text": "'x'", "character varying": "'x'", "boolean": "false", "integer": "0",
    "bigint": "0", "timestamp with time zone": "now()", "date": "now()", "bytea": "''", "jsonb": "'{}'",
    "character varying[]": "'{}'", "uuid[]": "'{}'",
}  # fmt: skip
"""A value for a column that must have one, by its type."""


@pytest.fixture(scope="module")
def make(shared_database: Database) -> Iterator[Factory]:
    """With the tests' own area, as itm.keep made its tables: every rule holds for a new area without a word here."""
    with with_handovers(shared_database):
        make = Factory(shared_database)
        make.case()
        yield make


@pytest.fixture
def superuser(make: Factory) -> Iterator[Connection]:
    with make.database.engine("superuser").connect() as connection:
        yield connection


def test_every_rule_fires_always(superuser: Connection) -> None:
    ours = text(
        "select c.relname || '.' || t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid where"
        " not t.tgisinternal and t.tgenabled <> 'A' and c.relnamespace = any"
        " (array['public', 'itm', 'audit']::regnamespace[])"
    )
    assert set(superuser.scalars(ours)) == set(SOMETIMES)


# Protected values


def test_every_binary_column_is_in_the_register_or_about_nobody(superuser: Connection) -> None:
    binary = text(
        "select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped"
        " and (a.atttypid in ('bytea'::regtype, 'bytea[]'::regtype) or a.attname like '%\\_enc')"
    )
    registered = set(superuser.scalars(text("select relation || '.' || column_name from itm.protected")))
    assert set(superuser.scalars(binary)) - registered == set(ABOUT_NOBODY)
    assert registered - set(superuser.scalars(binary)) == {"access_note.words"}


def test_every_way_of_the_register_leads_somewhere_and_no_value_of_it_is_in_the_ledger(superuser: Connection) -> None:
    rows = superuser.execute(text("select relation, column_name, path from itm.protected")).all()
    assert rows
    for relation, column, path in rows:
        condition = superuser.scalar(text("select itm.about_condition(:path)"), {"path": path})
        superuser.exec_driver_sql(f"select {column} from {relation} r where {condition.replace('$1', 'null::uuid')}")
        watched = text("select private from audit.watched where relation = :name order by shape desc limit 1")
        assert column in superuser.scalar(watched, {"name": f"public.{relation}"}), (relation, column)


def test_each_kind_of_record_is_captured_under_its_name(superuser: Connection) -> None:
    newest = "select distinct on (relation) * from audit.watched order by relation, shape desc"
    kept = superuser.execute(text("select 'public.' || relation as relation, kind, private from itm.kept")).all()
    watched = {row.relation: (row.kind, set(row.private)) for row in superuser.execute(text(newest))}
    assert {row.relation: (row.kind, set(row.private)) for row in kept}.items() <= watched.items()


# States


def steps(superuser: Connection) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """For each table and column with states: the steps from one to another, "" for the beginning."""
    held = text(
        "select c.relname, t.tgargs from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        " where t.tgfoid = 'itm.steps()'::regprocedure"
    )
    found = {}
    for table, arguments in superuser.execute(held).all():
        column, *arrows = bytes(arguments).decode().rstrip("\0").split("\0")
        found[table, column] = {tuple(arrow.split(">")) for arrow in arrows}
    return found  # type: ignore[return-value]


def test_every_state_can_be_reached(superuser: Connection) -> None:
    for place, arrows in steps(superuser).items():
        reached = {to for start, to in arrows if not start}
        while more := {to for start, to in arrows if start in reached} - reached:
            reached |= more
        assert reached == {to for _start, to in arrows}, place
        assert reached, place


def test_every_step_that_is_not_listed_is_refused_and_every_listed_one_is_taken(superuser: Connection) -> None:
    """Each on a row of the table, with all other rules switched off: this one alone has to hold."""
    found, tried = steps(superuser), 0
    assert {table for table, _column in found} >= {"case_file", "role_grant", "handover", "visit"}
    for (table, column), arrows in found.items():
        states = sorted({to for _start, to in arrows})
        for start, to in product(states, states):
            if start != to:
                took = _takes(superuser, table, column, start, to)
                assert took is ((start, to) in arrows), f"{table}.{column}: {start} to {to}"
                tried += 1
    assert tried > 30


def test_a_row_begins_in_a_state_to_begin_with(superuser: Connection) -> None:
    for (table, column), arrows in steps(superuser).items():
        for state in {to for _start, to in arrows}:
            with superuser.begin_nested() as undone:
                row = _row_without_rules(superuser, table, column, state)
                superuser.execute(text(f"alter table {table} enable always trigger c_{column}"))
                took = _does(superuser, row)
                undone.rollback()
            assert took is (("", state) in arrows), f"{table}.{column} begins with {state}"


def _value(state: str) -> str:
    return "null" if state == "none" else f"'{state}'"


def _row_without_rules(connection: Connection, table: str, column: str, state: str) -> str:
    """The statement that makes a row in this state, of values that mean nothing; no rule of the table is on."""
    at = {"table": table}
    checks = "select conname from pg_constraint where contype = 'c' and conrelid = cast(:table as regclass)"
    for check in connection.scalars(text(checks), at).all():
        connection.execute(text(f'alter table {table} drop constraint "{check}"'))
    connection.execute(text(f"alter table {table} disable trigger all"))
    needed = text(
        "select attname, format_type(atttypid, null) as type from pg_attribute where attnum > 0 and attnotnull"
        " and attrelid = cast(:table as regclass) and not attisdropped and not atthasdef and attidentity = ''"
    )
    values = {each.attname: ANY[each.type] for each in connection.execute(needed, at)} | {column: _value(state)}
    return f"insert into {table} ({', '.join(values)}) values ({', '.join(values.values())}) returning id"


def _takes(connection: Connection, table: str, column: str, start: str, to: str) -> bool:
    with connection.begin_nested() as undone:
        row = connection.scalar(text(_row_without_rules(connection, table, column, start)))
        connection.execute(text(f"alter table {table} enable always trigger c_{column}"))
        took = _does(connection, f"update {table} set {column} = {_value(to)} where id = '{row}'")
        undone.rollback()
    return took


def _does(connection: Connection, statement: str) -> bool:
    try:
        with connection.begin_nested():
            return bool(connection.execute(text(statement)).rowcount)
    except DBAPIError as error:
        if "does not go from" not in str(error.orig):
            raise
        return False


def test_rules_can_be_switched_off_by_who_owns_the_database_alone(make: Factory) -> None:
    """The tests' own helper leaves every rule as it was."""
    with make.superuser() as connection:
        with without_rules(connection, "person"):
            pass
        left = text("select count(*) from pg_trigger where not tgisinternal and tgenabled <> 'A'")
        assert connection.scalar(left) == 0


# Codes


def coded(superuser: Connection) -> dict[str, dict[str, str]]:
    """For each table: its coded columns and their lists, as its trigger says."""
    held = text(
        "select c.relname, t.tgargs from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        " where t.tgfoid = 'itm.coded()'::regprocedure"
    )
    return {
        table: dict(pair.split(">") for pair in bytes(arguments).decode().rstrip("\0").split("\0"))
        for table, arguments in superuser.execute(held)
    }


def test_each_declared_code_is_a_code_in_the_database(superuser: Connection) -> None:
    """A code of a vocabulary by its list; one of the program's own lists by its list, its steps or a constraint."""
    codes, choices = {}, set()
    for kind in kinds().values():
        for each in kind.fields.values():
            if kind.model is None or each.protected:
                continue
            place = (kind.model.__tablename__, each.column.name)
            if isinstance(each.field, Code | Codes):
                codes[place] = each.field.codes
            elif isinstance(each.field, Choice):
                choices.add(place)
    held = {(table, column): name for table, found in coded(superuser).items() for column, name in found.items()}
    assert codes.items() <= held.items()
    checks = text("select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint where contype = 'c'")
    said = [(table.removeprefix("public."), words) for table, words in superuser.execute(checks)]
    for table, column in choices - set(steps(superuser)) - set(held):
        assert any(where == table and column in words for where, words in said), (table, column)


def test_the_databases_lists_are_the_vocabularies(superuser: Connection) -> None:
    lists = {name: list(vocabulary.codes(name)) for name in vocabulary.names()} | {"role": list(ROLES)}
    of_others = {"citizenship", "country", "language"}
    said = text("select substr(proname, 10) from pg_proc where proname like 'codes\\_of\\_%'")
    used = {name for columns in coded(superuser).values() for name in columns.values()} - {"kind"}
    assert used - of_others <= set(superuser.scalars(said)) <= set(lists)
    for name in used | set(superuser.scalars(said)):
        codes = lists[name]
        if name not in of_others:
            assert superuser.scalar(text("select itm.codes(:name)"), {"name": name}) == codes, name
        every = text("select bool_and(itm.is_code(:name, c)) from unnest(cast(:codes as text[])) c")
        assert superuser.scalar(every, {"name": name, "codes": codes}) is True, name
        assert superuser.scalar(text("select itm.is_code(:name, 'Ayşe Yılmaz')"), {"name": name}) is False


def test_free_text_comes_into_no_coded_column(make: Factory, superuser: Connection) -> None:
    """Each column of each table, as the panel's login: its rights, its row security or this rule refuse it."""
    author, manager = make.focal_point(), make.manager()
    link = make.person(author, make.case(author))
    with make.working(author) as session:
        profile = {"trafficking_status": "PossibleVictimOfTrafficking"}
        person_services.set_profile(session, make.keyring, link.id, profile)
    arrays = text("select attname from pg_attribute where attrelid = cast(:name as regclass) and attndims > 0")
    for table, columns in coded(superuser).items():
        many = set(superuser.scalars(arrays, {"name": table}))
        for column in columns:
            more = ", deleted_at = now()" if column == "deletion_reason" else ""
            value = "'{Ayşe}'" if column in many else "'Ayşe'"
            with contextlib.suppress(DBAPIError), make.working(manager) as session:
                session.execute(text(f"update {table} set {column} = {value}{more}"))
            there = f"select count(*) from {table} where {column}::text like '%Ayşe%'"
            assert superuser.scalar(text(there)) == 0, (table, column)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'Closed'",
        "closed_on = current_date, closure_reason = 'OTHER'",
        "status = 'Closed', closed_on = '1999-01-01', closure_reason = 'OTHER'",
        "status = 'Closed', closed_on = current_date + 9, closure_reason = 'OTHER'",
        "opened_on = '1900-01-01'",
        "opened_on = current_date + 9",
        "exploitation_types = '{NONSENSE}'",
        "exploitation_types = '{null}'",
    ],
)
def test_a_case_is_in_no_state_that_its_forms_do_not_know(make: Factory, change: str) -> None:
    author = make.focal_point()
    case = make.case(author)
    with pytest.raises(DBAPIError, match="CheckViolation"), make.working(author) as session:
        session.execute(text(f"update case_file set {change} where id = :id"), {"id": case.id})
