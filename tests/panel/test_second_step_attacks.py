"""Attacks on the second step: half a session opens nothing else, is not taken over, and tells nothing."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from webauthn.helpers import base64url_to_bytes

from itm_admin.accounts import factors, recovery_codes
from tests import second_factors
from tests.panel.test_second_factors import OURS, in_own_scope, password
from tests.panel.test_sessions import token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.routing import Rule
    from werkzeug.test import TestResponse

    from tests.factories import Somebody
    from tests.panel.panel_app import Browser, RunningPanel

SECOND_STEP = {
    "SecondStepView.code", "SecondStepView.set_up", "SecondStepView.ask_to_add", "SecondStepView.add_passkey",
    "SecondStepView.ask_passkey", "SecondStepView.show_passkey",
    "OwnSessionView.sign_out",
}  # fmt: skip
"""All that half a session opens, beside what is open to everybody."""


def half(panel: RunningPanel, who: Somebody) -> Browser:
    """A browser after the password, before the factor."""
    panel.make.code(who.username)
    browser = panel.browser()
    assert password(browser, who).headers["Location"] == "/sign-in/factor"
    browser.renew_token()
    return browser


def cookie_secret(browser: Browser) -> str:
    with browser.client.session_transaction() as cookie:
        return str(cookie["secret"])


def walled(panel: RunningPanel) -> Iterator[tuple[Rule, str, str]]:
    """Every route that is not open to everybody, with each of its methods, at an address with made-up values."""
    for rule in panel.app.url_map.iter_rules():
        access = panel.app.extensions["itm_access"].get(rule.endpoint)
        if access is None or access.public or rule.endpoint in SECOND_STEP:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            kinds = rule._converters
            values = {name: made_up(type(kinds[name]).__name__) for name in rule.arguments}
            yield rule, method, panel.app.url_map.bind("localhost").build(rule.endpoint, values, method=method)


def made_up(converter: str) -> uuid.UUID | int | str:
    return uuid.uuid4() if converter in ("RecordId", "UUIDConverter") else 1 if converter == "IntegerConverter" else "x"


def test_half_a_session_reaches_no_route_but_those_of_the_second_step(panel: RunningPanel) -> None:
    declared = panel.app.extensions["itm_access"]
    assert {name for name, access in declared.items() if access.second_step} == SECOND_STEP
    browser, tried = half(panel, panel.make.manager()), 0
    before = panel.state()
    for rule, method, address in walled(panel):
        answer = browser.ask(method, address)
        if declared[rule.endpoint].api:
            assert answer.status_code == 401, (method, address)
        else:
            assert answer.status_code == 303, (method, address)
            assert answer.headers["Location"].startswith("/sign-in/factor"), (method, address)
        tried += 1
    assert tried > 200
    assert panel.state() == before


def test_the_second_step_has_another_secret_and_the_first_one_opens_nothing(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    browser = half(panel, who)
    before, stolen = cookie_secret(browser), browser.client.get_cookie("itm")
    assert stolen is not None
    page = browser.get("/sign-in/factor")
    assert second_factors.show(browser.client, page, panel.make.code(who.username)).status_code == 303
    assert cookie_secret(browser) != before
    assert browser.get("/profile/").status_code == 200
    thief = panel.browser()
    thief.client.set_cookie("itm", stolen.value)
    assert thief.get("/profile/").headers["Location"].startswith("/sign-in?")
    assert browser.get("/profile/").status_code == 200


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_a_second_step_that_another_site_sends_is_refused(panel: RunningPanel, headers: dict[str, str]) -> None:
    who = panel.make.focal_point()
    browser = half(panel, who)
    page, code = browser.get("/sign-in/factor"), panel.make.code(who.username)
    assert second_factors.show(browser.client, page, code, headers).status_code == 400
    for address in ("/sign-in/passkey/ask", "/sign-in/passkey/"):
        sent = {"csrf_token": browser.token, "question": "x", "credential": "{}"}
        assert browser.client.post(address, data=sent, headers=headers).status_code == 400
    assert browser.get("/profile/").status_code == 303
    assert second_factors.show(browser.client, page, code).status_code == 303  # it was not used up
    assert browser.get("/profile/").status_code == 200


def refused_page(panel: RunningPanel, username: str) -> tuple[int, str, list[str]]:
    sent = {"username": username, "password": "bu yanlış bir parola"}
    answer: TestResponse = panel.browser().client.post("/sign-in", data=sent, headers=OURS)
    shown = re.sub(r'(csrf_token" value=")[^"]+|\b[0-9a-f]{32}\b', r"\1", answer.text).replace(username, "NAME")
    return answer.status_code, shown, sorted(name for name, _value in answer.headers)


def test_a_wrong_password_does_not_tell_which_factors_an_account_has(panel: RunningPanel) -> None:
    without, with_one = panel.make.focal_point(), panel.make.focal_point()
    panel.make.code(with_one.username)
    pages = [refused_page(panel, name) for name in (without.username, with_one.username, "kimse.boyle.biri")]
    assert pages[0][0] == 401
    assert pages[0] == pages[1] == pages[2]


def test_wrong_codes_wait_and_never_delay_a_passkey(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    browser = half(panel, who)
    for number in range(factors.FREE_TRIES + 1):
        answer = second_factors.show(browser.client, browser.get("/sign-in/factor"), "000000")
        assert answer.status_code == (422 if number < factors.FREE_TRIES else 429)
    waiting = browser.post("/sign-in/factor/passkey/ask")
    assert (waiting.status_code, waiting.json["options"]["userVerification"]) == (200, "required")  # type: ignore[index]
    fields = {"question": waiting.json["question"], "credential": "{}"}  # type: ignore[index]
    refused = browser.post("/sign-in/factor/passkey", **fields)
    assert (refused.status_code, refused.headers["Location"]) == (303, "/sign-in/factor")
    assert "Retry-After" not in refused.headers


def test_each_question_for_a_passkey_has_32_random_bytes_of_its_own(panel: RunningPanel) -> None:
    browser = panel.browser()
    asked = [browser.client.post("/sign-in/passkey/ask", headers=OURS).json["options"]["challenge"] for _ in range(3)]  # type: ignore[index]
    assert [len(base64url_to_bytes(each)) for each in asked] == [32, 32, 32]
    assert len(set(asked)) == 3


def test_the_panel_cannot_replace_what_proves_a_passkey(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    for column in ("public_key", "credential", "account_id"):
        change = text(f"update second_factor set {column} = {column} where account_id = :id")
        with pytest.raises(ProgrammingError, match="permission denied"):
            in_own_scope(panel, who, lambda session, change=change: session.execute(change, {"id": who.id}))  # type: ignore[misc]


def test_a_new_link_replaces_the_password_and_never_the_second_factor(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    panel.make.code(who.username)
    manager, colleague = panel.browser(panel.make.manager()), panel.browser(panel.make.caseworker())
    shown = manager.post(f"/accounts/{who.id}/invite", reason="WRITTEN_ORDER")
    link = re.search(r'value="http://localhost(/invitation/[^"]+)"', shown.text)
    assert link, shown.text
    browser, new = panel.browser(), "Yeni-Kavak-Yaprak-1881"
    assert browser.get(link[1]).headers["Location"] == "/invitation/"
    fields = {"password": new, "again": new, "csrf_token": token_of(browser.get("/invitation/"))}
    assert browser.client.post("/invitation/", data=fields).status_code == 303
    confirm = re.search(r'action="(/confirmations/[0-9a-f-]+/confirm)"', colleague.get("/confirmations/").text)
    assert confirm
    assert colleague.post(confirm[1]).status_code == 303
    fields = {"username": who.username, "password": new}
    assert browser.client.post("/sign-in", data=fields, headers=OURS).headers["Location"] == "/sign-in/factor"
    assert browser.get("/profile/").headers["Location"].startswith("/sign-in/factor")


def test_a_refused_passkey_keeps_the_form_that_waits(panel: RunningPanel) -> None:
    panel.make.focal_point()  # with whom the Presidency and its ledger are there
    browser = panel.browser()
    held = urlencode({"title": "Gönderilmeden kalan"})
    sent = {"next": "/profile/edit", "held": held, "question": "x", "credential": "{}"}
    answer = browser.client.post("/sign-in/passkey/", data=sent, headers=OURS)
    assert answer.status_code == 401
    assert held in answer.text
    assert "Geçiş anahtarı kabul edilmedi" in answer.text


def test_no_secret_of_a_second_step_stands_in_an_entry_a_log_or_an_address(
    panel: RunningPanel, caplog: pytest.LogCaptureFixture
) -> None:
    who = panel.make.focal_point()
    secret = second_factors.secret_of(panel.database, panel.make.keyring, who.username)
    codes = in_own_scope(panel, who, lambda session: recovery_codes.renew(session, who.id, who.tenant.id))
    assert isinstance(codes, list)
    told, wrong = panel.make.code(who.username), "918273"
    answers = []
    for code, status in ((wrong, 422), (told, 303), (codes[0], 303)):
        browser = panel.browser()
        assert password(browser, who).status_code == 303
        answers.append(second_factors.show(browser.client, browser.get("/sign-in/factor"), code))
        assert answers[-1].status_code == status
    entries = panel.rows("select content from audit.event where actor_id = :id", id=str(who.id))
    assert len(entries) >= 3
    places = [*(row.content for row in entries), caplog.text, *(str(each.headers) for each in answers)]
    asked = [each.request.url for each in answers]
    for word in (secret, told, wrong, *codes, *(code.replace("-", "") for code in codes)):
        assert not [place for place in (*places, *asked) if re.search(rf"\b{word}\b", place)], word
