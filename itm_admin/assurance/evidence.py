"""Exports of evidence: the request, the export's entry, and a ledger's signed state for people.

Promise: a bundle is made from one snapshot with the requester's rights, in constant memory, and judged by the offline
verifier's own code before a byte of it is sent. Readers need not trust this module.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from audit import bundle_export, note, store, verify
from audit.bundle import Bound, EventFilter
from audit.checkpoint import Checkpoint, opened
from audit.evidence_report import Report, unreadable
from audit.key import VerifierKey
from audit.key_statements import Keys
from audit.policy import Policy
from audit.store import Ledger, checkpoints
from audit.witness_client import Witness
from itm_admin.assurance import ledger_queries
from itm_admin.assurance.ledger_queries import AnySession
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.tenancy import Context

log = logging.getLogger("itm.evidence")
ISTANBUL = ZoneInfo("Europe/Istanbul")
_NEWEST_STAMP = "SELECT size, stamped_at FROM audit.timestamp WHERE ledger_id = :id ORDER BY size DESC LIMIT 1"
_COSIGNED = """
SELECT c.size, c.note, array_agg(w.line) AS lines
FROM audit.cosignature w JOIN audit.checkpoint c USING (ledger_id, size) WHERE c.ledger_id = :id
GROUP BY c.size, c.note HAVING count(*) >= :quorum ORDER BY c.size DESC LIMIT 1
"""
_OWN_TIME = """
SELECT min(f.seq) AS first, max(f.seq) AS last, count(*) AS number
FROM ONLY audit.event e JOIN ONLY audit.leaf f ON f.event_id = e.id
WHERE e.ledger_id = :id
  AND (cast(:since AS timestamptz) IS NULL OR e.at >= :since)
  AND (cast(:until AS timestamptz) IS NULL OR e.at <= :until)
  AND (cast(:low AS bigint) IS NULL OR f.seq >= :low) AND (cast(:high AS bigint) IS NULL OR f.seq <= :high)
"""
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '5min'"
"""A slow download holds a snapshot that writes nothing, and no head of a ledger."""


@dataclass(frozen=True)
class SignedState:
    """A ledger's signed, witnessed and stamped sizes, as the database has recorded them."""

    size: int
    signed_at: datetime
    checkpoint: Checkpoint
    keys: tuple[VerifierKey, ...]
    """The keys that signed it, among those that count."""
    witnessed: int | None = None
    stamped: int | None = None
    stamped_at: datetime | None = None

    @property
    def newest(self) -> int:
        """The last signed entry."""
        return self.size - 1


def bound(said: str | None, last: bool) -> Bound:
    """A sequence number, or a time: a whole day (of Istanbul), or a moment. Raises ValueError."""
    if said is None or said.isdecimal():
        return None if said is None else int(said)
    moment = datetime.fromisoformat(said)
    if len(said) <= len("2026-01-31") and last:
        moment += timedelta(days=1, microseconds=-1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ISTANBUL)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Period:
    """The numbers of the entries whose own time is in the requested period, and of other entries among them."""

    asked: EventFilter
    numbers: EventFilter
    apart: int = 0


def numbered(connection: Connection, ledger: uuid.UUID, asked: EventFilter) -> Period:
    """Replaces times by numbers, using the entries' own time, as pages and filters do.

    The sealed time never goes back: after a clock that ran ahead it would move entries to another month. Raises Invalid
    if no entry's time is in the period.
    """
    times = {name: said for name, said in (("since", asked.since), ("until", asked.until)) if isinstance(said, str)}
    if not times:
        return Period(asked, asked)
    numbers = {
        "low": asked.since if isinstance(asked.since, int) else None,
        "high": asked.until if isinstance(asked.until, int) else None,
    }
    values = {"id": ledger, "since": times.get("since"), "until": times.get("until"), **numbers}
    found = connection.execute(text(_OWN_TIME), values).one()
    if found.first is None:
        raise Invalid(dict.fromkeys(times, _l("No entry of this ledger has its time in this period.")))
    within = replace(asked, since=found.first, until=found.last)
    return Period(asked, within, found.last - found.first + 1 - found.number)


def told(form: str, asked: EventFilter, period: Period | None = None) -> dict[str, Bound]:
    """The details of an export's entry. A typed name is not repeated in it; an id is."""
    if period is not None and period.numbers != period.asked:
        told_of = told(form, asked) | {"first": period.numbers.since, "last": period.numbers.until}
        return told_of | ({"apart": period.apart} if period.apart else {})
    actor = None if asked.actor is None else asked.actor if _is_id(asked.actor) else "by name"
    target = None if asked.target is None else ":".join(asked.target)
    return {"form": form, "from": asked.since, "to": asked.until, "target": target, "actor": actor}


