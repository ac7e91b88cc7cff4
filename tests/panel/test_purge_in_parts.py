"""However a ledger is read, a purged range needs its entry: whole, in chunks, by two processes, resumed, or in part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from audit import store
from audit.checkpoint_comparison import Evidence
from audit.read_plan import Level, Plan
from audit.resume_mark import Watermarks
from audit.store import Verification, reader_pool
from tests.audit.signed_world import rehash
from tests.conftest import Database
from tests.panel.purge_world import PurgeWorld

_ENTRY = (
    "id = (select f.event_id from audit.leaf f join audit.ledger l on l.id = f.ledger_id"
    " where l.code = 'JGK' and f.seq = :seq)"
)
ATTACKS = {
    "salt": f"update audit.event set salt = sha256(salt) where {_ENTRY}",
    "content": f"update audit.event set content = replace(content, 'removed', 'renamed') where {_ENTRY}",
    "range": f"update audit.event set content = replace(content, '255,', '511,') where {_ENTRY}",
    "action": f"update audit.event set action = 'record.read' where {_ENTRY}",
    "gone": f"delete from audit.event where {_ENTRY}",
}
"""The change of the purge's entry. It no longer claims anything after the last three."""


PARTS: tuple[Level, ...] = ("sample", "incremental")


class Reader:
    """Reads JGK's ledger in each way that there is."""

    def __init__(self, world: PurgeWorld, patch: pytest.MonkeyPatch) -> None:
        self.world, self._patch = world, patch
        self.seq = int(world.purge_entry()["seq"])

    def ledger(self) -> store.Ledger:
        with self.world.superuser.connect() as connection:
            return next(each for each in store.ledgers(connection) if each.code == "JGK")

    def evidence(self) -> Evidence:
        return self.world.place().evidence()

    def whole(self, chunk: int = 16_384, processes: int = 1, level: Level = "full") -> Verification:
        with self._patch.context() as patch:
            patch.setattr("audit.store.verifying.CHUNK", chunk)
            engine = self.world.database.engine("signer")
            with store.reading(engine) as connection, reader_pool.reading_together(connection, 0, processes) as read:
                return store.verify(connection, self.ledger(), level, evidence=self.evidence(), chunks=read)

    def part(self, start: int, stop: int, level: Level) -> Verification:
        """A sample or an incremental run, of which this is what it reads."""
        with self._patch.context() as patch:
            patch.setattr("audit.store.verifying.plan", lambda *_: Plan(((start, stop),)))
            return self.whole(level=level)

    def stopped(self, chunks: int | None) -> Verification:
        """A run that is stopped after so many chunks of 64, or one that goes on to the end."""
        read = 0

        def stop() -> bool:
            nonlocal read
            read += 1
            return read == chunks

        place = self.world.place()
        marks = Watermarks(place.outside, place.keyring.active(), lambda: self.world.wall)
        engine = self.world.database.engine("signer")
        try:
            with self._patch.context() as patch:
                patch.setattr("audit.store.verifying.CHUNK", 64)
                return store.verify(
                    engine, self.ledger(), "full", stop=stop, evidence=self.evidence(), watermarks=marks
                )
        finally:
            marks.close()

    @contextmanager
    def attacked(self, statement: str) -> Iterator[None]:
        """Committed, so that every reader sees it; afterwards as before."""
        columns = "id, ledger_id, salt, content, at, action, outcome, via, actor_id, actor_name, actor_institution,"
        columns += " actor_role, target_kind, target_id, target_holder, subjects, purpose, request_id"
        values = {"seq": self.seq}
        self.world.attack(f"create table public.kept as select {columns} from audit.event where {_ENTRY}", **values)
        self.world.attack(statement, **values)
        yield
        self.world.attack(
            f"delete from audit.event where {_ENTRY}",
            f"insert into audit.event ({columns}) select {columns} from public.kept",
            "drop table public.kept",
            **values,
        )


@pytest.fixture
def reader(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Entries 0 to 255 of JGK's ledger are purged, and no round has verified it since."""
    world = PurgeWorld(database, tmp_path)
    world.filled()
    world.purge(world.approved())
    return Reader(world, monkeypatch)


def _said(found: Verification) -> tuple[str, int | None]:
    return found.verdict.verdict, found.verdict.first_broken


def test_a_purge_whose_entry_is_whole_is_intact_however_it_is_read_and_one_that_is_not_never(reader: Reader) -> None:
    for statement in (None, *ATTACKS.values()):
        wrong = statement is not None
        with reader.attacked(statement or "select 1"):
            for chunk, processes in ((16_384, 1), (7, 1), (256, 1), (100, 2)):
                found = reader.whole(chunk, processes)
                assert _said(found) == (("tampered", 0) if wrong else ("intact", None)), statement
            for level in PARTS:
                part = reader.part(100, 120, level)
                assert _said(part) == (("tampered", 100) if wrong else ("intact", None)), statement
                assert part.ranges == ((100, 120),)


def test_a_resumed_run_wants_the_entry_of_what_was_forgiven_before(reader: Reader) -> None:
    """A claim that stands is told at the range's first entry; else, at the first that is read without a claim."""
    for name, statement in ATTACKS.items():
        assert _said(reader.stopped(3)) == ("cannot tell", None)
        with reader.attacked(statement):
            found = reader.stopped(None)
            assert (found.first_seq, found.verdict.verdict) == (192, "tampered")
            assert found.verdict.first_broken == (0 if name in ("salt", "content") else 192), name
            assert _said(reader.stopped(None)) == ("tampered", 0)
    assert _said(reader.stopped(3)) == ("cannot tell", None)
    last = reader.stopped(None)
    assert (last.first_seq, *_said(last)) == (192, "intact", None)


def test_a_resumed_run_compares_the_hashes_of_a_range_that_it_begins_in_the_middle_of(reader: Reader) -> None:
    """An entry that is sealed, and names other hashes: as somebody would make it who writes the ledger's end anew."""
    world, ledger = reader.world, reader.ledger()
    with world.superuser.begin() as connection:
        for table in ("event", "leaf", "ledger"):
            connection.execute(text(f"alter table audit.{table} disable trigger all"))
        content = connection.execute(text(f"select content from audit.event where {_ENTRY}"), {"seq": reader.seq})
        said = content.scalar_one()
        hashes = said.partition('"hashes":')[2]
        place = said.index(hashes) + 40
        other = said[:place] + ("A" if said[place] != "A" else "B") + said[place + 1 :]
        connection.execute(
            text(f"update audit.event set content = :content where {_ENTRY}"), {"content": other, "seq": reader.seq}
        )
        rehash(connection, ledger, reader.seq)
    for chunks in (3, None):
        found = reader.stopped(chunks)
    assert (found.first_seq, *_said(found)) == (192, "tampered", 0)
    assert _said(reader.whole(100)) == ("tampered", 0)
