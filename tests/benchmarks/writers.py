"""Many writers at once: on eight ledgers through the ORM, and on one ledger with work in each transaction.

Each writer is a process, as web workers are. They begin a turn together; a turn's time is that of the last one.
"""

from __future__ import annotations

import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection as Pipe
from typing import Any

import psycopg
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.orm import sessionmaker

from itm_admin.cases.models import Case
from itm_admin.foundation import tenancy
from itm_admin.foundation.command_door import CommandDoor
from itm_admin.foundation.database import engine_options
from itm_admin.foundation.tenancy import Context
from tests.benchmarks.figures import Figure, Scale
from tests.benchmarks.place import Place
from tests.benchmarks.taking import in_turn
from tests.benchmarks.updates import PROVINCES, without_capture
from tests.conftest import Database
from tests.factories import Factory, Somebody

WRITERS = 8
WORK_SECONDS = 0.005
UNCHAINED = """
CREATE TABLE public.unchained (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz NOT NULL DEFAULT clock_timestamp(), actor text,
    action text NOT NULL, target text NOT NULL, old text, new text
);
CREATE INDEX ON public.unchained (target);
CREATE INDEX ON public.unchained (actor, at);
GRANT INSERT ON public.unchained TO itm_app;
"""
LOCK_FIRST = """
CREATE FUNCTION public.lock_head(holder uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
AS 'SELECT FROM audit.ledger l WHERE l.holder = $1 FOR NO KEY UPDATE';
GRANT EXECUTE ON FUNCTION public.lock_head TO itm_app;
"""


@dataclass(frozen=True)
class Job:
    """One writer's settings for its updates: a database's address, its actor with a command's secret, and its case."""

    address: str
    context: Context
    case: uuid.UUID
    secret: bytes

    @classmethod
    def of(cls, database: Database, make: Factory, who: Somebody) -> Job:
        secret = CommandDoor(database.engine("owner"), "bench")(who.context())
        return cls(database.url("app"), who.context(), make.case(who).id, secret)


Change = Callable[[Any, Job, int], None]


def through_the_orm(session_of: Any, job: Job, number: int) -> None:
    with tenancy.acting(job.context), session_of() as session:
        session.get_one(Case, job.case).province = PROVINCES[number % 2]
        session.commit()


def with_a_row_in_a_table(session_of: Any, job: Job, number: int) -> None:
    """The cost of an audit table without a chain: one insert beside the change."""
    with tenancy.acting(job.context), session_of() as session:
        session.get_one(Case, job.case).province = PROVINCES[number % 2]
        session.execute(
            text("INSERT INTO unchained (actor, action, target, new) VALUES (:a, 'record.update', :t, :n)"),
            {"a": str(job.context.account), "t": str(job.case), "n": PROVINCES[number % 2]},
        )
        session.commit()


def with_work(connection: psycopg.Connection[Any], job: Job, number: int, lock_first: bool = False) -> None:
    with connection.transaction():
        connection.execute(
            "SELECT set_config('audit.context', %s, true), itm.enter_command(%s)",
            (job.context.ledger_json(), job.secret),
        )
        if lock_first:
            connection.execute("SELECT lock_head(%s)", (job.context.institution,))
        connection.execute("UPDATE case_file SET province = %s WHERE id = %s", (PROVINCES[number % 2], job.case))
        time.sleep(WORK_SECONDS)


def nothing(connection: psycopg.Connection[Any], job: Job, number: int) -> None:
    """Leaves the ledger to the one who writes alone."""


def _orm(job: Job) -> Any:
    engine = create_engine(job.address, **engine_options())

    @event.listens_for(engine, "connect")
    def _connected(_driver: object, record: Any) -> None:
        record.info[tenancy.DOOR] = lambda _context: job.secret

    made = sessionmaker(engine)
    tenancy.install(made)
    return made


def _driver(job: Job) -> Any:
    plain = make_url(job.address).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _write(pipe: Pipe, work: Mapping[str, tuple[Job, Change]], connect: Callable[[Job], Any]) -> None:
    """A writer's life: told a name and a number, it does so many changes and says so."""
    opened = {name: connect(job) for name, (job, _change) in work.items()}
    done = 0
    while (asked := pipe.recv()) is not None:
        name, updates = asked
        job, change = work[name]
        for _ in range(updates):
            done += 1
            change(opened[name], job, done)
        pipe.send(done)


