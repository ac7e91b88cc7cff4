"""The real scheduler: `itm scheduler` signs, two of them do not get in each other's way, and SIGTERM ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
def _scheduler(world: SigningWorld, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "ITM_HOME": str(world.folder),
        "ITM_DATABASE_SIGNER_URL": world.database.url("signer"),
        "ITM_SIGNING_KEY_FILE": str(world.folder / "key"),
        **more,
    }
    command = [sys.executable, "-m", "itm_admin.commands.main", "scheduler"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_scheduler_signs_and_its_verification_says_self_attested(world: SigningWorld) -> None:
    with ExitStack() as stack:
        first, _second = (stack.enter_context(_scheduler(world)) for _ in range(2))
        until(lambda: world.outside.last(world.origin("JGK")), "a checkpoint")
        world.run("insert into verification_request (level, requested_by) values ('full', gen_random_uuid())")
        until(
            lambda: world.run(
                "select from audit.verification where assurance = 'self-attested' and verdict = 'intact'"
            ),
            "a verification that looks at it",
        )
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
    assert world.alerts("ledger.refused") == []
    assert world.alerts("ledger.unsigned") == []


def test_the_scheduler_of_an_external_server_needs_the_keys_file(world: SigningWorld) -> None:
    with _scheduler(world, ITM_SIGNING_KEY_FILE="") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"ITM_SIGNING_KEY_FILE: is missing" in said
