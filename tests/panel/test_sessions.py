"""Sessions: one ends without the others, the sign-in page says why, what was typed comes back to its author alone."""

from __future__ import annotations

import html
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import sessions
from itm_admin.accounts.returning import ENDED
from tests import second_factors
from tests.factories import PASSWORD, Somebody
from tests.panel.panel_app import Browser, RunningPanel

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

OURS = {"Sec-Fetch-Site": "same-origin"}
TYPED = "Yarım kalan anlatım: tarlada çalıştırıldı."


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found
    return found[1]


def password(browser: Browser, who: Somebody, headers: dict[str, str] | None = None, **fields: str) -> TestResponse:
    """The first step alone."""
    sent = {"username": who.username, "password": PASSWORD, **fields}
    return browser.client.post("/sign-in", data=sent, headers=OURS if headers is None else headers)


def sign_in(
    panel: RunningPanel, browser: Browser, who: Somebody, headers: dict[str, str] | None = None, **fields: str
) -> TestResponse:
    """Both steps."""
    code = panel.make.code(who.username)
    answer = password(browser, who, headers, **fields)
    if answer.status_code not in (200, 303):
        return answer
    return second_factors.show(browser.client, answer, code, OURS if headers is None else headers)


def standing(panel: RunningPanel, who: Somebody) -> list[str | None]:
    """Why each session of the person ended, the oldest first; None while it stands."""
    return [row.why for row in panel.rows(
        "select why from account_session where account_id = :id order by begun_at", id=who.id)]  # fmt: skip


@pytest.mark.parametrize("headers", [OURS, {"Origin": "http://localhost"}], ids=["fetch-metadata", "origin"])
def test_a_sign_in_page_that_was_left_overnight_signs_in(panel: RunningPanel, headers: dict[str, str]) -> None:
    who, browser = panel.make.focal_point(), panel.browser()
    old = token_of(browser.get("/sign-in"))
    browser.client.delete_cookie("itm")
    assert sign_in(panel, browser, who, headers, csrf_token=old).status_code == 303
    assert browser.get("/profile/").status_code == 200
    assert sign_in(panel, browser, who, headers, csrf_token=old).status_code == 303  # the browser's Back, and once more
    assert standing(panel, who) == ["renewed", "renewed", "renewed", None]  # two halves, and the first whole one


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
    ids=["silent", "cross-site", "other-origin", "no-origin"],
)
def test_a_sign_in_that_comes_from_elsewhere_shows_the_page_anew(panel: RunningPanel, headers: dict[str, str]) -> None:
    who, browser = panel.make.focal_point(), panel.browser()
    answer = sign_in(panel, browser, who, headers, csrf_token="an old one")
    assert answer.status_code == 400
    assert PASSWORD not in answer.text
    if headers:  # the browser names another site: no form comes back
        assert browser.get("/profile/").status_code == 302
        return
    assert who.username in answer.text
    assert "bir kez daha oturum açın" in answer.text
    assert browser.get("/profile/").status_code == 302
    assert sign_in(panel, browser, who, {}, csrf_token=token_of(answer)).status_code == 303


def test_other_pages_without_sign_in_outlive_their_cookie_and_take_nothing_from_elsewhere(panel: RunningPanel) -> None:
    browser = Browser(panel.app.test_client())
    for headers, told in ((OURS, 303), ({"Sec-Fetch-Site": "cross-site"}, 400), ({}, 400)):
        assert browser.client.post("/language", data={"language": "en"}, headers=headers).status_code == told


def end_it(panel: RunningPanel, who: Somebody, browser: Browser, why: str) -> None:
    if why in ("idle", "absolute"):
        long = (sessions.IDLE if why == "idle" else sessions.ABSOLUTE).total_seconds() + 5
        panel.age(who, **{"idle" if why == "idle" else "begun": long})
        return
    boss = panel.browser(panel.make.manager(who.tenant))
    other = panel.browser(who)
    if why == "all":
        assert other.post("/profile/sign-out-everywhere").status_code == 303
    elif why == "password":
        new = "mor masa yedi yıldız"
        assert other.post("/profile/password", current=PASSWORD, password=new, again=new).status_code == 303
    elif why == "link":
        assert boss.post(f"/accounts/{who.id}/invite", reason="WRITTEN_ORDER").status_code == 200
    elif why == "suspended":
        assert boss.post(f"/accounts/{who.id}/suspend", reason="WRITTEN_ORDER").status_code == 303
    elif why == "role":
        grant = panel.value("select id from role_grant where account_id = :id", id=who.id)
        assert boss.post(f"/roles/{grant}/end", reason="WRITTEN_ORDER").status_code == 303


