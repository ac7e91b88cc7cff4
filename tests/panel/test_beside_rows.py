"""Rows that the ledger does not capture and a reader believes: an alteration past the panel is found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from itm_admin.ledger import beside_rows, job_runs, verification_jobs
from tests.conftest import Database
from tests.house.beside import COMPARED
from tests.panel.account_world import World
from tests.panel.test_mail import mailed_link

DUE = datetime.now(UTC).replace(microsecond=0)
_CASE = """
insert into case_file (institution_id, unit_id, lead_institution_id, reference, opened_on, province, referral_source)
select i.id, u.id, i.id, 'ITM-JGK-2026-' || lpad(n::text, 6, '0'), '2026-03-01', 'TR-06', 'POLICE'
  from institution i join unit u on u.institution_id = i.id and u.parent_id is null, generate_series(1, 2) n
 where i.code = 'JGK'
"""
_UNIT = """
insert into unit (institution_id, name) select id, 'Merkez' from institution where code = 'JGK' on conflict do nothing
"""
_COUNTER = "insert into case_counter select id, 2026, 2 from institution where code = 'JGK'"

ALTERED: dict[str, tuple[str, ...]] = {
    "itm.clock": ("update itm.clock set right_at = '2099-01-01'", "delete from itm.clock"),
    "itm.installation": ("update itm.installation set synthetic = true", "delete from itm.installation"),
    "itm.kept": (
        "delete from itm.kept where relation = 'victim_profile'",
        "update itm.kept set about = null where kind = 'case_person'",
        "update itm.kept set kind = 'other' where relation = 'case_file'",
        "insert into itm.kept values ('unit', 'unit')",
    ),
    "itm.protected": (
        "delete from itm.protected where column_name = 'health_enc'",
        "delete from itm.protected where column_name = 'words'",
        "update itm.protected set path = '{id}' where relation = 'victim_profile'",
        "delete from itm.protected where relation = 'person' and column_name = 'index_terms'",
        "update itm.protected set owner = 'case_file' where column_name = 'tckn_enc'",
    ),
    "public.alembic_version": ("update alembic_version set version_num = '0001'", "delete from alembic_version"),
    "public.case_counter": (
        "update case_counter set last = 1", "update case_counter set last = 7",
        "update case_counter set year = 2020",
    ),
    "public.account_address": (
        "update account_address set set_by = account_id",
        "update account_address set set_at = now() - interval '1 day'",
    ),
    "public.job_run": (
        "update job_run set outcome = 'failure'", "delete from job_run",
        "update job_run set job = 'ledger.verify.full'",
        "insert into job_run (job, due_at) values ('ledger.verify.full', now() + interval '1 day')",
        "insert into job_run (job, due_at, outcome) values ('ledger.verify.full', now(), 'success')",
        "insert into job_run (job, due_at, started_at) values ('draft.expire', now(), now() - interval '3 days')",
    ),
    "public.verification_request": (
        "update verification_request set started_at = finished_at, verdict = 'intact'",
        "insert into verification_request (level, requested_by, state, started_at, finished_at, verdict)"
        " values ('full', gen_random_uuid(), 'done', now(), now(), 'intact')",
    ),
}  # fmt: skip
"""Changes by the database's superuser, past every trigger."""


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    """A new installation in which a person was appointed, a job ran, and a verification was asked for.

    What a test alters here it rolls back.
    """
    return _made(shared_database)


@pytest.fixture
def own_world(database: Database) -> World:
    """The same, to be altered for good."""
    return _made(database)


def _made(database: Database) -> World:
    superuser = database.engine("superuser")
    world = World(database.engine("app"), superuser)
    world.person("JGK", "Ayşe", "Yılmaz", "focal_point")
    with superuser.begin() as connection:
        for statement in (_UNIT, _CASE, _COUNTER):
            connection.execute(text(statement))
    signer = database.engine("signer")
    assert job_runs.claim(signer, "draft.expire", DUE)
    with signer.begin() as connection:
        assert job_runs.finish(connection, "draft.expire", DUE, "success", {})
        connection.execute(
            text("insert into verification_request (level, requested_by) values ('full', gen_random_uuid())")
        )
    verification_jobs.work_off_requests(signer, lambda: False)
    return world


def _found(database: Database) -> list[tuple[str | None, str]]:
    with database.engine("signer").connect() as connection:
        found = beside_rows.check(connection, None)
    assert found.failure is None
    return [(finding.table, finding.kind) for finding in found.findings.get(None, [])]


def test_what_nobody_altered_is_found_as_it_should_be(world: World, shared_database: Database) -> None:
    assert tuple(world.one("select state, verdict from verification_request")) == ("done", "intact")
    assert world.all("select 1 from account_address") != []
    assert _found(shared_database) == []


def test_each_table_that_is_compared_is_altered_here() -> None:
    assert set(ALTERED) == COMPARED - {"public.alert"}, "alerts have a test of their own"


@pytest.mark.parametrize("table", ALTERED)
def test_a_row_that_was_altered_past_the_panel_is_a_finding(table: str, world: World) -> None:
    for statement in ALTERED[table]:
        with world.superuser.connect() as connection:
            connection.exec_driver_sql(f"alter table {table} disable trigger all")
            changed = connection.exec_driver_sql(statement).rowcount
            assert changed, statement
            connection.exec_driver_sql("set local session authorization itm_signer")
            found = beside_rows.check(connection, None)
            connection.rollback()
        assert found.failure is None
        assert {(each.table, each.kind) for each in found.findings.get(None, [])} == {(table, "record.changed")}, (
            statement
        )


def test_the_round_of_the_scheduler_and_of_the_command_compare_them(own_world: World, database: Database) -> None:
    with own_world.superuser.begin() as connection:
        connection.execute(text("update itm.installation set synthetic = true"))
    told = verification_jobs.full(database.engine("signer"), lambda: False)
    assert told["verdict"] == "tampered"
    row = own_world.one("select findings from audit.verification where verdict = 'tampered'")
    assert [finding["table"] for finding in row.findings] == ["itm.installation"]


def test_the_index_of_persons_is_captured(own_world: World) -> None:
    with own_world.superuser.begin() as connection:
        connection.execute(text("insert into itm.indexed select id, 2 from institution where code = 'JGK'"))
    assert own_world.one("select action from audit.event where target_kind = 'person_index'").action == "record.create"


def test_a_link_does_not_go_to_an_address_that_is_not_the_account_s(own_world: World, database: Database) -> None:
    """The mail's row alone was altered between the act and the sending."""
    name = own_world.person("JGK", "Posta", "Alan", "focal_point")
    mailed_link(own_world, name)
    with own_world.superuser.begin() as connection:
        connection.execute(text("update mail set address = 'x@elsewhere.invalid' where kind = 'link'"))
    with database.engine("signer").begin() as connection:
        (id,) = connection.execute(text("select id from mail where kind = 'link' and sent_at is null")).scalars()
        given = text("select itm.mail_token(:id, '\\x00')")
        assert connection.scalar(given, {"id": id}) is False
    with own_world.superuser.begin() as connection:
        connection.execute(
            text("update mail m set address = a.email from account a where a.id = m.about and m.kind = 'link'")
        )
    with database.engine("signer").begin() as connection:
        assert connection.scalar(given, {"id": id}) is True
