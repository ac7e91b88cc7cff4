"""A passkey's life in a real browser: added, enough alone, a second step, refused without its person, and removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Route
from sqlalchemy import text

from tests.factories import PASSWORD, Somebody
from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

NAME = "Masadaki anahtar"
ALONE, SECOND = "Geçiş anahtarıyla oturum aç", "Geçiş anahtarı kullan"
_DELAY = "update code_tries set blocked_until = now() + interval '1 hour' where account_id = :id"
REFUSED = "Geçiş anahtarı kabul edilmedi"


class Device:
    """A window's authenticator: it holds passkeys, and verifies its person or does not."""

    def __init__(self, visitor: Visitor) -> None:
        self._talks: CDPSession = visitor.page.context.new_cdp_session(visitor.page)
        self._send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        self._id = self._send("WebAuthn.addVirtualAuthenticator", options=options)["authenticatorId"]

    def held(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._send("WebAuthn.getCredentials", authenticatorId=self._id)["credentials"]
        return found

    def forget(self, id: str) -> None:
        self._send("WebAuthn.removeCredential", authenticatorId=self._id, credentialId=id)

    def verifies(self, whether: bool) -> None:
        self._send("WebAuthn.setUserVerified", authenticatorId=self._id, isUserVerified=whether)

    def _send(self, what: str, **values: Any) -> Any:
        return self._talks.send(what, values)


@pytest.fixture
def own_name(house: House, panel: Panel) -> Iterator[House]:
    """Windows at the address at which passkeys work: a name, and no number."""
    address = panel.settings.origin
    found = House(house.browser, address, panel.let_in, panel.make.code)
    yield found
    found.close()


def without_verification(visitor: Visitor) -> None:
    """The page's script asks the device for less than the server does."""

    def ask(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["options"]["userVerification"] = "discouraged"
        route.fulfill(response=answer, json=told)

    for step in ("sign-in/passkey", "sign-in/factor/passkey"):
        visitor.page.route(f"**/{step}/ask", ask)


def any_passkey(visitor: Visitor) -> None:
    """The page's script asks the device for any passkey that it holds."""

    def ask(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["options"]["allowCredentials"] = []
        route.fulfill(response=answer, json=told)

    visitor.page.route("**/sign-in/factor/passkey/ask", ask)


def delay_codes(panel: Panel, who: Somebody) -> None:
    with panel.make.superuser() as connection:
        connection.execute(text(_DELAY), {"id": who.id})


def last_used(visitor: Visitor) -> str:
    factor = visitor.open("/profile/factors/").main.locator(
        "section", has=visitor.page.get_by_role("heading", name=NAME)
    )
    return factor.locator("dd").nth(2).inner_text()


def test_a_passkey_signs_in_alone_and_as_a_second_step_and_never_without_its_person(
    own_name: House, cast: Cast, panel: Panel
) -> None:
    who = panel.make.focal_point(cast.jgk)
    panel.make.code(who.username)
    visitor = own_name.visitor(who)
    device = Device(visitor)
    visitor.open("/profile/factors/").page.locator("#passkey-name").fill(NAME)
    visitor.send("Geçiş anahtarı kur").says("Geçiş anahtarı kuruldu")
    assert [each["isResidentCredential"] for each in device.held()] == [True]
    assert last_used(visitor) == "Henüz kullanılmadı"

    visitor.sign_out().open("/sign-in").send(ALONE)
    assert visitor.path == "/"
    assert re.match(r"\d\d\.\d\d\.\d{4} ", last_used(visitor))

    visitor.sign_out().open("/sign-in?next=/profile/").fill(username=who.username, password=PASSWORD).send("Oturum aç")
    visitor.send(SECOND)
    assert visitor.path == "/profile/"

    device.verifies(False)
    visitor.sign_out().open("/sign-in?next=/profile/").fill(username=who.username)
    visitor.main.get_by_role("button", name=ALONE).click()
    visitor.says("Tarayıcı geçiş anahtarı vermedi")
    visitor.look()
    assert visitor.main.locator("[name=username]").input_value() == who.username
    without_verification(visitor)
    visitor.send(ALONE).says(REFUSED)
    assert visitor.path == "/sign-in?next=/profile/"
    visitor.fill(username=who.username, password=PASSWORD).send("Oturum aç")
    visitor.send(SECOND).says(REFUSED)
    assert visitor.path == "/sign-in/factor?next=/profile/"

    delay_codes(panel, who)
    device.verifies(True)
    visitor.page.unroute_all()
    visitor.send(SECOND)
    assert visitor.path == "/profile/"
    visitor.open("/profile/factors/")
    mine = visitor.main.locator("section", has=visitor.page.get_by_role("heading", name=NAME))
    mine.get_by_role("button", name="Kaldır").click()
    visitor.send("Kaldır", visitor.page.locator("dialog")).says("İkinci doğrulama kaldırıldı")
    assert NAME not in visitor.words()
    visitor.sign_out().open("/sign-in").send(ALONE).says(REFUSED)
    asked = "select count(*) from audit.event where action = 'auth.login' and content like '%wrong_passkey%'"
    assert panel.ask(asked)[0][0] >= 2  # at the second step, and without a name: the first one, the others are counted


def test_after_a_password_nobody_elses_passkey_is_taken(own_name: House, cast: Cast, panel: Panel) -> None:
    one, other = panel.make.focal_point(cast.jgk), panel.make.focal_point(cast.jgk)
    window = own_name.visitor(one)
    device = Device(window)
    for who in (one, other):
        panel.make.code(who.username)
        if who is other:
            window.sign_out()
            window.sign_in(other.username)
        window.open("/profile/factors/").page.locator("#passkey-name").fill(NAME)
        window.send("Geçiş anahtarı kur").says("Geçiş anahtarı kuruldu")
    [mine] = [each["credentialId"] for each in device.held() if each["userName"] == other.username]
    device.forget(mine)
    any_passkey(window)
    window.sign_out().open("/sign-in").fill(username=other.username, password=PASSWORD).send("Oturum aç")
    window.send(SECOND).says(REFUSED)
    assert window.path == "/sign-in/factor"


def test_at_a_number_the_page_names_the_address_at_which_passkeys_work(house: House, cast: Cast, panel: Panel) -> None:
    sentence = f"Geçiş anahtarları yalnızca şu adreste çalışır: {panel.settings.origin}"
    visitor = house.visitor(cast.of(FOCAL)).open("/profile/factors/")
    visitor.says(sentence)
    assert not visitor.page.locator("#passkey-name").is_visible()
    visitor.sign_out().open("/sign-in").says(sentence)
    assert not visitor.main.get_by_role("button", name=ALONE).is_visible()
