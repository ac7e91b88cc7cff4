"""Signing in through an institution's issuer: who is let in, as whom, and with which factor."""

from __future__ import annotations

from typing import Any

from tests import second_factors
from tests.factories import PASSWORD
from tests.panel.issuer import ACR, query_of
from tests.panel.provider_world import ProviderWorld, declaration, world

__all__ = ["world"]


def test_who_is_linked_signs_in_and_shows_our_second_factor(world: ProviderWorld) -> None:
    who = world.linked("s-linked")
    code = world.make.code(who.username)
    browser = world.browser()
    answer = world.come(browser, {"sub": "s-linked", "name": "Elif Kaya"}, next="/cases/")
    assert (answer.status_code, answer.location) == (303, "/sign-in/factor?next=/cases/")
    assert "Kurumunuz sizi tanıdı" in browser.get(answer.location).text
    assert [(row.methods, row.whole) for row in world.sessions(who)] == [(["provider"], False)]
    done = second_factors.show(browser.client, answer, code)
    assert done.location == "/cases/"
    assert browser.get("/profile/").status_code == 200
    assert [(row.methods, row.whole) for row in world.sessions(who)][-1] == (["provider", "totp"], True)


def test_a_second_factor_that_the_token_names_counts_where_the_institution_trusts_it(world: ProviderWorld) -> None:
    for subject, more, whole in (
        ("s-acr", {"acr": ACR}, True),
        ("s-amr", {"amr": ["pwd", "otp"]}, True),
        ("s-none", {"acr": "0", "amr": ["pwd"]}, False),
        ("s-odd", {"acr": f"{ACR} ", "amr": ["OTP"]}, False),
    ):
        who = world.linked(subject)
        world.make.code(who.username)
        answer = world.come(world.browser(), {"sub": subject, **more})
        assert answer.status_code == 303
        assert [row.whole for row in world.sessions(who)] == [whole], subject


def test_a_second_factor_counts_nowhere_where_the_institution_does_not_trust_it(world: ProviderWorld) -> None:
    world.redeclare(declaration(world.issuer, "jgk", trusts_factor=False) + declaration(world.other, "other"))
    try:
        who = world.linked("s-untrusted")
        world.make.code(who.username)
        world.come(world.browser(), {"sub": "s-untrusted", "acr": ACR})
        assert [row.whole for row in world.sessions(who)] == [False]
    finally:
        world.redeclare(declaration(world.issuer, "jgk", trusts_factor=True) + declaration(world.other, "other"))


def test_nobody_is_known_by_an_address_or_a_name(world: ProviderWorld) -> None:
    """Keycloak lets people change `preferred_username`: that is how accounts are taken over."""
    who = world.linked("s-real")
    browser = world.browser()
    thief = {"sub": "s-thief", "email": f"{who.username}@example.invalid", "email_verified": True}
    thief |= {"preferred_username": who.username, "name": "Deneme Kişi"}
    answer = world.come(browser, thief)
    assert answer.location.startswith("/sign-in")
    assert "bağlı bir hesap yok" in browser.get(answer.location).text
    assert not world.sessions(who)
    assert ("unknown_identity", "jgk") in world.reasons()


def test_who_changes_the_address_and_the_name_is_the_same_person(world: ProviderWorld) -> None:
    who, other = world.linked("s-moves"), world.linked("s-stays")
    changed = {"sub": "s-moves", "email": f"{other.username}@example.invalid", "email_verified": True}
    world.come(world.browser(), {**changed, "preferred_username": other.username, "acr": ACR})
    assert len(world.sessions(who)) == 1
    assert not world.sessions(other)
    (row,) = world.rows("select email from account where id = :id", id=who.id)
    assert row.email == f"{who.username}@example.invalid"


def test_an_issuer_has_its_own_people(world: ProviderWorld) -> None:
    who = world.linked("s-of-first")
    world.other.person = {"sub": "s-of-first", "acr": ACR}
    browser = world.browser()
    answer = browser.get(world.go(browser, "other"))
    assert answer.location.startswith("/sign-in")
    assert not world.sessions(who)


def test_the_suspended_are_refused_and_the_entry_says_why(world: ProviderWorld) -> None:
    who = world.linked("s-suspended")
    with world.make.superuser() as connection:
        connection.exec_driver_sql(f"update account set active = false where id = '{who.id}'")
    browser = world.browser()
    answer = world.come(browser, {"sub": "s-suspended", "acr": ACR})
    assert "giriş" in browser.get(answer.location).text
    assert not world.sessions(who)
    assert world.reasons()[0][0] == "inactive"


def test_somebody_new_is_refused_where_no_institution_takes_arrivals(world: ProviderWorld) -> None:
    before = world.rows("select count(*) from account")[0][0]
    world.come(world.browser(), {"sub": "s-new", "name": "Yeni Kişi"})
    assert world.rows("select count(*) from account")[0][0] == before


