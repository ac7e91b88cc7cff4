"""Readiness for machines, and the web server's watch over a dead scheduler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from itm_admin.assurance.scheduler_watch import JobWatch
from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import Keyring
from itm_admin.schedule import JOBS
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld

INCREMENTAL = "ledger.verify.incremental"


@pytest.fixture
def panel(database: Database, tmp_path: Path) -> PanelWorld:
    world = PanelWorld(database, tmp_path / "home")
    world.make.institution()
    return world


def _ran(panel: PanelWorld, ago: timedelta) -> None:
    panel.run(
        "insert into job_run (job, due_at, finished_at, outcome) select job, :due, now(), 'success'"
        " from unnest(array['ledger.verify.incremental', 'ledger.verify.full']) job",
        due=datetime.now(UTC).replace(microsecond=0) - ago,
    )


def _ready(panel: PanelWorld):  # type: ignore[no-untyped-def]
    answer = panel.app.test_client().get("/readyz")
    return answer.status_code, answer.get_json()


def test_a_living_process_says_so_and_nothing_else(panel: PanelWorld) -> None:
    answer = panel.app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "alive"})
    assert "Set-Cookie" not in answer.headers


def test_it_is_ready_when_runs_come_and_the_ledger_can_be_written(panel: PanelWorld) -> None:
    _ran(panel, timedelta(minutes=1))
    status, document = _ready(panel)
    assert (status, document["status"]) == (200, "ready")
    assert set(document["checks"]) == {
        "database",
        "schema",
        "ledger",
        "keys",
        "scheduler",
        "alerts",
        "time_stamps",
        "signatures",
    }


def test_it_is_not_ready_when_no_run_ever_came_or_none_came_lately(panel: PanelWorld) -> None:
    status, document = _ready(panel)
    assert (status, document["checks"]["scheduler"]["ok"]) == (503, False)
    _ran(panel, timedelta(minutes=30))
    status, document = _ready(panel)
    assert (status, document["checks"]["scheduler"]["late"]) == (503, [INCREMENTAL])


def test_it_is_not_ready_while_the_ledger_cannot_be_written(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    mark = Path(panel.app.config["ITM_HOME"]) / "ledger-trouble"
    mark.write_text("2026-01-01T00:00:00+00:00", "ascii")
    status, document = _ready(panel)
    assert (status, document["checks"]["ledger"]["ok"]) == (503, False)


def test_it_is_not_ready_with_another_schema(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    panel.run("update alembic_version set version_num = '0000'")
    status, document = _ready(panel)
    assert (status, document["checks"]["schema"]["ok"]) == (503, False)


def test_a_critical_alert_is_told_as_a_number_and_lets_people_in(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    panel.run("insert into alert (kind, severity, subject) values ('ledger.tampered', 'critical', 'JGK')")
    status, document = _ready(panel)
    assert (status, document["status"], document["checks"]["alerts"]["open_critical"]) == (200, "attention", 1)
    assert "JGK" not in str(document)


def test_without_a_database_it_answers_unfit_and_no_internal_word(panel: PanelWorld) -> None:
    with panel.database.cluster.connect() as connection:
        connection.execute(f'alter database "{panel.database.name}" allow_connections false'.encode())
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'itm_app' and datname = %s",
            [panel.database.name],
        )
    try:
        status, document = _ready(panel)
        assert panel.app.test_client().get("/healthz").status_code == 200
    finally:
        with panel.database.cluster.connect() as connection:
            connection.execute(f'alter database "{panel.database.name}" allow_connections true'.encode())
    assert (status, document["status"]) == (503, "unfit")
    assert "psycopg" not in str(document)
    assert "password" not in str(document)


def _look(panel: PanelWorld, watch: JobWatch, app: Engine, now: datetime) -> list[str]:
    with app.begin() as connection:
        tenancy.apply(connection, tenancy.NOBODY)
        return watch.look(connection, now)


def test_the_web_server_raises_missed_runs_once_and_tells_the_presidencys_ledger(
    panel: PanelWorld, app_engine: Engine
) -> None:
    watch = JobWatch(JOBS)
    _ran(panel, timedelta(0))
    now = datetime.now(UTC)
    assert _look(panel, watch, app_engine, now + timedelta(minutes=11)) == []
    assert _look(panel, watch, app_engine, now + timedelta(minutes=13)) == [INCREMENTAL]
    assert _look(panel, watch, app_engine, now + timedelta(minutes=14)) == [INCREMENTAL]
    (alert,) = panel.run("select * from alert")
    assert (alert.kind, alert.subject, alert.severity, alert.holder) == ("job.missed", INCREMENTAL, "warning", None)
    assert panel.run("select code, target_id from audit.entry where action = 'alert.raise'") == [("GIB", INCREMENTAL)]


def test_a_scheduler_that_never_ran_is_noticed_too(panel: PanelWorld, app_engine: Engine) -> None:
    later = datetime.now(UTC) + timedelta(minutes=13)
    assert _look(panel, JobWatch(JOBS), app_engine, later) == [INCREMENTAL]


def test_a_request_is_enough_to_notice_and_the_next_ones_do_not_look_again(panel: PanelWorld) -> None:
    _ran(panel, timedelta(minutes=30))
    client = panel.app.test_client()
    client.get("/sign-in")
    assert panel.scalar("select count(*) from alert") == 1
    panel.run("update alert set acknowledged_at = now()")
    client.get("/sign-in")
    assert panel.scalar("select count(*) from alert") == 1


def test_the_web_server_can_raise_no_other_alert(panel: PanelWorld, app_engine: Engine) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    for statement in (
        "insert into alert (kind, severity, subject) values ('ledger.tampered', 'critical', 'JGK')",
        "insert into alert (kind, severity, subject, holder) values ('job.missed', 'warning', 'x', gen_random_uuid())",
        "update alert set detail = '{}'",
        "delete from alert",
    ):
        with pytest.raises(ProgrammingError), app_engine.begin() as connection:
            connection.execute(text(statement))


def test_it_is_not_ready_while_nothing_can_be_written(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    with panel.database.cluster.connect() as connection:
        connection.execute(f'alter database "{panel.database.name}" set default_transaction_read_only = on'.encode())
    status, document = _ready(panel)
    assert (status, document["checks"]["ledger"]["ok"]) == (503, False)


def test_it_is_not_ready_while_nothing_can_be_sealed(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    with panel.database.cluster.connect(panel.database.name) as connection:
        connection.execute(b"alter table audit.leaf add constraint broken check (false) not valid")
    status, document = _ready(panel)
    assert (status, document["checks"]["ledger"]["ok"]) == (503, False)


def test_it_is_not_ready_with_another_master_key(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    assert _ready(panel)[0] == 200
    panel.app.extensions["itm_readiness"].clear()
    panel.app.extensions["itm_keyring"] = Keyring(bytes(32))
    status, document = _ready(panel)
    assert (status, document["checks"]["keys"]["ok"]) == (503, False)


def test_looking_whether_it_is_ready_leaves_nothing_in_the_ledger(panel: PanelWorld) -> None:
    _ran(panel, timedelta(0))
    question = "select count(*), (select sum(size) from audit.ledger) from audit.event"
    before = panel.run(question)
    assert _ready(panel)[0] == 200
    assert panel.run(question) == before
