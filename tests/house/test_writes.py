"""Each login writes what somebody gave a reason for, and nothing else.

What itm.keep grants is one rule for all its tables: the tests' own area, which no reason was written for, has it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Row, text

from tests.conftest import Database
from tests.house.writes import FUNCTIONS, TABLES
from tests.panel.handover_panel import with_handovers

Rights = dict[tuple[str, str], str]
LIKE, WHY_DELETED = ("itm.record", "itm.side"), ("deleted_at", "deletion_reason")


@pytest.fixture(scope="module")
def superuser(shared_database: Database) -> Iterator[Connection]:
    engine = shared_database.engine("superuser").execution_options(isolation_level="AUTOCOMMIT")
    with with_handovers(shared_database), engine.connect() as connection:
        yield connection


_COLUMNS = text("""
    select replace(format('%s.%s', n.nspname, c.relname), 'public.', '') as name, p.privilege,
           case when p.privilege = 'DELETE' then '' when p.whole then '*'
                else array_to_string(array(
                  select a.attname::text collate "C" from pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                     and has_column_privilege(:login, c.oid, a.attnum, p.privilege) order by 1), ' ') end as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      cross join lateral (
        select privilege, has_table_privilege(:login, c.oid, privilege) as whole
          from unnest(array['INSERT', 'UPDATE', 'DELETE']) privilege) p
     where n.nspname not in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'p', 'v', 'm', 'f')
       and case when p.whole or p.privilege = 'DELETE' then p.whole
                else has_any_column_privilege(:login, c.oid, p.privilege) end
""")
_FUNCTIONS = text("""
    select format('%s.%s', n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname not in ('pg_catalog', 'information_schema') and p.prosecdef
       and has_function_privilege(:login, p.oid, 'execute') and has_schema_privilege(:login, n.oid, 'usage')
""")
_REST = text("""
    select format('%s %s', c.oid::regclass, p.privilege) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      cross join unnest(array['TRUNCATE', 'TRIGGER', 'REFERENCES']) p (privilege)
     where n.nspname not in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'p', 'v', 'm', 'f')
       and has_table_privilege(:login, c.oid, p.privilege)
    union all
    select c.oid::regclass::text from pg_class c
     where case when c.relkind = 'S' then has_sequence_privilege(:login, c.oid, 'usage, update') end
    union all
    select 'creates in ' || n.nspname from pg_namespace n where has_schema_privilege(:login, n.oid, 'create')
    union all
    select 'database ' || p.privilege from unnest(array['create', 'temporary']) p (privilege)
     where has_database_privilege(:login, current_database(), p.privilege)
    union all
    select p.oid::regprocedure::text from pg_proc p
     where p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'pg_read_file', 'pg_ls_dir')
       and has_function_privilege(:login, p.oid, 'execute')
""")
_OPEN = text("""
    select format('%s.%s', p.polrelid::regclass, p.polname) from pg_policy p
     where p.polcmd in ('a', 'w', 'd', '*') and 'itm_app'::regrole = any (p.polroles)
       and coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid)) !~ 'itm\\.'
""")


def _kept(superuser: Connection) -> list[Row[Any]]:
    """The tables that itm.keep gave their rights."""
    return list(superuser.execute(text("select * from itm.kept where not by_hand")).all())


def _rights_of_kept(superuser: Connection) -> Rights:
    """A record is added whole, or with its other side by a function. It is changed in columns of its own: not where it
    belongs, not what both sides hold, not what each record has but why it was deleted.
    """
    columns = text(
        "select attname, attnotnull from pg_attribute where attrelid = cast(:name as regclass) and attnum > 0"
        " and not attisdropped and attgenerated = ''"
    )
    made_like = {
        row.attname for name in ("itm.record", "itm.side") for row in superuser.execute(columns, {"name": name})
    }
    found: Rights = {}
    for kept in _kept(superuser):
        if not kept.common:
            found[kept.relation, "INSERT"] = "*"
        place = {kept.parent, *(kept.about or [])[:1]}
        own = [
            name for name, needed in superuser.execute(columns, {"name": kept.relation})
            if name in WHY_DELETED or (name not in {*made_like, *kept.common} and not (name in place and needed))
        ]  # fmt: skip
        found[kept.relation, "UPDATE"] = " ".join(sorted(own))
    return found


def _functions_of_kept(superuser: Connection) -> set[str]:
    """Two for each table of sides: they write both sides, and no one side alone. A referral is sent from its draft."""
    return {
        name for kept in _kept(superuser) if kept.common
        for name in (f"itm.open_{kept.relation}", f"itm.act_on_{kept.relation}")
    } - {"itm.open_referral"}  # fmt: skip


@pytest.mark.parametrize("login", TABLES)
def test_a_login_writes_only_the_columns_that_have_a_reason(superuser: Connection, login: str) -> None:
    found = {(row.name, row.privilege): row.columns for row in superuser.execute(_COLUMNS, {"login": login})}
    expected = {key: " ".join(sorted(columns.split())) for key, (columns, _) in TABLES[login].items()}
    of_kept = _rights_of_kept(superuser) if login == "itm_app" else {}
    assert not set(expected) & set(of_kept), "its reason is the rule for all tables of itm.keep"
    assert found == expected | of_kept


@pytest.mark.parametrize("login", FUNCTIONS)
def test_a_login_calls_only_those_functions_as_their_owner_that_have_a_reason(
    superuser: Connection, login: str
) -> None:
    of_kept = _functions_of_kept(superuser) if login == "itm_app" else set()
    assert set(superuser.scalars(_FUNCTIONS, {"login": login})) == set(FUNCTIONS[login]) | of_kept


def test_the_tests_own_area_has_tables_of_both_kinds(superuser: Connection) -> None:
    rights = _rights_of_kept(superuser)
    assert rights["visit", "UPDATE"] == "day deleted_at deletion_reason needs note_enc province state urgent"
    assert rights["handover", "UPDATE"] == "deleted_at deletion_reason note_enc person_id"
    assert ("handover", "INSERT") not in rights


@pytest.mark.parametrize("login", TABLES)
def test_a_login_makes_no_objects_and_truncates_nothing(superuser: Connection, login: str) -> None:
    assert superuser.scalars(_REST, {"login": login}).all() == []


def test_what_the_panel_writes_depends_on_who_acts(superuser: Connection) -> None:
    """But for alerts of two kinds, which the web server raises for nobody."""
    assert superuser.scalars(_OPEN).all() == ["alert.alert_notice"]


def test_what_a_login_writes_has_forced_row_level_security(superuser: Connection) -> None:
    forced = "select c.relrowsecurity and c.relforcerowsecurity from pg_class c where c.oid = cast(:name as regclass)"
    written = {name for tables in TABLES.values() for name, _privilege in tables}
    written |= {name for name, _privilege in _rights_of_kept(superuser)}
    assert {name for name in written if not superuser.scalar(text(forced), {"name": name})} == set()


def test_a_grant_without_a_reason_is_seen(superuser: Connection) -> None:
    superuser.execute(text("grant update (reference) on case_file to itm_app"))
    try:
        with pytest.raises(AssertionError):
            test_a_login_writes_only_the_columns_that_have_a_reason(superuser, "itm_app")
    finally:
        superuser.execute(text("revoke update (reference) on case_file from itm_app"))
