"""Delays as pages and programs tell them, the cookie of a known device, and who is told of an unusual sign-in."""

from __future__ import annotations

import re

import pytest

from itm_admin.accounts.mail_texts import compose
from tests.conftest import Database
from tests.factories import Somebody
from tests.panel.panel_app import Browser, RunningPanel

WRONG = "not the password at all"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    return RunningPanel(shared_database, tmp_path_factory.mktemp("tries"))


@pytest.fixture
def focal(panel: RunningPanel) -> Somebody:
    return panel.make.focal_point()


def mails(panel: RunningPanel, person: Somebody, kind: str) -> list[dict[str, str]]:
    rows = panel.rows(
        "select detail from mail where about = :about and kind = :kind order by created_at",
        about=person.id,
        kind=kind,
    )
    return [row.detail for row in rows]


def wrong(browser: Browser, username: str) -> int:
    return browser.post("/sign-in", username=username, password=WRONG).status_code


def test_a_page_and_a_program_are_told_how_long_to_wait(panel: RunningPanel, focal: Somebody) -> None:
    stranger = panel.browser()
    assert [wrong(stranger, focal.username) for _ in range(5)] == [401] * 5
    page = stranger.post("/sign-in", username=focal.username, password=WRONG)
    seconds = int(page.headers["Retry-After"])
    assert page.status_code == 429
    assert 0 < seconds <= 5
    assert f"{seconds} saniye sonra" in page.text
    program = stranger.send("POST", "/api/v1/session/", {"username": focal.username, "password": WRONG})
    assert program.status_code == 429
    assert int(program.headers["Retry-After"]) <= seconds


def test_names_are_accepted_as_keyboards_write_them(panel: RunningPanel, focal: Somebody) -> None:
    stranger = panel.browser()
    capitals = focal.username.replace("i", "İ").upper()
    for name in (capitals, focal.username.replace("i", "ı"), focal.username.replace(".", "。")):
        wrong(stranger, name)
    held = panel.rows("select tries from sign_in_tally where account_id = :id", id=focal.id)
    assert sum(row.tries for row in held) == 3


def test_a_device_that_has_signed_in_goes_on_while_strangers_try(panel: RunningPanel, focal: Somebody) -> None:
    at_home = panel.browser(focal)
    stranger = panel.browser()
    for _ in range(11):
        wrong(stranger, focal.username)
    assert wrong(stranger, focal.username) == 429
    at_home.client.delete_cookie("session")
    assert wrong(at_home, focal.username) == 401, "it is not delayed"


@pytest.mark.parametrize("value", ["", "x", "eyJ4Ijo.x.y", "ü" * 5000])
def test_a_device_that_nobody_signed_is_a_stranger(panel: RunningPanel, focal: Somebody, value: str) -> None:
    browser = panel.browser()
    browser.client.set_cookie("itm-device", value)
    assert wrong(browser, focal.username) == 401


def test_the_cookie_tells_nothing_and_is_for_no_script(panel: RunningPanel, focal: Somebody) -> None:
    browser = panel.browser(focal)
    cookie = browser.client.get_cookie("itm-device")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")
    assert focal.username not in cookie.value
    kept = panel.rows("select secret_digest from known_device where account_id = :id", id=focal.id)
    assert len(kept) == 1
    again = panel.browser(focal)
    assert len(panel.rows("select 1 from known_device where account_id = :id", id=focal.id)) == 2
    device = re.search(r'name="device" value="([0-9a-f-]{36})"', again.get("/profile/").text)
    assert device is not None
    assert again.post("/profile/forget-device", device=device.group(1)).status_code == 303
    assert len(panel.rows("select 1 from known_device where account_id = :id", id=focal.id)) == 1


def test_a_new_device_and_a_new_network_are_told_to_the_person_and_the_manager(panel: RunningPanel) -> None:
    tenant = panel.make.institution("SAGLIK")
    person = panel.make.focal_point(tenant)
    manager = panel.make.manager(tenant)
    panel.browser(person)
    assert mails(panel, person, "told_unusual") == []
    rows = panel.rows(
        "select begun_at from account_session where account_id = :id and address is not null", id=person.id
    )
    assert rows, "its network is known"
    with panel.database.engine("superuser").begin() as connection:
        connection.exec_driver_sql("alter table account_session disable trigger a_rules")
        connection.exec_driver_sql(
            f"update account_session set address = '198.51.100.1' where account_id = '{person.id}'"
        )
        connection.exec_driver_sql("alter table account_session enable always trigger a_rules")
    panel.browser(person)
    told = mails(panel, person, "told_unusual")
    assert [each["unusual"] for each in told] == ["device,network"]
    assert [each["unusual"] for each in mails(panel, person, "told_manager_unusual")] == ["device,network"]
    assert panel.rows("select 1 from mail where account_id = :id and kind = 'told_manager_unusual'", id=manager.id)
    entry = panel.rows(
        "select content::jsonb -> 'detail' ->> 'unusual' as unusual from audit.event where action = 'auth.login'"
        " and outcome = 'success' and actor_id = :id order by at desc limit 1",
        id=str(person.id),
    )
    assert entry[0].unusual == "device,network"
    _subject, body = compose("told_unusual", "tr", told[0])
    assert "yeni bir cihaz, yeni bir ağ" in body


def test_an_hour_in_which_the_institution_hardly_works_is_unusual(panel: RunningPanel) -> None:
    tenant = panel.make.institution("ADALET")
    person = panel.make.focal_point(tenant)
    browser = panel.browser(person)
    with panel.database.engine("superuser").begin() as connection:
        connection.exec_driver_sql("alter table account_session disable trigger a_rules")
        connection.exec_driver_sql(
            "insert into account_session (institution_id, account_id, epoch, secret_digest, ends_at, begun_at)"
            f" select '{tenant.id}', '{person.id}', 0, sha256(n::text::bytea), at + interval '1 hour', at"
            " from generate_series(1, 150) n, lateral (select now() - interval '7 days' - interval '12 hours') t(at)"
        )
        connection.exec_driver_sql("alter table account_session enable always trigger a_rules")
    browser.client.delete_cookie("session")
    browser.renew_token()
    panel.sign_in(browser, person)
    assert [each["unusual"] for each in mails(panel, person, "told_unusual")] == ["hour"]
