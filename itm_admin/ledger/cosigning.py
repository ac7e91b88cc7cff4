"""Asks the configured witnesses to cosign new checkpoints, and keeps their answers.

Promise: no witness delays a signature, which is held outside and recorded before; a witness that knows another history
is an alarm. A witness that was away is asked again in the next round, also for ledgers that did not grow since.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection, Engine

from audit import contradiction, merkle, store, witness_client
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError, HeldCheckpoint
from audit.store import Ledger, checkpoints, tiling
from audit.witness_client import Witness, WitnessAnswer
from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Scalar

log = logging.getLogger("itm.signing")
SECONDS = 5.0
"""Seconds for each of the two requests to a witness."""


@dataclass
class Collector:
    """One signer's requests to its witnesses."""

    witnesses: Sequence[Witness]
    _answered: dict[tuple[uuid.UUID, str], int] = field(default_factory=dict)
    """(ledger, witness) → the largest size that the witness has answered for, with any answer."""

    def collect(
        self, engine: Engine, outside: CheckpointFolder, signed: Sequence[tuple[Ledger, HeldCheckpoint]]
    ) -> None:
        """Asks for the newest checkpoint of each ledger, which includes earlier ones.

        A silent witness is not awaited twice.
        """
        newest = {ledger.id: (ledger, held) for ledger, held in signed}
        asked = list(self.witnesses)
        for ledger, held in newest.values():
            if not asked:
                return
            answers = ask(engine, asked, ledger, held)
            _keep(engine, outside, ledger, held, answers)
            asked = [answer.witness for answer in answers if answer.kind != "silent"]
            for witness in asked:
                self._answered[ledger.id, witness.key.name] = held.checkpoint.size

    def missed(
        self, engine: Engine, outside: CheckpointFolder, but: Container[uuid.UUID]
    ) -> list[tuple[Ledger, HeldCheckpoint]]:
        """Ledgers whose last checkpoint lacks a cosignature because its witness did not answer."""
        found = []
        with engine.connect() as connection:
            signed = {each.ledger: each.signed for each in checkpoints.growth(connection) if each.signed}
            for ledger in store.ledgers(connection) if self.witnesses else ():
                size = signed.get(ledger.id)
                if size and ledger.id not in but and self._lacks(connection, ledger.id, size):
                    found.append((ledger, outside.at(ledger.origin, size)))
        return found

    def _lacks(self, connection: Connection, ledger: uuid.UUID, size: int) -> bool:
        silent = [each.key for each in self.witnesses if self._answered.get((ledger, each.key.name), 0) < size]
        lines = checkpoints.cosignatures(connection, ledger, size).get(size, []) if silent else []
        return any(not any(line.is_by(key) for line in lines) for key in silent)


def ask(engine: Engine, witnesses: Sequence[Witness], ledger: Ledger, held: HeldCheckpoint) -> list[WitnessAnswer]:
    """Each witness's answer for this checkpoint; empty if no proof can be made."""
    said = held.checkpoint
    with engine.connect() as connection:

        def prove(old: int) -> list[bytes]:
            root = checkpoints.root_at(connection, ledger.id, old)
            if root is None:
                return merkle.consistency_proof(
                    old, said.size, tiling.tree(connection, ledger.id, said.size, True).node
                )
            return tiling.consistency(connection, ledger.id, (old, root), (said.size, said.root))

        try:
            known = _known(connection, ledger.id, witnesses, said.size)
            return witness_client.collect(witnesses, held.note, prove, known, SECONDS)
        except ValueError as error:  # the entries changed after they were signed: verification finds the place
            log.error("no proof for the witnesses of %s: %s", ledger.code, error)
            return []


def _known(connection: Connection, ledger: uuid.UUID, witnesses: Sequence[Witness], size: int) -> dict[str, int]:
    """Each witness's last cosigned size, as far as recorded; a witness corrects a wrong one itself."""
    found = checkpoints.cosignatures(connection, ledger)
    known: dict[str, int] = {}
    for old in sorted(each for each in found if each <= size):
        for witness in witnesses:
            if any(line.is_by(witness.key) for line in found[old]):
                known[witness.key.name] = old
    return known


def _knows_another_history(answer: WitnessAnswer, held: Sequence[int]) -> bool:
    """True if it cosigned more entries than were ever held: witnesses learn sizes only after they are held."""
    ahead = answer.kind == "ahead" and (answer.size or 0) > max(held, default=0)
    return answer.kind == "disagrees" or ahead


def _keep(
    engine: Engine, outside: CheckpointFolder, ledger: Ledger, held: HeldCheckpoint, answers: Sequence[WitnessAnswer]
) -> None:
    size, against = held.checkpoint.size, _against(outside, held, answers)
    with engine.begin() as connection:
        lines = [answer.cosignature for answer in answers if answer.cosignature is not None]
        if lines:
            checkpoints.record_cosignatures(connection, ledger.id, size, lines)
        for answer in against:
            holder = uuid.UUID(ledger.holder) if ledger.holder else None
            detail: dict[str, Scalar] = {"witness": answer.witness.key.name, "size": size, "held": answer.size}
            alert_raising.raise_alert(
                connection, Trouble(alert_raising.CONTRADICTED, ledger.code or ledger.origin, holder, detail=detail)
            )


def _against(outside: CheckpointFolder, held: HeldCheckpoint, answers: Sequence[WitnessAnswer]) -> list[WitnessAnswer]:
    """The answers with another history, held outside before an alert. If holding fails, the alert is still raised."""
    origin, found = held.checkpoint.origin, []
    for answer in answers:
        if answer.kind == "cosigned":
            continue
        name = answer.witness.key.name
        log.warning("%s did not cosign (%s): %s", name, answer.kind, answer.why)
        if _knows_another_history(answer, outside.sizes(origin)):
            found.append(answer)
            try:
                with outside.locked(wait=True):
                    contradiction.hold(outside, origin, name, held.checkpoint.size, answer.size)
            except (OSError, CheckpointFolderError) as trouble:
                log.error("what %s contradicted could not be held: %s", name, trouble)
    return found
