"""Child processes that cannot outlive their parent.

Each child runs in its own session, so that a terminal's Ctrl-C reaches the parent alone; the kernel signals it when its
parent dies, even by `kill -9`. Knows nothing of the children's work.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_CAPABILITIES = 64
_STEADY_SECONDS = 30
_LONGEST_PAUSE = 30.0
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class SystemAccount:
    """A system user's ids, and its additional groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def drop(user: SystemAccount) -> None:
    """Drops from root to this user, for good: no program run later gains a capability, setuid or not."""
    for capability in range(_CAPABILITIES):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent(parent: int, with_signal: signal.Signals) -> None:
    """For the child: asks the kernel for `with_signal` when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, with_signal, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def _before_exec(user: SystemAccount | None, with_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def prepare() -> None:
        if user is not None:
            drop(user)
        die_with_parent(parent, with_signal)  # after the change of user, which would clear it

    return prepare


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    on_parents_death: signal.Signals,
    user: SystemAccount | None = None,
    output: IO[bytes] | int | None = None,
    errors: IO[bytes] | int | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts a child in its own session, as `user` if given. Call it in the main thread."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=_before_exec(user, on_parents_death),
        umask=0o077,
    )


def run(
    command: Sequence[str | Path], *, folder: Path, user: SystemAccount | None, pass_fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a short command to its end with a clean environment, as `user` if given."""
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=0o077,
        check=False,
        pass_fds=pass_fds,
        user=None if user is None else user.uid,
        group=None if user is None else user.gid,
        extra_groups=None if user is None else user.groups,
    )


def wait_for_end(pid: int, seconds: float) -> bool:
    """True if the process, of any parent, has ended within this time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


@dataclass
class Child:
    """One process that is kept running: its start, and the time it may take to stop."""

    name: str
    begin: Callable[[], subprocess.Popen[bytes]]
    patience: float
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    due: float | None = None

    def start(self) -> None:
        self.process, self.started, self.due = self.begin(), time.monotonic(), None

    def died(self) -> None:
        """Sets the time of its next start: at once, but ever later while it keeps dying soon."""
        now = time.monotonic()
        steady = now - self.started > _STEADY_SECONDS
        self.pause = 0.0 if steady else min(max(self.pause * 2, 0.25), _LONGEST_PAUSE)
        self.due, self.process = now + self.pause, None

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"{self.name} did not stop within {self.patience:.0f} s and is killed\n")
            self.process.kill()
            self.process.wait()
        self.process = None


class Signals:
    """A descriptor that SIGINT and SIGTERM make readable; with `interrupt` the first also raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.descriptor, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.interrupt = True

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._came) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.descriptor)
        os.close(self._writing)

    def _came(self, _number: int, _frame: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"!")
        if self.interrupt:
            self.interrupt = False
            raise KeyboardInterrupt
