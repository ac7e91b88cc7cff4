"""Time stamps beside the signer: had hourly and after a change of key, kept outside first, and an alert where not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit import bundle_export, store, timestamp
from audit.authority import Trusted
from audit.bundle import EventFilter
from audit.durable import Disk
from audit.policy import Policy
from audit.timestamp_message import message
from audit.verify import judge
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.ledger import stamping
from itm_admin.ledger.scheduler import SchedulerProcess
from itm_admin.ledger.signing import Round, Signing
from itm_admin.ledger.stamping import Stamping
from itm_admin.local import signing_setup
from tests.audit.authority import Authority, party
from tests.conftest import Database
from tests.panel.signing_world import Breaking, SigningWorld, Stopped


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    world = SigningWorld(superuser, database, tmp_path)
    world.act("GIB", 2)
    world.round()
    return world


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with Authority(tmp_path / "authority") as authority:
        yield authority


class Beside:
    """The stamping thread's work, tick by tick, by the world's clock."""

    def __init__(self, world: SigningWorld, authority: Authority, disk: Disk | None = None) -> None:
        self.world, self.authority = world, authority
        outside = world.place(disk).outside if disk else world.outside
        asked = stamping.Authority(authority.url, Trusted.parse(authority.pem))
        begun, now = world.wall, datetime.now(UTC)
        self.stamping = Stamping(outside, asked, world.clock, lambda: now + (world.wall - begun))

    def tick(self) -> bool:
        return self.stamping.tick(self.world.database.engine("signer"))

    def sizes(self) -> list[int]:
        """The stamps held outside."""
        return sorted(held.checkpoint.size for held, _ in self.world.outside.stamps(self.world.origin("GIB")))

    def recorded(self) -> list[int]:
        rows = self.world.run("select size from audit.timestamp order by size")
        return [row.size for row in rows]

    def sign(self, seconds: float = 60) -> None:
        self.world.act("GIB", 1)
        self.world.round()
        self.world.later(seconds)


def test_the_first_checkpoint_is_stamped_at_once_and_the_next_one_after_an_hour(
    world: SigningWorld, authority: Authority
) -> None:
    beside = Beside(world, authority)
    assert beside.tick()
    first = beside.sizes()
    for _ in range(3):
        beside.sign(60)
        assert not beside.tick()
    assert (beside.sizes(), authority.asked) == (first, 1)
    beside.sign(3600)
    assert beside.tick()
    assert (len(beside.sizes()), beside.recorded()) == (2, beside.sizes())
    beside.world.later(3600)
    assert not beside.tick(), "nothing is new"


def test_what_is_kept_and_recorded_is_a_good_stamp_of_the_checkpoint(world: SigningWorld, authority: Authority) -> None:
    Beside(world, authority).tick()
    ((held, answer),) = world.outside.stamps(world.origin("GIB"))
    stamp = timestamp.judge(answer, sha256(message(held.note)).digest(), Trusted.parse(authority.pem))
    (row,) = world.run("select * from audit.timestamp")
    assert (row.size, bytes(row.answer), row.stamped_at) == (held.checkpoint.size, answer, stamp.time)
    assert bytes(row.digest) == sha256(world.recorded("GIB")[-1].note.encode()).digest()


def test_a_change_of_key_is_stamped_at_once(world: SigningWorld, authority: Authority) -> None:
    beside = Beside(world, authority)
    beside.tick()
    place = world.place()
    with place.outside.locked():
        place.keyring.prepare(world.keys().active[0].name)
    beside.sign()
    assert beside.tick()
    assert len(beside.sizes()) == 2


def test_a_stamp_that_cannot_be_had_is_one_alert_and_is_asked_for_again(
    world: SigningWorld, authority: Authority
) -> None:
    beside = Beside(world, authority)
    authority.status = 503
    assert not beside.tick()
    world.later(60)
    assert not beside.tick()
    assert authority.asked == 1, "who failed is not asked each minute"
    world.later(300)
    assert not beside.tick()
    (alert,) = world.alerts("ledger.unstamped")
    assert (alert.severity, alert.detail, authority.asked) == ("warning", {"note": "HTTP 503"}, 2)
    events = world.run("select content from audit.event where action = 'alert.raise'")
    assert [json.loads(row.content)["detail"]["note"] for row in events] == ["HTTP 503"]
    assert world.scalar("select itm.is_unstamped()")
    authority.status = 200
    world.later(300)
    assert beside.tick()


def test_a_stamp_that_proves_nothing_is_not_kept(world: SigningWorld, authority: Authority) -> None:
    beside = Beside(world, authority)
    foreign = stamping.Authority(authority.url, Trusted.parse(party("Root").pem))
    beside.stamping = Stamping(world.outside, foreign, world.clock)
    assert not beside.tick()
    assert beside.sizes() == beside.recorded() == []
    assert len(world.alerts("ledger.unstamped")) == 1


def test_a_kept_stamp_of_an_authority_that_does_not_count_is_not_told_of_and_another_is_asked_for(
    world: SigningWorld, authority: Authority, tmp_path: Path
) -> None:
    held = world.outside.last(world.origin("GIB"))
    assert held is not None
    with Authority(tmp_path / "former") as former:
        answer, _ = timestamp.ask(former.url, message(held.note), Trusted.parse(former.pem))
    world.outside.stamp(held, answer)
    beside = Beside(world, authority)
    assert not beside.tick()
    assert (beside.sizes(), beside.recorded()) == ([held.checkpoint.size], [])
    beside.sign(60)
    assert beside.tick(), "though no hour has passed"
    assert beside.recorded() == beside.sizes()[1:]


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("persisted", [False, True])
def test_a_process_that_stops_while_it_keeps_a_stamp_is_put_right_by_the_next(
    world: SigningWorld, authority: Authority, step: int, persisted: bool
) -> None:
    """At each step of a file: written, named, its folder synced. The database learns of it after that."""
    with pytest.raises(Stopped):
        Beside(world, authority, Breaking(step, Stopped, persisted)).tick()
    assert Beside(world, authority).recorded() == []
    again = Beside(world, authority)
    again.tick()
    assert len(again.sizes()) == 1
    assert again.recorded() == again.sizes()


def test_an_authority_that_does_not_answer_keeps_no_signature_waiting(
    world: SigningWorld, authority: Authority, database: Database
) -> None:
    """The scheduler's process signs while its stamping still waits."""
    asked, release, signed, stop = (threading.Event() for _ in range(4))

    class Waiting(Stamping):
        def tick(self, engine: Engine) -> bool:
            asked.set()
            return release.wait(60)

    class Telling(Signing):
        def round(self, engine: Engine) -> Round | None:
            done = super().round(engine)
            if asked.is_set():
                signed.set()
            return done

    waiting = Waiting(world.outside, stamping.Authority(authority.url, Trusted.parse(authority.pem)))
    signing = Telling(world.place(), partial(next, count(0, 61)), lambda: world.wall)
    process = SchedulerProcess(database.url("signer"), (), stop, signing, waiting)
    running = threading.Thread(target=process.run)
    running.start()
    try:
        assert asked.wait(60)
        world.act("GIB", 1)
        assert signed.wait(60)
    finally:
        release.set()
        stop.set()
        running.join(60)


