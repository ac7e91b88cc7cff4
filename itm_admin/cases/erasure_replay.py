"""Erasures once more: what the list outside says was erased, and a restored backup brought back.

As itm_signer: at the start of the system, in the scheduler's job, and by `itm erasures replay`. Promise: a person
who is listed as erased and stands in the database is erased again, with an entry and an alert. What was only intended
is never carried out by itself: it is told, and a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from audit.store.session import OPTIONS
from itm_admin.foundation.config import Settings
from itm_admin.foundation.erasure_list import Erasure, Erasures
from itm_admin.ledger import alert_raising
from itm_admin.ledger.alert_raising import Trouble
from itm_admin.ledger.job_runs import Halt, Scalar

SUBJECT = "person.erasures"


@dataclass(frozen=True)
class Replayed:
    """The result of one reading of the list: erased again, ended late, intended and open, erased but on no list."""

    repeated: int = 0
    settled: int = 0
    open: int = 0
    unlisted: int = 0


def replay(engine: Engine, erasures: Erasures) -> Replayed:
    """Compares list and database, and puts both right. ListError if the list cannot be read."""
    listed = erasures.listed()
    repeated, settled, waiting = 0, [], 0
    with engine.begin() as connection:
        alive = _alive(connection, [each.erasure for each in listed])
        for each in listed:
            standing = alive.get(str(each.erasure.person))
            if each.end == "erased" and standing:
                repeated += _again(connection, each.erasure)
            elif each.end != "erased" and standing is False:
                settled.append(each.erasure)  # it was committed, and nobody lived to say so
            elif each.end is None and standing:
                waiting += 1
        known = {each.erasure.person for each in listed}
        missing = [each for each in _erased(connection) if each.person not in known]
        found = Replayed(repeated, len(settled), waiting, len(missing))
        _tell(connection, found)
    for erasure in settled:
        erasures.end(erasure, "erased")
    for erasure in missing:  # what the database knows is better on a list than on none
        erasures.intend(erasure)
        erasures.end(erasure, "erased")
    return found


def work(engine: Engine, _halt: Halt, erasures: Erasures | None = None) -> Mapping[str, Scalar]:
    """As a scheduled job. Without a list there is nothing to compare with."""
    if erasures is None:
        return {}
    found = replay(engine, erasures)
    return {name: count for name, count in vars(found).items() if count}


def at_start(settings: Settings) -> Replayed | None:
    """Before a database that may be a restored one is served. None where the signer's address is unknown."""
    if settings.signer_url is None:
        return None
    engine = create_engine(
        settings.signer_url, poolclass=NullPool, hide_parameters=True, connect_args={"options": OPTIONS}
    )
    try:
        return replay(engine, Erasures.of(settings))
    finally:
        engine.dispose()


def _alive(connection: Connection, listed: Sequence[Erasure]) -> dict[str, bool]:
    """Of those who are in the database: whether they stand there unerased."""
    persons = [erasure.person for erasure in listed]
    rows = connection.execute(text("select person, alive from itm.alive_again(:persons)"), {"persons": persons})
    return {str(row.person): row.alive for row in rows}


def _again(connection: Connection, erasure: Erasure) -> int:
    values = {
        "institution": erasure.institution,
        "person": erasure.person,
        "ground": erasure.ground,
        "cases": list(erasure.cases),
    }
    question = text("select itm.erase_again(:institution, :person, :ground, cast(:cases as uuid[]))")
    return int(bool(connection.scalar(question, values)))


def _erased(connection: Connection) -> list[Erasure]:
    rows = connection.execute(text("select institution, person, ground from itm.erased_persons()"))
    return [Erasure(row.person, row.institution, row.person, row.ground) for row in rows]


def _tell(connection: Connection, found: Replayed) -> None:
    told = {"repeated": found.repeated, "open": found.open, "unlisted": found.unlisted}
    if found.repeated:
        alert_raising.raise_alert(connection, Trouble(alert_raising.RETURNED, SUBJECT, detail=told))
    if found.open or found.unlisted:
        alert_raising.raise_alert(connection, Trouble(alert_raising.UNFINISHED, SUBJECT, detail=told))
