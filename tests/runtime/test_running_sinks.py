"""`itm run` with sinks: a process of its own passes entries on, knows as little as it can, and is started again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.running import free_port, itm, system


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="itm-run-"))
    folder.chmod(0o711)
    yield folder / "home"
    shutil.rmtree(folder)


def test_what_passes_entries_on_knows_no_key_and_no_other_role_and_is_started_again(home: Path) -> None:
    with system(home, ITM_SINKS=f"file:{home.parent / 'out'}") as running:
        passing = running.child("itm_admin.commands.main", "sinks")
        told = passing.environ()
        assert {name for name in told if name.startswith("ITM_")} == {
            "ITM_HOME",
            "ITM_DATABASE_SIGNER_URL",
            "ITM_SINKS",
        }
        passing.kill()
        running.wait_until_it_says("What passes entries on was started again")
        assert running.child("itm_admin.commands.main", "sinks").pid != passing.pid


def test_a_secret_that_is_needed_and_not_there_is_said_before_anything_starts(home: Path) -> None:
    port = str(free_port())
    refused = itm(home, "run", ITM_PORT=port, ITM_SINKS="https://siem.example/")
    assert (refused.returncode, home.exists()) == (2, False)
    assert "ITM_SINK_SECRET_FILE: is missing" in refused.stderr
    refused = itm(home, "run", ITM_PORT=port, ITM_SINKS="https://siem.example/", ITM_SINK_SECRET_FILE="/nowhere")
    assert (refused.returncode, (home / "postgres").exists()) == (2, False)
    assert "ITM_SINK_SECRET_FILE: /nowhere: No such file" in refused.stderr
