"""An alert whose row somebody deleted or altered is told by the ledger, which has its entries."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.ledger import alert_raising, alert_rows
from itm_admin.ledger.alert_raising import Trouble
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld


def test_a_deleted_alert_leaves_a_finding(database: Database, tmp_path: Path) -> None:
    panel = PanelWorld(database, tmp_path / "home")
    institution = panel.make.institution()
    with panel.signer.begin() as connection:
        for subject in ("JGK", "EGM"):
            alert_raising.raise_alert(connection, Trouble(alert_raising.UNVERIFIED, subject, institution.id, None, {}))
    with panel.signer.connect() as connection:
        assert (alert_rows.check(connection, None).findings, alert_rows.check(connection, None).failure) == ({}, None)
    panel.run("delete from alert where subject = 'EGM'")
    with panel.signer.connect() as connection:
        (finding,) = alert_rows.check(connection, None).findings[None]
    assert (finding.kind, finding.table, finding.id) == (
        "record.removed", "public.alert", f"{alert_raising.UNVERIFIED} EGM"
    )  # fmt: skip
    panel.verify()
    assert panel.scalar("select count(*) from audit.verification where verdict = 'tampered'") >= 1


_PLAIN: dict[str, str | int | None] = {"note": "şu", "minutes": 3, "witness": None}


@pytest.fixture
def raised(database: Database, tmp_path: Path) -> PanelWorld:
    """An open alert that was told anew, one that a person took on, one that is over, one from an older release."""
    panel = PanelWorld(database, tmp_path / "home")
    institution, supervisor = panel.make.institution(), panel.make.supervisor()
    panel.run("insert into alert (kind, severity, subject) values ('job.failed', 'warning', 'old')")
    with panel.signer.begin() as connection:
        for minutes in (3, 4):
            detail = _PLAIN | {"minutes": minutes}
            alert_raising.raise_alert(connection, Trouble("sink.behind", "open", institution.id, 7, detail))
        alert_raising.raise_alert(connection, Trouble("clock.wrong", "untold"), told=False)
        alert_raising.raise_alert(connection, Trouble("job.failed", "taken", None, None, _PLAIN))
        alert_raising.raise_alert(connection, Trouble("job.missed", "over", None, None, _PLAIN))
        alert_raising.resolve(connection, "job.missed", "over")
    (taken,) = panel.run("select id from alert where subject = 'taken'")
    assert panel.browser(supervisor).post(f"/alerts/{taken.id}/acknowledge").status_code == 303
    return panel


def _findings(panel: PanelWorld) -> list[tuple[str, str | None]]:
    with panel.signer.connect() as connection:
        found = alert_rows.check(connection, None)
    assert found.failure is None
    return [(finding.kind, finding.id) for finding in found.findings.get(None, [])]


ALTERED = [
    ("acknowledged_at = now()", "open"),
    ("acknowledged_at = now()", "old"),
    ("acknowledged_at = now()", "untold"),
    ("acknowledged_at = now() - interval '9 years'", "open"),
    ("detail = detail || '{\"minutes\": 0}'", "open"),
    ("severity = 'critical', first_broken = 9", "open"),
    ("holder = null", "open"),
    ("raised_at = raised_at - interval '1 minute'", "open"),
    ("acknowledged_at = null, acknowledged_by = null", "taken"),
    ("acknowledged_by = gen_random_uuid()", "taken"),
    ("acknowledged_at = acknowledged_at + interval '1 hour'", "taken"),
    ("detail = '{}'", "taken"),
    ("acknowledged_at = null", "over"),
    ("detail = '{}'", "over"),
]


def test_an_altered_alert_is_a_finding_and_no_other_is(raised: PanelWorld) -> None:
    raised.run("create table public.kept as select * from alert")
    for change, subject in ALTERED:
        assert _findings(raised) == []
        (row,) = raised.run(f"update alert set {change} where subject = :subject returning kind", subject=subject)
        assert _findings(raised) == [("record.changed", f"{row.kind} {subject}")], (change, subject)
        raised.run("delete from alert")
        raised.run("insert into alert select * from public.kept")


def test_an_alert_that_is_another_one_now_is_a_finding(raised: PanelWorld) -> None:
    raised.run("update alert set kind = 'job.missed', subject = 'other' where subject = 'open'")
    assert ("record.removed", "sink.behind open") in _findings(raised)


def test_the_database_writes_who_took_an_alert_on_and_when_and_the_entry(raised: PanelWorld) -> None:
    someone, make = raised.make.supervisor(), raised.make
    statement = text(
        "update alert set acknowledged_at = '2020-01-01', acknowledged_by = gen_random_uuid() where subject = 'open'"
    )
    with make.working(someone, scope="oversight") as session:
        assert session.execute(statement).rowcount == 1  # type: ignore[attr-defined]
    said = "select *, acknowledged_at > now() - interval '1 hour' as now from alert where subject = 'open'"
    (row,) = raised.run(said)
    assert (row.acknowledged_by, row.now) == (someone.id, True)
    assert [look.target for look in raised.looks(someone) if look.action == "alert.acknowledge"] == [str(row.id)]
    for back in ("acknowledged_at = null, acknowledged_by = null", "acknowledged_by = gen_random_uuid()"):
        again = text(f"update alert set {back} where subject = 'open'")
        with pytest.raises(DBAPIError, match="stays so"), make.working(someone, scope="oversight") as session:
            session.execute(again)
    assert _findings(raised) == []


@pytest.mark.parametrize(
    "silenced",
    [
        "update alert set acknowledged_at = now()",
        "update alert set acknowledged_at = now(), acknowledged_by = (select id from account limit 1)",
        "update alert set acknowledged_at = '2001-01-01'",
        "update alert set raised_at = '2001-01-01', acknowledged_at = '2001-01-01'",
        "update alert set kind = 'job.missed'",
    ],
)
def test_an_alert_that_was_silenced_in_the_database_is_a_finding(
    database: Database, tmp_path: Path, silenced: str
) -> None:
    panel = PanelWorld(database, tmp_path / "home")
    make = panel.make
    with panel.signer.begin() as connection:
        alert_raising.raise_alert(connection, Trouble(alert_raising.UNVERIFIED, "JGK", make.institution().id, None, {}))
    panel.run("select id from account")
    make.auditor()
    panel.run(silenced)
    with panel.signer.connect() as connection:
        assert alert_rows.check(connection, None).findings[None]


def test_an_alert_that_a_person_or_the_signer_closed_is_none(database: Database, tmp_path: Path) -> None:
    panel = PanelWorld(database, tmp_path / "home")
    auditor = panel.make.auditor()
    with panel.signer.begin() as connection:
        for subject in ("JGK", "EGM"):
            alert_raising.raise_alert(connection, Trouble(alert_raising.UNVERIFIED, subject, None, None, {}))
        assert alert_raising.resolve(connection, alert_raising.UNVERIFIED, "EGM")
    browser, id = panel.browser(auditor), panel.scalar("select id from alert where subject = 'JGK'")
    assert browser.post(f"/alerts/{id}/acknowledge").status_code == 303
    assert auditor.actor.full_name in browser.words("/alerts/")
    with panel.signer.connect() as connection:
        assert alert_rows.check(connection, None).findings == {}
