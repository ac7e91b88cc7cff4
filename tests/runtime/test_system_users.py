"""The system users that processes drop to, made at the first start."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

_MAKE = "import sys; from itm_admin.local import system_users; print(system_users.system_user(sys.argv[1]).pw_uid)"


def test_a_user_that_many_processes_need_at_once_is_made_once_and_all_get_it() -> None:
    if os.geteuid():
        return  # only root makes users, and only for root they are needed
    names = [f"itm-test-{os.getpid()}-{number}" for number in range(2)]
    root = Path(__file__).parents[2]
    making = [
        subprocess.Popen([sys.executable, "-c", _MAKE, name], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
        for name in names
    ]
    try:
        told = [process.communicate(timeout=120)[0].strip() for process in making]
        assert [process.returncode for process in making] == [0] * len(making)
        assert sorted(set(told)) == sorted(str(pwd.getpwnam(name).pw_uid) for name in names)
    finally:
        for name in names:
            subprocess.run(["userdel", name], check=False, capture_output=True)
