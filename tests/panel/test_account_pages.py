"""The pages of accounts and of one's own, through the web: 404 for ids of others, and nothing typed is lost."""

from __future__ import annotations

import re
import uuid

from flask import Flask
from sqlalchemy import text

from tests.factories import PASSWORD, Factory, without_rules
from tests.panel.account_browser import NEW, Browser, browser, factory, panel, signed_in

__all__ = ["browser", "factory", "panel"]


def test_another_institutions_account_is_404_like_one_that_does_not_exist(panel: Flask, factory: Factory) -> None:
    foreign = factory.focal_point(factory.other_institution())
    tenant = factory.institution()
    boss = signed_in(panel, factory.manager(tenant))
    with factory.superuser() as connection:
        grant = connection.scalar(text("select id from role_grant where account_id = :id"), {"id": foreign.id})
        before = connection.execute(text("select row_version, epoch from account where id = :id"), {"id": foreign.id})
        stood = before.one()
    for account, role in ((foreign.id, grant), (uuid.uuid4(), uuid.uuid4())):
        for address in (f"/accounts/{account}", f"/accounts/{account}/edit", f"/roles/of/{account}/new"):
            assert boss.get(address).status_code == 404, address
        for address in (
            f"/accounts/{account}/edit",
            f"/accounts/{account}/suspend",
            f"/accounts/{account}/reactivate",
            f"/accounts/{account}/invite",
            f"/roles/of/{account}/new",
            f"/roles/{role}/end",
            f"/roles/{role}/approve",
            f"/roles/{role}/refuse",
        ):
            values = {"version": "1", "first_name": "x", "last_name": "y", "email": "a@b.c", "language": "tr"}
            answer = boss.post(address, page="/accounts/new", role="focal_point", reason="WRITTEN_ORDER", **values)
            assert answer.status_code == 404, address
    with factory.superuser() as connection:
        now = connection.execute(text("select row_version, epoch from account where id = :id"), {"id": foreign.id})
        assert now.one() == stood
    denied = [content for content in factory.ledger(tenant) if '"outcome":"denied"' in content]
    assert any(str(foreign.id) in content for content in denied)


def test_two_people_edit_one_account_and_the_second_loses_nothing(panel: Flask, factory: Factory) -> None:
    tenant = factory.institution()
    who = factory.focal_point(tenant)
    boss = signed_in(panel, factory.manager(tenant))
    page = f"/accounts/{who.id}/edit"
    version = re.search(r'name="version"[^>]*value="(\d+)"', boss.get(page).text) or re.search(
        r'value="(\d+)"[^>]*name="version"', boss.get(page).text
    )
    assert version
    values = {"version": version[1], "last_name": "Kişi", "email": f"{uuid.uuid4().hex}@a.invalid", "language": "tr"}
    assert boss.post(page, page=page, first_name="Birinci", **values).status_code == 303
    second = boss.post(page, page=page, first_name="İkinci", **values)
    assert second.status_code == 409
    assert "İkinci" in second.text
    assert "Birinci" in second.text
    newest = re.search(r'name="version"[^>]*value="(\d+)"', second.text)
    assert newest
    assert boss.post(page, page=page, first_name="İkinci", **{**values, "version": newest[1]}).status_code == 303


def test_the_list_is_the_own_institutions_and_refuses_what_it_does_not_know(panel: Flask, factory: Factory) -> None:
    foreign = factory.focal_point(factory.other_institution())
    tenant = factory.institution()
    boss, root = signed_in(panel, factory.manager(tenant)), signed_in(panel, factory.administrator())
    assert foreign.username not in boss.get("/accounts/?size=100").text
    assert foreign.username in root.get("/accounts/?size=100&institution=EGM").text
    for bad in ("?institution=EGM", "?q=Kişi", "?page=abc", "?size=1000000", "?sort=password_hash", "?role=nobody"):
        assert boss.get(f"/accounts/{bad}").status_code == 400, bad
    assert boss.get("/accounts/?role=focal_point&active=yes&sort=-last_login").status_code == 200


def test_accounts_that_are_silent_for_ninety_days_are_listed_for_the_manager(panel: Flask, factory: Factory) -> None:
    tenant = factory.institution("KTB")
    silent, new, busy, ended = (factory.focal_point(tenant) for _ in range(4))
    days = {silent: 91, busy: 3, ended: 200}
    with factory.superuser() as connection, without_rules(connection, "account"):
        connection.execute(
            text("update account set created_at = now() - interval '1 year' where institution_id = :tenant"),
            {"tenant": tenant.id},
        )
        connection.execute(text("update account set created_at = now() where id = :id"), {"id": new.id})
        connection.execute(text("update account set active = false where id = :id"), {"id": ended.id})
        for who, since in days.items():
            values = {"id": who.id, "since": since}
            connection.execute(
                text("update account set last_login = now() - :since * interval '1 day' where id = :id"), values
            )
    boss = signed_in(panel, factory.manager(tenant))
    page = boss.get("/accounts/?silence=90").text
    assert [who.username in page for who in (silent, new, busy, ended)] == [True, False, False, False]
    page = boss.get("/accounts/?silence=never").text
    assert [who.username in page for who in (silent, new, busy, ended)] == [False, True, False, False]


