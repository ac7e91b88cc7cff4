"""Children that cannot outlive their parent.

Each child runs in a session of its own, so that a terminal's Ctrl-C reaches the parent alone, and is told
by the kernel when its parent dies, even by `kill -9`. Nothing here knows what the children do.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, with_signal: signal.Signals) -> None:
    """To be called in the child: asks for `with_signal` when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, with_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def _before_exec(with_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()
    return lambda: die_with_parent(parent, with_signal)


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    on_parents_death: signal.Signals,
    user: pwd.struct_passwd | None = None,
    output: IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own, as `user` where one is named. Call it in the main thread."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=_before_exec(on_parents_death),  # runs after the change of user, which would clear it
        umask=0o077,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )


def run(
    command: Sequence[str | Path], *, folder: Path, user: pwd.struct_passwd | None
) -> subprocess.CompletedProcess[str]:
    """Runs a short command to its end with a clean environment, as `user` where one is named."""
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=0o077,
        check=False,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )


def wait_for_end(pid: int, seconds: float) -> bool:
    """Whether a process, of whatever parent, has ended within this time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
