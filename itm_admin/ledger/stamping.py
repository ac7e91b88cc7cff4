"""Has an outside authority stamp the Presidency's checkpoint: about hourly, and after a change of keys.

Promise: no authority delays a signature: stamping has a thread of its own, beside the signer. A stamp is held outside
before it is in the database; if none can be had, one alert is raised and the request is repeated.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy.engine import Engine

from audit import timestamp
from audit.authority import Trusted
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError, HeldCheckpoint
from audit.store import timestamps
from audit.store.timestamps import StoredStamp
from audit.timestamp import StampError
from audit.timestamp_message import message
from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble

log = logging.getLogger("itm.stamping")
LOOK, AGAIN = 30.0, 300.0
"""Seconds between two looks for a checkpoint to stamp, and before a failed request is repeated."""
EVERY = timedelta(hours=1)
SECONDS = 10.0
"""Seconds for an authority's answer."""


@dataclass(frozen=True)
class Authority:
    """An authority's address, and the trusted certificates."""

    url: str
    trusted: Trusted


class Stamping:
    """One process's stamping. `tick` is called every second."""

    def __init__(
        self,
        outside: CheckpointFolder,
        authority: Authority,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.outside, self.authority, self._clock, self._now = outside, authority, clock, now
        self._next = float("-inf")

    def tick(self, engine: Engine) -> bool:
        """True if a checkpoint was stamped now. Raises the database's errors."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + LOOK
        with engine.connect() as connection:
            ledger = timestamps.presidency(connection)
        if ledger is None:
            return False
        try:
            stamped = self._stamp(ledger[1])
            self._record(engine, *ledger)
        except (StampError, CheckpointFolderError, OSError) as trouble:
            self._next = self._clock() + AGAIN
            log.warning("no time stamp: %s", trouble)
            with engine.begin() as connection:
                alert_raising.raise_alert(
                    connection, Trouble(alert_raising.UNSTAMPED, "ledger.stamp", detail={"note": str(trouble)[:200]})
                )
            return False
        return stamped

    def _stamp(self, origin: str) -> bool:
        """Stamps the newest checkpoint, if one is due."""
        held = self.outside.last(origin)
        if held is None or not self._due(held, next(self.outside.stamps(origin), None)):
            return False
        answer, stamp = timestamp.ask(self.authority.url, message(held.note), self.authority.trusted, SECONDS)
        self.outside.stamp(held, answer)
        log.info("%s entries stamped at %s", held.checkpoint.size, stamp.time.isoformat())
        return True

    def _due(self, held: HeldCheckpoint, last: tuple[HeldCheckpoint, bytes] | None) -> bool:
        if last is None:
            return True
        before, answer = last
        if before == held:
            return False
        if {line.key_id for line in before.note.signatures} != {line.key_id for line in held.note.signatures}:
            return True
        try:
            return self._now() - self._judged(before, answer) >= EVERY
        except StampError:  # of an authority that does not count any more
            return True

    def _judged(self, held: HeldCheckpoint, answer: bytes) -> datetime:
        digest = sha256(message(held.note)).digest()
        return timestamp.judge(answer, digest, self.authority.trusted).time

    def _record(self, engine: Engine, ledger: uuid.UUID, origin: str) -> None:
        """Records held stamps that are not in the database yet, also those of a stopped process."""
        for held, answer in self.outside.stamps(origin):
            size, digest = held.checkpoint.size, sha256(message(held.note)).digest()
            with engine.begin() as connection:
                if timestamps.recorded(connection, ledger, size, digest):
                    return
                try:
                    moment = self._judged(held, answer)
                except StampError as error:
                    log.warning("the time stamp of %s entries is not told of: %s", size, error)
                    continue
                timestamps.record(connection, ledger, StoredStamp(size, digest, moment, answer))