def test_a_focal_point_and_an_auditor_reach_no_account_page(panel: Flask, factory: Factory) -> None:
    for who in (factory.focal_point(), factory.auditor(), factory.supervisor()):
        browser = signed_in(panel, who)
        for address in ("/accounts/", "/accounts/new", f"/accounts/{uuid.uuid4()}", "/roles/"):
            assert browser.get(address).status_code == 403, address


def test_auditors_read_accounts_and_change_none(panel: Flask, factory: Factory) -> None:
    who = factory.focal_point()
    national = signed_in(panel, factory.auditor())
    listed = national.get("/audit/accounts/?size=100").text
    assert who.username in listed
    assert f'href="/audit/accounts/{who.id}"' in listed
    page = national.get(f"/audit/accounts/{who.id}")
    assert page.status_code == 200
    assert "/suspend" not in page.text
    own = signed_in(panel, factory.auditor(factory.other_institution()))
    assert own.get(f"/audit/accounts/{who.id}").status_code == 404


def test_an_appointment_goes_from_proposal_to_active_through_the_pages(panel: Flask, factory: Factory) -> None:
    home = factory.institution("TIHEK", "rapporteur")
    root = signed_in(panel, factory.administrator())
    first = factory.supervisor()
    boss, supervisor = signed_in(panel, factory.manager(home)), signed_in(panel, first)
    answer = root.post(
        "/accounts/new",
        page="/accounts/new",
        reason="WRITTEN_ORDER",
        institution_id=str(home.id),
        first_name="Deniz",
        last_name="Bakar",
        email="deniz@tihek.invalid",
        language="tr",
        role="auditor_national",
    )
    assert answer.status_code == 200
    with factory.superuser() as connection:
        grant = connection.scalar(text("select id from role_grant where state = 'proposed'"))
    assert "Deniz Bakar" in supervisor.get("/approvals/").text
    assert supervisor.post(f"/approvals/{grant}/approve", page="/approvals/").status_code == 303
    assert f'<dd><ul class="values"><li>{first.actor.full_name} (' in supervisor.get("/approvals/").text
    assert boss.post(f"/roles/{grant}/approve", page="/roles/").status_code == 303
    with factory.superuser() as connection:
        assert connection.scalar(text("select state from role_grant where id = :id"), {"id": grant}) == "active"


def test_the_own_password_changes_on_the_profile_and_this_session_goes_on(panel: Flask, factory: Factory) -> None:
    who = factory.focal_point()
    here, elsewhere = signed_in(panel, who), signed_in(panel, who)
    page = "/profile/password"
    wrong = here.post(page, page=page, current="not it at all", password=NEW, again=NEW)
    assert wrong.status_code == 422
    assert here.post(page, page=page, current=PASSWORD, password=NEW, again=NEW).status_code == 303
    assert here.get("/profile/").status_code == 200
    assert elsewhere.get("/profile/").status_code == 302


def test_the_profile_shows_own_sign_ins_with_the_failed_ones(panel: Flask, factory: Factory) -> None:
    for who in (factory.focal_point(), factory.administrator(), factory.supervisor(), factory.caseworker()):
        Browser(panel).sign_in(who, "not the password at all")
        browser = Browser(panel)
        browser.sign_in(who)
        page = browser.get("/profile/")
        assert page.text.count("127.0.0.1") == 2, who.username
    assert page.status_code == 200


def test_own_data_change_on_the_profile(panel: Flask, factory: Factory) -> None:
    browser = signed_in(panel, factory.focal_point())
    text_ = browser.get("/profile/edit").text
    version = re.search(r'name="version"[^>]*value="(\d+)"', text_)
    assert version
    values = {"email": f"{uuid.uuid4().hex}@b.invalid", "title": "Uzman", "language": "en", "version": version[1]}
    for current in ("", "not it at all"):
        refused = browser.post("/profile/edit", page="/profile/edit", current=current, **values)
        assert (refused.status_code, "not it at all" in refused.text) == (422, False)
    with factory.superuser() as connection:
        assert not connection.scalar(text("select count(*) from account where email = :email"), values)
    values["current"] = PASSWORD
    assert browser.post("/profile/edit", page="/profile/edit", **values).status_code == 303
    assert 'lang="en"' in browser.get("/profile/").text
    assert browser.post("/profile/edit", page="/profile/edit", **values).status_code == 409


def test_title_and_language_change_without_the_password(panel: Flask, factory: Factory) -> None:
    who = factory.focal_point()
    values = {"email": f"{who.username}@example.invalid", "title": "Uzman", "language": "tr", "version": "1"}
    assert signed_in(panel, who).post("/profile/edit", page="/profile/edit", **values).status_code == 303


