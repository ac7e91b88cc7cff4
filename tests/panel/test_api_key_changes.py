"""A key is renamed and narrowed without another secret; what is wider counts once its responsible person accepts it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.factories import Factory, Somebody
from tests.panel.panel_app import Browser, RunningPanel
from tests.panel.program import LOOK, make_key, program, version_of

CASES = "/api/v1/cases/"


@pytest.fixture
def person(make: Factory) -> Somebody:
    return make.focal_point()


def edit(panel: RunningPanel, browser: Browser, key: uuid.UUID, **fields: Any) -> int:
    sent = {"name": "Aktarım", "scopes": list(LOOK), "networks": "127.0.0.1", "days": "", **fields}
    sent = {"version": str(version_of(panel, key)), **sent}
    return browser.post(f"/api-keys/{key}/edit", **sent).status_code


def row(panel: RunningPanel, key: uuid.UUID) -> Any:
    return panel.rows("select * from api_key where id = :id", id=key)[0]


def mails(panel: RunningPanel, key_name: str) -> list[str]:
    kinds = "select distinct kind, created_at from mail where detail ->> 'key' = :name order by created_at"
    return [each.kind for each in panel.rows(kinds, name=key_name)]


def answer(panel: RunningPanel, browser: Browser, key: uuid.UUID, said: str) -> int:
    version = str(version_of(panel, key))
    return browser.post(f"/profile/api-keys/wider?key={key}", answer=said, version=version).status_code


def test_a_key_is_renamed_and_narrowed_and_its_secret_goes_on(
    panel: RunningPanel, make: Factory, manager: Somebody, person: Somebody
) -> None:
    robot, key = program(panel, manager, person, networks="127.0.0.0/8", name="Geniş")
    before = row(panel, key)
    browser = panel.browser(manager)
    assert "127.0.0.0/8" in browser.get(f"/api-keys/{key}/edit").text
    assert edit(panel, browser, key, name="Dar", scopes=["Case.list"], days="7") == 303
    now = row(panel, key)
    assert (now.name, now.scopes, now.networks) == ("Dar", ["Case.list"], ["127.0.0.1/32"])
    assert now.expires_at < before.expires_at
    assert now.wanted_at is None
    assert robot.get(CASES).status_code == 200, "the same secret"
    assert robot.get(f"{CASES}{panel.make.case(person).id}").status_code == 403, "and less than before"
    assert mails(panel, "Dar") == ["told_key_changed"]
    robot.address = "127.0.0.2"
    assert robot.get(CASES).status_code == 403
    changes = panel.rows(
        "select content::jsonb -> 'changes' as told from audit.event where target_id = :id and via = 'trigger'"
        " order by at desc limit 1",
        id=str(key),
    )
    assert {"name", "scopes", "networks", "expires_at"} <= set(changes[0].told)


def test_what_is_wider_waits_for_the_responsible_person(
    panel: RunningPanel, make: Factory, manager: Somebody, person: Somebody
) -> None:
    robot, key = program(panel, manager, person, name="Bekleyen")
    browser, own = panel.browser(manager), panel.browser(person)
    wide = {"name": "Bekleyen", "scopes": [*LOOK, "Case.edit"], "networks": "127.0.0.0/8", "days": "90"}
    assert edit(panel, browser, key, **wide) == 303
    waiting = row(panel, key)
    assert (waiting.networks, sorted(waiting.scopes)) == (["127.0.0.1/32"], sorted(LOOK))
    assert (waiting.wanted_networks, waiting.wanted_by) == (["127.0.0.0/8"], manager.id)
    robot.address = "127.0.0.2"
    assert robot.get(CASES).status_code == 403
    assert "127.0.0.0/8" in own.get(f"/profile/api-keys/wider?key={key}").text
    assert "Bekleyen" in own.get("/profile/api-keys/").text
    for somebody in (manager, make.focal_point(), make.auditor()):
        assert answer(panel, panel.browser(somebody), key, "accept") == 404, somebody.username
    assert answer(panel, own, key, "decline") == 303
    assert row(panel, key).wanted_at is None
    assert answer(panel, own, key, "accept") == 423, "nothing waits any more"
    assert edit(panel, browser, key, **wide) == 303
    assert answer(panel, own, key, "accept") == 303
    now = row(panel, key)
    assert (now.networks, "Case.edit" in now.scopes, now.wanted_at) == (["127.0.0.0/8"], True, None)
    assert now.expires_at > waiting.expires_at
    assert robot.get(CASES).status_code == 200, "the same secret, from more addresses"
    told = ["told_key_made", "told_key_taken", "told_key_asked", "told_key_declined", "told_key_asked"]
    assert mails(panel, "Bekleyen") == [*told, "told_key_widened"]


def test_of_other_limits_holds_at_once_what_was_allowed_before(
    panel: RunningPanel, manager: Somebody, person: Somebody
) -> None:
    key = make_key(panel.browser(manager), person, networks="10.0.0.0/8\n192.168.1.0/24")
    scopes = ["Case.list", "Case.edit"]
    assert edit(panel, panel.browser(manager), key, scopes=scopes, networks="10.2.0.0/16 172.16.0.0/12") == 303
    now = row(panel, key)
    assert (now.networks, now.scopes) == (["10.2.0.0/16"], ["Case.list"])
    assert (now.wanted_networks, now.wanted_scopes) == (["10.2.0.0/16", "172.16.0.0/12"], sorted(scopes))


def test_nobody_widens_a_key_alone(panel: RunningPanel, make: Factory, manager: Somebody, person: Somebody) -> None:
    _robot, key = program(panel, manager, person)
    wider = (
        "scopes = scopes || '{Case.edit}'", "networks = '{::/0}'", "expires_at = expires_at + interval '1 day'",
        "wanted_scopes = '{Account.add}'", "wanted_until = created_at + interval '400 days'",
    )  # fmt: skip
    for who in (manager, person):
        for change in wider:
            with panel.make.working(who) as session:
                with pytest.raises(DBAPIError, match=r"wider key|not changed from here|is no key|wanted_until"):
                    session.execute(text(f"update api_key set {change} where id = :id"), {"id": key})
                session.rollback()
    other = make.manager()
    own = (
        make_key(panel.browser(other), manager, scopes=list(LOOK[:1])) if manager.tenant.id == other.tenant.id else None
    )
    if own is not None:
        assert edit(panel, panel.browser(manager), own, networks="10.0.0.0/8", scopes=list(LOOK[:1])) == 422
    assert panel.browser(make.auditor()).get(f"/api-keys/{key}/edit").status_code == 403
    assert panel.browser(make.manager(make.other_institution())).get(f"/api-keys/{key}/edit").status_code == 404


def test_a_key_is_not_widened_over_what_its_person_may_do_or_a_year(
    panel: RunningPanel, make: Factory, manager: Somebody, person: Somebody
) -> None:
    key = make_key(panel.browser(manager), person)
    with panel.make.superuser() as connection:
        connection.exec_driver_sql(f"update api_key set created_at = now() - interval '300 days' where id = '{key}'")
    assert edit(panel, panel.browser(manager), key, scopes=[*LOOK, "Nothing.add"]) == 422
    assert edit(panel, panel.browser(manager), key, days="90") == 422
    assert edit(panel, panel.browser(manager), key, networks="here") == 422
    old = str(version_of(panel, key))
    assert edit(panel, panel.browser(manager), key, name="Bir") == 303
    assert edit(panel, panel.browser(manager), key, name="İki", version=old) == 409