def policy_text(connection: Connection, witnesses: Sequence[str], quorum: int) -> str:
    """The policy that this installation suggests to its verifiers, for information."""
    known = [Witness.parse(each).key for each in witnesses]
    lines = [f"log {key}" for key in checkpoints.keys(connection).named]
    lines += [f"witness w{n} {key}" for n, key in enumerate(known, 1)]
    if known:
        lines.append(" ".join(["group", "witnesses", str(quorum), *(f"w{n + 1}" for n in range(len(known)))]))
    lines.append(f"quorum {'witnesses' if known else 'none'}")
    return "".join(f"{line}\n" for line in lines)


def signed(session: AnySession, ledger: uuid.UUID, witnesses: Sequence[str], quorum: int) -> SignedState | None:
    """The ledger's signed state; None while nothing is signed. Raises NotFound for another's ledger."""
    row, connection = ledger_queries.find_ledger(session, ledger), session.connection()
    last = checkpoints.last(connection, ledger)
    if last is None:
        return None
    read, keys = note.parse(last.note.encode()), checkpoints.keys(connection)
    count = keys.for_checkpoint(row.origin, last.size)
    stamp = connection.execute(text(_NEWEST_STAMP), {"id": ledger}).one_or_none()
    known = [Witness.parse(each).key for each in witnesses]
    witnessed = None
    for each in connection.execute(text(_COSIGNED), {"id": ledger, "quorum": quorum}) if known else ():
        with suppress(ValueError):
            policy = Policy(keys.for_checkpoint(row.origin, each.size), tuple(known), quorum)
            cosigned = note.parse(each.note.encode()).with_signatures(note.signature_lines("".join(each.lines)))
            if opened(bytes(cosigned), policy, row.origin).assurance == "witnessed":
                witnessed = each.size
    return SignedState(
        last.size,
        last.signed_at,
        Checkpoint.parse(read.text),
        tuple(key for key in count if any(line.is_by(key) for line in read.signatures)),
        witnessed,
        stamp.size if stamp else None,
        stamp.stamped_at if stamp else None,
    )


def is_signed(session: AnySession, ledger: uuid.UUID, seq: int) -> bool:
    """True if a recorded checkpoint covers the entry."""
    last = checkpoints.last(session.connection(), ledger)
    return last is not None and last.size > seq


def proof(session: AnySession, id: uuid.UUID, seq: int) -> bytes:
    """The proof of an entry that this person sees. Raises NotCovered if it is not signed yet."""
    return bytes(bundle_export.proof(session.connection(), _ledger(session.connection(), id), seq))


def require_reach(session: AnySession, id: uuid.UUID, asked: EventFilter) -> None:
    """Raises Invalid if no such bundle can be made yet, NotFound for another's ledger."""
    ledger_queries.find_ledger(session, id)
    connection = session.connection()
    try:
        bundle_export.reach(connection, _ledger(connection, id), asked)
    except bundle_export.NotCovered:
        raise Invalid(
            message=_l(
                "Content of these entries was purged a moment ago, and the entry that says so is not signed yet."
                " Without it the bundle would look tampered with. Come back in a minute."
            )
        ) from None


def taken(
    engine: Engine, context: Context, id: uuid.UUID, asked: EventFilter, witnesses: Sequence[str], quorum: int
) -> tuple[BinaryIO, Report]:
    """A whole bundle in an unnamed file, and the verifier's report on it. Raises any error that interrupts it."""
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 (the caller's)
    try:
        with snapshot.connect() as connection:
            connection.execute(text(_PATIENCE))
            tenancy.apply(connection, context)
            policy, keys = policy_text(connection, witnesses, quorum), checkpoints.keys(connection)
            for piece in bundle_export.streamed(connection, _ledger(connection, id), asked, policy):
                file.write(piece)
        return file, judged(file, keys)
    except BaseException as fault:
        file.close()
        log.error("a bundle could not be made (%s)", type(fault).__name__)
        raise


def judged(file: BinaryIO, keys: Keys) -> Report:
    """The report that a receiver would get, with the keys that the ledger names now.

    Leaves the file at its beginning.
    """
    try:
        policy = Policy(keys.named, said=keys)
    except ValueError as error:
        return unreadable(str(error), "key")
    file.seek(0)
    report = verify.judge(file, policy)
    file.seek(0)
    return report


def _ledger(connection: Connection, id: uuid.UUID) -> Ledger:
    return next(ledger for ledger in store.ledgers(connection) if ledger.id == id)


def _is_id(said: str) -> bool:
    with suppress(ValueError):
        return str(uuid.UUID(said)) == said
    return False
