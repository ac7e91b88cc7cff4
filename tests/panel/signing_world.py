"""Institutions with ledgers, a folder outside, and a signer whose clock the test moves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.engine import Engine

from audit import report, store
from audit.checkpoint import Checkpoint
from audit.checkpoint_folder import CheckpointFolder
from audit.durable import DISK, Disk
from audit.key_statements import Keys
from audit.leaf import EMPTY, leaf_hash
from audit.read_plan import Level
from audit.witness_client import Witness
from itm_admin.ledger.keyring import SigningKeyFile
from itm_admin.ledger.signing import Round, Signing, SigningPlace
from tests.conftest import Database
from tests.panel.assurance_world import Institutions
from tests.stating import say

_HERE = "ledger_id = (select id from audit.ledger where code = :code)"
_TABLES = ("ledger", "event", "leaf", "verification", "checkpoint", "key", "cosignature")


@dataclass
class Clock:
    """Seconds that only pass when a test says so."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


class SigningWorld(Institutions):
    """GIB (the Presidency), JGK and ASHB with a signer."""

    def __init__(self, superuser: Engine, database: Database, folder: Path) -> None:
        super().__init__(superuser)
        self.database, self.folder = database, folder
        self.clock, self.wall = Clock(), datetime(2026, 11, 24, 12, tzinfo=UTC)

    def place(self, disk: Disk = DISK, witnesses: Sequence[Witness] = (), quorum: int = 0) -> SigningPlace:
        outside = CheckpointFolder(self.folder / "checkpoints", disk)
        return SigningPlace(outside, SigningKeyFile(self.folder / "key", outside), tuple(witnesses), quorum)

    def signing(self, place: SigningPlace | None = None) -> Signing:
        """A signer's process, as it begins."""
        return Signing(place or self.place(), self.clock, lambda: self.wall)

    def round(self, place: SigningPlace | None = None) -> Round:
        done = self.signing(place).round(self.database.engine("signer"))
        assert done is not None
        return done

    @property
    def outside(self) -> CheckpointFolder:
        return self.place().outside

    def act(self, code: str, times: int = 1) -> None:
        """Entries in an institution's ledger, each committed by itself."""
        for _ in range(times):
            with self.database.engine("app").begin() as connection:
                say(connection, ledger=str(self.ids[code]), reads="ledger")
                store.append(connection, "record.read", kind="case", id=str(uuid.uuid4()))

    def act_together(self, code: str, entries: int) -> None:
        """Many entries in one transaction."""
        with self.database.engine("app").begin() as connection:
            say(connection, ledger=str(self.ids[code]), reads="ledger")
            connection.execute(
                text("select count(audit.append('record.read', 'success', 'case')) from generate_series(1, :n)"),
                {"n": entries},
            )

    def origin(self, code: str) -> str:
        return str(self.scalar("select origin from audit.ledger where code = :code", code=code))

    def size(self, code: str) -> int:
        return int(self.scalar("select size from audit.ledger where code = :code", code=code))

    def held(self, code: str) -> Checkpoint | None:
        held = self.outside.last(self.origin(code))
        return held.checkpoint if held else None

    def recorded(self, code: str) -> list[Row[Any]]:
        return self.run(
            "select c.* from audit.checkpoint c join audit.ledger l on l.id = c.ledger_id where l.code = :code"
            " order by c.id",
            code=code,
        )

    def keys(self) -> Keys:
        return self.outside.keys()

    def verify(self, code: str, level: Level = "full", place: SigningPlace | None = None) -> dict[str, Any]:
        """The verdict on one ledger, with what is held outside; recorded as a round does it."""
        evidence = (place or self.place()).evidence()
        rows, _ = report.report(self.database.engine("signer"), level, evidence=evidence)
        return next(row for row in rows if row["institution"] == code)

    def attack(self, *statements: str, **values: Any) -> None:
        """As somebody who may write every file of the database."""
        with self.superuser.begin() as connection:
            always = connection.execute(
                text("select tgrelid::regclass::text, tgname from pg_trigger where tgenabled = 'A'")
            ).all()
            for table in _TABLES:
                connection.execute(text(f"alter table audit.{table} disable trigger all"))
            for statement in statements:
                connection.execute(text(statement), values)
            for table in _TABLES:
                connection.execute(text(f"alter table audit.{table} enable trigger all"))
            for table, name in always:
                if table.removeprefix("audit.") in _TABLES:
                    connection.execute(text(f"alter table {table} enable always trigger {name}"))

    def truncate(self, code: str, size: int) -> None:
        """The end is cut off, and nothing in the database tells of it any more."""
        self.attack(
            f"delete from audit.event where id in (select event_id from audit.leaf where {_HERE} and seq >= :size)",
            f"delete from audit.leaf where {_HERE} and seq >= :size",
            f"delete from audit.checkpoint where {_HERE} and size > :size",
            f"delete from audit.verification where {_HERE}",
            "update audit.ledger l set size = :size, head = f.hash, recorded_at = f.recorded_at::timestamptz"
            " from audit.leaf f where f.ledger_id = l.id and l.code = :code and f.seq = :size - 1",
            code=code,
            size=size,
        )

    def rewrite(self, code: str, seq: int) -> None:
        """Another salt from an entry on, and fresh hashes behind it: only what is held outside can tell."""
        self.attack(
            "update audit.event set salt = sha256(salt) where id ="
            f" (select event_id from audit.leaf where {_HERE} and seq = :seq)",
            "update audit.leaf f set commitment = sha256(e.salt || convert_to(e.content, 'UTF8')) from audit.event e"
            f" where e.id = f.event_id and f.{_HERE} and f.seq = :seq",
            f"delete from audit.verification where {_HERE}",
            f"delete from audit.checkpoint where {_HERE} and size > :seq",
            code=code,
            seq=seq,
        )
        self.rehash(code)

    def age(self, code: str, seq: int, minutes: int) -> None:
        """Entries from this one on were recorded so much earlier; with fresh hashes, as if it had been so."""
        moment = (
            "to_char((recorded_at::timestamptz - make_interval(mins => :minutes)) at time zone 'UTC',"
            ' \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
        )
        self.attack(
            f"update audit.leaf set recorded_at = {moment} where {_HERE} and seq >= :seq",
            "update audit.ledger set recorded_at = recorded_at - make_interval(mins => :minutes) where code = :code",
            code=code,
            seq=seq,
            minutes=minutes,
        )
        self.rehash(code)

    def rehash(self, code: str) -> None:
        """Links, hashes and head anew from what the leaves say."""
        origin, prev = self.origin(code), EMPTY
        for row in self.run(f"select * from audit.leaf where {_HERE} order by seq", code=code):
            hash = leaf_hash(origin, row.seq, row.recorded_at, prev, bytes(row.commitment))
            self.attack(
                f"update audit.leaf set prev = :prev, hash = :hash where {_HERE} and seq = :seq",
                "update audit.ledger set head = :hash where code = :code",
                code=code, seq=row.seq, prev=prev, hash=hash,
            )  # fmt: skip
            prev = hash

    def later(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.wall += timedelta(seconds=seconds)


class Stopped(BaseException):
    """The process is gone, as after kill -9: nothing in it gets to handle this."""


class Breaking(Disk):
    """A disk at one of whose steps, counted from 1, the process is stopped, or an error reported.

    ``persisted``: the step itself still takes effect.
    """

    def __init__(self, at: int, error: Callable[[], BaseException], persisted: bool) -> None:
        self.at, self.error, self.persisted, self.count = at, error, persisted, 0

    def _step(self, act: Callable[[], None]) -> None:
        self.count += 1
        if self.count != self.at:
            act()
            return
        if self.persisted:
            act()
        raise self.error()

    def write(self, path: Path, content: bytes, mode: int) -> None:
        self._step(lambda: super(Breaking, self).write(path, content, mode))

    def replace(self, new: Path, path: Path) -> None:
        self._step(lambda: super(Breaking, self).replace(new, path))

    def link(self, new: Path, path: Path) -> None:
        self._step(lambda: super(Breaking, self).link(new, path))

    def sync(self, directory: Path) -> None:
        self._step(lambda: super(Breaking, self).sync(directory))
