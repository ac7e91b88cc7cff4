"""Entries that wait too long for their checkpoint raise an alert, for any reason of the wait and at any clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from audit.store import checkpoints
from itm_admin.assurance.scheduler_watch import JobWatch
from itm_admin.foundation import tenancy
from itm_admin.ledger import waiting
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld

_SEALED = (
    "id in (select event_id from audit.leaf where seq >= :seq"
    " and ledger_id = (select id from audit.ledger where code = 'JGK'))"
)


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    made = SigningWorld(superuser, database, tmp_path)
    made.act("JGK")
    made.round()
    return made


def _move(world: SigningWorld, seq: int, by: timedelta) -> None:
    world.attack(f"update audit.event set at = at + :by where {_SEALED}", seq=seq, by=by)


def _late(world: SigningWorld, role: str = "app") -> list[tuple[str, int]]:
    with world.database.engine(role).connect() as connection:
        if role == "app":
            tenancy.apply(connection, tenancy.NOBODY)
        return [(each.code, each.seq) for each in waiting.overdue(connection)]


def _alerts(world: SigningWorld) -> list[tuple[str, bool]]:
    rows = world.run("select subject, acknowledged_at is null as open from alert where kind = 'ledger.waiting'")
    return [(row.subject, row.open) for row in rows]


@pytest.mark.parametrize("role", ["app", "signer"])
def test_an_entry_that_waits_for_more_than_three_minutes_is_overdue_and_a_fresh_one_is_not(
    world: SigningWorld, role: str
) -> None:
    seq = world.size("JGK")
    world.act("JGK")
    assert _late(world, role) == []
    _move(world, seq, timedelta(minutes=-4))
    assert _late(world, role) == [("JGK", seq)]


def test_an_entry_of_a_clock_that_ran_ahead_is_not_attested_and_is_overdue(world: SigningWorld) -> None:
    seq = world.size("JGK")
    world.act("JGK", 2)
    _move(world, seq, timedelta(days=26_000))
    assert _late(world) == [("JGK", seq)]
    with world.database.engine("signer").connect() as connection:
        ledger = connection.execute(text("select id from audit.ledger where code = 'JGK'")).scalar_one()
        assert checkpoints.uncovered(connection, ledger, seq)


def test_the_web_server_tells_that_somebody_else_holds_the_signers_lock(world: SigningWorld) -> None:
    seq = world.size("JGK")
    world.act("JGK")
    _move(world, seq, timedelta(minutes=-4))
    with checkpoints.signing_alone(world.superuser):
        assert world.signing().tick(world.database.engine("signer")) is None
        assert _alerts(world) == [("JGK", True)], "the scheduler tells it"
        world.run("delete from alert where kind = 'ledger.waiting'")
        with world.database.engine("app").begin() as connection:
            tenancy.apply(connection, tenancy.NOBODY)
            JobWatch(()).look(connection)
        assert _alerts(world) == [("JGK", True)], "the web server tells it"


def test_the_alert_is_taken_back_once_everything_is_signed(world: SigningWorld) -> None:
    seq = world.size("JGK")
    world.act("JGK")
    _move(world, seq, timedelta(minutes=-4))
    with checkpoints.signing_alone(world.superuser):
        world.signing().tick(world.database.engine("signer"))
    _move(world, seq, timedelta(minutes=4))
    world.signing().tick(world.database.engine("signer"))
    assert _alerts(world) == [("JGK", False)]
