"""Logs keep within their bounds, with any number of writing processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from itm_admin.foundation import rotating_log
from itm_admin.foundation.rotating_log import RotatingLog

_WRITE = """
import sys
from pathlib import Path
from itm_admin.foundation.rotating_log import RotatingLog
log = RotatingLog(Path(sys.argv[1]), largest=20_000, kept=50)
for number in range(2000):
    log.write(f"{sys.argv[2]} {number} {'x' * 80}\\n")
"""


def test_lines_of_several_processes_are_whole_and_none_is_lost_while_files_change(tmp_path: Path) -> None:
    path, root = tmp_path / "log" / "access.log", Path(__file__).parents[2]
    writers = [subprocess.Popen([sys.executable, "-c", _WRITE, str(path), str(name)], cwd=root) for name in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    files = list(path.parent.iterdir())
    assert len(files) > 10
    assert max(file.stat().st_size for file in files) < 20_000 + 3 * 100
    lines = [line.split(" ") for file in files for line in file.read_text("ascii").splitlines()]
    assert sorted((int(name), int(number)) for name, number, _ in lines) == [
        (n, i) for n in range(3) for i in range(2000)
    ]
    assert {len(rest) for _, _, rest in lines} == {80}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_the_oldest_goes(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "access.log", largest=10, kept=2)
    for number in range(6):
        log.write(f"line number {number}\n")
    found = {path.name: path.read_text("ascii") for path in tmp_path.iterdir()}
    assert found == {"access.log.1": "line number 5\n", "access.log.2": "line number 4\n"}


def test_a_log_that_another_program_keeps_open_goes_on_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "postgres.log"
    with path.open("ab", buffering=0) as open_all_the_time:
        open_all_the_time.write(b"before\n")
        assert not rotating_log.cut(path, largest=100)
        assert rotating_log.cut(path, largest=5)
        open_all_the_time.write(b"after\n")
    assert (path.read_bytes(), (tmp_path / "postgres.log.1").read_bytes()) == (b"after\n", b"before\n")


def test_a_log_that_cannot_be_written_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    RotatingLog(tmp_path / "file" / "access.log").write("a line\n")
