"""The only Python that talks to the ledger's tables: installs them, appends, streams, verifies, records.

Promise: what is read is one snapshot, in constant memory; nothing is written but by the ledger's own functions.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from audit.coverage import REREAD, Level, Past, Plan, plan
from audit.event import Columns
from audit.leaf import EMPTY, Entry
from audit.verification import Anchors, Finding, Head, Verdict, Verifier

SQL = Path(__file__).parent / "sql"
PAGE = 2_000
Unreadable = (SQLAlchemyError, psycopg.Error)
"""What a database raises that cannot be asked, or breaks off."""

Database = Engine
Progress = Callable[[int, int], None]
Stop = Callable[[], bool]

_TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

# The ledgers, and those that only leaves or earlier verifications still tell of.
_LEDGERS = f"""
WITH RECURSIVE seen(id) AS (
    (SELECT ledger_id FROM audit.leaf ORDER BY ledger_id LIMIT 1)
    UNION ALL
    SELECT (SELECT f.ledger_id FROM audit.leaf f WHERE f.ledger_id > seen.id ORDER BY f.ledger_id LIMIT 1)
    FROM seen WHERE seen.id IS NOT NULL
), verified AS (
    SELECT DISTINCT ON (ledger_id) ledger_id AS id, origin FROM audit.verification
    WHERE verdict = 'intact' ORDER BY ledger_id, id DESC
)
SELECT l.id, l.code, l.origin, l.generation, l.size, l.head, {_TIME.format("l.recorded_at")} AS recorded_at,
       l.holder::text AS holder, d.name AS deployment
FROM audit.ledger l LEFT JOIN audit.deployment d ON true
UNION ALL
SELECT i.id, NULL, coalesce(v.origin, 'unknown'), NULL, 0, NULL, NULL, NULL, NULL
FROM (SELECT id FROM seen WHERE id IS NOT NULL UNION SELECT id FROM verified WHERE id IS NOT NULL) i
LEFT JOIN verified v USING (id) WHERE NOT EXISTS (SELECT FROM audit.ledger l WHERE l.id = i.id)
ORDER BY 2 NULLS LAST, 4
"""  # noqa: S608 (our own words)

_ENTRIES = f"""
SELECT f.seq, f.event_id::text, f.recorded_at, f.prev, f.commitment, f.hash, e.salt, e.content,
       coalesce(e.ledger_id = f.ledger_id, false),
       e.id::text, {_TIME.format("e.at")}, e.action, e.outcome, e.via, e.actor_id, e.actor_name, e.actor_institution,
       e.actor_role, e.target_kind, e.target_id, e.target_holder::text, e.subjects, e.purpose, e.request_id
FROM audit.leaf f LEFT JOIN audit.event e ON e.id = f.event_id
WHERE f.ledger_id = %s AND f.seq >= %s AND f.seq < %s ORDER BY f.seq LIMIT %s
"""  # noqa: S608 (our own words)


# The panel's role sees part of a ledger, at times: what it does not see is not missing.
_SEES = """
SELECT session_user <> 'itm_app' OR coalesce(said ->> 'reads' = 'all'
    OR said ->> 'reads' = 'ledger' AND said ->> 'ledger' = :holder, false)
FROM audit.context() said
"""


class Unseen(Exception):
    """This connection does not see the whole ledger, so it cannot judge it."""


@dataclass(frozen=True)
class Ledger:
    """A ledger's row. ``lost`` says that the row is gone while something still tells of it."""

    id: uuid.UUID
    code: str | None
    origin: str
    size: int
    head: bytes
    recorded_at: str | None
    holder: str | None
    expected_origin: str | None
    lost: bool


@dataclass(frozen=True)
class Verification:
    """A verdict, and what was read for it: `checked` entries, the first of them `first_seq`."""

    ledger: Ledger
    level: Level
    started: datetime
    seconds: float
    first_seq: int
    checked: int
    next_seq: int
    verdict: Verdict


def install(connection: Connection) -> None:
    """Makes the schema `audit`, once, as itm_owner, in the transaction of `connection`."""
    for script in sorted(SQL.glob("*.sql")):
        connection.exec_driver_sql(script.read_text("utf-8"), execution_options={"no_parameters": True})


