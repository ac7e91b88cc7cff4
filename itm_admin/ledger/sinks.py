"""Passes sealed entries on to the sinks, each in a thread of its own: at least once, in each ledger's order.

Promise: a cursor moves after the sink's acknowledgement, so that a stop anywhere repeats entries and loses none; no
transaction is open while a sink is waited for. Whether a sink lags behind is not told here but by the scheduler
(backlog.py), which sees it also while this process is dead.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from audit.ocsf import Sealed
from audit.store import streaming
from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Scalar

log = logging.getLogger("itm.sinks")
BATCH = 200
BEAT = 1.0
"""Seconds between two looks for new entries."""
LONGEST = 60.0
"""Seconds between two tries, at most."""


class Sink(Protocol):
    """What takes batches of one ledger's entries, in order."""

    def send(self, batch: Sequence[Sealed]) -> None: ...

    def unsure(self) -> Mapping[uuid.UUID, int]: ...

    def lost(self, passed_on: bool) -> Sequence[str]: ...

    def forget(self, names: Sequence[str]) -> None: ...

    def close(self) -> None: ...


class Undelivered(Exception):
    """A sink did not take a batch. Says why, for people."""


class Stream:
    """One sink's entries. `step` is called again after the seconds that it answers."""

    def __init__(self, engine: Engine, name: str, sink: Sink, stop: Callable[[], bool] = lambda: False) -> None:
        self._engine, self._name, self._sink, self._stop = engine, name, sink, stop
        self._failures = 0
        self._well = False
        """Whether the database says that all is well; at first it may say what an earlier process saw."""
        self._lost = True
        """Whether people have still to deal with the loss of what was passed on; asked of the database at the start."""
        self._back: dict[uuid.UUID, int] = {}
        """Where the cursors have to go back to, as soon as the database can be told."""

    def step(self) -> float:
        """A batch of each ledger that has something new. 0: there is more."""
        try:
            self._go_back()
            self._take_stock()
            more = self._pass()
            if not self._well and not self._lost:
                self._tell(None)
        except Undelivered as fault:
            log.warning("%s: %s", self._name, fault)
            self._failed(str(fault))
            return self._pause()
        except SQLAlchemyError as fault:
            log.warning("no entries for %s (%s); trying again", self._name, type(fault).__name__)
            return self._pause()
        self._failures = 0
        return 0.0 if more else BEAT

    def close(self) -> None:
        self._sink.close()

    def _take_stock(self) -> None:
        """Raises an alert where something that was acknowledged is gone. What follows is passed on all the same."""
        with self._engine.begin() as connection:
            names = self._sink.lost(streaming.has_begun(connection, self._name))
            if names:
                detail: dict[str, Scalar] = {"files": len(names), "note": ", ".join(names)[:500]}
                alert_raising.raise_alert(connection, Trouble(alert_raising.LOST, self._name, detail=detail))
                streaming.tell(connection, self._name, f"lost: {', '.join(names)}"[:200])
            elif self._lost:
                self._lost = alert_raising.is_open(connection, alert_raising.LOST, self._name)
        if names:
            self._sink.forget(names)
            self._lost, self._well = True, False

    def _pass(self) -> bool:
        with self._engine.connect() as connection:
            waiting = streaming.waiting(connection, self._name)
        more = False
        for ledger in waiting:
            if self._stop():
                return False
            if ledger.size < ledger.next:  # it became shorter: verification says so, and what follows is passed on
                self._move(ledger.ledger, ledger.size)
                continue
            with self._engine.connect() as connection:
                batch = streaming.page(connection, ledger, BATCH)
            if batch:
                self._send(batch)
                self._move(ledger.ledger, batch[-1].seq + 1)
                more = more or batch[-1].seq + 1 < ledger.size
        return more

    def _send(self, batch: Sequence[Sealed]) -> None:
        try:
            self._sink.send(batch)
        except Exception as fault:  # whatever it was, the sink has not got it, and the others must go on
            raise Undelivered(" ".join(f"{type(fault).__name__}: {fault}".split())[:200]) from fault

    def _failed(self, trouble: str) -> None:
        for ledger, first in self._sink.unsure().items():
            self._back[ledger] = min(first, self._back.get(ledger, first))
        self._sink.close()
        try:
            self._go_back()
            self._tell(trouble)
        except SQLAlchemyError as fault:
            log.warning("the trouble of %s could not be told of (%s)", self._name, type(fault).__name__)

    def _go_back(self) -> None:
        if self._back:
            with self._engine.begin() as connection:
                for ledger, first in self._back.items():
                    streaming.move_back(connection, self._name, ledger, first)
            self._back.clear()

    def _move(self, ledger: uuid.UUID, next: int) -> None:
        with self._engine.begin() as connection:
            streaming.move(connection, self._name, ledger, next)

    def _tell(self, trouble: str | None) -> None:
        with self._engine.begin() as connection:
            streaming.tell(connection, self._name, trouble)
        self._well = trouble is None

    def _pause(self) -> float:
        """Twice as long after each failure, up to a bound."""
        self._failures += 1
        return float(min(LONGEST, 2 ** min(self._failures - 1, 10)))
