"""API keys: a program does what its key names of what its person may do, and stops at once when one of both ends."""

from __future__ import annotations

import dataclasses
import json
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import api_key_scopes, api_key_text
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Unauthenticated
from itm_admin.foundation.roles import ROLES
from tests.factories import Factory, Somebody
from tests.panel.panel_app import RunningPanel
from tests.panel.program import LOOK, Program, make_key, program, take, version_of

CASES = "/api/v1/cases/"


@pytest.fixture
def person(make: Factory) -> Somebody:
    return make.focal_point()


def code_of(answer: Any) -> str:
    assert answer.mimetype == "application/problem+json", answer.text
    return str(json.loads(answer.text)["code"])


# -- the text of a secret


def test_a_secret_is_found_by_scanners_and_no_other_text_is_one() -> None:
    secret = api_key_text.new()
    written = api_key_text.written(secret)
    assert api_key_text.PATTERN.fullmatch(written)
    assert api_key_text.read(written) == secret
    wrong = written[:10] + ("A" if written[10] != "A" else "B") + written[11:]
    for each in (
        wrong,
        written[:-1],
        written + "0",
        written.lower(),
        "",
        "itm_" + "z" * 49,
        written.replace("itm_", "ghp_"),
    ):
        assert api_key_text.read(each) is None, each


# -- scopes


def test_a_key_opens_what_it_names_and_nothing_else(panel: RunningPanel, manager: Somebody, person: Somebody) -> None:
    case = panel.make.case(person)
    robot, _key = program(panel, manager, person)
    assert robot.get(CASES).status_code == 200
    assert robot.get(f"{CASES}{case.id}").status_code == 200
    refused = robot.send("PATCH", f"{CASES}{case.id}", {"province": "TR-34", "row_version": 1})
    assert (refused.status_code, code_of(refused)) == (403, "key_scope")
    changing, _key = program(panel, manager, person, (*LOOK, "Case.edit"))
    assert changing.send("PATCH", f"{CASES}{case.id}", {"province": "TR-34", "row_version": 1}).status_code == 200


def test_no_secret_reaches_more_than_the_person_does(panel: RunningPanel, make: Factory, manager: Somebody) -> None:
    worker = make.caseworker()
    robot, _key = program(panel, manager, worker)
    theirs = make.case(make.focal_point(make.other_institution()))
    ours = make.case(make.focal_point())  # of the institution, and not assigned to the caseworker
    for case in (theirs.id, ours.id, uuid.uuid4()):
        answer = robot.get(f"{CASES}{case}")
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


def test_a_key_is_made_for_what_its_person_may_do(panel: RunningPanel, make: Factory, manager: Somebody) -> None:
    worker, browser = make.caseworker(), panel.browser(manager)
    sent = {"name": "X", "account_id": str(worker.id), "networks": "10.0.0.0/8", "days": "30"}
    for scopes in (["Case.assign"], ["Account.suspend"], ["Case.export"], ["Person.erase"], []):
        answer = browser.post("/api-keys/new", **sent, scopes=scopes)
        assert answer.status_code == 422, scopes
    for wrong in ({"networks": "10.0.0.1/8"}, {"networks": ""}, {"days": "366"}, {"days": "0"}, {"days": ""},
                  {"name": "x" * 61},
                  {"account_id": str(manager.id)}, {"account_id": str(make.focal_point(make.other_institution()).id)},
                  {"networks": "10.0.0.0/8", "anywhere": "y"}):  # fmt: skip
        answer = browser.post("/api-keys/new", **{**sent, "scopes": ["Case.list"], **wrong})
        assert answer.status_code == 422, wrong


def test_the_database_takes_the_scopes_that_the_interface_offers_and_no_power(panel: RunningPanel) -> None:
    with panel.app.app_context():
        offered = set(api_key_scopes.offered())
    every = {f"{subject}.{act}" for role in ROLES.values() for subject, acts in role.may.items() for act in acts}
    taken = {each for each in every | offered if panel.value("select itm.key_may(:scope)", scope=each)}
    assert offered <= taken
    power = (
        "Account",
        "RoleGrant",
        "GrantApproval",
        "AccessChange",
        "ApiKey",
        "LedgerDecision",
        "Ledger",
        "Institution",
    )
    assert not [each for each in taken if each.partition(".")[0] in power]
    assert not [each for each in taken if each.partition(".")[2] in ("export", "erase", "approve", "hold")]