def append(
    connection: Connection,
    action: str,
    *,
    outcome: str = "success",
    kind: str | None = None,
    id: str | None = None,
    subjects: Sequence[str] = (),
    purpose: str | None = None,
    detail: Mapping[str, str | int | float | bool | None] | None = None,
    to_presidency: bool = False,
) -> uuid.UUID:
    """Appends an event that is not a change of a row; it is sealed when the caller commits.

    Goes to the ledger of the bound context, or to the Presidency's. Raises the driver's error when refused.
    """
    values = {
        "action": action,
        "outcome": outcome,
        "kind": kind,
        "id": id,
        "subjects": list(subjects),
        "purpose": purpose,
        "detail": None if detail is None else json.dumps(detail),
        "to_presidency": to_presidency,
    }
    statement = text(
        "SELECT audit.append(:action, :outcome, :kind, :id, cast(:subjects AS text[]), :purpose,"
        " cast(:detail AS jsonb), :to_presidency)"
    )
    written: uuid.UUID = connection.execute(statement, values).scalar_one()
    return written


def ledgers(connection: Connection) -> list[Ledger]:
    """Every ledger that this connection may see, by code; those whose row is lost come last."""
    rows = connection.exec_driver_sql(_LEDGERS).all()
    return [
        Ledger(
            row.id,
            row.code,
            row.origin,
            row.size,
            EMPTY if row.head is None else bytes(row.head),
            row.recorded_at or None,
            row.holder,
            f"{row.deployment}/ledger/{row.code}/{row.generation}" if row.deployment else None,
            lost=row.code is None,
        )
        for row in rows
    ]


def entries(connection: Connection, ledger: uuid.UUID, start: int, stop: int) -> Iterator[list[Entry]]:
    """Entries start to stop - 1 in pages, in order, as many as there are."""
    driver: Any = connection.connection.dbapi_connection
    if driver is None:
        raise psycopg.OperationalError("the connection is closed")
    with driver.cursor(binary=True) as cursor:
        while start < stop:
            rows = cursor.execute(_ENTRIES, (ledger, start, stop, PAGE)).fetchall()
            if rows:
                yield [_entry(row) for row in rows]
            if len(rows) < PAGE:
                return
            start = rows[-1][0] + 1


def _entry(row: Sequence[Any]) -> Entry:
    seq, event_id, recorded_at, prev, commitment, hash, salt, content, in_place, *searched = row
    columns = None
    if content is not None:
        columns = Columns._make(tuple(value) if isinstance(value, list) else value for value in searched)
    return Entry(seq, event_id, recorded_at, prev, commitment, hash, salt, content, columns, in_place)


