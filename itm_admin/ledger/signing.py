"""Rounds of checkpoints, in the scheduler's process as itm_signer, and in `itm ledger`.

Promise: every ledger that grew by more than its own upkeep is signed within a minute, or an alert gives the reason; a
signature is held outside before it is in the database; the next round completes one that was stopped at any point.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from sqlalchemy.engine import Connection, Engine

from audit import contradiction, store
from audit.checkpoint_comparison import Evidence, Witnesses
from audit.checkpoint_folder import Busy, CheckpointFolder, CheckpointFolderError, HeldCheckpoint
from audit.generation import closures, generation_of
from audit.key_statements import Keys
from audit.resume_mark import Watermarks
from audit.signer import Signer, SigningRefused
from audit.store import Ledger, checkpoints, tiling
from audit.verification import Head
from audit.witness_client import Witness
from itm_admin.ledger import alert_raising, waiting
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.cosigning import Collector
from itm_admin.ledger.job_runs import Scalar
from itm_admin.ledger.keyring import KeyTrouble, SigningKeyFile

log = logging.getLogger("itm.signing")
EVERY = 60.0
"""Seconds between two rounds while entries arrive."""
MOST = 1_000
"""New entries of one ledger that are signed at once, before the minute is over."""


@dataclass(frozen=True)
class SigningPlace:
    """The checkpoint folder, the signing key's file, and the witnesses."""

    outside: CheckpointFolder
    keyring: SigningKeyFile
    witnesses: tuple[Witness, ...] = ()
    quorum: int = 0

    def watermarks(self) -> Watermarks:
        """The resume marks of full verification runs."""
        return Watermarks(self.outside, self.keyring.active())

    def evidence(self) -> Evidence:
        """The held checkpoints, listed now for a verification."""
        return Evidence.now(self.outside, Witnesses(tuple(each.key for each in self.witnesses), self.quorum))


@dataclass
class Round:
    """The result of one round."""

    signed: list[tuple[Ledger, HeldCheckpoint]] = field(default_factory=list)
    refused: list[tuple[Ledger | None, SigningRefused]] = field(default_factory=list)
    failed: str | None = None


