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
    told = (
        f"{case.reference}: “Province” was changed in the database outside the panel; by the ledger Ankara, now Adana."
    )
    for path in ("/verification/", "/alerts/"):
        page = browser.words(path)
        assert told in page, path
        assert "Last lawful change: " in page
        assert "What to do" in page
    for link in (f"/oversight/cases/{case.id}", f"/audit/history/case/{case.id}"):
        assert link in browser.get("/alerts/").text
        assert browser.get(link).status_code == 200


def test_values_about_a_person_and_of_an_unshared_case_are_not_told_with_a_change(panel: PanelWorld) -> None:
    make = panel.make
    focal = make.focal_point()
    case = make.case(focal, shared=False)
    link = make.person(focal, make.case(focal))
    _edit(panel, case.id, "TR-01")
    with make.superuser() as connection:
        connection.execute(text("alter table person disable trigger audit_capture"))
        connection.execute(text("update person set gender = 'Masculine' where id = :id"), {"id": link.person_id})
        connection.execute(text("alter table person enable always trigger audit_capture"))
    panel.verify()
    page = panel.browser(make.auditor()).words("/verification/")
    for name, field in ((case.reference, "Province"), (link.person.pseudonym, "Gender")):
        assert f"{name}: “{field}” was changed in the database outside the panel. The value is about a person" in page
    assert "Adana" not in page


def test_a_records_own_page_has_a_mark_once_it_was_found_changed(panel: PanelWorld) -> None:
    make = panel.make
    focal = make.focal_point()
    case = make.case(focal)
    mark = "This record was changed in the database outside the panel"
    browser = panel.browser(focal)
    panel.verify()
    assert mark not in browser.words(f"/cases/{case.id}")
    _edit(panel, case.id, "TR-01")
    panel.verify()
    assert mark in browser.words(f"/cases/{case.id}")
    assert mark in panel.browser(make.auditor()).words(f"/oversight/cases/{case.id}")


def test_a_change_by_hand_with_triggers_on_is_outside_the_panel_with_an_alert_and_a_filter(panel: PanelWorld) -> None:
    make = panel.make
    case = make.case(make.focal_point())
    auditor = panel.browser(make.auditor())
    panel.verify("incremental")
    assert panel.run("select kind from alert") == []
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("update case_file set province = 'TR-01' where id = :id"), {"id": case.id})
    panel.verify("incremental")
    assert [tuple(row) for row in panel.run("select kind, severity, subject from alert")] == [
        ("record.outside", "critical", "JGK")
    ]
    assert "/ledgers/entries?outside=yes&amp;ledger=JGK" in auditor.get("/alerts/").text
    page = auditor.get("/ledgers/entries?outside=yes&ledger=JGK").text
    user = panel.scalar("select session_user")
    assert page.count(f"Outside the panel (database user {user})") == 1
    assert case.reference in page
    assert f"Outside the panel (database user {user})" in auditor.words(f"/audit/history/case/{case.id}")
    panel.acknowledge()
    panel.verify("incremental")
    assert panel.scalar("select count(*) from alert") == 1, "what somebody dealt with is not raised again"


def test_an_acknowledged_change_is_raised_again_only_when_there_is_another(panel: PanelWorld) -> None:
    make = panel.make
    officer = make.focal_point()
    first, second = make.case(officer), make.case(officer)
    _edit(panel, first.id, "TR-01")
    panel.verify()
    panel.acknowledge()
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


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("update itm.access_limit set per_hour = 1000000 where action = 'record.reveal'", "row itm.access_limit"),
        ("delete from itm.access_limit where action = 'record.search'", "row itm.access_limit"),
        ("insert into audit.action (code, by) values ('record.forged', '{itm_app}')", "action record.forged"),
        (
            "update audit.watched set ignored = ignored || '{narrative_enc}' where kind = 'case'",
            "watched public.case_file",
        ),
    ],
)
def test_a_setting_that_protects_is_compared_with_what_the_migrations_wrote(
    panel: PanelWorld, change: str, row: str
) -> None:
    panel.make.institution()
    panel.verify()
    assert panel.run("select kind from alert") == []
    panel.run(change)
    panel.verify()
    (alert,) = panel.run("select * from alert where kind = 'ledger.tampered'")
    assert (alert.subject, alert.detail["finding"]) == ("GIB", "catalogue.changed")
    assert alert.detail["object"].startswith(row)
