"""Lost second factors: one person asks with a reason, another one confirms, and the next sign-in sets up a new one."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import bootstrap, invitations
from itm_admin.foundation import tenancy
from tests import second_factors
from tests.factories import PASSWORD, Somebody, without_rules

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.panel.panel_app import Browser, RunningPanel

OURS = {"Sec-Fetch-Site": "same-origin"}
STANDING = "select count(*) from second_factor where account_id = :id and confirmed_at is not null and ended_at is null"


def ask(browser: Browser, who: Somebody, reason: str = "DEVICE_LOST") -> TestResponse:
    return browser.post(f"/confirmations/factors/{who.id}", reason=reason)


def password(browser: Browser, who: Somebody) -> TestResponse:
    sent = {"username": who.username, "password": PASSWORD}
    return browser.client.post("/sign-in", data=sent, headers=OURS)


def test_a_manager_asks_a_colleague_confirms_and_the_next_sign_in_sets_up_a_new_factor(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)
    secret = second_factors.secret_of(panel.database, panel.make.keyring, who.username)
    theirs, manager = panel.browser(), panel.browser(panel.make.manager())
    panel.sign_in(theirs, who)
    assert panel.value("select count(*) from known_device where account_id = :id", id=who.id) == 1
    colleague = panel.browser(panel.make.caseworker())

    assert f"/confirmations/factors/{who.id}" in manager.get(f"/accounts/{who.id}").text
    assert "DEVICE_BROKEN" in manager.get(f"/confirmations/factors/{who.id}").text
    for reason in ("", "BECAUSE"):
        assert ask(manager, who, reason).status_code == 422
    assert ask(manager, who).headers["Location"] == f"/accounts/{who.id}"
    assert ask(manager, who, "DEVICE_BROKEN").status_code == 422  # it waits already
    change = panel.value("select id from access_change where account_id = :id and kind = 'factors'", id=who.id)

    manager.post(f"/confirmations/{change}/confirm")
    theirs.post(f"/confirmations/{change}/confirm")
    assert panel.value("select state from access_change where id = :id", id=change) == "waiting"
    assert "kaybolduğu gerekçesiyle sona erdirilmesi istendi" in theirs.get("/profile/").text
    page = colleague.get("/confirmations/").text
    assert "Kaybolan ikinci doğrulamalar" in page
    assert "Cihaz kayboldu veya çalındı" in page
    assert "1 kişi onayınızı bekliyor" in colleague.get("/").text
    colleague.post(f"/confirmations/{change}/confirm")
    assert panel.value("select state from access_change where id = :id", id=change) == "done"

    assert panel.value(STANDING, id=who.id) == 0
    assert theirs.get("/profile/").status_code == 302
    ended = "select array_agg(distinct why) from account_session where account_id = :id"
    assert "factor" in panel.value(ended, id=who.id)
    page = manager.get(f"/accounts/{who.id}").text
    assert "Kaybolan ikinci doğrulamalar" in page
    assert "Cihaz kayboldu veya çalındı" in page
    told = {row[0] for row in panel.rows("select kind from mail where account_id = :id", id=who.id)}
    assert {"told_factors_asked", "told_factors"} <= told
    entry = "select count(*) from audit.event where target_id = :id and content like '%DEVICE_LOST%'"
    assert panel.value(entry, id=str(change)) >= 1

    assert panel.value("select count(*) from known_device where account_id = :id", id=who.id) == 0
    again = panel.browser()
    assert password(again, who).headers["Location"].startswith("/sign-in/set-up")
    again.renew_token()
    old = pyotp.TOTP(secret).now()
    assert again.post("/sign-in/factor", code=old).headers["Location"].startswith("/sign-in/set-up")
    assert again.post("/sign-in/set-up", code=old).status_code == 422
    assert again.get("/profile/").headers["Location"].startswith("/sign-in/")
    page = again.get("/sign-in/set-up").text
    assert "İki kişi, hesabınızın ikinci doğrulamalarını" in page
    shown = re.search(r'<code class="secret">([^<]+)</code>', page)
    assert shown
    new = pyotp.TOTP(shown[1].replace(" ", "")).now()
    assert again.post("/sign-in/set-up", code=new).status_code in (200, 303)
    assert panel.value(STANDING, id=who.id) == 1
    assert again.get("/profile/").status_code == 200


def test_a_refused_reset_leaves_the_factors(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)
    ask(panel.browser(panel.make.manager()), who)
    change = panel.value("select id from access_change where account_id = :id", id=who.id)
    panel.browser(panel.make.caseworker()).post(f"/confirmations/{change}/refuse")
    assert panel.value("select state from access_change where id = :id", id=change) == "refused"
    assert panel.value(STANDING, id=who.id) == 1


def test_nobody_asks_for_the_own_account_a_foreign_one_or_that_of_who_audits_them(panel: RunningPanel) -> None:
    make = panel.make
    boss, admin, worker = make.manager(), make.administrator(), make.caseworker()
    auditor, supervisor = make.somebody("auditor_institution"), make.supervisor()
    foreign = make.focal_point(make.other_institution())
    for each in (boss, admin, auditor, foreign, supervisor):
        make.code(each.username)
    for asker, who, answer in (
        (boss, boss, 403), (admin, admin, 403), (boss, auditor, 403), (boss, foreign, 404), (boss, supervisor, 404),
        (worker, boss, 403), (auditor, boss, 403),
    ):  # fmt: skip
        browser = panel.browser(asker)
        assert browser.get(f"/confirmations/factors/{who.id}").status_code == answer, (asker, who)
        assert ask(browser, who).status_code == answer, (asker, who)
    asked = "select count(*) from access_change where kind = 'factors' and account_id = any (:ids)"
    ids = [each.id for each in (boss, admin, auditor, foreign, supervisor)]
    assert panel.value(asked, ids=ids) == 0
    insert = text(
        "insert into access_change (institution_id, account_id, kind, reason)"
        " values (:home, :id, 'factors', 'DEVICE_LOST')"
    )
    for who in (boss, auditor):
        with (
            bootstrap.making_sessions(panel.database.engine("app"))() as session,
            tenancy.acting(boss.context("institution"), session),
            pytest.raises(DBAPIError, match="not asked for from here"),
        ):
            session.execute(insert, {"home": who.tenant.id, "id": who.id})
    assert ask(panel.browser(admin), auditor).status_code == 303
    change = panel.value("select id from access_change where account_id = :id", id=auditor.id)
    panel.browser(boss).post(f"/confirmations/{change}/confirm")
    assert panel.value("select state from access_change where id = :id", id=change) == "waiting"
    panel.browser(supervisor).post(f"/confirmations/{change}/confirm")
    assert panel.value("select state from access_change where id = :id", id=change) == "done"


def raised(panel: RunningPanel, who: Somebody, by: Somebody) -> None:
    with panel.make.superuser() as connection, without_rules(connection, "account"):
        connection.execute(text("update account set created_by = :by where id = :id"), {"by": by.id, "id": who.id})


def confirm(panel: RunningPanel, by: Somebody, change: uuid.UUID) -> str:
    panel.browser(by).post(f"/confirmations/{change}/confirm")
    return str(panel.value("select state from access_change where id = :id", id=change))


def test_who_asks_and_who_confirms_did_not_raise_each_other_nor_did_the_owner(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("DEP", "agency")
    boss, who = make.manager(home), make.focal_point(home)
    creature, beneath, behind, free = (make.caseworker(home) for _ in range(4))
    for each, by in ((creature, boss), (behind, creature), (beneath, who)):
        raised(panel, each, by)
    make.code(who.username)
    assert ask(panel.browser(boss), who).status_code == 303
    change = panel.value("select id from access_change where account_id = :id", id=who.id)
    update = text("update access_change set state = 'done' where id = :id")
    for each in (creature, behind, beneath):
        assert "atamış" in panel.browser(each).get("/confirmations/").text
        assert "bekliyor" not in panel.browser(each).get("/").text.split("onayınızı")[0][-40:]
        assert confirm(panel, each, change) == "waiting"
        with (
            bootstrap.making_sessions(panel.database.engine("app"))() as session,
            tenancy.acting(each.context("institution"), session),
            pytest.raises(DBAPIError, match="whom the first did not raise"),
        ):
            session.execute(update, {"id": change})
    assert confirm(panel, free, change) == "done"


def test_it_is_refused_in_words_where_nobody_else_could_confirm(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("ONE", "agency")
    boss, who, creature = make.manager(home), make.focal_point(home), make.caseworker(home)
    raised(panel, creature, boss)
    make.code(who.username)
    others = "role in ('presidency_supervisor', 'system_administrator')"
    with panel.make.superuser() as connection, without_rules(connection, "role_grant", "account"):
        connection.execute(text(f"update role_grant set state = 'ended' where state = 'active' and {others}"))
    assert "Bunu onaylayabilecek başka kimse yok" in panel.browser(boss).get(f"/confirmations/factors/{who.id}").text
    assert ask(panel.browser(boss), who).status_code == 422
    insert = text(
        "insert into access_change (institution_id, account_id, kind, reason) values (:h, :id, 'factors', :r)"
    )
    with (
        bootstrap.making_sessions(panel.database.engine("app"))() as session,
        tenancy.acting(boss.context("institution"), session),
        pytest.raises(DBAPIError, match="nobody else could confirm"),
    ):
        session.execute(insert, {"h": home.id, "id": who.id, "r": "DEVICE_LOST"})
    make.supervisor()
    with (
        bootstrap.making_sessions(panel.database.engine("app"))() as session,
        tenancy.acting(boss.context("institution"), session),
        pytest.raises(DBAPIError, match="not asked for from here"),
    ):
        session.execute(insert, {"h": home.id, "id": who.id, "r": None})
    assert ask(panel.browser(boss), who).status_code == 303


def test_the_only_manager_is_helped_by_an_administrator_and_a_supervisor_alone(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("SOL", "agency")
    boss, worker = make.manager(home), make.caseworker(home)
    admin, supervisor = make.administrator(), make.supervisor()
    make.code(boss.username)
    assert ask(panel.browser(admin), boss, "DEVICE_BROKEN").status_code == 303
    change = panel.value("select id from access_change where account_id = :id", id=boss.id)
    assert [confirm(panel, each, change) for each in (worker, admin, boss, supervisor)] == ["waiting"] * 3 + ["done"]
    assert panel.value(STANDING, id=boss.id) == 0


def test_what_was_asked_for_long_ago_is_asked_for_anew(panel: RunningPanel) -> None:
    who, boss, worker = panel.make.focal_point(), panel.make.manager(), panel.make.caseworker()
    panel.make.code(who.username)
    ask(panel.browser(boss), who)
    change = panel.value("select id from access_change where account_id = :id", id=who.id)
    with panel.make.superuser() as connection, without_rules(connection, "access_change"):
        older = text("update access_change set created_at = now() - interval '73 hours' where id = :id")
        connection.execute(older, {"id": change})
    assert "yeniden istenmesi gerekir" in panel.browser(worker).get("/confirmations/").text
    assert confirm(panel, worker, change) == "waiting"
    with (
        bootstrap.making_sessions(panel.database.engine("app"))() as session,
        tenancy.acting(worker.context("institution"), session),
        pytest.raises(DBAPIError, match="too long ago"),
    ):
        session.execute(text("update access_change set state = 'done' where id = :id"), {"id": change})
    assert ask(panel.browser(boss), who, "DEVICE_BROKEN").status_code == 303
    assert panel.value("select state from access_change where id = :id", id=change) == "replaced"
    newest = "select id from access_change where account_id = :id and state = 'waiting'"
    assert confirm(panel, worker, panel.value(newest, id=who.id)) == "done"


def test_a_link_of_the_machine_ends_a_request_that_waits(panel: RunningPanel) -> None:
    make = panel.make
    who, admin = make.supervisor(), make.administrator()
    make.supervisor()
    make.code(who.username)
    assert ask(panel.browser(admin), who).status_code == 303
    with (
        bootstrap.making_sessions(panel.database.engine("app"))() as session,
        tenancy.acting(tenancy.Context(scope="accounts", account_name="itm invite", route="itm invite"), session),
    ):
        invitations.issue(session, who.id, who.tenant.id)
        session.commit()
    assert (
        panel.value("select state from access_change where account_id = :id and kind = 'factors'", id=who.id)
        == "replaced"
    )