def test_sql_in_a_key_s_transaction_changes_no_other_kind(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    """The web process is not believed: the key's entries name what it may change."""
    case = panel.make.case(person)
    robot, _key = program(panel, manager, person)
    secret = api_key_text.read(robot.secret)
    context = tenancy.Context(scope="institution", secret=secret, address="127.0.0.1")
    attempts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("update case_file set province = 'TR-34' where id = :case", {"case": case.id}),
        ("update account set epoch = epoch + 1 where id = :id", {"id": person.id}),
    )
    for statement, values in attempts:
        with panel.database.engine("app").connect() as connection:
            tenancy.apply(connection, context)
            with pytest.raises(DBAPIError):
                connection.execute(text(statement), values)
    with panel.database.engine("app").connect() as connection, pytest.raises(Unauthenticated):
        tenancy.apply(connection, tenancy.Context(scope="login", secret=secret, address="127.0.0.1"))


def test_a_key_reveals_one_person_and_no_second(panel: RunningPanel, manager: Somebody, person: Somebody) -> None:
    robot, _key = program(panel, manager, person, ("Person.show", "Person.reveal"))
    one, other = (panel.make.person(person, panel.make.case(person)).person_id for _ in range(2))
    answers = [robot.send("POST", f"/api/v1/persons/{id}/reveal", {"purpose": "CASE_WORK"}) for id in (one, one, other)]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert code_of(answers[2]) == "key_factor"


def test_no_session_begins_while_a_key_is_at_work(panel: RunningPanel, person: Somebody) -> None:
    """Not even by a claim of the web process, which holds the key of claims."""
    insert = text("insert into account_session (institution_id, account_id, epoch, secret_digest, ends_at)"
                  " values (:home, :person, 0, sha256('x'), now() + interval '1 hour')")  # fmt: skip
    with panel.database.engine("superuser").connect() as connection:
        connection.execute(text("select set_config('backtrace_functions', 'itm_1,institution,,,,,,,k,,', true)"))
        with pytest.raises(DBAPIError, match="a key opens no session"):
            connection.execute(insert, {"home": person.tenant.id, "person": person.id})


# -- who is at work


