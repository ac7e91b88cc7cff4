"""Unusual sign-ins and many wrong ones stand among the alerts of the institution's managers and auditors."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from itm_admin.ledger import alert_raising
from tests.conftest import Database
from tests.factories import PASSWORD, Somebody
from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    return RunningPanel(shared_database, tmp_path_factory.mktemp("alerts"))


def raised(panel: RunningPanel, about: Somebody) -> list[Any]:
    return panel.rows("select * from alert where subject = :name order by raised_at", name=about.username)


def signs_in_from_two_devices(panel: RunningPanel, person: Somebody) -> None:
    for _ in range(2):
        panel.sign_in(panel.browser(), person)


def test_an_unusual_sign_in_is_an_alert_of_managers_and_auditors_and_of_nobody_else(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("SAGLIK")
    person, manager, auditor = make.focal_point(home), make.manager(home), make.auditor(home)
    signs_in_from_two_devices(panel, person)
    (alert,) = raised(panel, person)
    assert (alert.kind, alert.holder, alert.detail["unusual"]) == (alert_raising.UNUSUAL, home.id, "device")
    assert set(alert.detail) == {"account", "institution", "unusual"}, "no address and no device"
    for reader in (manager, auditor, make.auditor()):
        browser = panel.browser(reader)
        assert f"{person.username} hesabı" in browser.get("/alerts/").text, reader.username
        assert f"{person.username} hesabı" in browser.get("/profile/").text, "and on every page"
    foreign = make.other_institution()
    for reader in (make.manager(foreign), make.supervisor()):
        assert person.username not in panel.browser(reader).get("/alerts/").text
    assert panel.browser(make.manager(foreign)).post(f"/alerts/{alert.id}/acknowledge").status_code == 404
    assert [panel.browser(each).get("/alerts/").status_code for each in (person, make.caseworker(home))] == [403, 403]
    assert panel.browser(manager).post(f"/alerts/{alert.id}/acknowledge").status_code == 303
    assert [each.acknowledged_by for each in raised(panel, person)] == [manager.id]


def test_one_alert_stands_for_one_account_however_often_it_signs_in(panel: RunningPanel) -> None:
    person = panel.make.focal_point(panel.make.institution("ADALET"))
    for _ in range(3):
        signs_in_from_two_devices(panel, person)
    assert len(raised(panel, person)) == 1


def test_nobody_takes_care_of_an_alert_about_the_own_account(panel: RunningPanel) -> None:
    home = panel.make.institution("CSGB")
    manager, other = panel.make.manager(home), panel.make.manager(home)
    signs_in_from_two_devices(panel, manager)
    (alert,) = raised(panel, manager)
    own = panel.browser(manager)
    assert "İncelemeye aldım" not in own.get("/alerts/").text
    assert own.post(f"/alerts/{alert.id}/acknowledge").status_code == 403
    with panel.make.working(manager) as session:
        taken = text("update alert set acknowledged_at = now() where id = :id returning id")
        assert session.execute(taken, {"id": alert.id}).all() == [], "nor by SQL"
    assert panel.browser(other).post(f"/alerts/{alert.id}/acknowledge").status_code == 303


def test_many_wrong_passwords_and_codes_are_alerts(panel: RunningPanel) -> None:
    home = panel.make.institution("KTB")
    guessed, coded = panel.make.focal_point(home), panel.make.focal_point(home)
    for number in range(10):
        stranger = panel.browser()
        stranger.client.environ_base["REMOTE_ADDR"] = f"198.51.{number}.7"
        assert raised(panel, guessed) == []
        stranger.post("/sign-in", username=guessed.username, password="not the password at all")
    assert [(each.kind, each.detail["tries"]) for each in raised(panel, guessed)] == [(alert_raising.TRIES, 10)]
    panel.make.code(coded.username)  # there is an app
    with panel.make.superuser() as connection:
        connection.exec_driver_sql(
            "insert into code_tries (account_id, institution_id, failures)"
            f" values ('{coded.id}', '{home.id}', 4) on conflict (account_id) do update set failures = 4"
        )
    assert raised(panel, coded) == []
    told = {"username": coded.username, "password": PASSWORD, "code": "000000"}
    assert panel.browser().send("POST", "/api/v1/session/", told).status_code == 401
    assert [each.kind for each in raised(panel, coded)] == [alert_raising.TRIES]


def test_a_wave_of_names_that_nobody_has_is_the_presidencys(panel: RunningPanel) -> None:
    for number in range(60):
        stranger = panel.browser()
        stranger.client.environ_base["REMOTE_ADDR"] = "203.0.113.77"
        stranger.post("/sign-in", username=f"no.body{number}", password="not the password at all")
    rows = panel.rows("select * from alert where kind = 'account.unknown' and acknowledged_at is null")
    assert [(row.holder, row.detail) for row in rows] == [(None, {"tries": 50})]
    assert "Hiç kimsenin" in panel.browser(panel.make.supervisor()).get("/alerts/").text
