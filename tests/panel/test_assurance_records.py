"""Records changed behind the ledger's back, and changed rules of the database, as auditors are told of them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld


@pytest.fixture
def panel(database: Database, tmp_path: Path) -> PanelWorld:
    return PanelWorld(database, tmp_path / "home")


def _edit(panel: PanelWorld, id: uuid.UUID, province: str) -> None:
    with panel.make.superuser() as connection:
        connection.execute(text("alter table case_file disable trigger audit_capture"))
        connection.execute(text("update case_file set province = :p where id = :id"), {"p": province, "id": id})
        connection.execute(text("alter table case_file enable always trigger audit_capture"))


def test_a_changed_record_is_told_by_table_and_id_to_auditors_on_every_page(panel: PanelWorld) -> None:
    make = panel.make
    case = make.case(make.focal_point())
    panel.verify()
    assert panel.run("select * from alert") == []
    _edit(panel, case.id, "TR-01")
    panel.verify()
    (alert,) = panel.run("select * from alert")
    assert (alert.kind, alert.subject, alert.first_broken) == ("ledger.tampered", "JGK", None)
    assert (alert.detail["finding"], alert.detail["table"], alert.detail["object"]) == (
        "record.changed", "public.case_file", str(case.id)
    )  # fmt: skip
    told = panel.scalar("select content::jsonb -> 'detail' from audit.event where action = 'alert.raise'")
    assert (told["table"], told["object"]) == ("public.case_file", str(case.id))
    browser = panel.browser(make.auditor())
    named = f"A record was changed behind the ledger's back. (public.case_file {case.id})"
    assert named in browser.words("/verification/")
    assert case.reference in browser.words("/alerts/")


def test_an_acknowledged_change_is_raised_again_only_when_there_is_another(panel: PanelWorld) -> None:
    make = panel.make
    officer = make.focal_point()
    first, second = make.case(officer), make.case(officer)
    _edit(panel, first.id, "TR-01")
    panel.verify()
    panel.run("update alert set acknowledged_at = now()")
    panel.verify()
    panel.verify("incremental")
    assert panel.scalar("select count(*) from alert") == 1
    # As many findings as before, but of another record
    _edit(panel, first.id, "TR-06")
    _edit(panel, second.id, "TR-01")
    panel.verify()
    assert panel.run("select detail ->> 'object' from alert where acknowledged_at is null") == [(str(second.id),)]


def test_a_change_of_the_databases_rules_is_the_presidencys_alert(panel: PanelWorld) -> None:
    panel.make.institution()
    panel.verify()
    panel.run("drop policy case_work on case_file")
    panel.verify()
    (alert,) = panel.run("select * from alert")
    assert (alert.subject, alert.detail["finding"], alert.detail["object"]) == (
        "GIB", "catalogue.changed", "policy public.case_file.case_work"
    )  # fmt: skip
    words = panel.browser(panel.make.auditor()).words("/verification/")
    assert "The database's own rules are not those that were installed. (policy public.case_file.case_work)" in words
