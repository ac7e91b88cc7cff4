"""Permissions to make, change and close accounts, and to give roles: the services explain, the database enforces."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from itm_admin.accounts import bootstrap, grants, invitations, services
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import roles
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import Conflict, Denied, Invalid, NotFound
from itm_admin.foundation.roles import ROLES, SCOPES
from itm_admin.institutions import services as institutions
from tests.conftest import Database
from tests.panel.account_world import World, holder

ADMINISTRATOR = bootstrap.ADMINISTRATOR


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


@pytest.fixture(scope="module")
def manager(world: World) -> str:
    return world.person("JGK", "Murat", "Yönetir", "institution_manager")


@pytest.fixture(scope="module")
def supervisor(world: World) -> str:
    return bootstrap.SUPERVISOR


def test_the_database_gives_the_same_roles_from_each_scope_as_the_table(world: World) -> None:
    for scope in SCOPES:
        held = frozenset(code for code, role in ROLES.items() if scope in role.scopes)
        gives = world.one("select itm.gives(:scope) as roles", scope=scope).roles
        assert set(gives) == set(roles.grantable_by(held)), scope


def test_a_manager_makes_an_account_that_begins_with_its_institutions_code(world: World, manager: str) -> None:
    with world.acting(manager) as (session, actor):
        account = services.create(session, holder("Işıl İpek", "Çağlayan-Öz", "a@jgk.invalid"))
        twin = services.create(session, holder("Işıl İpek", "Çağlayan-Öz", "b@jgk.invalid"))
        assert (account.username, twin.username) == ("jgk.isil_ipek.caglayanoz", "jgk.isil_ipek.caglayanoz2")
        assert account.institution_id == actor.institution_id
        with pytest.raises(Invalid) as caught:
            services.create(session, holder("A", "B", "c@jgk.invalid", username="egm.a.b"))
        assert set(caught.value.fields) == {"username"}


@pytest.mark.parametrize(
    ("person", "fields"),
    [
        (holder("", " ", "x"), {"first_name", "last_name", "email"}),
        (holder("a" * 101, "b", "x@y.invalid", language="de"), {"first_name", "language"}),
        (holder("a", "b", "x@y.invalid", unit_id=uuid.uuid4()), {"unit_id"}),
        (holder("李", "王", "x@y.invalid"), {"username"}),
    ],
)
def test_wrong_data_names_its_fields(world: World, manager: str, person: dict[str, Any], fields: set[str]) -> None:
    with world.acting(manager) as (session, _actor), pytest.raises(Invalid) as caught:
        services.create(session, person)
    assert set(caught.value.fields) == fields


def test_a_manager_cannot_see_or_touch_another_institutions_account(world: World, manager: str) -> None:
    foreign = world.id(world.person("EGM", "Yabancı", "Kişi", "focal_point"))
    with world.acting(manager) as (session, actor):
        for work in (
            lambda: services.get(session, actor, foreign),
            lambda: services.suspend(session, actor, foreign),
            lambda: services.invite(session, actor, foreign),
            lambda: services.change(session, foreign, 1, holder("a", "b", "c@d.invalid")),
        ):
            with pytest.raises(NotFound):
                work()
        with pytest.raises(NotFound):
            services.create(session, {**holder("a", "b", "c@d.invalid"), "institution_id": world.institution("EGM")})
        grant = world.one("select id from role_grant where account_id = :id", id=foreign).id
        for decide in (grants.end, grants.approve, grants.refuse):
            with pytest.raises(NotFound):
                decide(session, actor, grant)
        everybody = session.query(Account.institution_id).distinct().all()
        assert everybody == [(actor.institution_id,)]


def test_the_database_itself_refuses_a_foreign_account(world: World, manager: str) -> None:
    foreign = world.id(world.person("EGM", "Başka", "Kişi", "focal_point"))
    egm = world.institution("EGM")
    with world.acting(manager) as (session, _actor):
        changed = session.execute(text("update account set title = 'x' where id = :id"), {"id": foreign})
        assert changed.rowcount == 0  # type: ignore[attr-defined]
    for statement in (
        "insert into role_grant (institution_id, account_id, role) values (:egm, :id, 'caseworker')",
        "insert into invitation (institution_id, account_id, token_digest, expires_at) values (:egm, :id, 'x', now())",
        "insert into account (institution_id, username, first_name, last_name, email)"
        " values (:egm, 'egm.x.y', 'x', 'y', 'z')",
    ):
        with pytest.raises(DBAPIError, match="row-level security"), world.acting(manager) as (session, _actor):
            session.execute(text(statement), {"egm": egm, "id": foreign})


def test_a_manager_gives_only_the_roles_that_are_its_to_give(world: World, manager: str) -> None:
    name = world.person("JGK", "Rol", "Alan", "focal_point", by=manager)
    for role in ("system_administrator", "institution_manager", "presidency_operator", "presidency_supervisor", "no"):
        with world.acting(manager) as (session, actor), pytest.raises(Invalid) as caught:
            grants.give(session, actor, services.get(session, actor, world.id(name)), role)
        assert set(caught.value.fields) == {"role"}
    for role in ("system_administrator", "institution_manager", "presidency_supervisor"):
        with pytest.raises(DBAPIError, match="not given from here"), world.acting(manager) as (session, actor):
            session.execute(
                text("insert into role_grant (institution_id, account_id, role) values (:home, :id, :role)"),
                {"home": actor.institution_id, "id": world.id(name), "role": role},
            )


def test_nobody_gives_to_oneself_nor_changes_the_own_standing(world: World, manager: str) -> None:
    me = world.id(manager)
    with world.acting(manager) as (session, actor):
        account = services.get(session, actor, me)
        with pytest.raises(Denied):
            grants.give(session, actor, account, "caseworker")
        for work in (services.suspend, services.invite):
            with pytest.raises(Denied):
                work(session, actor, me)
        with pytest.raises(Denied):
            grants.end(session, actor, world.one("select id from role_grant where account_id = :id", id=me).id)
    for statement in (
        "insert into role_grant (institution_id, account_id, role) select institution_id, id, 'caseworker'"
        " from account where id = :id",
        "insert into invitation (institution_id, account_id, token_digest, expires_at)"
        " select institution_id, id, 'y', now() from account where id = :id",
        "update account set active = false where id = :id",
    ):
        with pytest.raises(DBAPIError), world.acting(manager) as (session, _actor):
            session.execute(text(statement), {"id": me})


def test_the_platforms_root_cannot_be_reset_by_the_presidencys_own_manager(world: World) -> None:
    boss = world.person("GIB", "Güçlü", "Müdür", "institution_manager")
    root = world.id(ADMINISTRATOR)
    with world.acting(boss, "institution") as (session, actor):
        for work in (services.invite, services.suspend):
            with pytest.raises(Denied):
                work(session, actor, root)
        with pytest.raises(Denied):
            services.change(session, root, 1, holder("a", "b", "c@d.invalid"))
    for statement in (
        "insert into invitation (institution_id, account_id, token_digest, expires_at)"
        " select institution_id, id, 'z', now() from account where id = :id",
        "update account set email = 'mine@x.invalid' where id = :id",
        "update role_grant set state = 'ended' where account_id = :id",
    ):
        with pytest.raises(DBAPIError), world.acting(boss, "institution") as (session, _actor):
            session.execute(text(statement), {"id": root})


def test_nobody_sees_a_password_hash(world: World, manager: str, supervisor: str) -> None:
    for who, scope in ((ADMINISTRATOR, "accounts"), (manager, "institution"), (supervisor, "oversight")):
        with world.acting(who, scope) as (session, _actor), pytest.raises(ProgrammingError, match="permission denied"):
            session.execute(text("select count(*) from credential"))


def test_a_system_administrator_reads_no_case_and_no_person(world: World) -> None:
    focal_point = world.person("JGK", "Dosya", "Açan", "focal_point")
    root = world.one("select id from unit where institution_id = :id", id=world.institution("JGK")).id
    with world.acting(focal_point) as (session, actor):
        session.execute(
            text(
                "insert into case_file (institution_id, unit_id, reference, opened_on, province, referral_source,"
                " lead_institution_id) values (:home, :unit, 'ITM-JGK-2026-000001', now(), 'TR-06', 'OTHER', :home)"
            ),
            {"home": actor.institution_id, "unit": root},
        )
    with world.acting(focal_point) as (session, _actor):
        assert session.execute(text("select count(*) from case_file")).scalar_one() == 1
    for scope in (None, "accounts", "institution", "oversight", "audit"):
        with world.acting(ADMINISTRATOR, scope) as (session, _actor):
            for table in ("case_file", "person", "case_person", "oversight_case", "audit.event"):
                assert session.execute(text(f"select count(*) from {table}")).scalar_one() == 0, (scope, table)


def test_an_auditor_and_an_administrator_hold_no_second_role(world: World) -> None:
    auditor = world.person("ADALET", "Tek", "Denetçi", "auditor_institution")
    focal_point = world.person("ADALET", "Tek", "Odak", "focal_point")
    for name, role in (
        (auditor, "focal_point"),
        (focal_point, "auditor_institution"),
        (focal_point, "system_administrator"),
    ):
        with world.acting(ADMINISTRATOR) as (session, actor), pytest.raises(Invalid) as caught:
            grants.give(session, actor, services.get(session, actor, world.id(name)), role)
        assert set(caught.value.fields) == {"role"}
        with pytest.raises(DBAPIError, match="held alone"), world.acting(ADMINISTRATOR) as (session, actor):
            session.execute(
                insert(RoleGrant).values(
                    institution_id=world.institution("ADALET"), account_id=world.id(name), role=role, state="proposed"
                )
            )


def test_two_second_roles_given_at_once_are_not_both_kept(world: World) -> None:
    name = world.person("ADALET", "Yarışan", "Kişi")

    def give() -> bool:
        try:
            with world.acting(ADMINISTRATOR) as (session, actor):
                grants.give(session, actor, services.get(session, actor, world.id(name)), "focal_point")
        except DBAPIError:
            return False
        return True

    with ThreadPoolExecutor(1) as threads:
        with world.acting(ADMINISTRATOR) as (session, actor):
            grants.give(session, actor, services.get(session, actor, world.id(name)), "auditor_institution")
            other = threads.submit(give)
            world.until_it_waits(other)
        assert other.result() is False
    given = world.all("select role from role_grant where account_id = :id", id=world.id(name))
    assert [row.role for row in given] == ["auditor_institution"]


def test_a_national_auditor_is_active_after_two_approvals_of_whom_one_is_outside(world: World, supervisor: str) -> None:
    boss = world.person("TIHEK", "Kurum", "Müdürü", "institution_manager")
    name = world.person("TIHEK", "Ulusal", "Denetçi", "auditor_national")
    assert world.actor(name).roles == frozenset()
    grant = world.one("select id from role_grant where account_id = :id", id=world.id(name)).id
    with world.acting(supervisor, "oversight") as (session, actor):
        assert grant in [row[0].id for row in grants.waiting(session, actor)]
        assert grants.approve(session, actor, grant).state == "proposed"
        with pytest.raises(Invalid, match="approved this already"):
            grants.approve(session, actor, grant)
    second = world.person("GIB", "İkinci", "Gözetir", "presidency_supervisor")
    with world.acting(second, "oversight") as (session, actor):
        assert grants.approve(session, actor, grant).state == "proposed"  # two of the Presidency are not enough
    with pytest.raises(DBAPIError, match="two approvals"), world.acting(second, "oversight") as (session, _actor):
        session.execute(text("update role_grant set state = 'active' where id = :id"), {"id": grant})
    with world.acting(boss) as (session, actor):
        assert grants.approve(session, actor, grant).state == "active"
    assert world.actor(name).roles == {"auditor_national"}
    approved_by = world.events("role.change", "TIHEK")
    assert len(approved_by) >= 5  # proposed, three approvals, active: all in the ledger of the institution


def test_who_proposed_or_is_to_hold_the_role_cannot_approve_it(world: World) -> None:
    boss = world.person("ICISLERI", "Öneren", "Müdür", "institution_manager")
    with world.acting(boss) as (session, actor):
        account = services.create(session, holder("Aday", "Denetçi", "aday@icisleri.invalid"))
        grant = grants.give(session, actor, account, "auditor_national")
        assert grant.state == "proposed"
        grant_id, candidate = grant.id, account.id
    with world.acting(boss) as (session, actor):
        with pytest.raises(Denied):
            grants.approve(session, actor, grant_id)
        with pytest.raises(Denied):  # the link to this account is the system administrator's to send
            services.invite(session, actor, candidate)


def test_two_approvals_at_once_end_in_an_active_role(world: World, supervisor: str) -> None:
    boss = world.person("HMB", "Hızlı", "Müdür", "institution_manager")
    name = world.person("HMB", "Hızlı", "Denetçi", "auditor_national")
    grant = world.one("select id from role_grant where account_id = :id", id=world.id(name)).id

    def approve() -> str:
        with world.acting(supervisor, "oversight") as (session, actor):
            return grants.approve(session, actor, grant).state

    with ThreadPoolExecutor(1) as threads:
        with world.acting(boss) as (session, actor):
            assert grants.approve(session, actor, grant).state == "proposed"
            other = threads.submit(approve)
            world.until_it_waits(other)
        assert other.result() == "active"


def test_a_proposal_can_be_refused_and_stays_ended(world: World, supervisor: str) -> None:
    name = world.person("CSGB", "Reddedilen", "Denetçi", "auditor_national")
    grant = world.one("select id from role_grant where account_id = :id", id=world.id(name)).id
    with world.acting(supervisor, "oversight") as (session, actor):
        assert grants.refuse(session, actor, grant).state == "ended"
    with world.acting(supervisor, "oversight") as (session, actor), pytest.raises(Invalid):
        grants.approve(session, actor, grant)
    with (
        pytest.raises(DBAPIError, match="not given from here|does not go"),
        world.acting(supervisor, "oversight") as (session, _actor),
    ):
        session.execute(text("update role_grant set state = 'proposed' where id = :id"), {"id": grant})


def test_the_presidencys_people_are_no_national_auditors(world: World) -> None:
    name = world.person("GIB", "Sıradan", "Çalışan")
    with world.acting(ADMINISTRATOR) as (session, actor), pytest.raises(Invalid):
        grants.give(session, actor, services.get(session, actor, world.id(name)), "auditor_national")


def test_presidency_roles_stay_in_the_presidency(world: World) -> None:
    name = world.person("JGK", "Dışarıdan", "Biri")
    for role in ("presidency_operator", "presidency_supervisor"):
        with world.acting(ADMINISTRATOR) as (session, actor), pytest.raises(Invalid):
            grants.give(session, actor, services.get(session, actor, world.id(name)), role)


def test_the_last_system_administrator_stays(world: World) -> None:
    second = world.person("GIB", "Yedek", "Yönetici", "system_administrator")
    with world.acting(second) as (session, actor):
        services.suspend(session, actor, world.id(ADMINISTRATOR))
    with world.acting(second) as (session, actor):
        services.reactivate(session, actor, world.id(ADMINISTRATOR))
    with world.acting(ADMINISTRATOR) as (session, actor):
        services.suspend(session, actor, world.id(second))
        with pytest.raises(Denied):
            grants.keep_one_administrator(session, world.id(ADMINISTRATOR))


def test_a_role_over_a_unit_reaches_its_subtree_and_no_further(world: World, manager: str) -> None:
    name = world.person("JGK", "İlçe", "Çalışanı")
    with world.acting(manager) as (session, actor):
        root = institutions.units(session, actor.institution_id)[0][0]
        province = institutions.add_unit(session, "Ankara İl Jandarma", root.id, "TR-06")
        district = institutions.add_unit(session, "Çankaya İlçe Jandarma", province.id, "TR-06")
        other = institutions.add_unit(session, "Van İl Jandarma", root.id, "TR-65")
        account = services.get(session, actor, world.id(name))
        grants.give(session, actor, account, "focal_point", province.id)
        ids = (province.id, district.id, other.id)
        with pytest.raises(Invalid) as caught:
            grants.give(session, actor, account, "auditor_institution", province.id)
        assert caught.value.fields
    context = world.actor(name).context()
    assert set(context.unit) == {ids[0], ids[1]}
    assert set(context.create) == {ids[0], ids[1]}
    assert context.manage == ()


def test_a_change_needs_the_newest_version_and_signing_in_makes_none(world: World, manager: str) -> None:
    name = world.person("JGK", "Değişen", "Kayıt", "focal_point")
    with world.acting(manager) as (session, actor):
        version = services.get(session, actor, world.id(name)).row_version
    world.sign_in(name)
    with world.acting(manager) as (session, actor):
        services.change(session, world.id(name), version, holder("Değişmiş", "Kayıt", "d@jgk.invalid"))
    with world.acting(manager) as (session, actor), pytest.raises(Conflict) as caught:
        services.change(session, world.id(name), version, holder("Eski", "Kayıt", "d@jgk.invalid"))
    assert caught.value.current_version == version + 1
    entry = world.events("account.change", "JGK")[-1]
    assert entry.actor_name == manager
    assert not any("Değişmiş" in row.content for row in world.all("select content from audit.event"))


def test_an_account_keeps_its_institution_its_name_and_a_rising_epoch(world: World, manager: str) -> None:
    name = world.person("JGK", "Sabit", "Kalan", "focal_point")
    for change in ("username = 'jgk.other.name'", "epoch = epoch - 1", f"id = '{uuid.uuid4()}'"):
        with pytest.raises(DBAPIError), world.acting(manager) as (session, _actor):
            session.execute(text(f"update account set {change} where id = :id"), {"id": world.id(name)})


def test_a_supervisor_changes_nothing_of_an_account_but_its_epoch(world: World, supervisor: str, manager: str) -> None:
    with (
        pytest.raises(DBAPIError, match="not changed from here"),
        world.acting(supervisor, "oversight") as (session, _),
    ):
        session.execute(text("update account set email = 'x@y.invalid' where id = :id"), {"id": world.id(manager)})


def test_people_keep_their_own_address_but_not_their_own_standing(world: World) -> None:
    name = world.person("ASHB", "Kendi", "Verisi", "focal_point")
    with world.acting(name) as (session, actor):
        account = services.own(session, actor)
        services.change_own(
            session, actor, account.row_version, {"email": "yeni@ashb.invalid", "title": "Uzman", "language": "en"}
        )
    with world.acting(name) as (session, actor):
        account = services.own(session, actor)
        assert (account.email, account.title, account.language) == ("yeni@ashb.invalid", "Uzman", "en")
    with pytest.raises(DBAPIError, match="not changed from here"), world.acting(name) as (session, _actor):
        session.execute(text("update account set active = false where id = :id"), {"id": world.id(name)})


def test_an_installation_begins_once(world: World) -> None:
    with world.sessions() as session, pytest.raises(bootstrap.NotEmpty):
        bootstrap.begin(session, world.keyring)


def test_the_first_administrator_has_a_link_and_no_password(database: Database) -> None:
    superuser = database.engine("superuser")
    sessions = bootstrap.making_sessions(database.engine("app"))
    with sessions() as session:
        token = bootstrap.begin(session, Keyring(os.urandom(32))).administrator
        session.commit()
    with superuser.connect() as connection:
        assert connection.execute(text("select count(*) from credential")).scalar_one() == 0
        assert connection.execute(text("select count(*) from institution")).scalar_one() > 25
        assert (
            connection.execute(text("select count(*) from institution_key")).scalar_one()
            == connection.execute(text("select count(*) from unit where parent_id is null")).scalar_one()
            == connection.execute(text("select count(*) from audit.ledger")).scalar_one()
            == connection.execute(text("select count(*) from institution")).scalar_one()
        )
    with sessions() as session:
        assert invitations.look_up(session, token).username == ADMINISTRATOR
