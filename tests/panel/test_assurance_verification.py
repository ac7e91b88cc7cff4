"""Verification on request: asked for on a page, worked off by the scheduler's side, told to people when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from itm_admin.ledger import verification_jobs
from itm_admin.ledger.job_runs import Stopped
from tests.conftest import Database
from tests.factories import without_rules
from tests.panel.assurance_panel import PanelWorld, words_of
from tests.panel.assurance_world import until


@pytest.fixture
def panel(database: Database, tmp_path: Path) -> PanelWorld:
    return PanelWorld(database, tmp_path / "home")


def _damage(panel: PanelWorld, code: str, seq: int) -> None:
    """Changes an old event as a superuser can, behind every guard."""
    with panel.make.superuser() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql("alter table audit.event disable trigger append_only")
        connection.exec_driver_sql(
            "update audit.event set content = replace(content, 'success', 'denied') where id = (select event_id"
            " from audit.leaf f join audit.ledger l on l.id = f.ledger_id where l.code = %s and seq = %s)",
            (code, seq),
        )
        connection.exec_driver_sql("alter table audit.event enable always trigger append_only")


def _serve(panel: PanelWorld) -> None:
    verification_jobs.work_off_requests(panel.signer, lambda: False)


def test_a_request_waits_is_worked_off_and_shows_its_verdict(panel: PanelWorld) -> None:
    auditor = panel.make.auditor()
    browser = panel.browser(auditor)
    answer = browser.post("/verification/", level="full", ledger="")
    assert answer.status_code == 303
    place = answer.headers["Location"]
    assert "Waits for the scheduler." in browser.words(place)
    assert browser.get(place + "/progress").get_json()["state"] == "waiting"
    _serve(panel)
    progress = browser.get(place + "/progress").get_json()
    assert (progress["state"], progress["verdict"], progress["percent"]) == ("done", "intact", 100)
    assert progress["done"] == progress["total"] > 0
    assert "Intact" in browser.words(place)


def test_asking_is_an_event_in_the_askers_ledger_in_the_same_transaction(panel: PanelWorld) -> None:
    auditor = panel.make.auditor()
    panel.browser(auditor).post("/verification/", level="full", ledger="")
    (look,) = [look for look in panel.looks(auditor) if look.action == "job.run"]
    assert look.detail["job"] == "ledger.verify.full"
    assert look.detail["request"] == str(panel.scalar("select id from verification_request"))


def test_the_same_question_is_not_asked_twice_while_it_waits(panel: PanelWorld) -> None:
    browser = panel.browser(panel.make.auditor())
    first = browser.post("/verification/", level="full", ledger="").headers["Location"]
    assert browser.post("/verification/", level="full", ledger="").headers["Location"] == first
    assert panel.scalar("select count(*) from verification_request") == 1


def test_an_institutions_auditor_asks_for_its_own_ledger_only_and_sees_no_other_request(panel: PanelWorld) -> None:
    make = panel.make
    make.institution()
    make.other_institution()
    browser = panel.browser(make.auditor(make.institution()))
    assert browser.post("/verification/", level="full", ledger=str(panel.ledger("EGM"))).status_code == 404
    assert browser.post("/verification/", level="full", ledger="").status_code == 403
    own = browser.post("/verification/", level="full", ledger=str(panel.ledger("JGK")))
    assert own.status_code == 303
    other = panel.browser(make.auditor(make.other_institution()))
    assert other.get(own.headers["Location"]).status_code == 404
    assert other.get(own.headers["Location"] + "/progress").status_code == 404
    _serve(panel)
    assert panel.run("select distinct l.code from audit.verification v join audit.ledger l on l.id = v.ledger_id") == [
        ("JGK",)
    ]


@pytest.mark.parametrize("values", [{"level": "all"}, {"level": ""}, {"level": "full", "ledger": "x"}])
def test_a_malformed_request_is_refused_and_stores_nothing(panel: PanelWorld, values: dict[str, str]) -> None:
    browser = panel.browser(panel.make.auditor())
    assert browser.post("/verification/", **values).status_code in (400, 404)
    assert panel.scalar("select count(*) from verification_request") == 0


def test_people_who_work_on_cases_cannot_ask(panel: PanelWorld) -> None:
    assert panel.browser(panel.make.focal_point()).post("/verification/", level="full").status_code == 403


def test_the_page_says_that_the_scheduler_is_dead(panel: PanelWorld) -> None:
    browser = panel.browser(panel.make.auditor())
    assert "The scheduler has not been seen lately" in browser.words("/verification/")
    panel.run("insert into job_run (job, due_at) values ('ledger.verify.incremental', now()),"
              " ('ledger.verify.full', now())")  # fmt: skip
    assert "The scheduler has not been seen lately" not in browser.words("/verification/")


def test_a_tampered_ledger_raises_one_alert_that_names_it_and_its_first_broken_entry(panel: PanelWorld) -> None:
    make = panel.make
    make.case(make.focal_point())
    make.other_institution()
    panel.verify()
    _damage(panel, "JGK", 4)
    panel.verify("incremental")
    panel.verify("full")
    (alert,) = panel.run("select * from alert")
    assert (alert.kind, alert.severity, alert.subject, alert.first_broken) == ("ledger.tampered", "critical", "JGK", 4)
    assert alert.holder == make.institution().id
    told = panel.run("select code, target_id from audit.entry where action = 'alert.raise'")
    assert told == [("GIB", "JGK")]


def test_an_alert_of_an_entry_and_a_record_names_both_and_shows_no_id(panel: PanelWorld) -> None:
    make = panel.make
    case = make.case(make.focal_point())
    _damage(panel, "JGK", 4)
    with make.superuser() as connection, without_rules(connection, "case_file"):
        connection.exec_driver_sql("alter table case_file disable trigger audit_capture")
        connection.exec_driver_sql("update case_file set province = 'TR-34'")
        connection.exec_driver_sql("alter table case_file enable always trigger audit_capture")
    panel.verify()
    page = panel.browser(make.auditor()).words("/alerts/")
    assert "Entry 4: The content is not what was sealed" in page
    assert f"{case.reference}: “Province” was changed" in page
    seen = page.partition("Details")[0]
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|public\.", seen), seen


def test_an_acknowledged_tampering_is_raised_again_only_when_there_is_more_of_it(panel: PanelWorld) -> None:
    make = panel.make
    make.case(make.focal_point())
    _damage(panel, "JGK", 4)
    panel.verify()
    panel.close_alerts()
    panel.verify()
    assert panel.scalar("select count(*) from alert") == 1
    _damage(panel, "JGK", 2)
    panel.verify()
    assert panel.run("select first_broken from alert where acknowledged_at is null") == [(2,)]


def test_a_round_that_is_asked_to_stop_says_so_and_gives_no_verdict(panel: PanelWorld) -> None:
    panel.make.institution()
    with pytest.raises(Stopped):
        verification_jobs.full(panel.signer, lambda: True)
    assert panel.scalar("select count(*) from audit.verification") == 0


def test_a_request_that_was_cut_off_waits_again(panel: PanelWorld) -> None:
    browser = panel.browser(panel.make.auditor())
    place = browser.post("/verification/", level="full", ledger="").headers["Location"]
    panel.run("update verification_request set state = 'running'")
    verification_jobs.take_up_again(panel.signer)
    assert browser.get(place + "/progress").get_json()["state"] == "waiting"


def test_the_schedulers_process_serves_what_the_page_asks_for(panel: PanelWorld, database: Database) -> None:
    browser = panel.browser(panel.make.auditor())
    place = browser.post("/verification/", level="full", ledger="").headers["Location"]
    environment = {**os.environ, "ITM_DATABASE_SIGNER_URL": database.url("signer")}
    process = subprocess.Popen([sys.executable, "-m", "tests.panel.schedule_process", "tick"], env=environment)
    try:
        until(lambda: browser.get(place + "/progress").get_json()["state"] == "done", "the verification")
    finally:
        process.kill()
        process.wait()


def test_the_web_servers_role_cannot_give_a_verdict_or_change_a_request(panel: PanelWorld) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    browser = panel.browser(panel.make.auditor())
    browser.post("/verification/", level="full", ledger="")
    for statement in (
        "update verification_request set state = 'done', verdict = 'intact'",
        "insert into verification_request (level, requested_by, verdict) values ('full', gen_random_uuid(), 'intact')",
        "select audit.record_verification"
        "(null, '', 'full', now(), 1, 0, 0, 0, 0, '', 'intact', 'unsigned', null, '[]')",
        "update job_run set outcome = 'success'",
    ):
        with pytest.raises(ProgrammingError), panel.database.engine("app").begin() as connection:
            connection.execute(text(statement))


def test_alerts_stand_on_every_page_of_auditors_and_the_presidency_and_nobody_elses(panel: PanelWorld) -> None:
    make = panel.make
    people = {
        "national": make.auditor(), "own": make.auditor(make.institution()),
        "other": make.auditor(make.other_institution()), "supervisor": make.supervisor(),
        "operator": make.operator(), "focal": make.focal_point(), "administrator": make.administrator(),
    }  # fmt: skip
    _damage(panel, "JGK", 2)
    panel.verify()
    alert = "The ledger of JGK (JGK) was tampered with."
    seen = {name for name, somebody in people.items() if alert in words_of(panel.browser(somebody).get("/profile/"))}
    assert seen == {"national", "own", "supervisor", "operator"}


def test_an_alert_without_a_holder_concerns_the_auditors_of_every_institution(panel: PanelWorld) -> None:
    make = panel.make
    panel.run("insert into alert (kind, severity, subject) values ('job.missed', 'warning', 'ledger.verify.full')")
    for somebody in (make.auditor(make.institution()), make.auditor(), make.operator()):
        page = panel.browser(somebody).words("/alerts/")
        assert "A scheduled job did not run when it was due: Verification of all entries." in page


def test_acknowledging_is_one_transaction_with_its_event(panel: PanelWorld) -> None:
    make = panel.make
    supervisor, operator, own = make.supervisor(), make.operator(), make.auditor(make.institution())
    panel.run("insert into alert (kind, severity, subject) values ('job.failed', 'warning', 'ledger.verify.full')")
    id = panel.scalar("select id from alert")
    for somebody in (operator, own):
        assert panel.browser(somebody).post(f"/alerts/{id}/acknowledge").status_code == 403
    browser = panel.browser(supervisor)
    assert "I deal with it" in browser.words("/alerts/")
    assert browser.post(f"/alerts/{id}/acknowledge").status_code == 303
    assert panel.scalar("select acknowledged_by from alert") == supervisor.id
    (look,) = [look for look in panel.looks(supervisor) if look.action == "alert.acknowledge"]
    assert (look.target, look.detail["alert"]) == (str(id), "job.failed")
    browser.post(f"/alerts/{id}/acknowledge")
    assert len([look for look in panel.looks(supervisor) if look.action == "alert.acknowledge"]) == 1
    assert browser.post(f"/alerts/{uuid.uuid4()}/acknowledge").status_code == 404
