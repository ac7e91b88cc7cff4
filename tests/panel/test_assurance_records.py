"""Records changed behind the ledger's back, and changed rules of the database, as auditors are told of them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from sqlalchemy import text

from itm_admin.ledger import schema_version
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld

_UPGRADE = json.dumps({"actor": {"name": "migration"}})


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
    (alert,) = panel.run("select id from alert")
    assert auditor.post(f"/alerts/{alert.id}/acknowledge").status_code == 303
    panel.verify("incremental")
    assert panel.scalar("select count(*) from alert") == 1, "what somebody dealt with is not raised again"


def test_a_change_by_hand_is_outside_the_panel_in_whose_name_ever(panel: PanelWorld) -> None:
    """The context of a statement names the actor, and anybody at the database can set it."""
    make = panel.make
    focal = make.focal_point()
    case = make.case(focal)
    limit = "insert into itm.access_limit values ('record.reveal', 9000)"
    panel.verify()
    about = {"user": str(focal.id), "name": focal.username, "institution": "JGK", "role": "focal_point"}
    with panel.database.engine("superuser").begin() as connection:
        said = {"said": json.dumps({"actor": about})}
        connection.execute(text("select set_config('audit.context', :said, true)"), said)
        connection.execute(text("update case_file set province = 'TR-01' where id = :id"), {"id": case.id})
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("select audit.baseline('public.unit')"))
        connection.execute(text(limit))
    panel.verify()
    alerts = {row.subject for row in panel.run("select subject from alert where kind = 'record.outside'")}
    assert alerts == {"JGK", "GIB"}
    auditor, user = panel.browser(make.auditor()), panel.scalar("select session_user")
    listed = auditor.words("/ledgers/entries?outside=yes&size=100")
    claimed = f"Outside the panel (database user {user}, in the name of: {focal.actor.full_name} (JGK, Focal point))"
    assert claimed in listed
    assert case.reference in listed
    assert "Limit of looks" in listed
    looked = auditor.words(f"/looks/account/{focal.id}")
    assert claimed in looked
    assert f"{focal.actor.full_name} (JGK, Focal point)" in looked.replace(claimed, "")


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("role", ["superuser", "owner"])
def test_whoever_says_to_be_an_upgrade_is_outside_the_panel_all_the_same(
    panel: PanelWorld, role: str, told: bool
) -> None:
    """The ledger tells of each upgrade, with the versions: a second one of the same versions is none."""
    case = panel.make.case(panel.make.focal_point())
    auditor = panel.browser(panel.make.auditor())
    schema_version.tell(panel.signer)
    with panel.database.engine(role).begin() as connection:
        user = connection.scalar(text("select session_user"))
        connection.execute(text("select set_config('audit.context', :said, true)"), {"said": _UPGRADE})
        if role == "owner":
            connection.execute(text("alter table case_file no force row level security"))
        changed = "update case_file set province = 'TR-01' where id = :id"
        assert connection.execute(text(changed), {"id": case.id}).rowcount == 1
        if told:
            connection.execute(text("alter table audit.action disable trigger user"))
            connection.execute(text("update audit.action set by = by || session_user::text where code = 'job.run'"))
            assert connection.scalar(text("select itm.tell_upgrade('0011')")) is True
    panel.verify("incremental")
    assert {row.kind for row in panel.run("select kind from alert")} == {"record.outside"}
    page = auditor.words("/ledgers/entries?outside=yes&ledger=JGK")
    assert page.count(f"Outside the panel (database user {user}, in the name of: An upgrade of the panel)") == 1


def test_an_upgrade_is_told_as_one_with_the_database_s_user_and_raises_no_alert(panel: PanelWorld) -> None:
    """As migrations/env.py does it. The user of the database is named here too."""
    case = panel.make.case(panel.make.focal_point())
    auditor = panel.browser(panel.make.auditor())
    with panel.database.engine("owner").begin() as connection:
        connection.execute(text("select set_config('audit.context', :said, true)"), {"said": _UPGRADE})
        connection.execute(text("select audit.baseline('public.case_file')"))
        connection.execute(text("select itm.tell_upgrade('0011')"))
    schema_version.tell(panel.signer)
    panel.verify("incremental")
    assert panel.run("select kind from alert") == []
    assert case.reference not in auditor.words("/ledgers/entries?outside=yes&ledger=JGK")
    assert "An upgrade of the panel (database user itm_owner)" in auditor.words(f"/audit/history/case/{case.id}")
    with panel.database.engine("owner").begin() as connection:  # a restored database gives numbers again
        connection.execute(text("select set_config('audit.context', :said, true)"), {"said": _UPGRADE})
        connection.execute(text("select itm.tell_upgrade('0011')"))
    panel.verify("incremental")
    assert {row.kind for row in panel.run("select kind from alert")} == {"record.outside"}, "twice told, none counts"


@pytest.mark.parametrize("login", ["itm_app", "itm_signer", "itm_owner"])
def test_a_superuser_who_takes_another_role_s_name_is_told_by_the_own_one(panel: PanelWorld, login: str) -> None:
    make = panel.make
    focal = make.focal_point()
    about = {"user": str(focal.id), "name": focal.username, "institution": "JGK", "role": "focal_point"}
    ledger = {"ledger": str(focal.tenant.id), "actor": about}
    panel.verify("incremental")
    with panel.database.engine("superuser").begin() as connection:
        user = connection.scalar(text("select session_user"))
        opened = text("select itm.open_for_command('x', '{}', cast(:told as jsonb))")
        secret = connection.scalar(opened, {"told": json.dumps(ledger)})
        connection.exec_driver_sql(f"set local session authorization {login}")
        if login == "itm_app":
            connection.execute(text("select itm.enter_command(:secret)"), {"secret": secret})
        connection.execute(text("select set_config('audit.context', :said, true)"), {"said": json.dumps(ledger)})
        connection.execute(text("select audit.append('job.run', target_kind => 'job', target_id => 'x')"))
    panel.verify("incremental")
    assert [row.subject for row in panel.run("select subject from alert where kind = 'record.outside'")] == ["JGK"]
    listed = panel.browser(make.auditor()).words("/ledgers/entries?outside=yes&size=100")
    assert f"Outside the panel (database user {user}, in the name of: {focal.actor.full_name}" in listed


def test_the_last_lawful_change_is_none_that_came_past_the_panel(panel: PanelWorld) -> None:
    make = panel.make
    case = make.case(make.focal_point())
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("update case_file set province = 'TR-01' where id = :id"), {"id": case.id})
    _edit(panel, case.id, "TR-55")
    panel.verify()
    page = panel.browser(make.auditor()).words("/verification/")
    assert "Last lawful change" in page
    assert "Outside the panel" not in page


def test_an_acknowledged_change_is_raised_again_only_when_there_is_another(panel: PanelWorld) -> None:
    make = panel.make
    officer = make.focal_point()
    first, second = make.case(officer), make.case(officer)
    _edit(panel, first.id, "TR-01")
    panel.verify()
    panel.close_alerts()
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
