"""Several alerts taken on at once: all of them or none, each with an entry of its own."""

from __future__ import annotations

import uuid

import pytest

from tests.panel.panel_app import Browser, RunningPanel

PATH = "/alerts/together/acknowledge"


@pytest.fixture(scope="module")
def auditor(panel: RunningPanel) -> Browser:
    panel.make.institution()
    return panel.browser(panel.make.auditor())


def raised(panel: RunningPanel, count: int = 2) -> list[str]:
    ids = [uuid.uuid4() for _ in range(count)]
    with panel.make.superuser() as connection:
        for id in ids:
            connection.exec_driver_sql(
                "insert into alert (id, kind, severity, subject) values (%s, 'job.failed', 'warning', %s)",
                (id, str(id)),
            )
    return [str(id) for id in ids]


def waiting(panel: RunningPanel, ids: list[str]) -> int:
    statement = "select count(*) from alert where id = any(cast(:ids as uuid[])) and acknowledged_at is null"
    return int(panel.value(statement, ids=ids))


def test_the_page_asks_first_and_each_alert_gets_an_entry(panel: RunningPanel, auditor: Browser) -> None:
    ids = raised(panel)
    chosen = [f"{id}:0" for id in ids]
    assert PATH in auditor.get("/alerts/").text
    assert auditor.post(PATH, chosen=chosen).status_code == 200
    assert waiting(panel, ids) == 2
    done = auditor.post(PATH, chosen=chosen, confirmed="yes")
    assert done.status_code == 303
    assert waiting(panel, ids) == 0
    events = panel.events(done)
    assert {(event.action, event.target) for event in events} == {("alert.acknowledge", id) for id in ids}


def test_one_that_somebody_took_on_meanwhile_stops_all(panel: RunningPanel, auditor: Browser) -> None:
    ids = raised(panel)
    auditor.post(f"/alerts/{ids[0]}/acknowledge")
    answer = auditor.post(PATH, chosen=[f"{id}:0" for id in ids], confirmed="yes")
    assert answer.status_code == 409
    assert waiting(panel, ids) == 1
    assert auditor.post(PATH, chosen=[f"{uuid.uuid4()}:0"], confirmed="yes").status_code in (404, 409)
