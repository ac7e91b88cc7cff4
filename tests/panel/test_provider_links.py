"""Links between accounts and a provider's persons: made on purpose, ended on purpose, and signed out together."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import invitations
from itm_admin.foundation import tenancy
from tests import second_factors
from tests.factories import Somebody, without_rules
from tests.panel.account_browser import Browser
from tests.panel.issuer import ACR, path_of
from tests.panel.provider_world import ProviderWorld, world
from tests.signed_in import begin

__all__ = ["world"]


def somebody(world: ProviderWorld, role: str = "focal_point") -> Somebody:
    return world.make.somebody(role, world.make.institution("JGK"))


def stale(world: ProviderWorld, who: Somebody) -> None:
    """Six minutes have passed since the last second factor."""
    with world.make.superuser() as connection, without_rules(connection, "account_session"):
        statement = "update account_session set factor_at = now() - interval '6 minutes' where account_id = :id"
        connection.execute(text(statement), {"id": who.id})


def link(world: ProviderWorld, browser: Browser, subject: str) -> Any:
    """From the own page to the provider and back to the question, which is answered."""
    world.issuer.person = {"sub": subject, "name": "Elif Kaya", "acr": ACR}
    answer = browser.get(world.go(browser, start="/profile/institution-sign-in/with/jgk"))
    assert answer.location == "/profile/institution-sign-in/confirm"
    assert "Elif Kaya" in browser.get(answer.location).text
    return browser.post("/profile/institution-sign-in/confirm", "/profile/institution-sign-in/confirm")


def test_a_person_links_the_own_account_and_signs_in_by_it(world: ProviderWorld) -> None:
    who = somebody(world)
    browser = world.browser(who)
    assert link(world, browser, "l-own").location == "/profile/institution-sign-in/"
    page = browser.get("/profile/institution-sign-in/").text
    assert "Jandarma kurum girişi (jgk)" in page
    assert "Elif Kaya" in page
    world.come(world.browser(), {"sub": "l-own", "acr": ACR})
    assert world.sessions(who)[-1].methods == ["provider"]
    kinds = [row.kind for row in world.rows("select kind from mail where account_id = :id", id=who.id)]
    assert kinds == ["told_identity"]
    entries = world.rows(
        "select content::text as c from audit.event where target_kind = 'external_identity' and actor_id = :id",
        id=str(who.id),
    )
    assert entries
    assert not [row for row in entries if "l-own" in row.c or "Elif" in row.c]


def test_nothing_is_linked_without_the_question_and_a_fresh_factor(world: ProviderWorld) -> None:
    who = somebody(world)
    browser = world.browser(who)
    world.issuer.person = {"sub": "l-stale", "acr": ACR}
    browser.get(world.go(browser, start="/profile/institution-sign-in/with/jgk"))
    assert not world.rows("select from external_identity where account_id = :id", id=who.id)
    stale(world, who)
    asked = browser.post("/profile/institution-sign-in/confirm", "/profile/institution-sign-in/confirm")
    assert "/profile/step-up/" in asked.location
    assert not world.rows("select from external_identity where account_id = :id", id=who.id)


def test_what_somebody_else_brought_home_is_linked_with_nobody(world: ProviderWorld) -> None:
    """The thief's answer is opened in the victim's signed-in browser, and the other way round."""
    victim, thief = somebody(world), somebody(world)
    world.issuer.person = {"sub": "l-thief", "acr": ACR}
    his = world.browser(thief)
    back = world.go(his, start="/profile/institution-sign-in/with/jgk")
    hers = world.browser(victim)
    assert hers.get(back).location == "/"
    assert hers.get("/profile/institution-sign-in/confirm").location == "/profile/institution-sign-in/"
    his.get(back)
    assert not world.rows("select from external_identity where subject = 'l-thief'")


def test_one_person_there_is_one_account_here(world: ProviderWorld) -> None:
    first, second = somebody(world), somebody(world)
    link(world, world.browser(first), "l-one")
    browser = world.browser(second)
    answer = link(world, browser, "l-one")
    assert "Bağlanmadı" in browser.get(answer.location).text
    browser = world.browser(first)
    assert "Bağlanmadı" in browser.get(link(world, browser, "l-two").location).text
    rows = world.rows("select account_id from external_identity where subject in ('l-one', 'l-two')")
    assert [row.account_id for row in rows] == [first.id]


def test_an_ended_link_signs_nobody_in_and_the_last_way_in_stays(world: ProviderWorld) -> None:
    who, arrived = somebody(world), world.linked("l-only", how="arrived")
    id, only = world.link(who, "l-ended"), world.rows("select id from external_identity where subject = 'l-only'")[0].id
    by_provider = world.browser()
    world.come(by_provider, {"sub": "l-ended", "acr": ACR})
    page = "/profile/institution-sign-in/"
    with world.make.superuser() as connection:
        connection.execute(text("delete from credential where account_id = :id"), {"id": arrived.id})
    without_password = world.browser()
    world.come(without_password, {"sub": "l-only", "acr": ACR})
    refused = without_password.post(f"{page}end", page, identity=str(only))
    assert "tek yol" in without_password.get(refused.location).text
    with world.database.engine("superuser").connect() as connection:
        assert connection.scalar(text("select ended_at from external_identity where id = :id"), {"id": only}) is None
    browser = world.browser(who)
    assert browser.post(f"{page}end", page, identity=str(id)).location == page
    assert by_provider.get("/profile/").status_code == 302
    before = len(world.sessions(who))
    world.come(world.browser(), {"sub": "l-ended", "acr": ACR})
    assert len(world.sessions(who)) == before
    assert ("former_identity", "jgk") in world.reasons()


def test_sql_in_a_persons_own_session_ends_no_last_way_in_and_links_nobody(world: ProviderWorld) -> None:
    who = world.linked("l-sql")
    person, secret = begin(world.database, who.username)
    own = tenancy.Context(scope="login", account=person.id, institution=person.institution_id, secret=secret)
    with world.make.superuser() as connection:
        connection.execute(text("delete from credential where account_id = :id"), {"id": who.id})
    for statement, fault in (
        ("update external_identity set ended_at = now()", "the last way in stays"),
        ("update external_identity set account_id = account_id", "permission denied"),
        ("select itm.provider_link((select provider_id from external_identity), 'l-thief', null)", "no claim"),
    ):
        with world.database.engine("app").connect() as connection:
            tenancy.apply(connection, own)
            with pytest.raises(DBAPIError, match=fault):
                connection.execute(text(statement))
    stale(world, who)
    with world.database.engine("app").connect() as connection:
        tenancy.apply(connection, own)
        with pytest.raises(DBAPIError, match="second factor"):
            connection.execute(text("update external_identity set ended_at = now()"))


def invited(world: ProviderWorld, who: Somebody) -> tuple[Browser, str]:
    manager = somebody(world, "institution_manager")
    with world.make.working(manager, "institution") as session:
        session.execute(text("select set_config('itm.why', 'FIRST_SIGN_IN', true)"))
        token = invitations.issue(session, who.id, who.tenant.id)
    browser = world.browser()
    assert browser.get(f"/invitation/{token}").location == "/invitation/"
    return browser, token


def test_a_one_time_link_is_used_with_the_provider_in_place_of_a_password(world: ProviderWorld) -> None:
    who = somebody(world)
    with world.make.superuser() as connection:
        connection.execute(text("delete from credential where account_id = :id"), {"id": who.id})
    browser, token = invited(world, who)
    assert "ile sürdür" in browser.get("/invitation/").text
    world.issuer.person = {"sub": "l-invited", "name": "Elif Kaya", "acr": ACR}
    answer = browser.get(world.go(browser, start="/invitation/with/jgk"))
    assert answer.location == "/invitation/with/jgk/confirm"
    assert not world.rows("select from external_identity where subject = 'l-invited'"), "a GET uses no link"
    done = browser.post(answer.location, answer.location)
    assert done.location == "/sign-in"
    assert "onaylaması gerekir" in browser.get("/sign-in").text
    (row,) = world.rows("select how, account_id from external_identity where subject = 'l-invited'")
    assert (row.how, row.account_id) == ("invited", who.id)
    assert browser.get(f"/invitation/{token}").status_code == 404
    told = world.browser()
    refused = world.come(told, {"sub": "l-invited", "acr": ACR})
    assert "başka bir kişinin bunun siz olduğunu onaylaması" in told.get(refused.location).text
    assert not world.sessions(who)


def test_a_link_that_was_opened_elsewhere_is_not_used_by_an_answer(world: ProviderWorld) -> None:
    browser, _token = invited(world, somebody(world))
    world.issuer.person = {"sub": "l-elsewhere", "acr": ACR}
    back = world.go(browser, start="/invitation/with/jgk")
    other, _token = invited(world, somebody(world))
    assert other.get(back).location == "/sign-in"
    assert other.get("/invitation/with/jgk/confirm").location == "/invitation/"


def test_a_used_link_voids_what_was_linked_before(world: ProviderWorld) -> None:
    who, arrived = world.linked("l-before"), world.linked("l-arrived", how="arrived")
    for each in (who, arrived):
        with world.make.superuser() as connection:
            connection.execute(
                text(
                    "insert into invitation (institution_id, account_id, token_digest, expires_at)"
                    " values (:home, :id, sha256(uuid_send(gen_random_uuid())), now() + interval '1 hour')"
                ),
                {"home": each.tenant.id, "id": each.id},
            )
            connection.execute(text("update invitation set used_at = now() where account_id = :id"), {"id": each.id})
    rows = world.rows(
        "select subject, ended_at is null as stands from external_identity"
        " where subject in ('l-before', 'l-arrived') order by subject"
    )
    assert [(row.subject, row.stands) for row in rows] == [("l-arrived", True), ("l-before", False)]


def test_a_pending_link_keeps_the_provider_out_as_it_does_the_password(world: ProviderWorld) -> None:
    who = world.linked("l-pending")
    invited(world, who)
    world.come(world.browser(), {"sub": "l-pending", "acr": ACR})
    assert not world.sessions(who)
    assert world.reasons()[0][0] == "reset_pending"


def test_signing_out_here_leads_on_to_the_sign_out_there(world: ProviderWorld) -> None:
    who = world.linked("l-out")
    browser = world.browser()
    world.come(browser, {"sub": "l-out", "acr": ACR})
    left = browser.post("/profile/sign-out", "/profile/")
    assert left.location == "/sign-in/with/jgk/out"
    page = browser.get(left.location)
    there = f"{world.issuer.address}/out?client_id=itm&post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A8080%2Fsign-in"
    assert page.headers["Refresh"] == f"3; url={there}"
    assert "Jandarma kurum girişi (jgk)" in page.text
    assert [row.why for row in world.sessions(who)] == ["signed_out"]
    by_password = world.browser(who)
    assert by_password.post("/profile/sign-out", "/profile/").location == "/sign-in"


def test_a_sign_out_there_ends_the_sessions_here(world: ProviderWorld) -> None:
    who, other = world.linked("l-back"), world.linked("l-other")
    world.make.code(who.username)
    first, second, theirs, by_password = world.browser(), world.browser(), world.browser(), world.browser(who)
    world.come(first, {"sub": "l-back", "sid": "sid-1", "acr": ACR})
    half = world.come(second, {"sub": "l-back", "sid": "sid-2"})
    second_factors.show(second.client, half, world.make.code(who.username))  # another session, of the same sign-in
    world.come(theirs, {"sub": "l-other", "sid": "sid-3", "acr": ACR})
    call = world.app.test_client()
    token = world.issuer.logout_token(sid="sid-2")
    assert call.post("/sign-in/calls/jgk/signed-out", data={"logout_token": token}).status_code == 200
    assert [each.get("/profile/").status_code for each in (first, second, theirs, by_password)] == [200, 302, 200, 200]
    assert "Kurumunuzdaki oturumunuz kapatıldığı" in second.get("/sign-in").text
    again = call.post("/sign-in/calls/jgk/signed-out", data={"logout_token": token})
    assert again.status_code == 400, "each message counts once"
    by_person = world.issuer.logout_token(sub="l-back")
    assert call.post("/sign-in/calls/jgk/signed-out", data={"logout_token": by_person}).status_code == 200
    assert [each.get("/profile/").status_code for each in (first, theirs, by_password)] == [302, 200, 200]
    assert [row.why for row in world.sessions(other)] == [None]
    entries = world.rows(
        "select content::jsonb -> 'detail' as d from audit.event where actor_id = :id and action = 'auth.logout'",
        id=str(who.id),
    )
    assert [row.d for row in entries] == [{"sessions": "provider"}, {"sessions": "provider"}]


FORGED: dict[str, dict[str, Any]] = {
    "for another client": {"aud": "another"},
    "of another issuer": {"iss": "https://evil.example"},
    "without the event": {"events": {}},
    "with a nonce, as an ID token has": {"nonce": "x"},
    "without a number": {"jti": None},
    "about nobody": {"sub": None},
    "expired": {"exp": int(time.time()) - 3600},
    "of long ago": {"iat": int(time.time()) - 86400},
}


def test_a_forged_sign_out_ends_nothing(world: ProviderWorld) -> None:
    who = world.linked("l-forged")
    browser = world.browser()
    world.come(browser, {"sub": "l-forged", "acr": ACR})
    call = world.app.test_client()
    forged: list[dict[str, Any]] = [{"sub": "l-forged", **more} for more in FORGED.values()]
    tokens = [world.issuer.logout_token(**each) for each in forged]
    another_type: dict[str, Any] = {
        "iss": world.issuer.address,
        "aud": "itm",
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
    }
    another_type |= {"jti": "x", "sub": "l-forged"}
    another_type |= {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}
    tokens += [world.issuer.signed(another_type), world.issuer.signed(another_type, typ="JWT")]
    tokens += [world.other.logout_token(sub="l-forged", iss=world.issuer.address), "", "a.b.c", world.issuer.tokens[-1]]
    for token in tokens:
        assert call.post("/sign-in/calls/jgk/signed-out", data={"logout_token": token}).status_code == 400
    there = world.other.logout_token(sub="l-forged")
    assert call.post("/sign-in/calls/other/signed-out", data={"logout_token": there}).status_code == 200
    assert browser.get("/profile/").status_code == 200
    assert [row.why for row in world.sessions(who)] == [None]


def test_a_fresh_factor_is_shown_at_the_provider_that_the_session_came_from(world: ProviderWorld) -> None:
    who = world.linked("l-fresh")
    browser = world.browser()
    world.come(browser, {"sub": "l-fresh", "acr": ACR})
    stale(world, who)
    assert "üzerinde göster" in browser.get("/profile/step-up/?next=/profile/factors/").text
    start = "/profile/step-up/with/jgk?next=/profile/factors/"
    begun = browser.client.get(start)
    assert "prompt=login" in begun.location
    assert "max_age=0" in begun.location
    answer = browser.get(path_of(world.issuer.authorize(begun.location)))
    assert answer.location == "/profile/factors/"
    assert [row.why for row in world.sessions(who)] == ["renewed", None]
    token = world.issuer.logout_token(sub="l-fresh")
    call = world.app.test_client()
    assert call.post("/sign-in/calls/jgk/signed-out", data={"logout_token": token}).status_code == 200
    assert browser.get("/profile/").status_code == 302, "the provider's session is the renewed one's too"


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("another person", {"sub": "l-somebody"}),
        ("an old proof", {"auth_time": int(time.time()) - 3600}),
        ("no time of the proof", {"auth_time": None}),
        ("no second factor", {"acr": "0"}),
    ],
)
def test_a_step_up_takes_the_same_person_a_new_proof_and_a_factor(
    world: ProviderWorld, name: str, person: dict[str, Any]
) -> None:
    who = world.linked(f"l-{name}")
    browser = world.browser()
    world.come(browser, {"sub": f"l-{name}", "acr": ACR})
    stale(world, who)
    said = {"sub": f"l-{name}", "acr": ACR, **person}
    world.issuer.person = said
    begun = browser.client.get("/profile/step-up/with/jgk?next=/profile/factors/")
    answer = browser.get(path_of(world.issuer.authorize(begun.location)))
    assert answer.location.startswith("/profile/step-up/")
    (row,) = world.rows(
        "select factor_at < now() - interval '5 minutes' as old from account_session where account_id = :id", id=who.id
    )
    assert row.old


def test_a_form_that_waits_is_shown_again_after_a_sign_in_in_another_tab(world: ProviderWorld) -> None:
    who = world.linked("l-tabs")
    browser = world.browser()
    world.come(browser, {"sub": "l-tabs", "acr": ACR})
    page = browser.get("/profile/edit").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    with world.make.superuser() as connection:
        ended = "update account_session set why = 'all' where account_id = :id and ended_at is null"
        connection.execute(text(ended), {"id": who.id})
    late = browser.client.post("/profile/edit", data={"csrf_token": token, "first_name": "Yeni", "last_name": "Soyad"})
    assert late.status_code == 401
    assert 'target="_blank"' in late.text
    assert "Yazdıklarımla sürdür" in late.text
    held = late.text.split('<textarea name="held" hidden>')[1].split("</textarea>")[0].strip()
    sent = {"held": held.replace("&amp;", "&"), "next": "/profile/edit"}
    origin = {"Sec-Fetch-Site": "same-origin"}
    early = browser.client.post("/sign-in/with/go-on", data=sent, headers=origin)
    assert (early.status_code, "Yazdıklarımla sürdür" in early.text) == (401, True)
    world.come(browser, {"sub": "l-tabs", "acr": ACR})
    shown = browser.client.post("/sign-in/with/go-on", data=sent, headers=origin)
    assert shown.status_code == 200
    assert "Yeni" in shown.text
    stranger = world.browser(somebody(world))
    assert "Yeni" not in stranger.client.post("/sign-in/with/go-on", data=sent, headers=origin).text
