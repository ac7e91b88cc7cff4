"""Second factors: each code once, no way around the step, and a passkey alone is enough."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from itm_admin.accounts import bootstrap, factors, recovery_codes, totp
from itm_admin.accounts.factors import Delayed, ShownFactor, WrongCode
from itm_admin.foundation import tenancy
from tests import second_factors
from tests.factories import PASSWORD, Somebody
from tests.panel.panel_app import Browser, RunningPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse

OURS = {"Sec-Fetch-Site": "same-origin"}


def password(browser: Browser, who: Somebody) -> TestResponse:
    sent = {"username": who.username, "password": PASSWORD}
    return browser.client.post("/sign-in", data=sent, headers=OURS)


def in_own_scope(panel: RunningPanel, who: Somebody, work: Callable[[Session], object]) -> object:
    owner = second_factors.person(panel.database, who.username)
    context = second_factors.own_context(owner)
    with bootstrap.making_sessions(panel.database.engine("app"))() as session, tenancy.acting(context, session):
        try:
            return work(session)
        finally:
            session.commit()


def show(panel: RunningPanel, who: Somebody, code: str) -> ShownFactor:
    keyring = panel.app.extensions["itm_keyring"]
    owner = second_factors.person(panel.database, who.username)
    found = in_own_scope(panel, who, lambda session: factors.prove(session, keyring, owner, code))
    assert isinstance(found, ShownFactor)
    return found


def test_a_code_works_once_also_in_two_browsers_at_the_same_moment(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    code = panel.make.code(who.username)

    def once(_: int) -> bool:
        try:
            show(panel, who, code)
        except WrongCode:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(once, range(4))) == [False, False, False, True]


def test_no_code_of_an_earlier_step_works_after_the_clock_went_back(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    secret = second_factors.secret_of(panel.database, panel.make.keyring, who.username)
    step = int(time.time()) // totp.STEP
    show(panel, who, panel.make.code(who.username))
    with pytest.raises(WrongCode):
        show(panel, who, pyotp.TOTP(secret).generate_otp(step - 1))

    def back(session: Session) -> object:
        return session.execute(text("update second_factor set last_step = 1"))

    with pytest.raises(DBAPIError, match="permission denied"):
        in_own_scope(panel, who, back)


def test_wrong_codes_wait_longer_and_longer_and_are_entries(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)
    browser = panel.browser()
    assert password(browser, who).status_code == 303
    for _ in range(factors.FREE_TRIES):
        page = browser.get("/sign-in/factor")
        assert second_factors.show(browser.client, page, "000000").status_code == 422
    code = panel.make.code(who.username)
    page = browser.get("/sign-in/factor")
    assert second_factors.show(browser.client, page, code).status_code == 429
    with pytest.raises(Delayed):
        show(panel, who, code)
    reasons = "select count(*) from audit.event where action = 'auth.login' and actor_id = :id and content like :reason"
    assert panel.value(reasons, id=str(who.id), reason="%wrong_code%") == factors.FREE_TRIES
    assert panel.value("select count(*) from audit.event where content like :code", code=f"%{code}%") == 0


def test_a_right_password_opens_no_page_before_the_factor_and_sets_up_no_other_one(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)
    browser = panel.browser()
    assert password(browser, who).headers["Location"] == "/sign-in/factor"
    for path in ("/", "/cases/", "/profile/", "/profile/factors/", "/profile/password"):
        assert browser.get(path).headers["Location"].startswith("/sign-in/factor"), path
    assert browser.get("/api/v1/cases/").status_code == 401
    assert browser.get("/sign-in/set-up").headers["Location"] == "/sign-in/factor"
    browser.renew_token()
    assert browser.post("/sign-in/set-up", code="000000").headers["Location"] == "/sign-in/factor"
    assert browser.post("/sign-in/set-up/passkey/ask").status_code == 403
    assert browser.post("/sign-in/set-up/passkey", question="x", credential="{}").status_code == 303
    assert panel.value("select count(*) from second_factor where account_id = :id", id=who.id) == 1


def test_recovery_codes_work_once_each_and_a_new_set_replaces_the_old_one(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)

    def renew(session: Session) -> object:
        return recovery_codes.renew(session, who.id, who.tenant.id)

    first = in_own_scope(panel, who, renew)
    assert isinstance(first, list)
    assert len(set(first)) == 10
    assert show(panel, who, first[0].lower().replace("-", " ")).method == "recovery"
    with pytest.raises(WrongCode):
        show(panel, who, first[0])
    in_own_scope(panel, who, renew)
    with pytest.raises(WrongCode):
        show(panel, who, first[1])


def test_the_last_factor_stays_and_a_session_elsewhere_ends_with_a_change(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)
    here, there = panel.browser(who), panel.browser(who)
    factor = panel.value("select id from second_factor where account_id = :id", id=who.id)
    assert here.post(f"/profile/factors/{factor}/remove").status_code == 303
    assert panel.value("select ended_at from second_factor where id = :id", id=factor) is None

    def end(session: Session) -> object:
        return session.execute(text("update second_factor set ended_at = now()"))

    with pytest.raises(DBAPIError, match="the last factor stays"):
        in_own_scope(panel, who, end)
    assert here.post("/profile/factors/codes").text.count("<li><code>") == recovery_codes.COUNT
    assert there.get("/profile/").status_code == 302
    told = "select count(*) from mail where account_id = :id and kind = 'told_factor'"
    assert panel.value(told, id=who.id) >= 1
