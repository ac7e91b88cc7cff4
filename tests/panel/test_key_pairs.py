"""Others seal for an institution, it alone opens, and nobody exchanges the public half."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases import upkeep
from itm_admin.cases.key_rotation import KINDS
from itm_admin.foundation import key_pairs
from itm_admin.foundation.command_door import CommandDoor
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import CannotDecrypt
from tests.conftest import Database
from tests.factories import Factory, Somebody, without_rules
from tests.panel.test_key_rotation import World, nothing, on

PLACE, SECRET = b"a place", b"a key of 32 bytes, or another one"


@pytest.fixture
def make(database: Database) -> Factory:
    return Factory(database)


def sealed_for(
    make: Factory, sender: Somebody, receiver: Somebody, ring: Keyring | None = None
) -> tuple[uuid.UUID, bytes]:
    with make.working(sender) as session:
        half = key_pairs.public_half(session, ring or make.keyring, receiver.tenant.id)
        return half.pair, key_pairs.seal(half, PLACE, SECRET)


def opens(make: Factory, who: Somebody, pair: uuid.UUID, sealed: bytes, place: bytes = PLACE) -> bytes:
    with make.working(who) as session:
        return key_pairs.opened(session, make.keyring, pair, place, sealed)


def test_what_was_sealed_for_an_institution_opens_there_alone_and_at_its_place(make: Factory) -> None:
    sender, receiver = make.focal_point(), make.focal_point(make.other_institution())
    pair, sealed = sealed_for(make, sender, receiver)
    assert opens(make, receiver, pair, sealed) == SECRET
    changed = sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:]
    for who, value, place in (
        (sender, sealed, PLACE), (receiver, sealed, b"another"), (receiver, changed, PLACE),
        (receiver, b"\x02" + sealed[1:], PLACE), (receiver, sealed[:-1], PLACE), (receiver, b"", PLACE),
    ):  # fmt: skip
        with pytest.raises(CannotDecrypt):
            opens(make, who, pair, value, place)


def test_a_public_half_that_somebody_else_put_there_is_not_used(make: Factory) -> None:
    sender, receiver = make.focal_point(), make.focal_point(make.other_institution())
    with make.superuser() as connection, without_rules(connection, "institution_pair"):
        connection.execute(
            text(
                "update institution_pair set public_sealed = (select public_sealed from institution_pair"
                " where institution_id = :mine) where institution_id = :theirs"
            ),
            {"mine": sender.tenant.id, "theirs": receiver.tenant.id},
        )
    with pytest.raises(CannotDecrypt):
        sealed_for(make, sender, receiver)


def test_sql_of_a_person_reads_no_private_half_and_writes_no_pair(make: Factory) -> None:
    sender, receiver = make.focal_point(), make.manager(make.other_institution())
    for statement in (
        "select private_sealed from institution_pair", "select data_key from institution_pair",
        "update institution_pair set public_sealed = 'x'", "delete from institution_pair",
        "insert into institution_pair (institution_id, public_sealed, data_key, private_sealed)"
        f" values ('{receiver.tenant.id}', 'x', 'x', 'x')",
        "select itm.vouch_anew(gen_random_uuid(), gen_random_uuid(), 'x', 'x')",
    ):  # fmt: skip
        with pytest.raises(DBAPIError), make.working(receiver) as session:
            session.execute(text(statement))
    pair, _sealed = sealed_for(make, sender, receiver)
    with make.working(sender) as session:
        assert session.execute(text("select * from itm.pair_secret(:id)"), {"id": pair}).all() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_opens_after_the_keys_were_replaced(database: Database, tmp_path: Path, kind: str) -> None:
    world = World(database, tmp_path / "home")
    other = world.make.focal_point(world.make.other_institution())
    pair, sealed = sealed_for(world.make, other, world.focal)
    world.rotation().renew(kind, nothing)
    assert opens(world.make, world.focal, pair, sealed) == SECRET


def test_after_the_master_key_was_replaced_the_next_one_vouches_for_pairs(database: Database, tmp_path: Path) -> None:
    world = World(database, tmp_path / "home")
    other = world.make.focal_point(world.make.other_institution())
    pair, sealed = sealed_for(world.make, other, world.focal)
    on(world, "rotate", "master")
    following = Keyring(world.settings.master_key())
    world.make.keyring = following
    assert sealed_for(world.make, other, world.focal)[0] == pair
    assert opens(world.make, world.focal, pair, sealed) == SECRET


def test_an_institution_from_before_there_were_pairs_gets_one(make: Factory, database: Database) -> None:
    sender, receiver = make.focal_point(), make.focal_point(make.other_institution())
    with make.superuser() as connection, without_rules(connection, "institution_pair"):
        connection.execute(text("delete from institution_pair"))
    app = database.engine("app")
    CommandDoor(database.engine("owner"), upkeep.NAME).open(app)
    upkeep.keep_up(app, make.keyring, all_ages=False)
    pair, sealed = sealed_for(make, sender, receiver)
    assert opens(make, receiver, pair, sealed) == SECRET
