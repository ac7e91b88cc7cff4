"""A form is answered by a redirect: Back and reload show its answer again and send nothing."""

from __future__ import annotations

import re

import pytest

from tests.house.test_routes import LEAVING
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel

PUBLIC = {
    "SignInView.sign_in": "nobody is signed in, so no account keeps a page; a script makes the browser forget the form",
    "InvitationView.redeem": "as the sign-in page",
    "SecondStepView.code": "as the sign-in page, whose second step it is",
    "SecondStepView.set_up": "as the sign-in page, whose second step it is",
    "SecondStepView.add_passkey": "as the sign-in page, whose second step it is",
    "SecondStepView.show_passkey": "as the sign-in page, whose second step it is",
    "SecondStepView.ask_passkey": "as the sign-in page, whose second step it is",
    "SecondStepView.ask_to_add": "as the sign-in page, whose second step it is",
    "PasskeySignInView.ask": "as the sign-in page",
    "PasskeySignInView.sign_in": "as the sign-in page",
    "ProviderSignInView.go_on": "as the sign-in page: nobody is signed in yet",
    "DirectorySignInView.sign_in": "as the sign-in page: nobody is signed in yet",
    "ProviderInvitationView.confirm": "as the page of a one-time link",
    "DirectoryInvitationView.ask": "as the page of a one-time link",
    "LanguageView.choose": "open to those who are not signed in; it answers with a page to a forged form alone",
}
"""POSTs that are answered with a page, and why."""


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def test_no_post_of_anybody_is_answered_with_a_page(world: World) -> None:
    pages, redirected = set(), 0
    for step in world.steps("POST"):
        if step.endpoint.partition(".")[0].endswith("Api") or step.endpoint in LEAVING:
            continue
        who = next(
            (each for role, each in world.walkers.items() if role in step.expected.may),
            world.walkers["auditor_national"],
        )
        path = world.path(step, who.own or world.ours)
        for fields in ({}, {**world.fields(step, who), "version": "999"}, {"csrf_token": "forged"}):
            answer = who.browser.client.post(path, data={"csrf_token": who.browser.token, **fields}, kept=False)
            assert answer.status_code < 500, (step.key, answer.status_code)
            redirected += answer.status_code == 303
            if answer.status_code != 303 and answer.mimetype == "text/html":
                pages.add(step.endpoint)
    assert pages <= set(PUBLIC), pages - set(PUBLIC)
    assert redirected > 60


def test_a_refused_form_can_be_reloaded_with_what_was_typed_and_its_address_says_nothing_of_it(world: World) -> None:
    focal = world.walkers["focal_point"]
    path = f"/persons/new/{world.ours.case}"
    typed = {"given_name": "Kanarya", "birth_date": "31.02.1999", "role": "WITNESS", "csrf_token": focal.browser.token}
    sent = focal.browser.client.post(path, data=typed, kept=False)
    address = sent.headers["Location"]
    assert (sent.status_code, sent.data, address.partition("?")[0]) == (303, b"", path)
    assert re.fullmatch(r"answer=[0-9a-f]{32}", address.partition("?")[2])
    for _time in range(2):
        shown = focal.browser.get(address)
        assert (shown.status_code, "Kanarya" in shown.text, "1999" in shown.text) == (422, True, True)
        assert str(world.ours.case) in [event.target for event in world.panel.shown(shown)]
    stored = world.panel.rows("select sealed from form_answer")
    assert stored
    assert not [row for row in stored if b"Kanarya" in row.sealed]


def test_nobody_else_and_no_other_session_opens_it(world: World) -> None:
    focal = world.walkers["focal_point"]
    sent = focal.browser.client.post(
        f"/persons/new/{world.ours.case}", data={"given_name": "Kanarya", "csrf_token": focal.browser.token}, kept=False
    )
    address = sent.headers["Location"]
    for browser in (world.panel.browser(focal.somebody), world.walkers["caseworker"].browser):
        assert "Kanarya" not in browser.get(address).text


@pytest.fixture
def revealed(world: World) -> str:
    focal = world.walkers["focal_point"]
    fields = {"purpose": "CASE_WORK", "csrf_token": focal.browser.token}
    sent = focal.browser.client.post(f"/persons/{world.ours.person}/reveal", data=fields, kept=False)
    assert "Refresh" not in sent.headers
    assert "record.reveal" in [event.action for event in world.panel.shown(sent)]
    return sent.headers["Location"]


def test_a_reveal_is_shown_again_within_its_ten_minutes_alone_and_each_time_recorded(
    world: World, revealed: str
) -> None:
    focal, person = world.walkers["focal_point"], str(world.ours.person)
    for _time in range(2):
        shown = focal.browser.get(revealed)
        assert "AdJGK" in shown.text
        seconds = int(shown.headers["Refresh"].partition(";")[0])
        assert 500 < seconds <= 600
        assert f'data-remask-after="{seconds}"' in shown.text
        events = world.panel.shown(shown)
        assert [(event.action, event.target) for event in events] == [("record.read", person)], "no second reveal"
    with world.panel.make.superuser() as connection:
        connection.exec_driver_sql("update form_answer set expires_at = now() - interval '1 second'")
    over = focal.browser.get(revealed)
    assert (over.status_code, "AdJGK" in over.text, "Refresh" in over.headers) == (200, False, False)


def test_a_reveal_is_not_shown_to_somebody_who_may_no_longer_see_the_person(world: World, revealed: str) -> None:
    focal = world.walkers["focal_point"]
    with world.panel.make.superuser() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql(
            f"update person set deleted_at = now(), deletion_reason = 'DUPLICATE' where id = '{world.ours.person}'"
        )
    try:
        answer = focal.browser.get(revealed)
        assert (answer.status_code, "AdJGK" in answer.text) == (404, False)
    finally:
        with world.panel.make.superuser() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica")
            connection.exec_driver_sql(
                f"update person set deleted_at = null, deletion_reason = null where id = '{world.ours.person}'"
            )


def test_a_reveal_is_shown_on_its_own_page_alone(world: World, revealed: str) -> None:
    """Any other page asks whether the person may see something else, and its entry names something else."""
    browser, (_path, _mark, query) = world.walkers["focal_point"].browser, revealed.partition("?")
    assert "AdJGK" in browser.get(revealed).text
    name = query.partition("=")[2]
    for address in (f"/?{query}", f"/cases/?{query}", f"/cases/{world.ours.case}?{query}", f"/answers/{name}"):
        assert "AdJGK" not in browser.get(address).text, address