def test_an_institution_whose_only_manager_is_suspended_has_none_and_a_suspended_one_needs_none(
    panel: Flask, factory: Factory
) -> None:
    shut, left = factory.institution("KAPALI", "ngo"), factory.institution("KALAN", "ngo")
    manager = factory.manager(left)
    browser = signed_in(panel, factory.administrator())
    assert "KALAN – " not in browser.get("/").text
    with factory.superuser() as connection:
        connection.execute(text("update account set active = false where id = :id"), {"id": manager.id})
        connection.execute(text("update institution set status = 'suspended' where id = :id"), {"id": shut.id})
    page = browser.get("/").text
    assert "KALAN – " in page
    assert "KAPALI – " not in page


def test_an_accounts_page_tells_of_a_link_that_waits_and_of_one_that_has_expired(
    panel: Flask, factory: Factory
) -> None:
    colleague = factory.focal_point()
    browser = signed_in(panel, factory.manager())
    page = f"/accounts/{colleague.id}"
    assert "Davet bekliyor" not in browser.get(page).text
    assert "data-copy=" in browser.post(f"{page}/invite", page=page, reason="WRITTEN_ORDER").text
    assert "Davet bekliyor" in browser.get(page).text
    with factory.superuser() as connection:
        connection.execute(
            text("update invitation set expires_at = now() where account_id = :id"), {"id": colleague.id}
        )
    assert "Davetin süresi doldu" in browser.get(page).text


def test_the_language_is_switched_by_a_form_and_kept(panel: Flask, factory: Factory) -> None:
    browser = Browser(panel)
    assert 'lang="tr"' in browser.get("/sign-in").text
    assert browser.get("/language?language=en").status_code == 405
    assert browser.post("/language", language="en", next="//evil.example").headers["Location"] == "/"
    assert 'lang="en"' in browser.get("/sign-in").text
    assert browser.post("/language", language="xx").status_code == 400
    who = factory.focal_point()
    browser.sign_in(who)
    assert 'lang="tr"' in browser.get("/profile/").text  # the account's own choice
    assert browser.post("/language", page="/profile/", language="en").status_code == 303
    assert 'lang="en"' in signed_in(panel, who).get("/profile/").text


def test_units_and_register_through_the_pages(panel: Flask, factory: Factory) -> None:
    tenant = factory.institution()
    boss, supervisor = signed_in(panel, factory.manager(tenant)), signed_in(panel, factory.supervisor())
    values = {"name": "Bolu İl", "parent_id": str(tenant.root), "province": "TR-14"}
    assert boss.post("/units/new", page="/units/new", **values).status_code == 303
    assert boss.post("/units/new", page="/units/new", **values).status_code == 422  # there is one of this name
    assert "Bolu İl" in boss.get("/units/").text
    foreign = factory.other_institution().root
    assert boss.get(f"/units/{foreign}").status_code == 404
    assert boss.post("/units/new", page="/units/new", name="x", parent_id=str(foreign)).status_code == 422
    assert boss.get("/institutions/").status_code == 403
    added = supervisor.post(
        "/institutions/new", page="/institutions/new", code="YENIKURUM", name_tr="Yeni Kurum", name_en="New", kind="ngo"
    )
    assert added.status_code == 303
    page = added.headers["Location"]
    assert "Yeni Kurum" in supervisor.get(page).text
    assert supervisor.post(f"{page}/suspend", page=page, version="1").status_code == 303
    assert supervisor.post(f"{page}/suspend", page=page, version="1").status_code == 409
    assert "YENIKURUM" in supervisor.get("/institutions/?status=suspended").text


def test_none_of_the_frameworks_own_doors_exists(panel: Flask) -> None:
    rules = {rule.rule for rule in panel.url_map.iter_rules()}
    for word in ("login", "register", "resetpassword", "resetmypassword", "userinfo", "/users", "refresh", "security"):
        assert not any(word in rule.lower() for rule in rules), word
    client = panel.test_client()
    for address in ("/login/", "/api/v1/security/login", "/resetpassword/form?pk=1", "/users/list/", "/lang/en"):
        assert client.get(address).status_code == 404, address


def test_an_empty_field_and_an_empty_column_are_no_difference(panel: Flask, factory: Factory) -> None:
    tenant = factory.institution("BOSALAN", "ngo")
    supervisor, page = signed_in(panel, factory.supervisor()), f"/institutions/{tenant.id}/edit"
    values = {"name_tr": "Boş alan", "name_en": "Empty field", "kind": "ngo", "k_threshold": ""}
    second = supervisor.post(page, page=page, version="99", **values)
    assert second.status_code == 409
    rows = re.findall(r'<tr( class="differs")?><th scope="row">([^<]+)', second.text)
    assert {name.strip() for differs, name in rows if differs} >= {"Türkçe adı"}
    assert not [name for differs, name in rows if differs and "sayı" in name]
