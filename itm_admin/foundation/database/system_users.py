"""System users without rights, one for each kind of process, where this runs as root.

Promise: several processes that need the same user at the same moment all get it. Knows no process and no file.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from itm_admin.foundation.config import Refusal

_PATIENCE = 30
"""Seconds for another program that holds the lock of /etc/passwd, such as a package manager."""
_LOCKED = (1, 10)
"""useradd's exit codes: the password file, the group file cannot be locked or written."""


def system_user(name: str) -> pwd.struct_passwd:
    """The system user of this name, made if there is none. Refusal says why it could not be made."""
    found = _known(name)
    if found is not None:
        return found
    with _one_at_a_time():
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = _known(name)
            if found is not None:
                return found
            made = _useradd(name)
            if made.returncode in _LOCKED and time.monotonic() < deadline:
                time.sleep(0.2)
            elif made.returncode and _known(name) is None:
                raise Refusal(f"The system user {name} could not be made: {made.stderr.strip()}")


def _known(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _useradd(name: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--user-group"]
            + ["--shell", "/usr/sbin/nologin", name],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise Refusal(f"The system user {name} could not be made: useradd was not found") from None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """useradd does not wait for another useradd. The lock is the directory's own: nothing is left behind."""
    descriptor = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
