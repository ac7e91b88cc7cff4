"""The real process: `itm sinks` is killed in the middle and nothing is lost; two of them do not collide."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from tests.conftest import Database
from tests.panel.assurance_world import until
from tests.panel.signing_world import SigningWorld


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    return SigningWorld(superuser, database, tmp_path)


@contextmanager
def _sinks(world: SigningWorld, sinks: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "ITM_HOME": str(world.folder),
        "ITM_DATABASE_SIGNER_URL": world.database.url("signer"),
        "ITM_SINKS": sinks,
        **more,
    }
    command = [sys.executable, "-m", "itm_admin.commands.main", "sinks"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _seen(folder: Path) -> list[int]:
    """The numbers of JGK's entries in the files, in the order in which they were written."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("ascii").split("\n")[:-1]]
    ledgers = [json.loads(line)["unmapped"]["ledger"] for line in lines]
    return [ledger["seq"] for ledger in ledgers if "/JGK/" in ledger["origin"]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in which root's sinks, who are another user, may write."""
    with tempfile.TemporaryDirectory(prefix="itm-sink-") as path:
        Path(path).chmod(0o777)
        yield Path(path)


def test_killed_in_the_middle_and_started_again_nothing_is_lost_and_the_order_is_kept(
    world: SigningWorld, folder: Path
) -> None:
    world.act_together("JGK", 1_200)
    with _sinks(world, f"file:{folder}") as process:
        until(lambda: len(_seen(folder)) > 0, "the first entries")
        process.kill()
        process.wait()
    first = _seen(folder)
    world.act("JGK")
    with _sinks(world, f"file:{folder}") as one, _sinks(world, f"file:{folder}") as other:
        until(lambda: len(set(_seen(folder))) == world.size("JGK"), "all entries")
        assert one.poll() is None
        assert other.poll() is None
        one.send_signal(signal.SIGTERM)
        assert one.wait(60) == 0
        world.act("JGK")
        until(lambda: len(set(_seen(folder))) == world.size("JGK"), "what came after the first of the two ended")
    found = _seen(folder)
    assert list(dict.fromkeys(found)) == list(range(world.size("JGK")))
    assert len(found) - len(set(found)) <= len(first)


def test_it_ends_at_once_where_it_has_nothing_to_do_or_lacks_what_it_needs(world: SigningWorld) -> None:
    for sinks, more, reason in (
        ("", {}, b"ITM_SINKS: is missing"),
        ("https://siem.example/in", {}, b"ITM_SINK_SECRET_FILE: is missing"),
        ("https://siem.example/in", {"ITM_SINK_SECRET_FILE": "/nowhere"}, b"ITM_SINK_SECRET_FILE: /nowhere: No such"),
    ):
        with _sinks(world, sinks, **more) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert reason in said
