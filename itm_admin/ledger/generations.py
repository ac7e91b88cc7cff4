"""Opens a ledger's next generation after two people have decided it: in the scheduler's process, as itm_signer.
Before that, a lost folder or key is begun anew (recovery.py), if they have decided that.

Promise: the proved part of the old ledger comes from the folder outside, not from the database; the folder knows the
new generation before the database does; after a stop at any point the next try completes it, once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from audit import generation, store
from audit.checkpoint_folder import Busy, CheckpointFolderError
from audit.generation import Closure
from audit.store import Ledger
from itm_admin.ledger import alert_raising, approved_decisions, recovery
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.approved_decisions import Approved
from itm_admin.ledger.job_runs import Scalar
from itm_admin.ledger.keyring import KeyTrouble
from itm_admin.ledger.recovery import NotRecovered
from itm_admin.ledger.signing import SigningPlace

log = logging.getLogger("itm.generations")
EVERY = 60.0
"""Seconds before a decision that could not be carried out is tried again."""


class NotOpened(Exception):
    """The next generation cannot be opened now, with the reason."""


@dataclass(frozen=True)
class OpenedGeneration:
    """A generation that was opened, and the proved part of the old ledger."""

    code: str
    closure: Closure


class Opening:
    """One process's work. `tick` is called every second."""

    def __init__(self, place: SigningPlace, clock: Callable[[], float] = time.monotonic) -> None:
        self.place, self._clock = place, clock
        self._failed = float("-inf")

    def tick(self, engine: Engine) -> list[OpenedGeneration]:
        """Cheap while no decision waits."""
        if self._clock() - self._failed < EVERY:
            return []
        with engine.connect() as connection:
            if not approved_decisions.waiting(connection, "generation") and not approved_decisions.waiting(
                connection, "recovery"
            ):
                return []
        return self.carry_out(engine)

    def carry_out(self, engine: Engine) -> list[OpenedGeneration]:
        """Carries out all approved decisions.

        Raises the database's errors; other troubles become alerts and are tried again.
        """
        done: list[OpenedGeneration] = []
        try:
            with store.signing_alone(engine) as alone, self.place.outside.locked():
                if not alone:
                    return []
                with engine.connect() as connection:
                    lost = approved_decisions.waiting(connection, "recovery")
                    waiting = approved_decisions.waiting(connection, "generation")
                for decision in lost:
                    recovery.carry_out(engine, self.place, decision)
                done.extend(self._open(engine, decision) for decision in waiting)
        except Busy:
            pass
        except (NotOpened, NotRecovered, KeyTrouble, CheckpointFolderError, OSError) as trouble:
            self._failed = self._clock()
            log.error("what two people decided could not be carried out: %s", trouble)
            with engine.begin() as connection:
                note = Trouble(alert_raising.UNSIGNED, "ledger.open", detail={"note": str(trouble)[:200]})
                alert_raising.raise_alert(connection, note)
        return done

    def _open(self, engine: Engine, decision: Approved) -> OpenedGeneration:
        outside, evidence = self.place.outside, self.place.evidence()
        if evidence.failure:
            raise NotOpened(evidence.failure)
        with store.reading(engine) as connection:
            ledger = _ledger(connection, decision)
            _ours(connection, self.place)
            size, root = generation.trusted(outside, ledger.origin, _hashes(connection, ledger))
            verdict = store.verify(connection, ledger, "full", evidence=evidence).verdict
        closure = evidence.closures.decided(str(decision.id))
        if closure is None:
            known = [*evidence.sizes, *(each.opens for each in evidence.closures.each)]
            opens = generation.next_origin(ledger.origin, known)
            gone = tuple(each for each in evidence.sizes if _same(each, ledger.origin) and not _there(engine, each))
            closure = Closure(opens, ledger.origin, size, root, decision.reason, str(decision.id), gone)
            closure = closure.with_known(verdict)
            generation.hold(outside, closure, outside.disk)
        elif (closure.closes, closure.size, closure.root) != (ledger.origin, size, root):
            raise NotOpened(f"{closure.opens}: what is held of its opening is not what is found now")
        with engine.begin() as connection:
            _put(connection, decision, closure)
        return OpenedGeneration(decision.code, closure)


def _put(connection: Connection, decision: Approved, closure: Closure) -> None:
    """Writes the generation, its first entry, its baseline, the decision's end, and an alert in one transaction."""
    connection.execute(
        text("SELECT itm.open_generation(:id, :generation, :size, :root)"),
        {
            "id": decision.id,
            "generation": generation.generation_of(closure.opens),
            "size": closure.size,
            "root": closure.root,
        },
    )
    detail: dict[str, Scalar] = {"reason": decision.reason, "held": closure.size, "findings": closure.found}
    told = Trouble(alert_raising.OPENED, decision.code, decision.institution, detail=detail)
    alert_raising.raise_alert(connection, told)
    alert_raising.resolve(connection, alert_raising.REFUSED, decision.code)


def _ledger(connection: Connection, decision: Approved) -> Ledger:
    for ledger in store.ledgers(connection):
        if ledger.holder == str(decision.institution) and not ledger.closed and not ledger.lost:
            return ledger
    raise NotOpened(f"{decision.code}: there is no open ledger")


def _ours(connection: Connection, place: SigningPlace) -> None:
    deployment = connection.execute(text("SELECT name FROM audit.deployment")).scalar()
    held = place.outside.deployment()
    if held != deployment:
        raise NotOpened(f"{place.outside.folder} is not this database's: what is proved cannot be known")


def _hashes(connection: Connection, ledger: Ledger) -> Iterator[bytes]:
    for page in store.entries(connection, ledger.id, 0, ledger.size):
        for entry in page:
            yield entry.hash


def _same(origin: str, other: str) -> bool:
    return origin.rpartition("/")[0] == other.rpartition("/")[0]


def _there(engine: Engine, origin: str) -> bool:
    with engine.connect() as connection:
        return any(ledger.origin == origin for ledger in store.ledgers(connection))
