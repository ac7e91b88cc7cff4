"""An alert whose row somebody deleted is told by the ledger, which has its entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from itm_admin.assurance import alert_rows, raising
from itm_admin.assurance.raising import Trouble
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld


def test_a_deleted_alert_leaves_a_finding(database: Database, tmp_path: Path) -> None:
    panel = PanelWorld(database, tmp_path / "home")
    institution = panel.make.institution()
    with panel.signer.begin() as connection:
        for subject in ("JGK", "EGM"):
            raising.raise_alert(connection, Trouble(raising.UNVERIFIED, subject, institution.id, None, {}))
    with panel.signer.connect() as connection:
        assert (alert_rows.check(connection, None).findings, alert_rows.check(connection, None).failure) == ({}, None)
    panel.run("delete from alert where subject = 'EGM'")
    with panel.signer.connect() as connection:
        (finding,) = alert_rows.check(connection, None).findings[None]
    assert (finding.kind, finding.table, finding.id) == (
        "record.removed", "public.alert", f"{raising.UNVERIFIED} EGM"
    )  # fmt: skip
    panel.verify()
    assert panel.scalar("select count(*) from audit.verification where verdict = 'tampered'") >= 1


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
        raising.raise_alert(connection, Trouble(raising.UNVERIFIED, "JGK", make.institution().id, None, {}))
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
            raising.raise_alert(connection, Trouble(raising.UNVERIFIED, subject, None, None, {}))
        assert raising.resolve(connection, raising.UNVERIFIED, "EGM")
    browser, id = panel.browser(auditor), panel.scalar("select id from alert where subject = 'JGK'")
    assert browser.post(f"/alerts/{id}/acknowledge").status_code == 303
    assert auditor.actor.full_name in browser.words("/alerts/")
    with panel.signer.connect() as connection:
        assert alert_rows.check(connection, None).findings == {}
