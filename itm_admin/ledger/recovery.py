"""Begins a lost checkpoint folder or signing key anew, after two people have decided it; as itm_signer.

Promise: a lost folder is filled again only with checkpoints that good keys signed and whose roots match the entries,
and not while a witness remembers another history; until it is complete nothing is signed. A lost key is replaced by a
newly named one. A loss of folder and database together is not found by this.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator

from sqlalchemy.engine import Connection, Engine

from audit import generation, note, store
from audit.checkpoint import Checkpoint
from audit.checkpoint_folder import HeldCheckpoint
from audit.compact_range import CompactRange
from audit.generation import Closure, generation_of
from audit.key import VerifierKey
from audit.key_statements import Keys
from audit.leaf import EMPTY
from audit.note import SignatureError
from audit.store import Ledger, checkpoints, generations
from itm_admin.ledger import alert_raising, approved_decisions, cosigning
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.approved_decisions import Approved
from itm_admin.ledger.signing import SigningPlace


class NotRecovered(Exception):
    """The folder or key cannot be begun anew now, with the reason."""


def carry_out(engine: Engine, place: SigningPlace, decision: Approved) -> None:
    """Carries out the decision, once, also after an interrupted try. The caller holds the lock. Raises NotRecovered."""
    with engine.connect() as connection:
        deployment = checkpoints.deployment(connection)
    if decision.reason == "KEY_LOST":
        _replace_key(engine, place, deployment)
    elif place.outside.deployment() != deployment:
        _refill(engine, place, deployment)
    with engine.begin() as connection:
        approved_decisions.carried_out(connection, decision.id)
        detail = {"reason": decision.reason}
        alert_raising.raise_alert(
            connection, Trouble(alert_raising.RECOVERED, "ledger.recover", decision.institution, None, detail)
        )


def _replace_key(engine: Engine, place: SigningPlace, deployment: str) -> None:
    if place.outside.deployment() != deployment:
        raise NotRecovered(f"{place.outside.folder} is not this database's: nothing says which keys were named")
    with engine.connect() as connection:
        sizes = {ledger.origin: ledger.size for ledger in store.ledgers(connection) if not ledger.lost}
    held = {origin: max(place.outside.sizes(origin), default=0) for origin in place.outside.origins()}
    place.keyring.replace_lost(deployment, sizes, held)


def _refill(engine: Engine, place: SigningPlace, deployment: str) -> None:
    outside, key = place.outside, place.keyring.current()
    if outside.deployment() is not None:
        raise NotRecovered(f"{outside.folder} is another database's")
    if key is None:
        raise NotRecovered("the signing key's file is lost too: nothing says which checkpoints to believe")
    with store.reading(engine) as connection:
        said = checkpoints.keys(connection)
        if key.verifier not in said.active:
            raise NotRecovered("the signing key's file is not one that the ledger names")
        for statement in said.statements:
            outside.state(statement)
        ledgers = [ledger for ledger in store.ledgers(connection) if not ledger.lost]
        last = {ledger.id: _fill(connection, place, ledger, said, key.verifier) for ledger in ledgers}
        for ledger in ledgers:
            _tell_of_opening(connection, place, ledger, ledgers)
    for ledger in ledgers:
        held = last[ledger.id]
        if held is not None and not ledger.closed:
            _ask(engine, place, ledger, held)
    outside.finish(deployment)


def _fill(
    connection: Connection, place: SigningPlace, ledger: Ledger, said: Keys, key: VerifierKey
) -> HeldCheckpoint | None:
    """Holds each recorded checkpoint that is proved; an open ledger's last one must be signed by the present key."""
    waiting = iter(checkpoints.copies(connection, ledger.id))
    there = set(place.outside.sizes(ledger.origin))
    place.outside.open(ledger.origin)
    grown, head, last = CompactRange(), EMPTY, None
    copy = next(waiting, None)
    for hash in _hashes(connection, ledger):
        grown.append(hash)
        head = hash
        while copy is not None and copy.size == grown.end:
            kept = CompactRange(0, grown.end, list(grown.hashes))
            held, counts = _good(copy.note, copy.signed_at, ledger.origin, head, kept, said)
            if held is not None and copy.size not in there:
                place.outside.keep(held)
            if held is not None and counts:
                last = held
            copy = next(waiting, None)
    if last is not None and not ledger.closed:
        try:
            note.verified(last.note, [key])
        except SignatureError as error:
            raise NotRecovered(f"{ledger.origin}: its last checkpoint is not by the key that signs: {error}") from None
    return last


def _good(
    signed: str, at: str, origin: str, head: bytes, grown: CompactRange, said: Keys
) -> tuple[HeldCheckpoint | None, bool]:
    """The checkpoint if it is proved, else None; and True if a key that counts signed it."""
    try:
        held = HeldCheckpoint(note.parse(signed.encode()), at, head, grown)
        if held.checkpoint == Checkpoint(origin, grown.end, grown.root()):
            return held, said.require(held.note, origin, grown.end)
    except ValueError:
        pass
    return None, False


def _tell_of_opening(connection: Connection, place: SigningPlace, ledger: Ledger, ledgers: list[Ledger]) -> None:
    """Stores the opening from a next generation's first entry, with the present findings of the ledger before it."""
    if generation_of(ledger.origin) < 2:
        return
    told = generations.opening(connection, ledger.id)
    try:
        size, root = int(told["size"]), b64decode(told["root"], validate=True)
        closure = Closure(ledger.origin, told["previous"], size, root, told["reason"], told["decision"])
    except (KeyError, TypeError, ValueError):
        raise NotRecovered(f"{ledger.origin}: its first entry does not say how it was opened") from None
    before = next((each for each in ledgers if each.origin == closure.closes), None)
    if before is not None:
        closure = closure.with_known(store.verify(connection, before, "full", evidence=place.evidence()).verdict)
    if place.outside.deployment() is None and generation.closures(place.outside).opening(ledger.origin) is None:
        generation.hold(place.outside, closure, place.outside.disk)


def _ask(engine: Engine, place: SigningPlace, ledger: Ledger, held: HeldCheckpoint) -> None:
    """Raises NotRecovered unless the quorum of witnesses remembers no other history."""
    if not place.witnesses:
        return
    answers = cosigning.ask(engine, place.witnesses, ledger, held)
    for answer in answers:
        if answer.kind in ("ahead", "disagrees"):
            raise NotRecovered(f"{ledger.origin}: {answer.witness.key.name} remembers another history: {answer.why}")
    if sum(answer.kind == "cosigned" for answer in answers) < place.quorum:
        raise NotRecovered(f"{ledger.origin}: too few witnesses answer")


def _hashes(connection: Connection, ledger: Ledger) -> Iterator[bytes]:
    for page in store.entries(connection, ledger.id, 0, ledger.size):
        for entry in page:
            yield entry.hash
