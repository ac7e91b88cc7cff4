"""An alert whose row somebody deleted is told by the ledger, which has its entry."""

from __future__ import annotations

from pathlib import Path

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
