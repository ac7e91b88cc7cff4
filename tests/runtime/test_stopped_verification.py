"""`itm ledger verify` on a large ledger, stopped by Ctrl-C: says where it was, and the next one goes on there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
from sqlalchemy.engine import Engine

from tests.benchmarks.loading import load
from tests.conftest import Database
from tests.panel.assurance_world import until
from tests.panel.signing_world import SigningWorld
from tests.runtime.running import PATIENCE, ROOT, environment, itm
from tests.runtime.test_commands import external

ENTRIES, CHUNK = 34_000, 16_384
WORDS = ("ledger", "verify", "--level", "full", "--institution", "JGK")


def test_ctrl_c_ends_with_2_and_says_where_it_was_and_the_next_run_goes_on_there(
    database: Database, superuser: Engine, tmp_path: Path
) -> None:
    """It is held by a lock until the signal has come, so that it is always stopped at the same entry."""
    world = SigningWorld(superuser, database, tmp_path)
    load(database.url("superuser"), world.ids["JGK"], ENTRIES)
    world.round()
    (tmp_path / "settings").mkdir()
    told = external(database, tmp_path / "settings") | {
        "ITM_CHECKPOINTS": str(tmp_path / "checkpoints"), "ITM_SIGNING_KEY_FILE": str(tmp_path / "key"),
    }  # fmt: skip
    for _again in range(3):  # the other process may wait first: then the command stops before it has read anything
        code, said, complaint = _stopped(database, tmp_path / "home", told)
        if "before it was read" not in said:
            break
    assert code == 2, complaint
    assert f"stopped before entry {CHUNK}" in said
    assert "Traceback" not in complaint
    (mark,) = (tmp_path / "checkpoints" / "watermarks").glob("*/*.watermark")
    again = itm(tmp_path / "home", *WORDS, "--json", **told)
    (row,) = json.loads(again.stdout)
    assert (again.returncode, row["verdict"], row["assurance"]) == (0, "intact", "self-attested")
    assert (row["ranges"], row["since"] is not None) == ([[CHUNK, row["size"]]], True)
    assert not mark.exists()


def _stopped(database: Database, home: Path, told: dict[str, str]) -> tuple[int, str, str]:
    """Exit code, output and complaint of a run that is interrupted while it waits for the table of entries."""
    with database.cluster.connect(database.name) as holding:
        holding.autocommit = False
        holding.execute("LOCK TABLE audit.event IN ACCESS EXCLUSIVE MODE")
        running = subprocess.Popen(
            [sys.executable, "-m", "itm_admin.commands.main", *WORDS],
            cwd=ROOT, env=environment(home, **told), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until(lambda: running.poll() is not None or _waits(database), "the run that waits for the lock")
        running.send_signal(signal.SIGINT)
        holding.rollback()
    said, complaint = running.communicate(timeout=PATIENCE)
    return running.returncode, said, complaint


def _waits(database: Database) -> bool:
    with database.cluster.connect(database.name) as looking:
        return _one(looking, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit.event'::regclass")


def _one(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> bool:
    row = connection.execute(statement.encode()).fetchone()
    return bool(row and row[0])