@contextmanager
def _team(
    writers: Sequence[Mapping[str, tuple[Job, Change]]], connect: Callable[[Job], Any]
) -> Iterator[Callable[[str, int], None]]:
    """Processes; calling what is given lets each do so many changes of one kind."""
    fork = multiprocessing.get_context("fork")  # each makes its connections itself
    pipes, processes = [], []
    for work in writers:
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_write, args=(theirs, work, connect), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)

    def together(name: str, updates: int) -> None:
        for pipe in pipes:
            pipe.send((name, updates))
        for pipe in pipes:
            pipe.recv()

    try:
        yield together
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(None)
            process.join()


def many_ledgers(place: Place, scale: Scale) -> Sequence[Figure]:
    """Each writer in an institution of its own."""
    captured, plain, table = (place.database() for _ in range(3))
    team = WRITERS if scale >= 1 else 2
    jobs: dict[str, list[Job]] = {}
    for name, database in (("captured", captured), ("plain", plain), ("table", table)):
        make = Factory(database)
        people = [make.focal_point(make.institution(f"KURUM{number}")) for number in range(team)]
        jobs[name] = [Job.of(database, make, who) for who in people]
        if name != "captured":
            without_capture(make)
    with table.engine("superuser").begin() as superuser:
        superuser.exec_driver_sql(UNCHAINED)
    changes: Mapping[str, Change] = {
        "captured": through_the_orm, "plain": through_the_orm, "table": with_a_row_in_a_table,
    }  # fmt: skip
    writers = [{name: (jobs[name][number], changes[name]) for name in jobs} for number in range(team)]
    updates, turns = max(1, int(10 * scale)), max(2, int(24 * scale))
    with _team(writers, _orm) as together:
        work = {name: partial(together, name, updates) for name in jobs}
        taken = in_turn(turns, work, warm_up=1)
    beside = {
        "a row in an unchained table beside the change, over unaudited": taken.ratio("table", "plain"),
        "audited updates/s": team * updates / taken.median("captured"),
        "unaudited updates/s": team * updates / taken.median("plain"),
    }
    ratio = taken.ratio("captured", "plain")
    return [Figure("8 writers on 8 ledgers through the ORM, over unaudited", ratio, least=0.70, beside=beside)]


def one_ledger(place: Place, scale: Scale) -> Sequence[Figure]:
    """All writers in one institution, 5 ms of work in each transaction; beside a head that is locked first."""
    return [_at_once(place, scale, WRITERS, least=8), _at_once(place, scale, 2 * WRITERS)]


def _at_once(place: Place, scale: Scale, writers: int, least: float | None = None) -> Figure:
    database = place.database()
    make = Factory(database)
    team = writers if scale >= 1 else 2
    with database.engine("superuser").begin() as superuser:
        superuser.exec_driver_sql(LOCK_FIRST)
    people = [make.focal_point() for _ in range(team)]
    jobs = [Job.of(database, make, who) for who in people]
    changes: Mapping[str, Change] = {"sealed": with_work, "first": partial(with_work, lock_first=True), "one": nothing}
    work = [{name: (job, change) for name, change in changes.items()} for job in jobs]
    work[0]["one"] = (jobs[0], with_work)
    updates, turns = max(1, int(20 * scale)), max(2, int(12 * scale))
    with _team(work, _driver) as together:
        taken = in_turn(turns, {name: partial(together, name, updates) for name in changes}, warm_up=1)
    beside = {
        "changes/s, sealed at commit": team * updates / taken.median("sealed"),
        "changes/s, head locked first": team * updates / taken.median("first"),
        "changes/s, one writer alone": updates / taken.median("one"),
        f"sealed at commit, over {writers} times one writer alone": taken.ratio("sealed", "one"),
    }
    name = f"{writers} writers on one ledger, 5 ms of work each, over a lock first"
    return Figure(name, taken.ratio("sealed", "first"), least=least, beside=beside)
