"""Acts that take a fresh second factor: each is refused without one, and what was typed comes back afterwards."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest
from flask_babel import force_locale
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from itm_admin.assurance import detail
from itm_admin.foundation import tenancy
from itm_admin.foundation.access import FRESH
from tests.factories import Somebody
from tests.house.walking import World
from tests.panel.panel_app import Browser, RunningPanel
from tests.panel.test_context import sessions, signed_in

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

TYPED = "KANARYA-17"
TAKEN = {
    "GrantView.add", "GrantView.end", "GrantView.approve", "GrantView.refuse", "ApprovalView.approve",
    "ApprovalView.refuse", "AccessChangeView.confirm", "AccessChangeView.refuse", "AccessChangeView.reset",
    "AccessChangeView.factors", "AccessChangeView.focal_point",
    "AccountView.add", "AccountView.invite", "ErasureView.erase", "DecisionView.add", "DecisionView.decide",
    "OwnProfileView.password", "OwnFactorView.begin_app", "OwnFactorView.app", "OwnFactorView.ask_to_add",
    "OwnFactorView.add_passkey", "OwnFactorView.rename", "OwnFactorView.remove", "OwnFactorView.new_codes",
}  # fmt: skip
"""Beside these, each export."""
NO_RECORDS = {
    "EvidenceView.verifier_page": "a program", "EvidenceView.verifier_program": "a program",
    "InstitutionEvidenceView.verifier_page": "a program", "InstitutionEvidenceView.verifier_program": "a program",
    "InstitutionReceiptView.take": "a ledger's size and hash", "ReceiptView.take": "a ledger's size and hash",
}  # fmt: skip
"""Downloads that hold nothing about anybody."""


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def fields_of(answer: TestResponse) -> dict[str, str]:
    """The hidden fields and the token of the page's own form."""
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    found = re.findall(r'<input[^>]*name="(next|held|csrf_token)"[^>]*value="([^"]*)"', main)
    return {name: html.unescape(value) for name, value in found}


def grown_old(panel: RunningPanel, who: Somebody) -> None:
    """The second factors of the person's sessions are a little too old; the tests' own begin far from it."""
    panel.show_factors()
    panel.age(who, begun=FRESH + 5)


def show(panel: RunningPanel, browser: Browser, page: TestResponse, username: str) -> TestResponse:
    """The answer to a right code."""
    sent = {**fields_of(page), "code": panel.make.code(username)}
    return browser.client.post("/profile/step-up/", data=sent)


def test_every_address_that_takes_a_fresh_factor_asks_for_one_and_changes_nothing(world: World) -> None:
    panel = world.panel
    register = panel.app.extensions["itm_access"]
    exports = {name for name, each in register.items() if each.act == "export"}
    assert {name for name, each in register.items() if each.fresh} >= TAKEN | (exports - set(NO_RECORDS))
    found = [step for step in world.steps("GET", "POST", "PUT", "PATCH", "DELETE") if register[step.endpoint].fresh]
    forms = {step.endpoint for step in found if step.method == "POST"}
    found = [step for step in found if step.method != "GET" or step.endpoint not in forms]
    assert {step.endpoint for step in found} == {name for name, each in register.items() if each.fresh}
    people = {step.key: next(who for role, who in world.walkers.items() if role in step.expected.may) for step in found}
    for who in {id(each): each for each in people.values()}.values():
        panel.age(who.somebody, begun=FRESH + 5)  # world.steps made it fresh
    rows = panel.state()
    for step in found:
        who = people[step.key]
        path = world.path(step, who.own or world.ours)
        if path.startswith("/api/"):
            answer = who.browser.send(step.method, path, {})
            assert (answer.status_code, "factor-too-old" in answer.text) == (403, True), step.key
            continue
        sent = {"csrf_token": who.browser.token, **world.fields(step, who)}
        answer = who.browser.client.open(path, method=step.method, data=sent if step.method != "GET" else None)
        page = who.browser.get(answer.headers["Location"]) if answer.status_code == 303 else answer
        assert page.status_code in (200, 403), step.key
        assert 'action="/profile/step-up/' in page.text, step.key
        assert "Yapmak üzere olduğunuz işlem" in page.text, step.key
    assert panel.state() == rows