def verify(
    bind: Engine | Connection,
    ledger: Ledger,
    level: Level,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Verification:
    """Reads the ledger as far as the level says and gives a verdict; never raises for what it reads.

    An engine is read in a snapshot of its own, where the ledger's row is read again; a connection as it stands.
    ``progress`` is called with entries read and entries to read; ``stop`` ends the run with "cannot tell".
    """
    started, clock = datetime.now(UTC), time.monotonic()
    run = _Run(ledger, level)
    try:
        with _reading(bind) as connection:
            run.prepare(connection)
            run.read(connection, progress, stop)
    except (*Unreadable, Unseen) as error:
        run.verifier.failed(type(error).__name__)
    return Verification(
        run.ledger,
        level,
        started,
        time.monotonic() - clock,
        run.plan.stretches[0][0],
        run.verifier.checked,
        run.plan.next_seq,
        run.verifier.verdict(),
    )


@contextmanager
def _reading(bind: Engine | Connection) -> Iterator[Connection]:
    if isinstance(bind, Connection):
        yield bind
        return
    snapshot = bind.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with snapshot.connect() as connection:
        yield connection


class _Run:
    """One verification: which stretches to read, and what surrounds the entries."""

    def __init__(self, ledger: Ledger, level: Level) -> None:
        self.ledger = ledger
        self.level = level
        self.plan = Plan(((0, ledger.size),))
        self.verifier = Verifier(_head(ledger))

    def prepare(self, connection: Connection) -> None:
        if not connection.execute(text(_SEES), {"holder": self.ledger.holder}).scalar():
            raise Unseen
        again = [other for other in ledgers(connection) if other.id == self.ledger.id]
        self.ledger = again[0] if again else self.ledger
        heads = connection.execute(
            text("SELECT DISTINCT size, head FROM audit.verification WHERE ledger_id = :id AND verdict = 'intact'"),
            {"id": self.ledger.id},
        )
        anchors = Anchors((row.size, bytes(row.head)) for row in heads if row.size)
        self.verifier = Verifier(_head(self.ledger), (anchors,))
        if self.ledger.lost or not again:
            self.verifier.report(Finding(0, "ledger", "the ledger itself is not there"))
        elif self.ledger.expected_origin not in (None, self.ledger.origin):
            self.verifier.report(Finding(0, "origin", "code, generation and origin do not agree"))
        self.plan = plan(self.level, self.ledger.size, self._past(connection), REREAD)
        self._look_around(connection)

    def _past(self, connection: Connection) -> Past | None:
        row = connection.execute(
            text(
                "SELECT verdict, size, next_seq FROM audit.verification"
                " WHERE ledger_id = :id AND verdict <> 'cannot tell' ORDER BY id DESC LIMIT 1"
            ),
            {"id": self.ledger.id},
        ).one_or_none()
        return None if row is None else Past(row.verdict == "intact", row.size, row.next_seq)

    def _look_around(self, connection: Connection) -> None:
        """What no entry shows: leaves past the end, events that no leaf seals."""
        past = connection.execute(
            text(
                "SELECT coalesce((SELECT min(seq) FROM audit.leaf WHERE ledger_id = :id AND seq < 0),"
                " (SELECT min(seq) FROM audit.leaf WHERE ledger_id = :id"
                "  AND seq >= coalesce((SELECT size FROM audit.ledger WHERE id = :id), 0)))"
            ),
            {"id": self.ledger.id},
        ).scalar()
        if past is not None:
            self.verifier.report(Finding(past, "size", f"an entry past the ledger's size of {self.ledger.size}"))
        unsealed = connection.execute(
            text(
                "SELECT e.id::text FROM audit.event e LEFT JOIN audit.leaf f ON f.event_id = e.id"
                " WHERE f.event_id IS NULL AND (e.ledger_id = :id"
                " OR :first AND NOT EXISTS (SELECT FROM audit.ledger l WHERE l.id = e.ledger_id))"
            ),
            {"id": self.ledger.id, "first": self.ledger.code is not None and self.level == "full"},
        ).scalars()
        for event_id in unsealed:
            self.verifier.report(Finding(None, "unsealed", f"event {event_id} has no place in the ledger"))

    def read(self, connection: Connection, progress: Progress | None, stop: Stop | None) -> None:
        verifier = self.verifier
        total = self.plan.total
        for start, end in self.plan.stretches:
            verifier.begin(start)
            for page in entries(connection, self.ledger.id, start, end):
                for entry in page:
                    verifier.feed(entry)
                if progress:
                    progress(verifier.checked, total)
                if stop and stop():
                    verifier.failed("stopped")
                    return
            verifier.end(end)
        verifier.close()
        if progress:
            progress(total, total)


def _head(ledger: Ledger) -> Head:
    return Head(ledger.origin, ledger.size, ledger.head, ledger.recorded_at, ledger.holder)


def record(connection: Connection, verification: Verification) -> None:
    """Keeps a verification for the screens; an intact one is an anchor for all later ones. As itm_signer."""
    v = verification.verdict
    connection.execute(
        text(
            "SELECT audit.record_verification(:ledger, :origin, :level, :started, :seconds, :first_seq, :checked,"
            " :next_seq, :size, :head, :verdict, :assurance, :first_broken, cast(:findings AS jsonb))"
        ),
        {
            "ledger": verification.ledger.id,
            "origin": v.origin,
            "level": verification.level,
            "started": verification.started,
            "seconds": verification.seconds,
            "first_seq": verification.first_seq,
            "checked": verification.checked,
            "next_seq": verification.next_seq,
            "size": v.size,
            "head": v.head,
            "verdict": v.verdict,
            "assurance": v.assurance,
            "first_broken": v.first_broken,
            "findings": json.dumps([asdict(finding) for finding in v.findings]),
        },
    )


def record_round(connection: Connection, verifications: Sequence[Verification]) -> None:
    """Keeps a round: each verification, and one entry in the Presidency's ledger that names their number."""
    if not verifications:
        return
    for verification in verifications:
        record(connection, verification)
    words = [verification.verdict.verdict for verification in verifications]
    append(
        connection,
        "ledger.verify",
        outcome="success" if set(words) == {"intact"} else "failure",
        kind="ledger",
        detail={
            "level": verifications[0].level,
            "ledgers": len(words),
            "intact": words.count("intact"),
            "tampered": words.count("tampered"),
            "cannot_tell": words.count("cannot tell"),
            "entries": sum(verification.checked for verification in verifications),
            "seconds": round(sum(verification.seconds for verification in verifications), 3),
        },
        to_presidency=True,
    )