def test_settings_name_an_authority_and_its_root_together(tmp_path: Path) -> None:
    pem, other = tmp_path / "root.pem", tmp_path / "other.pem"
    pem.write_bytes(party("Root").pem)
    other.write_bytes(b"nothing")
    url = "https://authority.example/stamp"
    whole = {"ITM_HOME": str(tmp_path), "ITM_TIMESTAMP_URL": url, "ITM_TIMESTAMP_CERTIFICATES": str(pem)}
    made = signing_setup.stamping(Settings.from_environment(whole))
    assert made is not None
    assert made.authority.url == url
    assert signing_setup.stamping(Settings.from_environment({"ITM_HOME": str(tmp_path)})) is None
    for name, value in {
        "ITM_TIMESTAMP_URL": ("", "authority.example", "ftp://authority.example"),
        "ITM_TIMESTAMP_CERTIFICATES": ("", str(other), str(tmp_path / "none.pem")),
    }.items():
        for each in value:
            with pytest.raises(SettingError, match=name):
                Settings.from_environment(whole | {name: each})


def test_a_bundle_brings_the_stamps_that_surround_it(world: SigningWorld, authority: Authority) -> None:
    """The last one among its entries, and the first one after them: when they were there at the latest."""
    beside = Beside(world, authority)
    for _ in range(3):
        beside.sign(3600)
        assert beside.tick()
    first, second, third = beside.sizes()
    engine = world.database.engine("signer")
    with engine.connect() as connection:
        ledger = next(each for each in store.ledgers(connection) if each.code == "GIB")
    policy, trusted = Policy(world.keys().active), Trusted.parse(authority.pem)
    for until, expected in ((second, {second, third}), (None, {third}), (first - 1, {first})):
        sink = BytesIO()
        bundle_export.bundle(engine, ledger, sink, EventFilter(first if until == second else None, until))
        report = judge(BytesIO(sink.getvalue()), policy, trusted=trusted)
        assert report.verdict == "intact"
        assert expected <= {each.size for each in report.stamped or ()}
