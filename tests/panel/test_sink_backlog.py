"""A sink that lags behind: an alert once, taken back when it has caught up, and a line on the auditors' page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit.store import streaming
from audit.store.streaming import Backlog
from itm_admin.ledger import backlog
from itm_admin.ledger.alert_raising import BEHIND
from itm_admin.ledger.backlog import CAUGHT_UP, EVERY, MOST, OLDEST, SinkWatch, too_much
from itm_admin.ledger.sink_file import FileSink
from itm_admin.ledger.sinks import Stream
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld
from tests.panel.signing_world import SigningWorld
from tests.stating import say

NAME = "file:/srv/ledger"


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    world = SigningWorld(superuser, database, tmp_path)
    world.wall = datetime.now(UTC)
    world.act_together("JGK", 3)
    return world


class Looking:
    """The scheduler's eye on the sinks; time passes when the test says so."""

    def __init__(self, world: SigningWorld, *names: str) -> None:
        self._world = world
        self._watching = SinkWatch(names, world.clock, lambda: world.wall)

    def after(self, time: timedelta) -> None:
        self._world.wall += time
        self._world.clock.seconds += max(time.total_seconds(), EVERY)
        self._watching.tick(self._world.database.engine("signer"))


def _pass_on(world: SigningWorld) -> None:
    sink = FileSink(world.folder / "out")
    Stream(world.database.engine("signer"), NAME, sink).step()
    sink.close()


def test_a_backlog_that_is_too_old_raises_one_alert_and_takes_it_back_when_it_is_gone(world: SigningWorld) -> None:
    looking = Looking(world, NAME)
    looking.after(timedelta(0))
    looking.after(OLDEST - timedelta(seconds=5))
    assert world.alerts(BEHIND) == []
    looking.after(timedelta(minutes=1))
    looking.after(timedelta(minutes=1))
    (alert,) = world.alerts(BEHIND)
    assert (alert.subject, alert.severity, alert.acknowledged_at) == (NAME, "warning", None)
    assert alert.detail["waiting"] > 0
    (raised,) = [each for each in world.events("alert.raise") if each.target_id == NAME]
    assert raised.code == "GIB"
    _pass_on(world)
    looking.after(timedelta(minutes=1))
    (alert,) = world.alerts(BEHIND)
    assert alert.acknowledged_at is not None
    assert (alert.acknowledged_by, alert.detail["resolved"]) == (None, True)
    (over,) = world.events("alert.acknowledge")
    assert (over.code, over.target_id, over.detail["resolved"]) == ("GIB", str(alert.id), True)


def test_whoever_deals_with_a_backlog_is_not_told_of_it_again(world: SigningWorld) -> None:
    looking = Looking(world, NAME)
    looking.after(timedelta(0))
    looking.after(OLDEST + timedelta(minutes=1))
    world.run("update alert set acknowledged_at = now(), acknowledged_by = gen_random_uuid()")
    looking.after(timedelta(hours=1))
    assert len(world.alerts(BEHIND)) == 1
    _pass_on(world)
    looking.after(timedelta(minutes=1))
    assert world.events("alert.acknowledge") == []
    world.act("JGK")
    looking.after(OLDEST + timedelta(minutes=1))
    assert len(world.alerts(BEHIND)) == 2, "the next backlog is news"


def test_a_sink_that_the_settings_name_no_more_is_not_behind_and_goes_on_later_where_it_was(
    world: SigningWorld,
) -> None:
    looking = Looking(world, NAME)
    looking.after(timedelta(0))
    _pass_on(world)
    world.act("JGK")
    looking.after(OLDEST + timedelta(minutes=1))
    Looking(world).after(timedelta(0))
    (alert,) = world.alerts(BEHIND)
    assert alert.detail["resolved"] is True
    with world.database.engine("signer").connect() as connection:
        assert streaming.backlogs(connection) == []
    before = world.scalar("select sum(next_seq) from audit.sink_cursor")
    Looking(world, NAME).after(timedelta(0))
    assert world.scalar("select sum(next_seq) from audit.sink_cursor") == before


@pytest.mark.parametrize(
    ("entries", "age", "late"),
    [(MOST, timedelta(0), False), (MOST + 1, timedelta(0), True), (1, OLDEST, False),
     (1, OLDEST + timedelta(seconds=1), True)],
)  # fmt: skip
def test_too_much_is_too_many_or_too_old(entries: int, age: timedelta, late: bool) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert too_much(_backlog(entries, now - timedelta(days=1), now - age), now) is late


def test_what_was_there_before_a_sink_was_named_waits_only_since_then() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert not too_much(_backlog(1, now - OLDEST, now - timedelta(days=30)), now)
    assert too_much(_backlog(1, now - OLDEST - timedelta(seconds=1), now - timedelta(days=30)), now)


def _backlog(entries: int, named_at: datetime, oldest: datetime) -> Backlog:
    return Backlog(NAME, named_at, None, None, None, entries, oldest)


def test_states_on_the_page_are_the_backlogs(world: SigningWorld) -> None:
    looking = Looking(world, NAME)
    looking.after(timedelta(0))
    with world.database.engine("signer").connect() as connection:
        (young,) = backlog.shown(connection)
        (older,) = backlog.shown(connection, world.wall + CAUGHT_UP + timedelta(minutes=1))
        (late,) = backlog.shown(connection, world.wall + OLDEST + timedelta(minutes=1))
    assert (young.state, older.state, late.state) == ("current", "busy", "behind")


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> PanelWorld:
    return PanelWorld(shared_database, tmp_path_factory.mktemp("home"))


def test_an_auditor_sees_the_sinks_with_what_waits_of_the_ledgers_that_they_see(panel: PanelWorld) -> None:
    make = panel.make
    national, own = make.auditor(), make.auditor(make.institution())
    make.case(make.focal_point(make.other_institution()))
    assert "Entries passed on" not in panel.browser(national).words("/verification/")
    with panel.signer.begin() as connection:
        streaming.name_sinks(connection, [NAME])
        streaming.tell(connection, NAME, "OSError: a <disk> is full")
    page = panel.browser(national).words("/verification/")
    assert NAME in page
    assert "OSError: a <disk> is full" in page
    seen = {}
    for somebody, reads in ((national, "all"), (own, "ledger")):
        with panel.database.engine("app").begin() as connection:
            say(connection, reads=reads, ledger=str(somebody.tenant.id))
            seen[reads] = backlog.shown(connection)[0].entries
    assert 0 < seen["ledger"] < seen["all"]
