"""A clock that leaps ahead: nothing is sealed with its time, what was is found and told, and the rest goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from itm_admin.ledger.clock import ClockWatch
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld

_BEFORE = timedelta(days=2)


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    made = SigningWorld(superuser, database, tmp_path)
    made.act("JGK")
    made.round()
    return made


def _leap(world: SigningWorld, by: timedelta = _BEFORE) -> None:
    """As if all that the ledgers know were so much older: the same as a clock that leapt ahead."""
    world.attack(
        "update audit.ledger set recorded_at = recorded_at - :by where size > 0",
        "update itm.clock set right_at = right_at - :by",
        by=by,
    )


def _right_at(world: SigningWorld) -> datetime:
    found: datetime = world.scalar("select right_at from itm.clock")
    return found


def test_nothing_is_sealed_more_than_a_day_after_all_that_is_known(world: SigningWorld) -> None:
    size = world.size("JGK")
    _leap(world, timedelta(hours=23))
    world.act("JGK")
    assert world.size("JGK") == size + 1, "less than a day is a night or a clock that was put right"
    _leap(world)
    with pytest.raises(DBAPIError, match="more than a day ahead"):
        world.act("JGK")
    assert world.size("JGK") == size + 1


@pytest.mark.parametrize(
    "statement",
    [
        "update itm.clock set right_at = now()",
        "select itm.confirm_clock(now())",
        "alter function audit.seal() rename to other",
        "set session authorization itm_owner",
        "update audit.ledger set recorded_at = now()",
    ],
)
def test_the_panels_role_cannot_take_the_limit_away(world: SigningWorld, statement: str) -> None:
    _leap(world)
    with pytest.raises(DBAPIError), world.database.engine("app").begin() as connection:
        connection.execute(text(statement))
    with pytest.raises(DBAPIError, match="more than a day ahead"):
        world.act("JGK")


def test_the_scheduler_says_that_the_clock_is_right_after_a_long_time_without_entries(world: SigningWorld) -> None:
    _leap(world)
    ClockWatch().tick(world.database.engine("signer"))
    world.act("JGK")
    assert datetime.now(UTC) - _right_at(world) < timedelta(minutes=1)
    assert world.alerts("clock.wrong") == []


def test_after_a_leap_nothing_is_confirmed_and_people_are_told_until_the_clock_is_back(world: SigningWorld) -> None:
    moment, seconds = datetime.now(UTC), 0.0
    clock, engine = ClockWatch(lambda: moment, lambda: seconds), world.database.engine("signer")
    clock.tick(engine)
    _leap(world)
    stood = _right_at(world)
    moment, seconds = moment + timedelta(days=26_000), 1.0
    for _ in range(2):
        clock.tick(engine)
    assert _right_at(world) == stood
    assert [alert.acknowledged_at for alert in world.alerts("clock.wrong")] == [None]
    moment, seconds = datetime.now(UTC), 2.0
    clock.tick(engine)
    assert _right_at(world) > stood
    world.act("JGK")
    assert [bool(alert.acknowledged_at) for alert in world.alerts("clock.wrong")] == [True]


def test_a_leap_that_the_database_shares_is_not_confirmed_either(world: SigningWorld) -> None:
    """Both are on one machine: only the time since it began tells."""
    moment, seconds = datetime.now(UTC) - _BEFORE, 0.0
    clock = ClockWatch(lambda: moment, lambda: seconds)
    _leap(world)
    stood = _right_at(world)
    moment, seconds = datetime.now(UTC), 1.0
    clock.tick(world.database.engine("signer"))
    assert _right_at(world) == stood
    assert len(world.alerts("clock.wrong")) == 1


def test_a_database_with_another_clock_is_not_confirmed(world: SigningWorld) -> None:
    with world.database.engine("signer").begin() as connection:
        for minutes, right in ((0, True), (6, False), (-6, False)):
            said = {"said": datetime.now(UTC) + timedelta(minutes=minutes)}
            assert connection.execute(text("select itm.confirm_clock(:said)"), said).scalar() is right


def test_an_entry_whose_time_lies_in_the_future_is_found_at_each_level(world: SigningWorld) -> None:
    assert world.verify("JGK")["verdict"] == "intact"
    seq = world.size("JGK")
    world.attack("update audit.ledger set recorded_at = '2099-01-01Z' where code = 'JGK'")
    world.act("JGK", 2)
    for level in ("incremental", "sample", "full"):
        row = world.verify("JGK", level)
        assert row["verdict"] == "tampered"
        assert [(each["kind"], each["seq"]) for each in row["findings"]] == [("ahead", seq)]
        assert row["assurance"] != "witnessed"
