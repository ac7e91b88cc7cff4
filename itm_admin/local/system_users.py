"""System users without rights, one for each kind of process, if this runs as root.

Promise: several processes that need the same user at the same moment all get it. Knows no process and no file.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from itm_admin.foundation.config import Refusal

_PATIENCE = 30
"""Seconds for another program that holds the lock of /etc/passwd, such as a package manager."""
_LOCKED = (1, 10)
"""Exit codes of useradd and groupadd: the password file, the group file cannot be locked or written."""


def system_user(name: str) -> pwd.struct_passwd:
    """The system user of this name, made if needed. Raises Refusal with the reason if it cannot be made."""
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


def system_group(name: str) -> int:
    """The id of the system group of this name, made if needed. Raises Refusal with the reason if it cannot be made."""
    with suppress(KeyError):
        return grp.getgrnam(name).gr_gid
    with _one_at_a_time():
        deadline = time.monotonic() + _PATIENCE
        while True:
            with suppress(KeyError):
                return grp.getgrnam(name).gr_gid
            made = _add(["groupadd", "--system", name], name)
            if made.returncode in _LOCKED and time.monotonic() < deadline:
                time.sleep(0.2)
            elif made.returncode:
                raise Refusal(f"The system group {name} could not be made: {made.stderr.strip()}")


def _known(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _useradd(name: str) -> subprocess.CompletedProcess[str]:
    words = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--user-group"]
    return _add([*words, "--shell", "/usr/sbin/nologin", name], name)


def _add(command: list[str], name: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Refusal(f"{name} could not be made: {command[0]} was not found") from None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """useradd does not wait for another useradd. The lock is the directory's own, so nothing is left behind."""
    descriptor = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