@pytest.mark.parametrize("why", ["idle", "absolute", "all", "password", "link", "role", "suspended"])
def test_the_sign_in_page_says_why_the_session_ended_and_leads_back(panel: RunningPanel, why: str) -> None:
    who = panel.make.focal_point()
    browser = panel.browser(who)
    end_it(panel, who, browser, why)
    answer = browser.get("/cases/?status=OPEN&q=")
    assert answer.status_code == 302
    with browser.client.session_transaction() as cookie:
        assert cookie[sessions.ENDED] == why
    page = browser.get(answer.headers["Location"])
    with panel.app.test_request_context():
        assert html.escape(str(ENDED[why]), quote=False) in html.unescape(page.text).replace("&", "&amp;")
    assert html.escape("/cases/?status=OPEN&q=") in page.text
    if why in ("idle", "absolute", "all"):
        again = sign_in(panel, browser, who, next="/cases/?status=OPEN&q=")
        assert again.headers["Location"] == "/cases/?status=OPEN&q="


def test_a_session_that_ends_leaves_the_others_of_the_account(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    here, there = panel.browser(who), panel.browser(who)
    copied = here.client.get_cookie("itm")
    assert copied
    assert here.post("/profile/sign-out").status_code == 303
    assert there.get("/profile/sessions/").text.count("Bu oturum<") == 1
    here.client.set_cookie("itm", copied.value)
    assert here.get("/profile/").status_code == 302
    assert there.post("/profile/sign-out-everywhere").status_code == 303
    assert "Bütün oturumlarınız kapatıldı" in there.get("/sign-in").text
    assert standing(panel, who) == ["signed_out", "all"]


def forms(panel: RunningPanel, who: Somebody) -> dict[str, dict[str, Any]]:
    """Pages with forms of several areas, and what is typed into them."""
    case = panel.make.case(who)
    return {
        f"/cases/{case.id}/edit": {"version": "1", "narrative": TYPED, "opened_on": "04.03.2026"},
        f"/cases/new/risk?draft={uuid.uuid4()}": {},
        f"/cases/new?draft={uuid.uuid4()}": {"opened_on": TYPED, "form_key": "k"},
        "/profile/edit": {"version": "1", "title": TYPED, "email": "a@b.invalid", "current": "a password!"},
    }


def test_what_was_sent_after_the_end_is_shown_again_to_its_author(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    for path, typed in forms(panel, who).items():
        browser = panel.browser(who)
        browser.client.delete_cookie("itm")  # whatever ended it
        late = browser.post(path, **typed)
        if not typed:
            assert (late.status_code, late.headers["Location"].split("=", 1)[0]) == (303, "/sign-in?next")
            continue
        assert late.status_code == 401, path
        assert "Yazdıklarınız bu sayfada duruyor." in late.text
        assert "a password!" not in late.text
        held = re.search(r'name="held"[^>]*value="([^"]*)"', late.text)
        assert held
        panel.make.code(who.username)
        before = panel.state(who.tenant)
        page = sign_in(panel, browser, who, held=html.unescape(held[1]), next=path)
        assert page.status_code == 200
        fields = {name: html.unescape(value) for name, value in
                  re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', page.text, re.DOTALL)}  # fmt: skip
        assert fields == {name: value for name, value in typed.items() if name not in ("current", "form_key")}
        shown = browser.client.post(path, data={**fields, "csrf_token": token_of(page), "shown_again": "yes"})
        assert shown.status_code == 200, path
        assert TYPED in html.unescape(shown.text), path
        assert panel.state(who.tenant) == before, path


def test_what_was_sent_after_the_end_is_shown_to_nobody_else(panel: RunningPanel) -> None:
    who, other = panel.make.focal_point(), panel.make.focal_point()
    browser = panel.browser(who)
    browser.client.delete_cookie("itm")
    late = browser.post("/profile/edit", title=TYPED)
    held = re.search(r'name="held"[^>]*value="([^"]*)"', late.text)
    assert held
    answer = sign_in(panel, browser, other, held=html.unescape(held[1]), next="/profile/edit")
    assert (answer.status_code, TYPED in answer.text) == (303, False)
    forged = sign_in(panel, panel.browser(), who, held="title=Planted", next="/profile/edit")
    assert (forged.status_code, "Planted" in forged.text) == (303, False)


def test_a_form_outlives_a_new_sign_in_of_the_same_person_and_of_nobody_else(panel: RunningPanel) -> None:
    who, other = panel.make.focal_point(), panel.make.focal_point()
    browser = panel.browser(who)
    old = browser.token
    browser.post("/profile/sign-out")
    fields = {"version": "1", "email": "yeni@jgk.invalid", "title": "Uzman", "language": "tr", "csrf_token": old}
    sign_in(panel, browser, other)
    refused = browser.client.post("/profile/edit", data=fields)
    assert refused.status_code == 400
    assert "önceki bir oturuma" in refused.text
    sign_in(panel, browser, who)
    assert browser.client.post("/profile/edit", data=fields).status_code in (303, 422)


def test_asking_how_long_the_session_lasts_is_no_sign_of_life_and_staying_is(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    browser, idle = panel.browser(who), sessions.IDLE.total_seconds()
    panel.age(who, idle=idle - 100)
    for _ in range(2):
        left = browser.get("/profile/session").get_json()
        assert left["idle"] <= 100
    assert browser.post("/profile/session").get_json()["idle"] > idle - 60
    assert browser.get("/profile/session").get_json()["idle"] > idle - 60


def test_the_database_keeps_the_sessions_rules(panel: RunningPanel) -> None:
    from dataclasses import replace

    from itm_admin.accounts import bootstrap
    from itm_admin.foundation import tenancy

    who, other = panel.make.focal_point(), panel.make.focal_point()
    for each in (who, other):
        panel.browser(each)
    sessions_of = bootstrap.making_sessions(panel.database.engine("app"))
    context = tenancy.Context(scope="login", account=who.id, institution=who.tenant.id)

    def attempt(statement: str, at: tenancy.Context = context, **values: object) -> int:
        with sessions_of() as session, tenancy.acting(at):
            count = session.connection().execute(text(statement), values).rowcount
            session.commit()
        return int(count)

    begin = (
        "select itm.open_session(sha256(cast(:secret as bytea)), array['password'], null, interval '30 minutes',"
        " interval '12 hours', null, null)"
    )
    with pytest.raises(DBAPIError, match="permission denied"):
        attempt("insert into account_session (institution_id, account_id) values (:home, :id)",
                home=other.tenant.id, id=other.id)  # fmt: skip
    with pytest.raises(DBAPIError, match="permission denied"):
        attempt("select secret_digest from account_session")
    assert attempt("update account_session set why = 'elsewhere' where account_id = :id", id=other.id) == 0
    assert attempt("update account_session set why = 'elsewhere' where account_id = :id", id=who.id) == 1
    for again in ("why = null", "why = 'renewed'"):
        with pytest.raises(DBAPIError, match="ended session stays ended"):
            attempt(f"update account_session set {again} where account_id = :id", id=who.id)
    for column in ("epoch = 99", "ended_at = null", "begun_at = now()", "seen_at = now()", "factor_at = now()"):
        with pytest.raises(DBAPIError, match="permission denied"):
            attempt(f"update account_session set {column}")
    assert attempt(begin, secret=b"1" * 32) == 1
    assert attempt("update account set epoch = epoch + 1 where id = :id", id=who.id) == 1
    assert standing(panel, who) == ["elsewhere", "all"]
    with panel.make.superuser() as connection:
        connection.execute(text("update account set active = false where id = :id"), {"id": who.id})
    with pytest.raises(DBAPIError, match="cannot sign in"):
        attempt(begin, replace(context), secret=b"2" * 32)


def test_a_step_up_gives_a_new_session_and_the_secret_of_before_opens_nothing(panel: RunningPanel) -> None:
    from itm_admin.accounts import actor, bootstrap, session_rows

    who = panel.make.focal_point()
    browser = panel.browser(who)
    with browser.client.session_transaction() as cookie:
        secret = sessions.read(cookie)
    assert secret
    with bootstrap.making_sessions(panel.database.engine("app"))() as session:
        before = actor.of_secret(session, secret)
        assert before
        assert before.here
        renewed = session_rows.step_up(session, before, "totp")
        session.commit()
        old, new = actor.of_secret(session, secret), actor.of_secret(session, renewed.secret)
        assert old
        assert new
        assert old.here
        assert new.here
        assert (old.here.ended, new.here.ended, new.here.methods) == ("renewed", None, ("password", "totp"))
        assert new.here.factor_age is not None
        assert new.here.absolute <= before.here.absolute  # a step-up lengthens nothing
        with pytest.raises(DBAPIError, match="ended session stays ended"):
            session_rows.step_up(session, before, "totp")
    assert browser.get("/profile/").status_code == 302


def test_half_a_session_opens_nothing_but_signing_out_and_is_over_soon(panel: RunningPanel) -> None:
    from itm_admin.accounts import actor, bootstrap, session_rows

    who, browser = panel.make.focal_point(), panel.browser()
    panel.make.code(who.username)
    assert password(browser, who).status_code == 303
    with browser.client.session_transaction() as cookie:
        secret = sessions.read(cookie) or b""
    answer = browser.get("/profile/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in/factor?next=/profile/")
    assert browser.get("/api/v1/cases/").status_code == 401
    assert browser.get("/nowhere").text.count(who.username) == 0
    with bootstrap.making_sessions(panel.database.engine("app"))() as session:
        half = actor.of_secret(session, secret)
        assert half
        assert half.here
        assert (half.here.half, half.here.absolute <= 600) == (True, True)
        whole = session_rows.promote(session, half, "totp")
        assert (whole.half, whole.absolute > 600) == (False, True)
        session.rollback()
    browser.renew_token()
    assert browser.post("/profile/sign-out").status_code == 303


def kept(browser: Browser) -> str:
    """The cookie, as somebody would keep a copy of it."""
    cookie = browser.client.get_cookie("itm")
    assert cookie
    return cookie.value


def test_a_session_that_was_planted_before_the_sign_in_is_not_the_one_after_it(panel: RunningPanel) -> None:
    attacker, victim = panel.make.focal_point(), panel.make.focal_point()
    planted = kept(panel.browser(attacker))
    browser = panel.browser()
    browser.client.set_cookie("itm", planted)
    assert sign_in(panel, browser, victim).status_code == 303
    assert kept(browser) != planted
    thief = panel.browser()
    thief.client.set_cookie("itm", planted)
    assert thief.get("/profile/").status_code == 302
    assert (standing(panel, attacker), standing(panel, victim)) == (["renewed"], ["renewed", None])


@pytest.mark.parametrize("how", ["signed_out", "ended elsewhere", "all others", "renewed", "suspended", "institution"])
def test_a_copied_cookie_opens_nothing_after_the_end_even_if_the_account_is_taken_up_again(
    panel: RunningPanel, how: str
) -> None:
    who = panel.make.focal_point(panel.make.institution("TUIK", "member"))
    browser, other = panel.browser(who), panel.browser(who)
    copied = kept(browser)
    if how == "signed_out":
        browser.post("/profile/sign-out")
    elif how == "ended elsewhere":
        first = panel.value(
            "select id from account_session where account_id = :id order by begun_at limit 1", id=who.id
        )
        assert other.post("/profile/sessions/end", session=str(first)).status_code == 303
    elif how == "all others":
        assert other.post("/profile/sessions/end-others").status_code == 303
    elif how == "renewed":
        assert sign_in(panel, browser, who).status_code == 303
    elif how == "suspended":
        boss = panel.browser(panel.make.manager(who.tenant))
        assert boss.post(f"/accounts/{who.id}/suspend", reason="WRITTEN_ORDER").status_code == 303
        assert boss.post(f"/accounts/{who.id}/reactivate", reason="WRITTEN_ORDER").status_code == 303
    else:
        for status in ("suspended", "active"):
            with panel.make.superuser() as connection:
                statement = text("update institution set status = :status where id = :id")
                connection.execute(statement, {"status": status, "id": who.tenant.id})
    thief = panel.browser()
    for path in ("/profile/", "/cases/", "/api/v1/cases/"):
        thief.client.set_cookie("itm", copied)
        assert thief.get(path).status_code in (302, 401), path
    assert other.get("/profile/").status_code == (302 if how in ("suspended", "institution") else 200)


def test_the_own_sessions_are_listed_and_nobody_ends_anothers(panel: RunningPanel) -> None:
    who, other = panel.make.focal_point(), panel.make.focal_point()
    browser, foreign = panel.browser(who), panel.browser(other)
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
    second = Browser(panel.app.test_client())
    sign_in(panel, second, who, {**OURS, "User-Agent": agent})
    page = browser.get("/profile/sessions/").text
    assert "Firefox, Windows" in page
    assert "Bu sunucunun kendisi (127.0.0.1)" in page
    assert page.count('/profile/sessions/end"') == 1
    theirs = panel.value("select id from account_session where account_id = :id", id=other.id)
    assert browser.post("/profile/sessions/end", session=str(theirs)).status_code == 303
    assert browser.post("/profile/sessions/end", session="x").status_code == 400
    assert foreign.get("/profile/").status_code == 200
    assert browser.post("/profile/sessions/end-others").status_code == 303
    assert "kapattınız" in second.get(second.get("/profile/").headers["Location"]).text
    assert browser.get("/profile/sessions/").text.count("/profile/sessions/end") == 0


def test_an_export_whose_session_ends_while_it_is_written_is_not_sent(
    panel: RunningPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from itm_admin.record import export

    who = panel.make.focal_point()
    browser = panel.browser(who)
    panel.make.case(who)
    form = {"csrf_token": browser.token, "format": "xlsx", "purpose": "STATISTICS"}
    whole = browser.client.post("/cases/export", data=form)
    assert whole.status_code == 200
    assert whole.get_data()[:2] == b"PK"
    fix = export.fix_ids

    def and_the_session_ends(*args: Any) -> Any:
        with panel.database.engine("superuser").begin() as connection:
            statement = text("update account_session set why = 'elsewhere' where account_id = :id")
            connection.execute(statement, {"id": who.id})
        return fix(*args)

    monkeypatch.setattr(export, "fix_ids", and_the_session_ends)
    refused = browser.client.post("/cases/export", data=form)
    assert (refused.status_code, refused.data[:2] == b"PK") == (401, False)
    assert 'name="username"' in refused.text
    assert "itm-" not in refused.headers.get("Content-Disposition", "")


def test_a_download_asks_before_each_of_its_pieces(panel: RunningPanel) -> None:
    from itm_admin.accounts.actor import SessionOver, while_it_stands

    browser = panel.browser(panel.make.focal_point())
    with browser.client.session_transaction() as cookie:
        secret = sessions.read(cookie) or b""
    pieces = while_it_stands(iter([b"first", b"second"]), secret, panel.database.engine("app"))
    assert next(pieces) == b"first"
    assert browser.post("/profile/sign-out").status_code == 303
    with pytest.raises(SessionOver):
        next(pieces)


def test_under_https_the_cookie_belongs_to_this_host_alone(panel: RunningPanel, tmp_path: Path) -> None:
    from dataclasses import replace

    from app import create_app
    from tests.conftest import settings_for

    app = create_app(replace(settings_for(panel.database, tmp_path), https=True))
    answer = app.test_client().get("/sign-in", base_url="https://localhost")
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 1
    assert cookies[0].startswith("__Host-itm=")
    assert set(cookies[0].split("; ")[1:]) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
