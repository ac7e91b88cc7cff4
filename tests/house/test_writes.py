"""Each login writes what somebody gave a reason for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from tests.conftest import Database
from tests.house.writes import FUNCTIONS, TABLES


@pytest.fixture(scope="module")
def superuser(shared_database: Database) -> Iterator[Connection]:
    with shared_database.engine("superuser").execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
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


@pytest.mark.parametrize("login", TABLES)
def test_a_login_writes_only_the_columns_that_have_a_reason(superuser: Connection, login: str) -> None:
    found = {(row.name, row.privilege): row.columns for row in superuser.execute(_COLUMNS, {"login": login})}
    expected = {key: " ".join(sorted(columns.split())) for key, (columns, _) in TABLES[login].items()}
    assert found == expected


@pytest.mark.parametrize("login", FUNCTIONS)
def test_a_login_calls_only_those_functions_as_their_owner_that_have_a_reason(
    superuser: Connection, login: str
) -> None:
    assert set(superuser.scalars(_FUNCTIONS, {"login": login})) == set(FUNCTIONS[login])


@pytest.mark.parametrize("login", TABLES)
def test_a_login_makes_no_objects_and_truncates_nothing(superuser: Connection, login: str) -> None:
    assert superuser.scalars(_REST, {"login": login}).all() == []


def test_what_the_panel_writes_depends_on_who_acts(superuser: Connection) -> None:
    """But for alerts of two kinds, which the web server raises for nobody."""
    assert superuser.scalars(_OPEN).all() == ["alert.alert_notice"]


def test_what_a_login_writes_has_forced_row_level_security(superuser: Connection) -> None:
    """But for the row that says what the installation is for: it is there from the beginning, and is the only one."""
    forced = "select c.relrowsecurity and c.relforcerowsecurity from pg_class c where c.oid = cast(:name as regclass)"
    written = {name for tables in TABLES.values() for name, _privilege in tables}
    assert {name for name in written if not superuser.scalar(text(forced), {"name": name})} == {"itm.installation"}


def test_a_grant_without_a_reason_is_seen(superuser: Connection) -> None:
    superuser.execute(text("grant update (reference) on case_file to itm_app"))
    try:
        with pytest.raises(AssertionError):
            test_a_login_writes_only_the_columns_that_have_a_reason(superuser, "itm_app")
    finally:
        superuser.execute(text("revoke update (reference) on case_file from itm_app"))
