"""The pages of accounts, through the web: sessions that end when they should, links shown once, 404 for others' ids."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import NoResultFound
from werkzeug.test import TestResponse

from app import create_app
from tests import second_factors
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD, Factory, Somebody, without_rules
from tests.signed_in import enter

NEW = "mor masa yedi yıldız"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(settings_for(shared_database, Path(tmp_path_factory.mktemp("home"))))


@pytest.fixture(scope="module")
def factory(shared_database: Database, panel: Flask) -> Factory:
    made = Factory(shared_database, panel.extensions["itm_keyring"])
    made.presidency()
    made.other_institution()
    panel.extensions["factory"] = made
    return made


class Browser:
    """A browser with its cookies: reads forms' tokens as a person's would."""

    def __init__(self, panel: Flask) -> None:
        self.client: FlaskClient = panel.test_client()
        self.panel = panel

    def code(self, username: str) -> str | None:
        make: Factory = self.panel.extensions["factory"]
        try:
            return make.code(username)
        except NoResultFound:
            return None

    def get(self, address: str) -> TestResponse:
        return self.client.get(address)

    def post(self, address: str, page: str = "/sign-in", **values: str) -> TestResponse:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)
        assert token, f"no form on {page}"
        return self.client.post(address, data={"csrf_token": token[1], **values})

    def sign_in(self, who: Somebody | str, password: str = PASSWORD, **values: str) -> TestResponse:
        """Both steps, if the password is right."""
        username = who if isinstance(who, str) else who.username
        code = self.code(username)
        answer = self.post("/sign-in", username=username, password=password, **values)
        if answer.status_code != 303 or code is None:
            return answer
        return second_factors.show(self.client, answer, code)

    @property
    def cookie(self) -> str:
        found = self.client.get_cookie("itm")
        return found.value if found else ""

    def bring_back(self, cookie: str) -> None:
        self.client.set_cookie("itm", cookie)


@pytest.fixture
def browser(panel: Flask) -> Browser:
    return Browser(panel)


def signed_in(panel: Flask, who: Somebody | str, password: str = PASSWORD) -> Browser:
    """Has signed in, without the pages; by them, where the password is another one."""
    browser = Browser(panel)
    if password == PASSWORD:
        make: Factory = panel.extensions["factory"]
        enter(browser.client, make.database, who if isinstance(who, str) else who.username)
        return browser
    assert browser.sign_in(who, password).status_code == 303
    return browser


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
    for browser, may in ((boss, False), (colleague, True)):  # whoever made the link has seen it
        address = re.search(r'action="(/confirmations/[0-9a-f-]+/confirm)"', browser.get("/confirmations/").text)
        assert (address is not None) is may
        if address:
            assert browser.post(address[1], page="/confirmations/").status_code == 303
    assert signed_in(panel, "jgk.sule.gun", NEW).get("/profile/").status_code == 200
    assert not any(token in content or NEW in content for content in factory.ledger())


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
