"""Passes sealed entries on to the sinks, each in its own thread: at least once, in each ledger's order.

Promise: a cursor moves after the sink's acknowledgement, so that a stop at any point repeats entries and loses none; no
transaction is open while a sink is awaited. The backlog is measured by the scheduler (backlog.py), which sees it also
while this process is dead.
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
"""The longest pause between two tries, in seconds."""


class Sink(Protocol):
    """A receiver of batches of one ledger's entries, in order."""

    def send(self, batch: Sequence[Sealed]) -> None: ...

    def unsure(self) -> Mapping[uuid.UUID, int]: ...

    def lost(self, passed_on: bool) -> Sequence[str]: ...

    def forget(self, names: Sequence[str]) -> None: ...

    def close(self) -> None: ...


class Undelivered(Exception):
    """A sink did not take a batch; the message is for people."""


class Stream:
    """One sink's entries. `step` gives the seconds until its next call."""

    def __init__(self, engine: Engine, name: str, sink: Sink, stop: Callable[[], bool] = lambda: False) -> None:
        self._engine, self._name, self._sink, self._stop = engine, name, sink, stop
        self._failures = 0
        self._well = False
        """True once the database has no trouble recorded for this sink; a former process may have left one."""
        self._lost = True
        """True while an alert about lost entries is open; read from the database at the start."""
        self._back: dict[uuid.UUID, int] = {}
        """Ledger → the entry to which its cursor must go back as soon as the database can be written."""

    def step(self) -> float:
        """Sends a batch of each ledger with new entries. Gives 0 if there are more."""
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
        """Raises an alert if acknowledged entries are gone; passing on continues."""
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
            if ledger.size < ledger.next:  # verification reports the shorter ledger; new entries are passed on
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
        except Exception as fault:  # any failure: the sink has not got the batch, and the others must go on
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
        """The pause after a failure: doubles each time, up to a bound."""
        self._failures += 1
        return float(min(LONGEST, 2 ** min(self._failures - 1, 10)))