def test_an_arrival_has_no_role_until_the_manager_gives_one(world: ProviderWorld) -> None:
    world.redeclare(
        declaration(world.issuer, "jgk", arrivals=True, trusts_factor=True) + declaration(world.other, "other")
    )
    try:
        browser = world.browser()
        person: dict[str, Any] = {
            "sub": "s-arrives",
            "given_name": "Gül",
            "family_name": "Işık",
            "email": "gul@jgk.example.invalid",
        }
        person |= {"email_verified": True, "name": "Gül Işık", "acr": ACR}
        answer = world.come(browser, person)
        assert "henüz rol verilmedi" in browser.get(answer.location).text
        (row,) = world.rows(
            "select a.id, a.username, a.email, a.institution_id, x.how,"
            " (select count(*) from role_grant g where g.account_id = a.id) as n,"
            " (select count(*) from credential c where c.account_id = a.id) as p"
            " from account a join external_identity x on x.account_id = a.id where x.subject = 's-arrives'"
        )
        assert (row.username, row.email, row.how, row.n, row.p) == (
            "jgk.gul.isik",
            "gul@jgk.example.invalid",
            "arrived",
            0,
            0,
        )
        assert not world.rows("select from account_session where account_id = :id", id=row.id)
        assert world.reasons()[0][0] == "no_role"
        manager = world.make.manager(world.make.institution("JGK"))
        given = world.browser(manager).post(
            f"/roles/of/{row.id}/new", f"/roles/of/{row.id}/new", role="focal_point", reason="NEW_COLLEAGUE"
        )
        assert given.status_code == 303, given.text
        assert world.come(browser, person).status_code == 303
        (session,) = world.rows(
            "select factor_at is not null as whole from account_session where account_id = :id", id=row.id
        )
        assert session.whole
    finally:
        world.redeclare(declaration(world.issuer, "jgk", trusts_factor=True) + declaration(world.other, "other"))


def test_an_unverified_address_is_not_taken(world: ProviderWorld) -> None:
    world.redeclare(declaration(world.issuer, "jgk", arrivals=True) + declaration(world.other, "other"))
    try:
        world.come(world.browser(), {"sub": "s-unverified", "name": "Can Demir", "email": "boss@example.invalid"})
        (row,) = world.rows(
            "select a.email from account a join external_identity x on x.account_id = a.id"
            " where x.subject = 's-unverified'"
        )
        assert row.email.endswith("@adres.invalid")
    finally:
        world.redeclare(declaration(world.issuer, "jgk", trusts_factor=True) + declaration(world.other, "other"))


def test_an_institution_may_want_its_provider_alone(world: ProviderWorld) -> None:
    who = world.linked("s-only")
    unlinked = world.make.focal_point(world.make.institution("JGK"))
    world.redeclare(declaration(world.issuer, "jgk", password=False) + declaration(world.other, "other"))
    try:
        assert world.browser().sign_in(who, PASSWORD).status_code == 401
        assert world.reasons()[0][0] == "provider_only"
        assert world.browser().sign_in(unlinked, PASSWORD).status_code == 303
    finally:
        world.redeclare(declaration(world.issuer, "jgk", trusts_factor=True) + declaration(world.other, "other"))
    assert world.browser().sign_in(who, PASSWORD).status_code == 303


def test_sessions_end_when_the_file_names_the_provider_no_more(world: ProviderWorld) -> None:
    who = world.linked("s-ends")
    browser = world.browser()
    world.come(browser, {"sub": "s-ends", "acr": ACR})
    assert browser.get("/profile/").status_code == 200
    world.redeclare(declaration(world.other, "other"))
    try:
        assert [row.why for row in world.sessions(who)] == ["provider"]
        assert world.browser().get("/sign-in/with/jgk").status_code == 404
    finally:
        world.redeclare(declaration(world.issuer, "jgk", trusts_factor=True) + declaration(world.other, "other"))


def test_the_way_there_asks_for_a_code_with_pkce_state_and_nonce(world: ProviderWorld) -> None:
    browser = world.browser()
    told = query_of(browser.get("/sign-in/with/jgk").location)
    again = query_of(browser.get("/sign-in/with/jgk").location)
    assert (told["response_type"], told["code_challenge_method"]) == ("code", "S256")
    assert told["redirect_uri"] == "http://localhost:8080/sign-in/with/jgk/back"
    assert all(len(told[name]) >= 32 and told[name] != again[name] for name in ("state", "nonce", "code_challenge"))


def test_the_sign_in_page_has_a_button_for_each_provider(world: ProviderWorld) -> None:
    page = world.browser().get("/sign-in?next=/cases/").text
    assert "Jandarma kurum girişi (jgk) ile oturum aç" in page
    assert "/sign-in/with/jgk?next=/cases/" in page
    assert 'name="password"' in page
