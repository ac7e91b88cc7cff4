"""A progress bar for long work, on a terminal only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class ProgressBar:
    """A bar on a terminal, nothing elsewhere. Entering gives a function of the work done and the total."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.done = 0
        self.bar: Any = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def _show(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if self.bar is None or self.bar.length != total or done < self.done:
            self._finish()
            self.bar = click.progressbar(length=total, label=self.label, file=sys.stderr)
            self.bar.__enter__()
            self.done = 0
        self.bar.update(done - self.done)
        self.done = done

    def _finish(self) -> None:
        if self.bar is not None:
            self.bar.__exit__(None, None, None)

    def __exit__(self, *_: object) -> None:
        self._finish()
