"""Mails about a suspension, roles, ranks and a key that is about to end: each once, in the reader's language."""

from __future__ import annotations

import uuid

import pytest

from itm_admin.accounts.mail_texts import compose
from tests.conftest import Database
from tests.factories import Somebody
from tests.panel.panel_app import RunningPanel
from tests.panel.program import make_key


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    return RunningPanel(shared_database, tmp_path_factory.mktemp("mails"))


def told(panel: RunningPanel, person: Somebody) -> list[str]:
    """The kinds of mails to the person, in the order of their writing."""
    rows = panel.rows("select kind, detail from mail where account_id = :id order by created_at, kind", id=person.id)
    for row in rows:
        assert set(row.detail) <= {"name", "username", "key", "until"}, "no values of a person"
        for language in ("tr", "en"):
            assert row.detail["username"] in compose(row.kind, language, row.detail)[1]
    return [row.kind for row in rows]


def test_who_is_suspended_and_active_again_is_told_once_each(panel: RunningPanel) -> None:
    home = panel.make.institution("MLA", "ministry")
    manager, person = panel.browser(panel.make.manager(home)), panel.make.caseworker(home)
    assert manager.post(f"/accounts/{person.id}/suspend", reason="ON_LEAVE").status_code == 303
    assert told(panel, person) == ["told_suspend"]
    assert manager.post(f"/accounts/{person.id}/reactivate", reason="BACK_AT_WORK").status_code == 303
    assert told(panel, person) == ["told_suspend", "told_resume"]


def test_a_role_that_is_given_or_ended_is_told_once_and_a_new_accounts_first_one_with_its_link(
    panel: RunningPanel,
) -> None:
    home = panel.make.institution("MLB", "ministry")
    manager, person = panel.browser(panel.make.manager(home)), panel.make.caseworker(home)
    sent = {"role": "focal_point", "unit": "", "reason": "NEW_TASK"}
    assert manager.post(f"/roles/of/{person.id}/new", **sent).status_code == 303
    assert told(panel, person) == ["told_give"]
    grant = panel.value("select id from role_grant where account_id = :id and role = 'focal_point'", id=person.id)
    assert manager.post(f"/roles/{grant}/end", reason="TASK_ENDED").status_code == 303
    assert told(panel, person) == ["told_give", "told_end"]
    made = manager.post(
        "/accounts/new", first_name="Yeni", last_name="Kişi", email="yeni@example.invalid", language="tr",
        role="caseworker", reason="NEW_COLLEAGUE",
    )  # fmt: skip
    assert made.status_code in (200, 303), made.text
    kinds = panel.rows(
        "select m.kind from mail m join account a on a.id = m.account_id where a.email = 'yeni@example.invalid'"
    )
    assert [row.kind for row in kinds] == ["told_link"]


def test_each_step_of_a_rank_is_told_once(panel: RunningPanel) -> None:
    home = panel.make.institution("MLC", "ministry")
    manager, supervisor = panel.browser(panel.make.manager(home)), panel.browser(panel.make.supervisor())
    first, second = panel.make.focal_point(home), panel.make.focal_point(home)

    def named(person: Somebody, decision: str) -> None:
        sent = {"rank": "primary", "reason": "NEW_TASK"}
        assert manager.post(f"/confirmations/focal-point/{person.id}", **sent).status_code == 303
        wanted = "select id from access_change where account_id = :id and kind = 'primary' and state = 'waiting'"
        change: uuid.UUID = panel.value(wanted, id=person.id)
        assert supervisor.post(f"/confirmations/{change}/{decision}").status_code == 303

    named(first, "confirm")
    assert told(panel, first) == ["told_rank_asked", "told_rank"]
    named(second, "refuse")
    assert told(panel, second) == ["told_rank_asked", "told_rank_refused"]
    named(second, "confirm")
    assert told(panel, first) == ["told_rank_asked", "told_rank", "told_rank_ended"]


def test_a_key_that_is_about_to_end_is_told_once(panel: RunningPanel) -> None:
    home = panel.make.institution("MLD", "ministry")
    manager, person = panel.make.manager(home), panel.make.focal_point(home)
    browser = panel.browser(manager)
    soon, later = make_key(browser, person, name="Yakında"), make_key(browser, person, name="Sonra")
    make_key(browser, person, name="Kısa", days="7")
    ended = make_key(browser, person, name="Bitmiş")
    with panel.make.superuser() as connection:
        for change in ("created_at = now() - interval '40 days'", "expires_at = now() + interval '13 days'"):
            connection.exec_driver_sql(f"update api_key set {change} where id in ('{soon}', '{ended}')")
        connection.exec_driver_sql(f"update api_key set why = 'leaked' where id = '{ended}'")
        connection.exec_driver_sql(f"update api_key set expires_at = now() + interval '15 days' where id = '{later}'")
    for _ in range(2):
        with panel.database.engine("signer").begin() as connection:
            connection.exec_driver_sql("select itm.tell_of_expiring_keys()")
    wanted = "select account_id, detail from mail where about = :id and kind = 'told_key_expires'"
    mails = panel.rows(wanted, id=person.id)
    assert {(row.account_id, row.detail["key"]) for row in mails} == {(person.id, "Yakında"), (manager.id, "Yakında")}
    assert len(mails) == 2, "each once, and a key of a week not on its first day"
    assert "Yakında" in compose("told_key_expires", "en", mails[0].detail)[1]
