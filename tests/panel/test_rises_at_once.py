"""No person rises alone, tried harder: detours over other accounts, secrets kept, and two acts at one moment."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import bootstrap, grants, invitations, services
from tests.conftest import Database
from tests.panel.account_world import World, holder

ADMINISTRATOR, SUPERVISOR = bootstrap.ADMINISTRATOR, bootstrap.SUPERVISOR
APPROVE = text(
    "insert into grant_approval (institution_id, grant_id, approver_id, approver_institution_id)"
    " select institution_id, id, itm.account(), institution_id from role_grant where id = :id"
)
SUSPEND = text("update account set active = false where id = :id")
END = text("update role_grant set state = 'ended' where account_id = :id and state = 'active'")


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


def proposed(world: World, by: str, code: str = "GIB", role: str = "institution_manager") -> uuid.UUID:
    with world.acting(by, "accounts") as (session, actor):
        person = holder("Yeni", "Kişi", f"{uuid.uuid4().hex[:8]}@gib.invalid")
        account = services.create(session, {**person, "institution_id": world.institution(code)})
        return grants.give(session, actor, account, role).id


def test_a_second_account_over_several_steps_approves_nothing(world: World) -> None:
    """One administrator makes another one, that one a supervisor: the first stands behind both."""
    second = world.person("GIB", "İkinci", "Yönetici", "system_administrator")
    third = world.person("GIB", "Üçüncü", "Yönetici", "system_administrator")
    with world.acting(second, "accounts") as (session, actor):
        person = holder("Uzak", "Kukla", "uzak@gib.invalid")
        puppet = services.create(session, {**person, "institution_id": world.institution("GIB")})
        name, grant = puppet.username, grants.give(session, actor, puppet, "presidency_supervisor").id
    with world.acting(SUPERVISOR, "oversight") as (session, actor):
        grants.approve(session, actor, grant)
    with world.acting(second, "accounts") as (session, actor):
        token = services.invite(session, actor, world.id(name))
    world.redeem(token)
    world.confirm(name)
    for proposer in (ADMINISTRATOR, second):
        waiting = proposed(world, proposer)
        with pytest.raises(DBAPIError, match="did not raise"), world.acting(name, "oversight") as (session, _actor):
            session.execute(APPROVE, {"id": waiting})
    for proposer, approver in ((second, ADMINISTRATOR), (ADMINISTRATOR, third)):
        waiting = proposed(world, proposer)
        with pytest.raises(DBAPIError, match="did not raise"), world.acting(approver, "accounts") as (session, _a):
            session.execute(APPROVE, {"id": waiting})


def test_a_link_that_was_kept_through_the_rise_opens_nothing(world: World) -> None:
    name = world.person("JGK", "Bağlantı", "Saklayan", "focal_point")
    with world.acting(ADMINISTRATOR) as (session, actor):
        kept = services.invite(session, actor, world.id(name))
        grant = grants.give(session, actor, services.get(session, actor, world.id(name)), "institution_manager").id
    with world.acting(SUPERVISOR, "oversight") as (session, actor):
        grants.approve(session, actor, grant)
    with pytest.raises(invitations.BadInvitation):
        world.redeem(kept)
    assert not world.all("select from credential where account_id = :id", id=world.id(name))


def test_a_link_made_while_the_rise_waits_is_void_after_it(world: World) -> None:
    name = world.person("EGM", "Arada", "Kalan", "focal_point")
    with world.acting(ADMINISTRATOR) as (session, actor):
        grant = grants.give(session, actor, services.get(session, actor, world.id(name)), "institution_manager").id
    insert = (
        "insert into invitation (institution_id, account_id, token_digest, expires_at)"
        " select institution_id, id, '\\x01', now() + interval '1 day' from account where id = :id"
    )
    with world.acting(ADMINISTRATOR) as (session, _actor):
        session.execute(text(insert), {"id": world.id(name)})
    with world.acting(SUPERVISOR, "oversight") as (session, actor):
        grants.approve(session, actor, grant)
    open_ones = "select from invitation where account_id = :id and used_at is null and expires_at > now()"
    assert not world.all(open_ones, id=world.id(name))


@pytest.mark.parametrize("act", [SUSPEND, END], ids=["suspend", "end"])
@pytest.mark.parametrize(
    ("role", "code"),
    [("system_administrator", "GIB"), ("presidency_supervisor", "GIB"), ("institution_manager", "TIHEK")],
)
def test_the_last_two_of_a_kind_cannot_both_leave_at_the_same_moment(
    world: World, role: str, code: str, act: object
) -> None:
    """Two acts in two transactions; each alone would leave one."""
    pair = [world.person(code, f"{first} {uuid.uuid4().hex[:4]}", "Son", role) for first in ("Bir", "İki")]
    actors = (ADMINISTRATOR, ADMINISTRATOR)
    if role == "system_administrator":
        actors = (pair[1], pair[0])
    ids = [world.id(name) for name in pair]
    others = (
        "update account a set active = :on where a.id <> all(:ids) and exists (select from role_grant g where"
        " g.account_id = a.id and g.role = :role and g.state = 'active' and g.institution_id = :home)"
        " and a.active is distinct from :on"
    )
    values = {"ids": ids, "role": role, "home": world.institution(code)}
    with world.superuser.begin() as connection:
        connection.execute(text(others), {**values, "on": False})

    def leave() -> bool:
        try:
            with world.acting(actors[1]) as (session, _actor):
                session.execute(act, {"id": ids[1]})  # type: ignore[call-overload]
        except DBAPIError:
            return False
        return True

    try:
        with ThreadPoolExecutor(1) as threads:
            with world.acting(actors[0]) as (session, _actor):
                session.execute(act, {"id": ids[0]})  # type: ignore[call-overload]
                other = threads.submit(leave)
                world.until_it_waits(other)
            assert other.result() is False
        standing = (
            "select count(*) as n from role_grant g join account a on a.id = g.account_id where a.active"
            " and g.state = 'active' and g.role = :role and a.id = any(:ids)"
        )
        assert world.one(standing, role=role, ids=ids).n == 1
    finally:
        with world.superuser.begin() as connection:
            connection.execute(text(others), {**values, "on": True})
