"""The programs that `make test` checks first, on a machine where one is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import machine


def _script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    (folder / name).chmod(0o755)


def _see_to(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """With the programs in `folder` alone."""
    return subprocess.run(
        [sys.executable, machine.ROOT / "tests" / "machine.py"],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_comes_before_lint_and_tests() -> None:
    steps = subprocess.run(["make", "-n", "test"], cwd=machine.ROOT, capture_output=True, text=True, check=True).stdout
    assert steps.index("tests/machine.py") < steps.index("ruff check") < steps.index("pytest -q")


@pytest.mark.parametrize("missing", ["OpenSSL", "Chromium"])
def test_a_program_that_is_missing_and_cannot_be_installed_is_one_line(tmp_path: Path, missing: str) -> None:
    for name in {"openssl", "chromium"} - {missing.lower()}:
        _script(tmp_path, name, "exit 0")
    for name in ("apt-get", "make"):  # the ways to install it, for root and for others
        _script(tmp_path, name, "echo noise; echo noise >&2; exit 1")
    refused = _see_to(tmp_path)
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if "noise" not in line]
    assert line.startswith(f"make test: {missing} is missing and could not be installed: install it (Debian: apt-get")


def test_a_program_that_can_be_installed_is_installed(tmp_path: Path) -> None:
    if os.geteuid():
        return  # the other way is a download
    _script(tmp_path, "openssl", "exit 0")
    made = f"printf '#!/bin/sh\\nexit 0\\n' >{tmp_path}/chromium; /bin/chmod 755 {tmp_path}/chromium"
    _script(tmp_path, "apt-get", f'case "$*" in *install*chromium*) {made};; esac')
    assert (_see_to(tmp_path).returncode, (tmp_path / "chromium").exists()) == (0, True)


def test_a_browser_that_does_not_start_is_as_good_as_none(tmp_path: Path) -> None:
    _script(tmp_path, "openssl", "exit 0")
    _script(tmp_path, "broken", "exit 127")
    refused = _see_to(tmp_path, ITM_TEST_CHROMIUM=str(tmp_path / "broken"))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"make test: Chromium at {tmp_path / 'broken'} is missing")
