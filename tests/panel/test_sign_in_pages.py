"""Signing in and links that open once, through the web: sessions that end when they should, and are nobody else's."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text

from tests.factories import PASSWORD, Factory
from tests.panel.account_browser import NEW, Browser, browser, factory, panel, signed_in

__all__ = ["browser", "factory", "panel"]


def test_signing_in_leads_on_inside_the_panel_only(panel: Flask, factory: Factory) -> None:
    who = factory.focal_point()
    for wanted, reached in (
        ("/profile/", "/profile/"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ):
        answer = Browser(panel).sign_in(who, next=wanted)
        assert (answer.status_code, answer.headers["Location"]) == (303, reached)


def test_a_refused_try_shows_one_message_and_keeps_no_password(browser: Browser, factory: Factory) -> None:
    who = factory.focal_point()
    texts = set()
    for name in (who.username, "jgk.nobody.here"):
        answer = browser.sign_in(name, "not the password at all")
        assert answer.status_code == 401
        assert "not the password at all" not in answer.text
        page = re.sub(r'value="[^"]*"|<code>[0-9a-f]+</code>', "", answer.text)
        texts.add(page)
    assert len(texts) == 1


def test_a_session_of_before_does_not_live_on_after_signing_in(panel: Flask, factory: Factory) -> None:
    browser = Browser(panel)
    with browser.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    browser.sign_in(factory.focal_point())
    with browser.client.session_transaction() as session:
        assert "planted" not in session
        assert set(session) == {"secret", "csrf_token", "locale"}


def test_a_copied_cookie_is_worth_nothing_after_signing_out(panel: Flask, factory: Factory) -> None:
    browser, thief = signed_in(panel, factory.focal_point()), Browser(panel)
    copied = browser.cookie
    thief.bring_back(copied)
    assert browser.get("/profile/").status_code == thief.get("/profile/").status_code == 200
    assert browser.post("/profile/sign-out", page="/profile/").status_code == 303
    browser.bring_back(copied)
    assert thief.get("/profile/").status_code == 302
    answer = browser.get("/profile/")
    assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/sign-in")


def test_signing_out_by_a_link_does_nothing(panel: Flask, factory: Factory) -> None:
    browser = signed_in(panel, factory.focal_point())
    assert browser.get("/profile/sign-out").status_code == 405
    assert browser.client.post("/profile/sign-out").status_code == 400  # without the anti-forgery token
    assert browser.get("/profile/").status_code == 200


@pytest.mark.parametrize("deed", ["suspend", "invite", "end"])
def test_suspension_reset_and_role_change_end_a_session_at_once(panel: Flask, factory: Factory, deed: str) -> None:
    tenant = factory.institution()
    who, boss = factory.focal_point(tenant), signed_in(panel, factory.manager(tenant))
    browser = signed_in(panel, who)
    assert browser.get("/profile/").status_code == 200
    page = f"/accounts/{who.id}"
    if deed == "end":
        with factory.superuser() as connection:
            grant = connection.scalar(text("select id from role_grant where account_id = :id"), {"id": who.id})
        answer = boss.post(f"/roles/{grant}/end", page=page, reason="WRITTEN_ORDER")
    else:
        answer = boss.post(f"{page}/{deed}", page=page, reason="WRITTEN_ORDER")
    assert answer.status_code in (200, 303)
    assert browser.get("/profile/").status_code == 302


def test_a_cookie_with_a_broken_secret_is_no_session(panel: Flask, factory: Factory) -> None:
    browser = signed_in(panel, factory.focal_point())
    for broken in ("x", None, str(uuid.uuid4()), -1, "A" * 43 + "=", ["a"], "é"):
        with browser.client.session_transaction() as session:
            kept = dict(session)
            session["secret"] = broken
        assert browser.get("/profile/").status_code == 302, broken
        with browser.client.session_transaction() as session:
            session.update(kept)
        assert browser.get("/profile/").status_code == 200


def invitation_rows(factory: Factory) -> list[str]:
    with factory.superuser() as connection:
        return list(connection.scalars(text("select cast(to_jsonb(n) as text) from invitation n order by n.id")))


def test_the_invitation_is_shown_once_and_opens_once(panel: Flask, factory: Factory) -> None:
    tenant = factory.institution()
    boss = signed_in(panel, factory.manager(tenant))
    answer = boss.post(
        "/accounts/new",
        page="/accounts/new",
        reason="WRITTEN_ORDER",
        first_name="Şule",
        last_name="Gün",
        email="sule.gun@jgk.invalid",
        language="tr",
        role="focal_point",
    )
    assert answer.status_code == 200
    link = re.search(r'value="http://localhost(/invitation/[^"]+)"', answer.text)
    assert link
    token = link[1].rsplit("/", 1)[1]
    assert token not in boss.get("/accounts/").text
    invited = Browser(panel)
    before = invitation_rows(factory)
    with ThreadPoolExecutor(4) as scanners:  # of a mail server: they open whatever they see
        opened = list(scanners.map(lambda _: Browser(panel).get(link[1]).status_code, range(4)))
    assert opened == [303] * 4
    assert panel.test_client().head(link[1]).status_code == 303
    assert Browser(panel).client.post(link[1], data={"password": NEW, "again": NEW}).status_code == 405
    assert invitation_rows(factory) == before, "opening it changes nothing"
    answer = invited.get(link[1])
    assert (answer.status_code, answer.headers["Location"]) == (303, "/invitation/")
    page = invited.get("/invitation/")
    assert "jgk.sule.gun" in page.text
    assert token not in page.text
    assert Browser(panel).get("/invitation/").status_code == 404, "it is open in this browser alone"
    for password, again in (("short", "short"), (NEW, "different"), ("jgk.sule.gun.2026", "jgk.sule.gun.2026")):
        assert invited.post("/invitation/", "/invitation/", password=password, again=again).status_code == 422
    assert invited.post("/invitation/", "/invitation/", password=NEW, again=NEW).status_code == 303
    assert [invited.get(address).status_code for address in (link[1], "/invitation/")] == [404, 404]
    told = Browser(panel).sign_in("jgk.sule.gun", NEW)
    assert (told.status_code, "başka bir kişinin onaylaması gerekir" in told.text) == (401, True)
    colleague = signed_in(panel, factory.focal_point(tenant))
    for window, may in ((boss, False), (colleague, True)):  # whoever made the link has seen it
        address = re.search(r'action="(/confirmations/[0-9a-f-]+/confirm)"', window.get("/confirmations/").text)
        assert (address is not None) is may
        if address:
            assert window.post(address[1], page="/confirmations/").status_code == 303
    assert signed_in(panel, "jgk.sule.gun", NEW).get("/profile/").status_code == 200
    assert not any(token in content or NEW in content for content in factory.ledger())


def test_programs_sign_in_with_the_same_check_and_the_anti_forgery_token(panel: Flask, factory: Factory) -> None:
    who = factory.focal_point()
    client = panel.test_client()
    address = "/api/v1/session/"
    first = client.get(address).get_json()
    assert first["account"] is None
    told = {"username": who.username, "password": PASSWORD}
    assert client.post(address, json=told).status_code == 400
    headers = {"X-CSRFToken": first["csrf_token"]}
    assert client.post(address, json={**told, "password": "no no no no no"}, headers=headers).status_code == 401
    unfit: tuple[object, ...] = ({"username": 1, "password": []}, [], "x")
    for broken in unfit:
        assert client.post(address, json=broken, headers=headers).status_code == 400
    without = client.post(address, json=told, headers=headers)
    assert (without.status_code, without.get_json()["code"]) == (401, "factor_needed")
    code = factory.code(who.username)
    missing = client.post(address, json=told, headers=headers)
    assert (missing.status_code, missing.get_json()["code"]) == (401, "factor_needed")
    assert missing.get_json()["detail"] != without.get_json()["detail"]
    wrong = client.post(address, json={**told, "code": "000000"}, headers=headers)
    assert (wrong.status_code, wrong.get_json()["code"]) == (401, "wrong_code")
    assert client.get(address).get_json()["account"] is None
    answer = client.post(address, json={**told, "code": code}, headers=headers)
    assert answer.status_code == 200
    assert answer.get_json()["account"]["username"] == who.username
    assert client.delete(address).status_code == 400
    assert client.delete(address, headers={"X-CSRFToken": answer.get_json()["csrf_token"]}).status_code == 200
    assert client.get(address).get_json()["account"] is None