def test_entries_name_the_key_and_the_person_responsible(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    robot, key = program(panel, manager, person, (*LOOK, "Case.add"))
    new = {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"}
    for answer in (robot.get(CASES), robot.send("POST", CASES, new), robot.get(f"{CASES}{uuid.uuid4()}")):
        rows = panel.rows(
            "select content::jsonb as c from audit.event where request_id = :id", id=answer.headers["X-Request-Id"]
        )
        assert rows, answer.status_code
        for row in rows:
            assert row.c["on_behalf_of"] == f"api_key {key} Aktarım"
            assert row.c["actor"]["user"] == str(person.id)
    page = panel.browser(manager).get(f"/history/account/{person.id}/acts").text
    assert "“Aktarım” API anahtarı ile, sorumlu: Deneme" in page
    assert "“Aktarım” API anahtarı ile" not in panel.browser(manager).get(f"/history/account/{manager.id}/acts").text


def test_another_institution_reads_the_name_of_no_key(panel: RunningPanel, manager: Somebody, person: Somebody) -> None:
    robot, _key = program(panel, manager, person)
    secret = api_key_text.read(robot.secret)
    context = dataclasses.replace(person.context(), secret=secret, address="127.0.0.1")
    with panel.database.engine("app").connect() as connection:
        tenancy.apply(connection, context)
        assert "Aktarım" in str(connection.scalar(text("select audit.context()")))
        said = """{"actor": {"role": "x"}, "on_behalf_of": "api_key Aktarım"}"""
        connection.execute(text("select set_config('audit.context', :said, true)"), {"said": said})
        told = str(connection.scalar(text("select audit.context()")))
        assert "Aktarım" not in told
        assert person.username not in told


def test_a_key_needs_no_token_and_comes_without_a_cookie(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    robot, _key = program(panel, manager, person, (*LOOK, "Case.edit"))
    case = panel.make.case(person)
    answer = robot.send("PATCH", f"{CASES}{case.id}", {"province": "TR-34", "row_version": 1})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    browser = panel.browser(person)
    both = browser.client.get(CASES, headers={"Authorization": f"Bearer {robot.secret}"})
    assert (both.status_code, code_of(both)) == (400, "key_and_session")
    forged = browser.client.patch(f"{CASES}{case.id}", json={"province": "TR-35", "row_version": 2})
    assert forged.status_code == 400, "a session still needs the token"


def test_a_key_opens_no_page_and_no_session(panel: RunningPanel, manager: Somebody, person: Somebody) -> None:
    robot, _key = program(panel, manager, person)
    for method, path in (("GET", "/"), ("GET", "/cases/"), ("GET", "/profile/"), ("GET", "/profile/api-keys/"),
                         ("POST", "/cases/new"), ("GET", "/api/v1/session/"), ("POST", "/api/v1/session/"),
                         ("DELETE", "/api/v1/session/")):  # fmt: skip
        answer = robot.send(method, path, {} if method == "POST" else None)
        assert (answer.status_code, code_of(answer)) == (403, "key_only_for_interface"), path


# -- addresses, ends


def test_a_key_works_from_its_addresses_alone(panel: RunningPanel, manager: Somebody, person: Somebody) -> None:
    robot, key = program(panel, manager, person, networks="10.20.0.0/16 2001:db8::/32")
    for address, status in (("10.20.7.1", 200), ("::ffff:10.20.7.1", 200), ("2001:db8::7", 200), ("10.21.0.1", 403),
                            ("127.0.0.1", 403), ("2001:db9::7", 403)):  # fmt: skip
        answer = Program(robot.client, robot.secret, address).get(CASES)
        assert answer.status_code == status, (address, answer.text)
        if status == 403:
            assert code_of(answer) == "key_address"
    refused = panel.rows("select content::jsonb -> 'detail' ->> 'reason' as why from audit.event where target_id = :id"
                         " and outcome = 'denied'", id=str(key))  # fmt: skip
    assert [row.why for row in refused] == ["key_address"], "one entry for several, in a quarter of an hour"


ENDS = {
    "ended": "update api_key set why = 'leaked' where id = :key",
    "expired": "update api_key set expires_at = now() - interval '1 second' where id = :key",
    "suspended": "update account set active = false where id = :person",
    "role ended": "update role_grant set state = 'ended' where account_id = :person",
    "role given": "insert into role_grant (institution_id, account_id, role) values (:home, :person, 'caseworker')",
    "institution suspended": "update institution set status = 'suspended' where id = :home",
}


@pytest.mark.parametrize("end", ENDS)
def test_an_ended_key_opens_nothing_with_the_next_request(panel: RunningPanel, make: Factory, end: str) -> None:
    home = make.institution(f"K{list(ENDS).index(end)}", "ministry")
    manager, person = make.manager(home), make.focal_point(home)
    robot, key = program(panel, manager, person)
    assert robot.get(CASES).status_code == 200
    with make.superuser() as connection:
        connection.execute(text(ENDS[end]), {"key": key, "person": person.id, "home": home.id})
    answer = robot.get(CASES)
    assert answer.status_code == 401, answer.text
    assert code_of(answer) in ("key_ended", "key_expired", "key_person")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    context = tenancy.Context(scope="institution", secret=api_key_text.read(robot.secret), address="127.0.0.1")
    with panel.database.engine("app").connect() as connection, pytest.raises(Unauthenticated):
        tenancy.apply(connection, context)
    if end == "suspended":
        with make.superuser() as connection:
            connection.execute(text("update account set active = true where id = :person"), {"person": person.id})
        assert robot.get(CASES).status_code == 401, "what is taken up again revives no key"


def test_a_manager_and_an_auditor_end_a_key_and_others_do_not(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    person = make.focal_point()
    robot, key = program(panel, manager, person)
    foreign = panel.browser(make.manager(make.other_institution()))
    assert foreign.get(f"/api-keys/{key}").status_code == 404
    assert foreign.post(f"/api-keys/{key}/end", reason="leaked", version="1").status_code == 404
    watching = panel.browser(make.supervisor())
    assert watching.get(f"/api-keys/{key}").status_code == 200
    assert watching.post(f"/api-keys/{key}/end", reason="leaked", version="1").status_code == 403
    assert panel.browser(person).get("/api-keys/").status_code == 403
    assert robot.get(CASES).status_code == 200
    for auditor in (make.auditor(), make.auditor(make.institution())):
        robot, key = program(panel, manager, person)
        browser = panel.browser(auditor)
        assert browser.get(f"/api-keys/{key}").status_code == 200
        assert browser.post(f"/api-keys/{key}/end", reason="suspicion", version="1").status_code == 303
        assert robot.get(CASES).status_code == 401
    ended = panel.rows("select why, ended_by from api_key where id = :id", id=key)
    assert [(row.why, row.ended_by) for row in ended] == [("suspicion", auditor.id)]


# -- the secret


def test_the_responsible_person_alone_takes_the_secret(panel: RunningPanel, make: Factory, manager: Somebody) -> None:
    person = make.focal_point()
    browser = panel.browser(manager)
    key = make_key(browser, person)
    page = browser.get(f"/api-keys/{key}")
    assert page.status_code == 200
    assert "itm_" not in page.text
    for somebody in (manager, make.focal_point(), make.auditor()):
        answer = panel.browser(somebody).post(f"/profile/api-keys/secret?key={key}", overlap="24", version="1")
        assert answer.status_code == 404, somebody.username
    assert panel.value("select count(*) from api_key_secret where key_id = :id", id=key) == 0
    told = panel.rows("select kind, account_id from mail where about = :id order by kind, account_id", id=person.id)
    assert {(row.kind, row.account_id) for row in told} == {("told_key_made", person.id), ("told_key_made", manager.id)}
    take(panel, panel.browser(person), key)
    told = panel.rows("select account_id from mail where about = :id and kind = 'told_key_taken'", id=person.id)
    assert {row.account_id for row in told} == {person.id, manager.id}


def test_nobody_makes_a_key_for_oneself_even_by_sql(panel: RunningPanel, make: Factory, manager: Somebody) -> None:
    insert = text("insert into api_key (institution_id, account_id, name, scopes, networks, expires_at)"
                  " values (:home, :person, 'x', '{Case.list}', '{::/0}', now() + interval '1 day')")  # fmt: skip
    with panel.make.working(manager) as session:
        values = {"home": manager.tenant.id, "person": manager.id}
        with pytest.raises(DBAPIError, match="own account"):
            session.execute(insert, values)
        session.rollback()
    with panel.make.working(make.focal_point()) as session:
        with pytest.raises(DBAPIError):
            session.execute(insert, {"home": manager.tenant.id, "person": manager.id})
        session.rollback()


def test_an_old_factor_takes_no_secret(panel: RunningPanel, manager: Somebody, person: Somebody) -> None:
    browser = panel.browser(person)
    key = make_key(panel.browser(manager), person)
    with panel.make.superuser() as connection:
        connection.execute(text("alter table account_session disable trigger a_rules"))
        connection.execute(
            text("update account_session set factor_at = now() - interval '1 hour' where account_id = :id"),
            {"id": person.id},
        )
        connection.execute(text("alter table account_session enable always trigger a_rules"))
    answer = browser.post(f"/profile/api-keys/secret?key={key}", overlap="24", version="1")
    assert answer.status_code in (303, 403), answer.text
    assert panel.value("select count(*) from api_key_secret where key_id = :id", id=key) == 0


def test_a_former_secret_works_for_its_overlap_and_not_longer(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    old, key = program(panel, manager, person)
    new = Program(old.client, take(panel, panel.browser(person), key, "1"))
    assert (old.get(CASES).status_code, new.get(CASES).status_code) == (200, 200)
    again = panel.browser(person).post(
        f"/profile/api-keys/secret?key={key}", overlap="24", version=str(version_of(panel, key))
    )
    assert again.status_code == 422, "two secrets work already"
    with panel.make.superuser() as connection:
        connection.execute(
            text(
                "update api_key_secret set until = now() - interval '1 second' where key_id = :id and until is not null"
            ),
            {"id": key},
        )
    assert (old.get(CASES).status_code, new.get(CASES).status_code) == (401, 200)
    assert code_of(old.get(CASES)) == "key_replaced"
    newest = Program(old.client, take(panel, panel.browser(person), key, "0"))
    assert (new.get(CASES).status_code, newest.get(CASES).status_code) == (401, 200)


def test_two_who_take_a_secret_at_the_same_moment_get_one(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    old, key = program(panel, manager, person)
    version = str(version_of(panel, key))
    browsers = [panel.browser(person) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda b: b.post(f"/profile/api-keys/secret?key={key}", overlap="24", version=version), browsers)
        )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert panel.value("select count(*) from api_key_secret where key_id = :id", id=key) == 2
    assert old.get(CASES).status_code == 200


def test_a_secret_stands_nowhere(
    panel: RunningPanel, manager: Somebody, person: Somebody, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    robot, key = program(panel, manager, person, (*LOOK, "Case.edit"))
    case = panel.make.case(person)
    robot.get(CASES)
    robot.send("PATCH", f"{CASES}{case.id}", {"province": "XX", "row_version": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("itm_admin.record.api.record_read", lambda *_a, **_k: 1 / 0)
        assert robot.get(CASES).status_code == 500
    secret = api_key_text.read(robot.secret)
    assert secret is not None
    marks = (robot.secret, robot.secret[4:40], secret.hex(), repr(secret)[2:-1])
    told = [caplog.text, *panel.make.ledger(), *(str(row) for row in panel.rows("select * from mail"))]
    told += [panel.browser(manager).get(f"/api-keys/{key}").text, panel.browser(person).get("/profile/api-keys/").text]
    for mark in marks:
        assert not [each for each in told if mark in each], mark
    assert not panel.rows("select from pg_stat_activity where query like :mark", mark=f"%{robot.secret[4:40]}%")


# -- wrong keys


def test_wrong_keys_are_counted_by_address_and_a_right_one_never_waits(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    address = "203.0.113.77"
    robot, _key = program(panel, manager, person, networks=address)
    robot.address = address
    size = panel.size(panel.make.presidency())
    statuses = []
    for place in range(26):
        wrong = api_key_text.written(api_key_text.new()) if place % 2 else "itm_nothing"
        answer = Program(robot.client, wrong, address).get(CASES)
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) >= 1
    assert statuses[:20] == [401] * 20
    assert 429 in statuses
    assert panel.size(panel.make.presidency()) == size + 1, "one entry, and a count"
    assert robot.get(CASES).status_code == 200
    assert Program(robot.client, "itm_nothing", "203.0.114.1").get(CASES).status_code == 401


def test_the_last_use_is_noted_with_its_address_and_seldom(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    robot, key = program(panel, manager, person, networks="10.0.0.0/8")
    robot.address = "10.1.1.1"
    robot.get(CASES)
    first = panel.rows("select last_used_at, last_used_address, row_version from api_key where id = :id", id=key)[0]
    assert first.last_used_address == "10.1.1.1"
    robot.get(CASES)
    again = panel.rows("select last_used_at, last_used_address, row_version from api_key where id = :id", id=key)[0]
    assert again == first, "once a minute"
    robot.address = "10.1.1.2"
    robot.get(CASES)
    assert panel.value("select last_used_address from api_key where id = :id", id=key) == "10.1.1.2"
    page = panel.browser(manager).get(f"/api-keys/{key}").text
    assert "10.1.1.2" in page