def test_what_was_typed_comes_back_after_the_code_and_its_author_sends_it(panel: RunningPanel) -> None:
    focal = panel.make.focal_point()
    who = panel.make.manager(focal.tenant)
    person = panel.make.person(focal, panel.make.case(focal)).person
    browser, path = panel.browser(who), f"/erasures/{person.id}"
    typed = {"ground": "PERSON_REQUEST", "pseudonym": TYPED, "version": "1"}
    grown_old(panel, who)
    page = browser.post(path, **typed)
    assert page.status_code == 403
    wrong = browser.client.post("/profile/step-up/?act=ErasureView.erase", data={**fields_of(page), "code": "000000"})
    assert wrong.status_code == 422
    assert TYPED in html.unescape(fields_of(wrong)["held"])
    back = show(panel, browser, wrong, who.username)
    assert back.status_code == 200
    again = {name: html.unescape(value) for name, value in
             re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', back.text, re.DOTALL)}  # fmt: skip
    assert again == typed
    left = browser.client.post("/profile/step-up/", data={**fields_of(wrong), "back": "yes"})
    assert TYPED in left.text
    assert 'name="shown_again" value="left"' in left.text
    assert 'name="shown_again" value="factor"' in back.text
    shown = browser.post(path, **again, shown_again="factor")
    assert "İkinci doğrulamanız doğruydu." in shown.text
    assert "bir kez daha basın" in shown.text
    assert "bir kez daha basın" not in browser.post(path, **again, shown_again="left").text
    assert TYPED in html.unescape(shown.text)
    assert panel.value("select erased_at from person where id = :id", id=person.id) is None
    browser.post(path, ground="PERSON_REQUEST", pseudonym=person.pseudonym, version="1")
    assert panel.value("select erased_at from person where id = :id", id=person.id) is not None


def test_a_button_leads_back_to_its_page_and_other_acts_need_no_fresh_factor(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    browser = panel.browser(who)
    grown_old(panel, who)
    assert browser.post("/cases/new", draft="x").status_code != 403
    sent = {"csrf_token": browser.token}
    came = {"Referer": "http://localhost/profile/factors/"}
    answer = browser.client.post("/profile/factors/codes", data=sent, headers=came, kept=False)
    page = browser.get(answer.headers["Location"])
    assert show(panel, browser, page, who.username).headers["Location"] == "/profile/factors/"
    assert panel.rows("select why from account_session where account_id = :id order by begun_at", id=who.id)[0].why == (
        "renewed"
    )
    entry = "select content::jsonb as said from audit.event where action = 'auth.login' and actor_id = :id"
    (told,) = panel.rows(entry, id=str(who.id))
    with panel.app.test_request_context(), force_locale("tr"):
        assert detail.words(told.said) == [("Zaman", "Oturum açıkken"), ("İkinci doğrulama", "Doğrulama uygulaması")]
    assert "Giriş" not in browser.get("/profile/").text.partition("<main")[2], "it is no sign-in of its own"


def test_an_operation_of_the_interface_is_refused_by_a_problem_of_its_own(
    panel: RunningPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = panel.make.focal_point()
    browser, register = panel.browser(who), panel.app.extensions["itm_access"]
    monkeypatch.setitem(register, "CaseApi.add", dataclasses.replace(register["CaseApi.add"], fresh=True))
    grown_old(panel, who)
    answer = browser.send("POST", "/api/v1/cases/", {})
    told = json.loads(answer.text)
    assert (answer.status_code, told["code"], told["type"]) == (403, "factor_too_old", "urn:itm:problem:factor-too-old")
    described = json.loads(browser.get("/api/v1/openapi.json").text)
    refused = described["paths"]["/api/v1/cases/"]["post"]["responses"]["403"]["$ref"].rpartition("/")[2]
    assert told["type"] in described["components"]["responses"][refused]["description"]
    browser = panel.browser(who)
    assert browser.send("POST", "/api/v1/cases/", {}).status_code == 400


def test_a_second_persons_values_take_a_fresh_factor_and_the_same_ones_do_not(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    case = panel.make.case(who)
    one, other = (panel.make.person(who, case, given_name=name) for name in ("Birgül", "İkbal"))
    browser = panel.browser(who)
    address, why = "/persons/{}/reveal".format, {"purpose": "CASE_WORK"}
    grown_old(panel, who)
    assert "Birgül" in browser.post(address(one.person_id), **why).text
    assert "Birgül" in browser.post(address(one.person_id), **why).text
    assert browser.post(f"/profiles/{one.id}/reveal", **why).status_code == 200
    asked = browser.post(address(other.person_id), **why)
    assert asked.status_code == 403
    assert "İkbal" not in asked.text
    assert 'action="/profile/step-up/' in asked.text
    assert "CASE_WORK" in fields_of(asked)["held"]
    answer = browser.send("POST", f"/api/v1/persons/{other.person_id}/reveal", why)
    assert (answer.status_code, json.loads(answer.text)["type"]) == (403, "urn:itm:problem:factor-too-old")
    back = show(panel, browser, asked, who.username)
    assert "CASE_WORK" in back.text
    assert "İkbal" in browser.post(address(other.person_id), **why).text
    panel.age(who, begun=FRESH + 5)
    again = browser.post(address(one.person_id), **why)
    assert again.status_code == 403
    told = "select outcome from audit.event where action = 'record.reveal' and actor_id = :id order by at"
    outcomes = panel.rows(told, id=str(who.id))
    assert [row.outcome for row in outcomes] == ["success"] * 3 + ["denied", "success"]


def test_what_was_chosen_for_evidence_comes_back_and_a_download_leads_to_its_page(panel: RunningPanel) -> None:
    who = panel.make.manager()
    browser = panel.browser(who)
    ledger = panel.value("select id from audit.ledger where code = :code", code=who.tenant.code)
    path = f"/institution-history/evidence/{ledger}"
    grown_old(panel, who)
    page = browser.post(path, purpose="AUDIT", since="1")
    assert page.status_code == 403
    back = show(panel, browser, page, who.username)
    shown = browser.post(path, purpose="AUDIT", since="1", shown_again="yes")
    assert 'action="' + path in back.text
    assert 'value="1"' in shown.text
    assert '<option selected value="AUDIT">' in shown.text
    grown_old(panel, who)
    came = {"Referer": "http://localhost/institution-history/"}
    answer = browser.client.get(f"{path}/1", headers=came)
    assert answer.status_code == 303
    page = browser.get(answer.headers["Location"])
    assert show(panel, browser, page, who.username).headers["Location"] == "/institution-history/"
    assert "Henüz bir işlem yapılmadı" in browser.get("/institution-history/").text


@pytest.mark.parametrize("seconds", [0, 400])
def test_the_database_takes_no_decision_from_a_session_whose_factor_is_old(panel: RunningPanel, seconds: int) -> None:
    who = panel.make.supervisor()
    actor = signed_in(panel, who)
    panel.age(who, begun=seconds)
    propose = text("insert into ledger_decision (institution_id, kind, reason) values (:at, 'recovery', 'KEY_LOST')")
    values = {"at": panel.make.other_institution().id}
    with sessions(panel) as session, tenancy.acting(actor.context("oversight"), session):
        if seconds == 0:
            session.execute(propose, values)
            return
        with pytest.raises(DBAPIError, match="second factor of the last minutes"):
            session.execute(propose, values)
        session.rollback()


def test_every_rule_about_a_fresh_factor_is_kept_for_everybody(panel: RunningPanel) -> None:
    found = panel.rows(
        "select tgrelid::regclass::text as at, tgenabled as how from pg_trigger"
        " where tgfoid = 'itm.factor_is_fresh()'::regprocedure"
    )
    assert {row.at for row in found} == {"grant_approval", "ledger_decision", "role_grant", "access_change", "person"}
    assert {row.how for row in found} == {"A"}


def decision_of(panel: RunningPanel, session: Session | Connection) -> uuid.UUID:
    values = {"at": panel.make.other_institution().id, "id": uuid.uuid4()}
    session.execute(
        text(
            "insert into ledger_decision (id, institution_id, kind, reason) values (:id, :at, 'recovery', 'KEY_LOST')"
        ),
        values,
    )
    return values["id"]


DECIDE = text("update ledger_decision set decision = 'rejected' where id = :id")


def test_a_decision_stands_under_two_sessions_that_the_database_proved(panel: RunningPanel) -> None:
    one, other = signed_in(panel, panel.make.supervisor()), signed_in(panel, panel.make.auditor())
    with sessions(panel) as session, tenancy.acting(one.context("oversight"), session):
        id = decision_of(panel, session)
        session.commit()
    with sessions(panel) as session, tenancy.acting(other.context("audit"), session):
        assert cast("Any", session.execute(DECIDE, {"id": id})).rowcount == 1
        session.commit()
    kept = panel.rows("select session, account, factor_at from itm.act_session where record = :id order by at", id=id)
    assert [(row.session, row.account) for row in kept] == [(one.session, one.id), (other.session, other.id)]
    with sessions(panel) as session, tenancy.acting(other.context("audit"), session):
        for statement in ("select * from itm.act_session", "delete from itm.act_session"):
            with pytest.raises(DBAPIError, match="permission denied"):
                session.execute(text(statement))
            session.rollback()


def test_a_session_that_ended_meanwhile_decides_nothing(panel: RunningPanel) -> None:
    one = signed_in(panel, panel.make.supervisor())
    with sessions(panel) as session, tenancy.acting(one.context("oversight"), session):
        session.execute(text("select 1"))
        with panel.make.superuser() as connection:
            connection.execute(
                text("update account_session set why = 'signed_out' where id = :id"), {"id": one.session}
            )
        with pytest.raises(DBAPIError, match="own session"):
            decision_of(panel, session)
        session.rollback()


def test_nobody_has_both_halves_and_what_has_no_session_has_none(panel: RunningPanel) -> None:
    one = signed_in(panel, panel.make.supervisor())
    with sessions(panel) as session, tenancy.acting(one.context("oversight"), session):
        id = decision_of(panel, session)
        session.commit()
    again = text(
        "insert into itm.act_session (relation, record, session, account, factor_at)"
        " select relation, record, gen_random_uuid(), account, now() from itm.act_session where record = :id"
    )
    with panel.database.engine("superuser").connect() as connection:
        with pytest.raises(IntegrityError, match="act_session"):
            connection.execute(again, {"id": id})
        connection.rollback()
    of_a_key = f"itm_1,oversight,{one.institution_id.hex},{one.id.hex},,,,,pk,,7b7d"
    for facts in (of_a_key, ""):
        with panel.database.engine("superuser").connect() as connection:
            connection.execute(text("alter table ledger_decision disable trigger a_decision"))
            connection.execute(text("select set_config('backtrace_functions', :facts, true)"), {"facts": facts})
            connection.execute(text("set local session authorization itm_app"))
            with pytest.raises(DBAPIError, match="own session|row-level security"):
                decision_of(panel, connection)
            connection.invalidate()
