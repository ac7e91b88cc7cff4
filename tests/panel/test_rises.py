"""No person rises alone: services, and plain SQL as itm_app in the application's contexts, also at one moment."""

from __future__ import annotations

import contextlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import bootstrap, changes, grants, services
from itm_admin.accounts.sign_in import NotConfirmed, SignInRefused
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Denied
from tests.conftest import Database
from tests.panel.account_world import PASSWORD, World, holder

ANOTHER = "mavi kapı dokuz yaprak"
ADMINISTRATOR, SUPERVISOR = bootstrap.ADMINISTRATOR, bootstrap.SUPERVISOR
RISES = (
    "institution_manager", "presidency_supervisor", "presidency_operator", "system_administrator",
    "auditor_institution", "focal_point",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


def account(world: World, code: str = "GIB") -> uuid.UUID:
    with world.acting(ADMINISTRATOR) as (session, _actor):
        person = holder("Yeni", "Kişi", f"{uuid.uuid4().hex[:8]}@gib.invalid")
        return services.create(session, {**person, "institution_id": world.institution(code)}).id


def propose(world: World, who: uuid.UUID, role: str) -> uuid.UUID:
    with world.acting(ADMINISTRATOR) as (session, actor):
        return grants.give(session, actor, services.get(session, actor, who), role).id


def approve(world: World, grant: uuid.UUID, by: str = SUPERVISOR, scope: str = "oversight") -> str:
    with world.acting(by, scope) as (session, actor):
        return grants.approve(session, actor, grant).state


def state_of(world: World, grant: uuid.UUID) -> str:
    return str(world.one("select state from role_grant where id = :id", id=grant).state)


@pytest.mark.parametrize("role", RISES)
def test_an_administrator_alone_raises_nobody(world: World, role: str) -> None:
    who = account(world)
    insert = "insert into role_grant (institution_id, account_id, role, state) values (:home, :id, :role, 'active')"
    with pytest.raises(DBAPIError, match="proposed first"), world.acting(ADMINISTRATOR) as (session, actor):
        session.execute(text(insert), {"home": actor.institution_id, "id": who, "role": role})
    grant = propose(world, who, role)
    assert state_of(world, grant) == "proposed"
    for statement in (
        "update role_grant set state = 'active' where id = :id",
        "insert into grant_approval (institution_id, grant_id, approver_id, approver_institution_id)"
        " select institution_id, id, itm.account(), institution_id from role_grant where id = :id",
    ):
        with pytest.raises(DBAPIError, match="did not raise"), world.acting(ADMINISTRATOR) as (session, _actor):
            session.execute(text(statement), {"id": grant})
    assert approve(world, grant) == "active"


def test_somebody_whom_the_proposer_raised_confirms_nothing(world: World) -> None:
    puppet = world.person("GIB", "Kukla", "Gözetir", "presidency_supervisor")
    grant = propose(world, account(world), "institution_manager")
    with pytest.raises(Denied):
        approve(world, grant, puppet)
    statement = (
        "insert into grant_approval (institution_id, grant_id, approver_id, approver_institution_id)"
        " select institution_id, id, itm.account(), institution_id from role_grant where id = :id"
    )
    with pytest.raises(DBAPIError, match="did not raise"), world.acting(puppet, "oversight") as (session, _actor):
        session.execute(text(statement), {"id": grant})
    assert state_of(world, grant) == "proposed"


def test_a_rise_voids_the_password_the_links_and_the_sessions_of_before(world: World) -> None:
    name = world.person("JGK", "Eski", "Parola", "focal_point")
    epoch = world.sign_in(name).epoch
    grant = propose(world, world.id(name), "institution_manager")
    assert approve(world, grant) == "active"
    assert world.actor(name).epoch > epoch
    with pytest.raises(SignInRefused):
        world.sign_in(name)
    with world.acting(ADMINISTRATOR) as (session, actor):
        token = services.invite(session, actor, world.id(name))
    waits = world.one("select id from access_change where state = 'waiting' and account_id = :i", i=world.id(name))
    with pytest.raises(Denied), world.acting(ADMINISTRATOR) as (session, actor):
        changes.decide(session, actor, waits.id, confirm=True)
    world.redeem(token, ANOTHER)
    with pytest.raises(NotConfirmed):
        world.sign_in(name, ANOTHER)
    world.confirm(name)
    assert "institution_manager" in world.sign_in(name, ANOTHER).roles


def test_a_link_that_its_maker_has_seen_opens_nothing_before_another_person_confirms(world: World) -> None:
    manager = world.person("EGM", "Bağlantı", "Yapan", "institution_manager")
    with world.acting(manager) as (session, actor):
        who = services.create(session, holder("Uydurma", "Kişi", "u@egm.invalid"))
        grants.give(session, actor, who, "focal_point")
        name, token = who.username, services.invite(session, actor, who.id)
    change = world.one("select id from access_change where kind = 'link' and account_id = :id", id=world.id(name)).id
    decide = text("update access_change set state = 'done' where id = :id")
    with pytest.raises(DBAPIError, match="not been used"), world.acting(SUPERVISOR, "oversight") as (session, _actor):
        session.execute(decide, {"id": change})
    world.redeem(token)
    with pytest.raises(NotConfirmed):
        world.sign_in(name)
    assert world.actor(name).roles == frozenset()
    with pytest.raises(DBAPIError, match="another person"), world.acting(manager) as (session, _actor):
        session.execute(decide, {"id": change})
    for state in ("replaced", "waiting"):
        with pytest.raises(DBAPIError), world.acting(manager) as (session, _actor):
            session.execute(
                text("update access_change set state = :state where id = :id"), {"id": change, "state": state}
            )
    colleague = world.person("EGM", "İkinci", "Kişi", "focal_point")
    world.confirm(name, colleague, "institution")
    assert world.sign_in(name).roles == {"focal_point"}


def test_a_first_sign_in_that_is_refused_leaves_neither_link_nor_password(world: World) -> None:
    manager = world.person("EGM", "Bağlantı", "Veren", "institution_manager")
    colleague = world.person("EGM", "Hayır", "Diyen", "focal_point")
    with world.acting(manager) as (session, actor):
        who = services.create(session, holder("Tanınmayan", "Kişi", "t@egm.invalid"))
        grants.give(session, actor, who, "focal_point")
        name, token = who.username, services.invite(session, actor, who.id)
    world.redeem(token)
    change = world.one("select id from access_change where kind = 'link' and account_id = :id", id=world.id(name)).id
    with world.acting(colleague, "institution") as (session, actor):
        assert changes.decide(session, actor, change, confirm=False).state == "refused"
    with pytest.raises(SignInRefused):
        world.sign_in(name)
    assert world.one("select count(*) as n from credential where account_id = :id", id=world.id(name)).n == 0


@pytest.mark.parametrize("by", ["manager", "administrator"])
def test_who_audits_is_not_touched_by_whom_they_audit(world: World, by: str) -> None:
    code = {"manager": "ASHB", "administrator": "IOM"}[by]
    auditor = world.person(code, "İç", "Denetçi", "auditor_institution")
    manager = world.person(code, "Denetlenen", "Müdür", "institution_manager")
    who, scope = (manager, "institution") if by == "manager" else (ADMINISTRATOR, "accounts")
    key = world.id(auditor)
    grant = world.one("select id from role_grant where account_id = :id", id=key).id
    for work in (services.suspend, services.invite):
        with pytest.raises(Denied), world.acting(who, scope) as (session, actor):
            work(session, actor, key)
    for statement in (
        "update account set active = false where id = :id",
        "update account set email = 'mine@x.invalid' where id = :id",
        "insert into invitation (institution_id, account_id, token_digest, expires_at)"
        " select institution_id, id, 'a', now() + interval '1 day' from account where id = :id",
        "update role_grant set state = 'ended' where account_id = :id",
    ):
        with pytest.raises(DBAPIError), world.acting(who, scope) as (session, _actor):
            session.execute(text(statement), {"id": key})
    if by == "administrator":
        with world.acting(ADMINISTRATOR) as (session, actor):
            assert grants.end(session, actor, grant).state == "active"
        change = world.one("select id from access_change where kind = 'end' and account_id = :id", id=key).id
        with pytest.raises(Denied), world.acting(ADMINISTRATOR) as (session, actor):
            changes.decide(session, actor, change, confirm=True)
        with world.acting(SUPERVISOR, "oversight") as (session, actor):
            changes.decide(session, actor, change, confirm=True)
        assert state_of(world, grant) == "ended"
    else:
        assert world.sign_in(auditor).roles == {"auditor_institution"}


def test_the_last_national_auditor_stays_and_ending_one_takes_two(world: World) -> None:
    boss = world.person("TIHEK", "Kurum", "Müdürü", "institution_manager")
    found = []
    for first in ("Birinci", "İkinci"):
        name = world.person("TIHEK", first, "Denetçi", "auditor_national")
        grant = world.one("select id from role_grant where account_id = :id", id=world.id(name)).id
        approve(world, grant)
        assert approve(world, grant, boss, "institution") == "active"
        with world.acting(ADMINISTRATOR) as (session, actor):
            token = services.invite(session, actor, world.id(name))
        world.redeem(token, ANOTHER)
        world.confirm(name)
        assert world.sign_in(name, ANOTHER).roles == {"auditor_national"}
        found.append((name, grant))
    for name, grant in found:
        with world.acting(ADMINISTRATOR) as (session, actor):
            grants.end(session, actor, grant)
        assert state_of(world, grant) == "active"
        change = world.one("select id from access_change where kind = 'end' and account_id = :id", id=world.id(name)).id
        with contextlib.ExitStack() as refused:
            if name == found[-1][0]:
                refused.enter_context(pytest.raises(DBAPIError, match="last of a kind"))
            with world.acting(SUPERVISOR, "oversight") as (session, actor):
                changes.decide(session, actor, change, confirm=True)
    assert [state_of(world, grant) for _name, grant in found] == ["ended", "active"]


def test_two_administrators_who_suspend_each_other_at_the_same_moment_leave_one(world: World) -> None:
    second = world.person("GIB", "Öteki", "Yönetici", "system_administrator")
    statement = text("update account set active = false where id = :id")

    def suspend() -> bool:
        try:
            with world.acting(second) as (session, _actor):
                session.execute(statement, {"id": world.id(ADMINISTRATOR)})
        except DBAPIError:
            return False
        return True

    others = text(
        "update account set active = false where active and id <> :one and id <> :two and id in"
        " (select account_id from role_grant where role = 'system_administrator' and state = 'active')"
    )
    with world.superuser.begin() as connection:
        connection.execute(others, {"one": world.id(second), "two": world.id(ADMINISTRATOR)})
    with ThreadPoolExecutor(1) as threads:
        with world.acting(ADMINISTRATOR) as (session, _actor):
            session.execute(statement, {"id": world.id(second)})
            other = threads.submit(suspend)
            world.until_it_waits(other)
        assert other.result() is False
    assert world.one("select active from account where id = :id", id=world.id(ADMINISTRATOR)).active


def test_an_institutions_last_manager_and_the_presidency_stay(world: World) -> None:
    manager = world.person("CSGB", "Tek", "Müdür", "institution_manager")
    grant = world.one("select id from role_grant where account_id = :id", id=world.id(manager)).id
    for statement, key in (
        ("update account set active = false where id = :id", world.id(manager)),
        ("update role_grant set state = 'ended' where id = :id", grant),
    ):
        with pytest.raises(DBAPIError, match="last of a kind"), world.acting(ADMINISTRATOR) as (session, _actor):
            session.execute(text(statement), {"id": key})
    with pytest.raises(DBAPIError, match="stays active"), world.acting(SUPERVISOR, "oversight") as (session, _actor):
        session.execute(text("update institution set status = 'suspended' where kind = 'presidency'"))


def test_the_first_two_people_begin_only_once(world: World) -> None:
    insert = "insert into role_grant (institution_id, account_id, role, state) values (:home, :id, :role, 'active')"
    who = account(world)
    nobody = tenancy.Context(scope="accounts", account_name="itm init")
    values = {"home": world.institution("GIB"), "id": who, "role": "presidency_supervisor"}
    with (
        pytest.raises(DBAPIError, match="proposed first"),
        world.sessions() as session,
        tenancy.acting(nobody, session),
    ):
        session.execute(text(insert), values)
    assert world.sign_in(SUPERVISOR, PASSWORD).roles == {"presidency_supervisor"}


@pytest.mark.parametrize("role", ["auditor_institution", "institution_manager", "system_administrator"])
def test_a_grant_is_not_rewritten_while_it_ends(world: World, role: str) -> None:
    """The rules of its end look at the role."""
    code = "GIB" if role == "system_administrator" else "ASHB"
    name = world.person(code, "Yeniden", "Yazılan", role)
    grant = world.one("select id from role_grant where account_id = :id", id=world.id(name)).id
    for change in ("role = 'focal_point'", "role = 'focal_point', account_id = itm.account()"):
        statement = text(f"update role_grant set state = 'ended', {change} where id = :id")
        with pytest.raises(DBAPIError, match="never rewritten"), world.acting(ADMINISTRATOR) as (session, _actor):
            session.execute(statement, {"id": grant})
    assert state_of(world, grant) == "active"


@pytest.mark.parametrize(
    "change",
    [
        "created_by = null", "token_digest = '\\x01'", "used_at = now()", "expires_at = expires_at + interval '1 hour'",
        "created_at = now() + interval '1 day'", "account_id = itm.account(), institution_id = itm.home()",
    ],
)  # fmt: skip
def test_a_link_is_withdrawn_or_used_and_nothing_else_of_it_changes(world: World, change: str) -> None:
    who = world.id(world.person("ASHB", "Bağlantı", "Sahibi", "focal_point"))
    with world.acting(ADMINISTRATOR) as (session, actor):
        services.invite(session, actor, who)
    of_them = "(select id from invitation where account_id = :id order by created_at desc limit 1)"
    with pytest.raises(DBAPIError, match="used once or withdrawn"), world.acting(ADMINISTRATOR) as (session, _actor):
        session.execute(text(f"update invitation set {change} where id = {of_them}"), {"id": who})


def test_a_used_link_does_not_live_again_and_none_is_made_for_longer(world: World) -> None:
    who = world.id(world.person("ASHB", "Eski", "Bağlantı", "focal_point"))
    again = "update invitation set used_at = null where account_id = :id"
    insert = (
        "insert into invitation (institution_id, account_id, token_digest, expires_at, used_at)"
        " select institution_id, id, '\\x01', now() + interval '{}', {} from account where id = :id"
    )
    for statement in (again, insert.format("1 year", "null"), insert.format("1 hour", "now()")):
        with pytest.raises(DBAPIError, match="link"), world.acting(ADMINISTRATOR) as (session, _actor):
            session.execute(text(statement), {"id": who})


def test_no_account_is_put_out_of_reach_of_its_own_end(world: World) -> None:
    """At its largest value the epoch could not rise, and whoever suspends raises it."""
    name = world.person("ASHB", "Dönem", "Atlayan", "focal_point")
    for who, scope in ((name, "institution"), (ADMINISTRATOR, "accounts")):
        with pytest.raises(DBAPIError, match="rises by one"), world.acting(who, scope) as (session, _actor):
            session.execute(text("update account set epoch = 2147483647 where id = :id"), {"id": world.id(name)})


def test_the_presidency_is_made_no_other_kind(world: World) -> None:
    with pytest.raises(DBAPIError, match="one Presidency"), world.acting(SUPERVISOR, "oversight") as (session, _actor):
        session.execute(text("update institution set kind = 'ngo' where code = 'GIB'"))


@pytest.mark.parametrize(
    "question",
    [
        "itm.has_password(:id)", "itm.audits(:id)", "itm.waits(:id)", "itm.is_proposed(:id)", "itm.is_ordinary(:id)",
        "itm.is_independent(:id, gen_random_uuid())", "itm.is_no_raiser(:id, gen_random_uuid())",
    ],
)  # fmt: skip
def test_nothing_is_said_about_an_account_outside_a_context(
    shared_database: Database, world: World, question: str
) -> None:
    """Each is true of somebody; the panel's login without a context hears no of everybody."""
    everybody = world.all("select id from account")
    with shared_database.engine("app").connect() as connection:
        told = [connection.scalar(text(f"select {question}"), {"id": each.id}) for each in everybody]
    assert set(told) == {False}
