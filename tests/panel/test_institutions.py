"""The register of institutions and their units: who keeps them, and what never changes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from itm_admin.accounts.bootstrap import ADMINISTRATOR
from itm_admin.foundation import vocabulary
from itm_admin.foundation.errors import Conflict, Denied, Invalid, NotFound
from itm_admin.institutions import services
from itm_admin.institutions.models import Institution, Unit
from itm_admin.institutions.services import INSTITUTIONS, UNITS
from itm_admin.institutions.views import InstitutionView, UnitView
from tests.conftest import Database
from tests.panel.account_world import World

UNION = {"name_tr": "Deneme Birliği", "name_en": "Trial Union", "kind": "ngo", "member_from": "2026-01-01"}
SHORT = {"name_tr": "a", "name_en": "b", "kind": "ngo"}


def register(world: World, session: Session, code: str, facts: dict[str, Any]) -> Institution:
    return INSTITUTIONS.add(session, world.keyring, None, {"code": code, **facts}, InstitutionView.add_columns)


def version_of(session: Session, id: uuid.UUID) -> int:
    return INSTITUTIONS.get(session, id).row_version


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


@pytest.fixture(scope="module")
def supervisor(world: World) -> str:
    return world.person("GIB", "Sevgi", "Gözetir", "presidency_supervisor")


@pytest.fixture(scope="module")
def manager(world: World) -> str:
    return world.person("JGK", "Murat", "Yönetir", "institution_manager")


def test_the_register_begins_with_every_institution_of_the_vocabulary(world: World) -> None:
    codes = {row.code for row in world.all("select code from institution")}
    assert {entry.code for entry in vocabulary.institutions()} <= codes


def test_a_supervisor_registers_an_institution_with_ledger_unit_and_key(world: World, supervisor: str) -> None:
    with world.acting(supervisor, "oversight") as (session, _actor):
        institution = register(world, session, "DENEME", UNION).id
    row = world.one(
        """select (select count(*) from unit where institution_id = i.id and parent_id is null) as roots,
                  (select wrapped from institution_key where institution_id = i.id) as wrapped,
                  (select count(*) from audit.ledger l where l.holder = i.id and l.code = i.code) as ledgers
             from institution i where i.id = :id""",
        id=institution,
    )
    assert (row.roots, row.ledgers) == (1, 1)
    assert world.keyring.unwrap(institution, row.wrapped).institution == institution
    assert {entry.code for entry in world.events("record.create", "DENEME")} == {"DENEME"}


@pytest.mark.parametrize(
    ("code", "facts", "fields"),
    [
        ("sgk", UNION, {"code"}),
        ("SGK", UNION, {"code"}),
        ("JGK", UNION, {"code"}),
        ("X1", {"name_tr": " ", "name_en": "", "kind": "tribe"}, {"name_tr", "name_en", "kind"}),
        ("X2", {**SHORT, "member_from": "2026-02-01", "member_to": "2026-01-01"}, {"member_to"}),
        ("X3", {**SHORT, "k_threshold": 1}, {"k_threshold"}),
    ],
)
def test_wrong_data_names_its_fields(
    world: World, supervisor: str, code: str, facts: dict[str, Any], fields: set[str]
) -> None:
    with world.acting(supervisor, "oversight") as (session, _actor), pytest.raises(Invalid) as caught:
        register(world, session, code, facts)
    assert set(caught.value.fields) == fields


def test_nobody_else_registers_changes_or_suspends(world: World, manager: str) -> None:
    operator = world.person("GIB", "İşlem", "Yapar", "presidency_operator")
    egm = world.institution("EGM")
    for who, scope in ((manager, "institution"), (operator, "oversight"), (ADMINISTRATOR, "accounts")):
        with world.acting(who, scope) as (session, _actor):
            changed = session.execute(text("update institution set status = 'suspended' where id = :id"), {"id": egm})
            assert changed.rowcount == 0  # type: ignore[attr-defined]
    with world.acting(manager) as (session, _actor):
        with pytest.raises(Denied):
            register(world, session, "BENIM", UNION)
        with pytest.raises(Denied):
            INSTITUTIONS.suspend(session, egm, 1)
    with world.acting(operator, "oversight") as (session, _actor), pytest.raises(Denied):
        register(world, session, "BENIM", UNION)
    facts = {**SHORT, "code": "BENIM"}
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        world.acting(operator, "oversight") as (session, _actor),
    ):
        INSTITUTIONS.add_checked(session, world.keyring, Institution(id=uuid.uuid4()), None, facts)


def test_a_suspended_institution_lets_nobody_in_and_comes_back(world: World, supervisor: str) -> None:
    name = world.person("IOM", "Askıda", "Kişi", "focal_point")
    iom = world.institution("IOM")
    with world.acting(supervisor, "oversight") as (session, _actor):
        version = version_of(session, iom)
        INSTITUTIONS.suspend(session, iom, version)
    assert not world.actor(name).is_active
    with world.acting(supervisor, "oversight") as (session, _actor):
        with pytest.raises(Conflict):
            INSTITUTIONS.reactivate(session, iom, version)
        INSTITUTIONS.reactivate(session, iom, version + 1)
    assert world.actor(name).is_active


def test_there_is_one_presidency_and_it_stays(world: World, supervisor: str) -> None:
    gib, egm = world.institution("GIB"), world.institution("EGM")
    with world.acting(supervisor, "oversight") as (session, _actor):
        with pytest.raises(Denied):
            INSTITUTIONS.suspend(session, gib, version_of(session, gib))
        for institution, kind in ((gib, "ngo"), (egm, "presidency")):
            version = version_of(session, institution)
            with pytest.raises(Invalid) as caught:
                INSTITUTIONS.edit(session, world.keyring, institution, {"kind": kind}, version, ("kind",))
            assert set(caught.value.fields) == {"kind"}
    with pytest.raises(DBAPIError, match="never changes"), world.acting(supervisor, "oversight") as (session, _actor):
        session.execute(text("update institution set code = 'YENI' where id = :id"), {"id": egm})


def test_units_are_a_tree_in_turkish_order(world: World, manager: str) -> None:
    with world.acting(manager) as (session, actor):
        root = services.units(session, actor.institution_id)[0][0]
        for name in ("Zonguldak", "Çorum", "Ağrı", "Iğdır", "İzmir"):
            services.add_unit(session, name, root.id)
        izmir = next(unit for unit, _ in services.units(session, actor.institution_id) if unit.name == "İzmir")
        services.add_unit(session, "  Karşıyaka   İlçe ", izmir.id, "TR-35")
        tree = [(unit.name, depth) for unit, depth in services.units(session, actor.institution_id)]
    assert tree == [
        ("Merkez", 0), ("Ağrı", 1), ("Çorum", 1), ("Iğdır", 1), ("İzmir", 1), ("Karşıyaka İlçe", 2), ("Zonguldak", 1),
    ]  # fmt: skip


def change(world: World, session: Session, unit: Unit, version: int, **facts: Any) -> Unit:
    return UNITS.edit(session, world.keyring, unit.id, facts, version, UnitView.edit_columns)


def test_a_unit_cannot_come_below_itself_and_the_root_stays(world: World, manager: str) -> None:
    with world.acting(manager) as (session, actor):
        root = services.units(session, actor.institution_id)[0][0]
        upper = services.add_unit(session, "Üst", root.id)
        lower = services.add_unit(session, "Alt", upper.id)
        for unit, parent in ((upper, lower.id), (upper, upper.id), (root, upper.id), (upper, None)):
            with pytest.raises(Invalid) as caught:
                change(world, session, unit, unit.row_version, parent_id=parent)
            assert set(caught.value.fields) == {"parent_id"}
        with pytest.raises(Conflict):
            change(world, session, lower, 99, parent_id=root.id)
        moved = change(world, session, lower, lower.row_version, name="Alt 2", parent_id=root.id, province="TR-06")
        assert moved.parent_id == root.id


def test_another_institutions_units_are_not_found_and_not_offered(world: World, manager: str) -> None:
    foreign = world.one("select id from unit where institution_id = :id", id=world.institution("EGM")).id
    with world.acting(manager) as (session, actor):
        with pytest.raises(NotFound):
            UNITS.get(session, foreign)
        with pytest.raises(Invalid):
            services.add_unit(session, "Yabancı altında", foreign)
        assert services.units(session, world.institution("EGM")) == []
        with pytest.raises(NotFound):
            UNITS.get(session, uuid.uuid4())
    with pytest.raises(DBAPIError), world.acting(manager) as (session, actor):
        session.execute(
            text("insert into unit (institution_id, parent_id, name) values (:home, :foreign, 'x')"),
            {"home": actor.institution_id, "foreign": foreign},
        )
