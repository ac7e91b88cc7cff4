"""Questions to directories that never wait longer than they may, and never take up all of a process's threads.

A directory that hangs holds two of a process's web threads for its seconds, all directories together hold half of them;
who comes beyond that is told so at once. The question itself runs in a thread of its own, which a stuck name server or
a server that trickles may keep, so that it keeps its place too: a process never has more of them than places.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from itm_admin.accounts.directory import Unreachable, Wire
from itm_admin.foundation.directories import Directory

T = TypeVar("T")
EACH = 2
"""Questions to one directory at the same time."""
PATIENCE = 1.0
"""Seconds to wait for a place, while the directory answers."""
_TROUBLE = 15.0
"""Seconds after an answer that did not come in which nobody waits for a place."""


class DirectoryBusy(Unreachable):
    """Too many are asking this directory already."""


class Places:
    """One process's places. `most`: of all directories together."""

    def __init__(self, most: int) -> None:
        self._all = threading.BoundedSemaphore(max(1, most))
        self._each: dict[str, threading.BoundedSemaphore] = {}
        self._trouble: dict[str, float] = {}
        self._lock = threading.Lock()

    def ask(self, directory: Directory, question: Callable[[Wire], T]) -> T:
        """The answer, within the directory's seconds. Raises Unreachable, DirectoryBusy, and the question's errors."""
        if not self._all.acquire(blocking=False):
            raise DirectoryBusy("all places")
        try:
            return self._asked(directory, question)
        finally:
            self._all.release()

    def _asked(self, directory: Directory, question: Callable[[Wire], T]) -> T:
        place = self._of(directory.issuer)
        if not place.acquire(timeout=0 if self._in_trouble(directory.issuer) else PATIENCE):
            raise DirectoryBusy("directory's places")
        wire, answers = Wire(), queue.SimpleQueue[tuple[T | None, BaseException | None]]()

        def work() -> None:
            try:
                answers.put((question(wire), None))
            except BaseException as error:
                answers.put((None, error))
            finally:
                place.release()

        threading.Thread(target=work, name=f"directory-{directory.issuer}", daemon=True).start()
        try:
            answer, error = answers.get(timeout=directory.seconds)
        except queue.Empty:
            wire.cut()
            self._trouble[directory.issuer] = time.monotonic()
            raise Unreachable("no answer in time") from None
        if isinstance(error, Unreachable):
            self._trouble[directory.issuer] = time.monotonic()
        else:
            self._trouble.pop(directory.issuer, None)
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]

    def _of(self, issuer: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._each.setdefault(issuer, threading.BoundedSemaphore(EACH))

    def _in_trouble(self, issuer: str) -> bool:
        return time.monotonic() - self._trouble.get(issuer, float("-inf")) < _TROUBLE