class Signing:
    """One process's signing. `tick` is called every second."""

    def __init__(
        self,
        place: SigningPlace,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.place, self._clock, self._now = place, clock, now
        self._collector = Collector(place.witnesses)
        self._tried = float("-inf")
        self._held_back: set[uuid.UUID] = set()
        """Ledgers that were refused, or all after a failure: they are tried again only after a minute."""
        self._upkeep: dict[uuid.UUID, int] = {}
        """Ledger → the size up to which only upkeep followed the last checkpoint."""
        self._named: dict[uuid.UUID, tuple[dict[str, int], int]] = {}
        """The signed sizes in the Presidency's entries, and the entry up to which they were read."""

    def tick(self, engine: Engine) -> Round | None:
        """Does a round if one is due and no other process does it."""
        if not self.due(engine):
            return None
        self._tried = self._clock()
        done = self.round(engine)
        with engine.begin() as connection:
            waiting.judge(connection)
        return done

    def due(self, engine: Engine) -> bool:
        """True if a round is due. Cheap: one row for each ledger, and the entries since the last call."""
        if self._tried == float("-inf"):
            return True  # entries may have arrived while no signer ran
        rested = self._clock() - self._tried >= EVERY
        with engine.connect() as connection:
            grown = [each for each in checkpoints.growth(connection) if each.size != each.signed]
            for each in grown:
                if each.size - each.signed < MOST or each.ledger in self._held_back:
                    if not rested:
                        continue
                    start = max(each.signed, self._upkeep.get(each.ledger, 0))
                    if each.size < each.signed or checkpoints.due(connection, each.ledger, start, each.size):
                        return True
                    self._upkeep[each.ledger] = each.size
                elif checkpoints.due(connection, each.ledger, each.signed, each.size):
                    return True
        return False

    def round(self, engine: Engine) -> Round | None:
        """Signs all ledgers with new entries. None if another process does it. Raises the database's errors."""
        try:
            with store.signing_alone(engine) as alone, self.place.outside.locked():
                if not alone:
                    return None
                done = self._signed(engine)
                self._publish(engine, done)
        except Busy:
            return None
        except (CheckpointFolderError, KeyTrouble, OSError) as trouble:
            done = Round(failed=str(trouble))
            self._alarm(engine, done)
        self._held_back = {ledger.id for ledger, _ in done.refused if ledger}
        if done.failed:
            with engine.connect() as connection:
                self._held_back |= {each.ledger for each in checkpoints.growth(connection)}
        self._cosign(engine, done)
        return done

    def _cosign(self, engine: Engine, done: Round) -> None:
        """Cosigns the new checkpoints, and older ones that an absent witness missed."""
        missed: list[tuple[Ledger, HeldCheckpoint]] = []
        try:
            if not done.failed:
                refused = {ledger.id for ledger, _ in done.refused if ledger}
                missed = self._collector.missed(engine, self.place.outside, refused)
        except CheckpointFolderError as trouble:  # the next round that reads it raises the alert
            log.error("what witnesses missed cannot be read: %s", trouble)
        self._collector.collect(engine, self.place.outside, [*missed, *done.signed])

    def _signed(self, engine: Engine) -> Round:
        """The round up to the signatures: one snapshot, read once."""
        done = Round()
        with store.reading(engine) as connection:
            ledgers = [ledger for ledger in store.ledgers(connection) if not ledger.lost]
            recorded = {each.ledger: each.signed for each in checkpoints.growth(connection)}
            said = checkpoints.keys(connection)
            deployment = checkpoints.deployment(connection)
            presidency = _presidency(connection, ledgers)
            if not self._ours(deployment, presidency, said, any(recorded.values()), done):
                return done
            sizes = {ledger.origin: ledger.size for ledger in ledgers}
            keys = self.place.keyring.signing(deployment, sizes, said)
            signer = Signer(self.place.outside, keys, again=self.place.keyring.next_file.exists())
            opened = closures(self.place.outside)
            contradicted = contradiction.held(self.place.outside)
            named = self._sizes_named(connection, presidency)
            for ledger in ledgers:
                if generation_of(ledger.origin) > 1 and opened.opening(ledger.origin) is None:
                    why = SigningRefused(
                        ledger.origin, "unopened", "nothing outside says that this generation was opened"
                    )
                    done.refused.append((ledger, why))
                elif not ledger.closed and ledger.origin in contradicted:
                    why = SigningRefused(
                        ledger.origin, "contradicted", f"{contradicted[ledger.origin]} knows another history"
                    )
                    done.refused.append((ledger, why))
                elif not ledger.closed:
                    signed = max(recorded.get(ledger.id, 0), named.get(ledger.origin, 0))
                    self._sign(connection, signer, ledger, recorded.get(ledger.id, 0), signed, done)
                elif opened.closing(ledger.origin) is None:
                    why = SigningRefused(ledger.origin, "closed", "nothing outside says that this ledger was closed")
                    done.refused.append((ledger, why))
        for origin in set(self.place.outside.origins()) - sizes.keys() - opened.gone:
            if self.place.outside.sizes(origin):
                done.refused.append(
                    (None, SigningRefused(origin, "gone", "signed before, and not in the database any more"))
                )
        return done

    def _ours(self, deployment: str, presidency: Ledger | None, said: Keys, signed: bool, done: Round) -> bool:
        """True if the folder is this database's. An empty folder is begun only for a database that never signed."""
        outside = self.place.outside
        held = outside.deployment()
        origin = presidency.origin if presidency else f"{deployment}/ledger/-/-"
        if held is None and not signed and not said.statements:
            outside.begin(deployment)
        elif held is None:
            done.refused.append((presidency, SigningRefused(origin, "missing", f"nothing is held in {outside.folder}")))
        elif held != deployment:
            detail = f"{outside.folder} holds the checkpoints of {held}, not of {deployment}"
            done.refused.append((presidency, SigningRefused(origin, "another", detail)))
        return not done.refused

    def _sizes_named(self, connection: Connection, presidency: Ledger | None) -> dict[str, int]:
        """The signed sizes in the Presidency's entries. This process reads each entry once."""
        if presidency is None:
            return {}
        before, start = self._named.get(presidency.id, ({}, 0))
        found, end = checkpoints.named(connection, presidency.id, min(start, presidency.size))
        sizes = {origin: max(found.get(origin, 0), before.get(origin, 0)) for origin in {*found, *before}}
        self._named[presidency.id] = sizes, end
        return sizes

    def _sign(
        self, connection: Connection, signer: Signer, ledger: Ledger, recorded: int, signed: int, done: Round
    ) -> None:
        outside = self.place.outside
        head = Head(ledger.origin, ledger.size, ledger.head, ledger.recorded_at, ledger.holder)
        moment = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            held = signer.last(ledger.origin, signed)
            entries = partial(store.entries, connection, ledger.id)
            made = signer.sign(head, held, entries, moment)
            for size in outside.sizes(ledger.origin):
                if recorded < size and (made is None or size != made.checkpoint.size):
                    left = outside.at(ledger.origin, size)  # a stopped round did not record it
                    outside.settle(left)
                    done.signed.append((ledger, left))
            if made:
                done.signed.append((ledger, made))
        except SigningRefused as refused:
            done.refused.append((ledger, refused))
        except (OSError, CheckpointFolderError) as trouble:
            done.failed = str(trouble)

    def _publish(self, engine: Engine, done: Round) -> None:
        """Records held checkpoints in the database and updates alerts. The old key retires once both have signed."""
        outside, refused = self.place.outside, {ledger.id for ledger, _ in done.refused if ledger}
        with engine.begin() as connection:
            presidency = _presidency(connection, store.ledgers(connection))
            trusted = presidency is not None and presidency.id not in refused and outside.deployment() is not None
            if trusted and not any(each.reason in ("gone", "another") for _, each in done.refused):
                for statement in outside.keys().statements:
                    checkpoints.state_key(connection, statement)
            checkpoints.record_checkpoints(connection, [(ledger.id, held) for ledger, held in done.signed])
        self._alarm(engine, done)
        if done.failed is None and done.signed:
            self._finish_replacement(engine)
        for ledger, held in done.signed:
            with engine.begin() as connection:
                tiling.extend(connection, ledger.id, held.checkpoint.size)

    def _finish_replacement(self, engine: Engine) -> None:
        keyring, outside = self.place.keyring, self.place.outside
        if not keyring.next_file.exists():
            return
        sizes = {origin: max(outside.sizes(origin), default=0) for origin in outside.origins()}
        keyring.finish(sizes)
        with engine.begin() as connection:
            for statement in outside.keys().statements:
                checkpoints.state_key(connection, statement)

    def _alarm(self, engine: Engine, done: Round) -> None:
        troubles = [_refusal(ledger, refused) for ledger, refused in done.refused]
        if done.failed:
            log.error("checkpoints could not be signed: %s", done.failed)
            troubles.append(Trouble(alert_raising.UNSIGNED, "ledger.sign", detail={"note": done.failed[:200]}))
        with engine.begin() as connection:
            for trouble in troubles:
                alert_raising.raise_alert(connection, trouble)
            if not done.failed:
                alert_raising.resolve(connection, alert_raising.UNSIGNED, "ledger.sign")


def _refusal(ledger: Ledger | None, refused: SigningRefused) -> Trouble:
    log.error("not signed: %s", refused)
    code = ledger.code if ledger and ledger.code else refused.origin.split("/")[-2]
    holder = uuid.UUID(ledger.holder) if ledger and ledger.holder else None
    detail: dict[str, Scalar] = {
        "reason": refused.reason,
        "held": refused.held,
        "size": ledger.size if ledger else None,
    }
    detail |= {
        "findings": 1,
        "named": sha256(f"{refused.reason} {refused.held}".encode()).hexdigest(),
    }  # raised once, also after an acknowledgement
    return Trouble(alert_raising.REFUSED, code, holder, refused.found, detail)


def _presidency(connection: Connection, ledgers: Sequence[Ledger]) -> Ledger | None:
    ids = {each.ledger for each in checkpoints.growth(connection) if each.presidency}
    return next((ledger for ledger in ledgers if ledger.id in ids), None)
