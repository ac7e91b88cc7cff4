"""Receipts: the signed checkpoint of a ledger, downloaded now and compared later.

Promise: the holder of a receipt learns if today's signed hashes still continue the receipt's; a proof is verified here
before it is shown. Only hashes are read: nobody sees another's entry. A content that was changed keeps its hash, so the
comparison alone clears no ledger: the newest verification stands beside it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from flask_babel import lazy_gettext as _l
from sqlalchemy import text

from audit import note
from audit.checkpoint import Checkpoint
from audit.merkle import span_root
from audit.note import SignatureError
from audit.store import checkpoints, tiling
from itm_admin.assurance import ledger_queries
from itm_admin.assurance.labels import VERDICT_ORDER
from itm_admin.assurance.ledger_queries import AnyRow, AnySession
from itm_admin.foundation.errors import Invalid, Message, NotFound

LARGEST = 16 * 1024
"""Bytes of a receipt: far more than a checkpoint with a hundred cosignatures needs."""

_SIGNED = text("SELECT l.id FROM audit.ledger l WHERE EXISTS (SELECT FROM audit.checkpoint c WHERE c.ledger_id = l.id)")

Answer = Literal["goes on", "rewritten", "restored", "distrusted"]

UNVERIFIED = "unverified"
"""Instead of a verdict: no verification of all entries has covered those of the receipt."""


@dataclass(frozen=True)
class LedgerStanding:
    """The verdict that counts for a receipt's entries, or UNVERIFIED; and when they were read."""

    verdict: str
    at: datetime | None = None


@dataclass(frozen=True)
class Receipt:
    """A file to download."""

    code: str
    size: int
    content: bytes

    @property
    def filename(self) -> str:
        return f"itm-{self.code}-{self.size}.checkpoint.txt"


@dataclass(frozen=True)
class Compared:
    """The comparison of a receipt with today's ledger. ``proof`` is the consistency proof (RFC 6962)."""

    answer: Answer
    ledger: uuid.UUID
    code: str
    kept: Checkpoint
    now: Checkpoint | None = None
    proof: Sequence[bytes] = ()
    closed: bool = False
    """True if a next generation of this ledger was opened since."""
    standing: LedgerStanding = LedgerStanding(UNVERIFIED)


def current(session: AnySession, ledger: uuid.UUID) -> Receipt:
    """The newest checkpoint with the witnesses' signatures. Raises NotFound without one, or for another's ledger."""
    row = ledger_queries.find_ledger(session, ledger)
    connection = session.connection()
    last = checkpoints.last(connection, ledger)
    if last is None:
        raise NotFound(_l("This ledger has no signed checkpoint yet. Come back in a minute."))
    cosigned = checkpoints.cosignatures(connection, ledger, last.size).get(last.size, [])
    return Receipt(row.code, last.size, bytes(note.parse(last.note.encode()).with_signatures(cosigned)))


def signed(session: AnySession) -> frozenset[uuid.UUID]:
    """The ledgers of which there is a checkpoint to take away."""
    return frozenset(session.scalars(_SIGNED))


def compare(session: AnySession, content: bytes) -> Compared:
    """Raises Invalid unless it is a receipt of a ledger that this person may see, signed by one of its keys."""
    if not content:
        raise _refused(_l("Choose the receipt's file."))
    if len(content) > LARGEST:
        raise _refused(_l("This file is too large for a receipt."))
    try:
        signed = note.parse(content)
        kept = Checkpoint.parse(signed.text)
    except ValueError:
        raise _refused(_l("This file is no receipt: it was changed, or it is another file.")) from None
    ledger = next((row for row in ledger_queries.ledgers(session) if row.origin == kept.origin), None)
    if ledger is None or kept.size == 0:
        raise _refused(_l("This is not a receipt of a ledger that you may see."))
    try:
        counts = checkpoints.keys(session.connection()).require(signed, kept.origin, kept.size)
    except SignatureError:
        raise _refused(
            _l("It is not signed by a key that the ledger names. Verify it with the key that you received on paper.")
        ) from None
    closed = ledger.closed_at is not None
    if not counts:
        return Compared("distrusted", ledger.id, ledger.code, kept, closed=closed)
    return replace(_compared(session, ledger, kept), closed=closed)


def _compared(session: AnySession, ledger: AnyRow, kept: Checkpoint) -> Compared:
    if kept.size > ledger.size:
        return Compared("restored", ledger.id, ledger.code, kept)
    try:
        now = _now(session, ledger, kept.size)
        proof = tiling.consistency(session.connection(), ledger.id, (kept.size, kept.root), (now.size, now.root))
    except ValueError:
        return Compared("rewritten", ledger.id, ledger.code, kept)
    return Compared(
        "goes on", ledger.id, ledger.code, kept, now, proof, standing=_standing(session, ledger.id, kept.size)
    )


def _standing(session: AnySession, ledger: uuid.UUID, size: int) -> LedgerStanding:
    """A bad verdict of any level counts until a later run over all entries is intact.

    An intact run counts only if it read all entries and at least as many as the receipt has.
    """
    rows = ledger_queries.verdicts(session, ledger)
    full = next((row for row in rows if row.level == "full"), None)
    cleared = full.id if full is not None and full.verdict == "intact" else 0
    bad = [row for row in rows if row.verdict != "intact" and row.id > cleared]
    if bad:
        worst = min(bad, key=lambda row: (VERDICT_ORDER.get(row.verdict, 0), -row.id))
        return LedgerStanding(worst.verdict, worst.recorded_at)
    if full is None or full.size < size:
        return LedgerStanding(UNVERIFIED)
    return LedgerStanding(full.verdict, full.since or full.started)


def _now(session: AnySession, ledger: AnyRow, size: int) -> Checkpoint:
    """The newest checkpoint, or today's entries if it is older than the receipt.

    Raises ValueError if some are missing.
    """
    connection = session.connection()
    last = checkpoints.last(connection, ledger.id)
    if last is not None and last.size >= size:
        return Checkpoint.parse(note.parse(last.note.encode()).text)
    made = tiling.tree(connection, ledger.id, ledger.size)
    return Checkpoint(ledger.origin, ledger.size, span_root((0, ledger.size), made.node))


def _refused(why: Message) -> Invalid:
    return Invalid({"receipt": why})
