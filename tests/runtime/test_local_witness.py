"""The demonstration's witness: its own process and folder, started again on the same port, gone with its parent."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine

from audit.key import VerifierKey
from audit.store import checkpoints
from audit.witness_client import Witness
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.local import signing_setup, witness_process
from tests.runtime.running import System, itm, left_of, system


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """An installation whose demonstration was made, as the mark says."""
    folder = Path(tempfile.mkdtemp(prefix="itm-witness-"))
    folder.chmod(0o711)
    assert itm(folder / "home", "init").returncode == 0
    (folder / "home" / "demonstration-made").touch()
    yield folder / "home"
    shutil.rmtree(folder)


def _witness(running: System) -> psutil.Process:
    return running.child("audit.witness", "--listen")


def _told(process: psutil.Process) -> Witness:
    return Witness.parse(process.environ()["ITM_WITNESSES"])


def test_the_demonstration_s_ledgers_are_witnessed_by_a_process_that_is_started_again_and_stops_with_the_rest(
    home: Path,
) -> None:
    with system(home, demo=True) as running:
        running.wait_until_it_says("Ctrl-C")
        killed = _witness(running)
        witness = _told(running.scheduler())
        assert witness.is_here
        assert _told(running.web()) == witness
        assert not [name for name in killed.environ() if name.startswith("ITM_")]
        killed.kill()
        running.wait_until_it_says("The witness was started again")
        assert _witness(running).pid != killed.pid
        assert _told(running.scheduler()) == witness
        _wait_until_cosigned(home, witness.key)
        verified = itm(home, "ledger", "verify", "--institution", "GIB", "--json")
        assert '"assurance": "witnessed"' in verified.stdout
        children = running.children()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        assert left_of(children) == []


def _wait_until_cosigned(home: Path, key: VerifierKey) -> None:
    """The first round begins with the scheduler; a later one asks again what was missed."""
    url = itm(home, "database", "url", "--role", "signer").stdout.strip()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    for _ in range(2400):
        with engine.connect() as connection:
            found = [
                checkpoints.cosignatures(connection, each.ledger)
                for each in checkpoints.growth(connection)
                if each.presidency
            ]
            if any(line.is_by(key) for sizes in found for lines in sizes.values() for line in lines):
                return
            connection.exec_driver_sql("SELECT pg_sleep(0.05)")
    raise AssertionError("no cosignature came within two minutes")


@pytest.mark.wide  # it ends as every other process does: tests/runtime/test_running_everything.py
def test_killing_the_supervisor_ends_the_witness(home: Path) -> None:
    with system(home, demo=True) as running:
        running.wait_until_it_says("Ctrl-C")
        witness = _witness(running)
        running.process.kill()
        assert left_of([witness]) == []


def _settings(home: Path) -> Settings:
    return Settings(home=home, embedded=True)


def test_it_believes_the_key_that_will_sign_and_keeps_its_own(tmp_path: Path) -> None:
    first = witness_process.begin(_settings(tmp_path), "itm-x")
    again = witness_process.begin(_settings(tmp_path), "itm-x")
    try:
        key = signing_setup.of(_settings(tmp_path)).keyring.first("itm-x").verifier
        assert (tmp_path / "witness" / "logs").read_text() == f"{key}:itm-x/ledger/*\n"
        assert Witness.parse(first.address).key == Witness.parse(again.address).key
        assert first.address != again.address
        assert (tmp_path / "witness" / "key").stat().st_mode & 0o777 == 0o600
    finally:
        first.close()
        again.close()


def test_a_witness_that_lost_its_memory_is_not_started(tmp_path: Path) -> None:
    witness_process.begin(_settings(tmp_path), "itm-x").close()
    shutil.rmtree(tmp_path / "witness" / "memory")
    with pytest.raises(Refusal, match="witness cannot run"):
        witness_process.begin(_settings(tmp_path), "itm-x")
