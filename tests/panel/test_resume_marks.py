"""A full run that was stopped goes on where it was; and nobody who owns the database can make one skip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit import note, store
from audit.checkpoint_comparison import Evidence
from audit.durable import DISK, Disk
from audit.key import SigningKey
from audit.key_statements import Statement
from audit.read_plan import Level
from audit.resume_mark import MAX_AGE, Watermark, Watermarks
from audit.store import rounds
from tests.benchmarks.loading import load
from tests.conftest import Database
from tests.panel.signing_world import Breaking, SigningWorld, Stopped

SIZE = 300


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SigningWorld:
    """JGK's ledger has three hundred entries and more, signed; it is read in chunks of 64, each with its watermark."""
    monkeypatch.setattr("audit.store.verifying.CHUNK", 64)
    monkeypatch.setattr("audit.store.verifying.EVERY", 0.0)
    world = SigningWorld(superuser, database, tmp_path)
    load(database.url("superuser"), world.ids["JGK"], SIZE)
    world.round()
    return world


class Run:
    """A full round on JGK's ledger."""

    def __init__(self, world: SigningWorld, stop_after: int | None = None, disk: Disk = DISK) -> None:
        place = world.place()
        watermarks = Watermarks(place.outside, place.keyring.active(), lambda: world.wall, disk)
        self.unfinished: list[store.Verification] = []
        self.told: list[tuple[int, int]] = []
        engine = world.database.engine("signer")
        with engine.connect() as connection:
            ledgers = [ledger for ledger in store.ledgers(connection) if ledger.code == "JGK"]

        def progress(_origin: str, done: int, total: int) -> None:
            if _origin != rounds.RECORDS:
                self.told.append((done, total))

        def stop() -> bool:
            return stop_after is not None and len(self.told) >= stop_after

        done = store.verify_all(
            engine, ledgers, "full", None, progress, stop, place.evidence(),
            watermarks=watermarks, unfinished=self.unfinished,
        )  # fmt: skip
        self.found = (done or self.unfinished)[0]
        self.verdict = self.found.verdict

    @property
    def said(self) -> tuple[str, str, int, int]:
        return self.verdict.verdict, self.verdict.assurance, self.found.first_seq, self.found.checked


def _files(world: SigningWorld) -> list[Path]:
    return sorted((world.folder / "checkpoints" / "watermarks").glob("*/*.watermark"))


def test_a_stopped_run_says_where_it_was_and_the_next_one_goes_on_there_and_says_since_when(
    world: SigningWorld,
) -> None:
    first, size = Run(world, stop_after=3), world.size("JGK")
    assert first.said[0] == "cannot tell"
    assert [each.detail for each in first.verdict.findings] == ["stopped before entry 192"]
    began = world.wall
    world.later(60)
    second = Run(world, stop_after=1)
    assert (second.found.first_seq, second.found.since, second.told) == (192, began, [(256, size)])
    world.later(60)
    last = Run(world)
    assert last.said == ("intact", "self-attested", 256, size - 256)
    assert (last.found.since, last.found.ranges) == (began, ((256, size),))
    assert _files(world) == []
    assert Run(world).said == ("intact", "self-attested", 0, size)


def test_a_run_that_was_stopped_after_the_last_entry_is_not_read_again(world: SigningWorld) -> None:
    size = world.size("JGK")
    chunks = -(-size // 64)
    assert Run(world, stop_after=chunks + 1).said[0] == "cannot tell"
    assert Run(world).said == ("intact", "self-attested", size, 0)


def _rewritten(world: SigningWorld) -> None:
    """The last entry that was read is another one now: whatever stands before it may be, too."""
    world.attack(
        "update audit.leaf set hash = sha256(hash) where seq = 191 and"
        " ledger_id = (select id from audit.ledger where code = 'JGK')"
    )


def _expired(world: SigningWorld) -> None:
    world.wall += MAX_AGE + timedelta(seconds=1)


def _clock_back(world: SigningWorld) -> None:
    world.wall -= timedelta(seconds=1)


def _other_key(world: SigningWorld) -> None:
    """As somebody who writes the folder, and has no key that counts."""
    for path in _files(world):
        signed = note.parse(path.read_bytes())
        path.write_bytes(bytes(note.sign(signed.text, SigningKey.generate(signed.signatures[0].name))))


def _moved(world: SigningWorld) -> None:
    path = _files(world)[0]
    path.rename(path.with_name(f"{path.name.split('.')[0]}.{299:019d}.watermark"))
    for other in _files(world)[:-1]:
        other.unlink()


def _anothers(world: SigningWorld) -> None:
    """A good one of another ledger, in this one's place."""
    (signer,) = world.place().keyring.active()
    for path in _files(world):
        signed = note.parse(path.read_bytes())
        other = signed.text.replace(world.origin("JGK"), world.origin("ASHB"))
        path.write_bytes(bytes(note.sign(other, signer)))


def _unsealed(world: SigningWorld) -> None:
    """Something is found before any entry is read."""
    world.attack(
        "insert into audit.event (id, ledger_id, salt, content, at, action, outcome, via) select gen_random_uuid(),"
        " ledger_id, salt, content, at, action, outcome, via from audit.event where ledger_id ="
        " (select id from audit.ledger where code = 'JGK') limit 1"
    )


def _changed(world: SigningWorld) -> None:
    for path in _files(world):
        path.write_bytes(path.read_bytes().replace(b"\nsize ", b"\nsize 1"))


def _compromised(world: SigningWorld) -> None:
    (key,) = world.keys().active
    world.outside.state(Statement(key, "compromised", {}))


def _garbage(world: SigningWorld) -> None:
    for path in _files(world):
        path.write_bytes(b"\x00")


@pytest.mark.parametrize(
    "what",
    [_rewritten, _expired, _clock_back, _other_key, _moved, _anothers, _unsealed, _changed, _compromised, _garbage],
)
def test_a_watermark_that_is_not_beyond_doubt_is_not_believed(
    world: SigningWorld, what: Callable[[SigningWorld], None]
) -> None:
    Run(world, stop_after=3)
    assert len(_files(world)) == 3
    what(world)
    assert _files(world)
    run = Run(world)
    assert (run.found.first_seq, run.found.checked, run.found.since) == (0, world.size("JGK"), None)
    assert run.verdict.verdict == ("tampered" if what in (_rewritten, _unsealed) else "intact")


def test_a_finding_discards_what_was_kept(world: SigningWorld) -> None:
    Run(world, stop_after=3)
    world.attack(
        "update audit.event set purpose = 'x' where id = (select event_id from audit.leaf where seq = 250 and"
        " ledger_id = (select id from audit.ledger where code = 'JGK'))"
    )
    run = Run(world)
    assert (run.found.first_seq, run.verdict.first_broken) == (192, 250)
    assert _files(world) == []
    assert Run(world).found.first_seq == 0


def test_a_finding_discards_at_once_and_only_a_full_run_with_evidence_goes_on(world: SigningWorld) -> None:
    Run(world, stop_after=3)
    place, engine = world.place(), world.database.engine("signer")
    with engine.connect() as connection:
        ledger = next(each for each in store.ledgers(connection) if each.code == "JGK")

    def read(level: Level, evidence: Evidence | None) -> int:
        marks = Watermarks(place.outside, place.keyring.active(), lambda: world.wall)
        try:
            return store.verify(engine, ledger, level, evidence=evidence, watermarks=marks).first_seq
        finally:
            marks.close()

    assert read("incremental", place.evidence()) == 0
    assert read("sample", place.evidence()) == 0
    before = _files(world)
    assert read("full", None) == 0
    assert _files(world) == before
    world.attack(
        "update audit.event set purpose = 'x' where id = (select event_id from audit.leaf where seq = 250 and"
        " ledger_id = (select id from audit.ledger where code = 'JGK'))"
    )
    assert read("full", place.evidence()) == 192
    assert _files(world) == []


def test_where_no_file_can_be_removed_what_has_ended_is_still_over(
    world: SigningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, missing_ok: bool = False) -> None:
        if not missing_ok:
            raise PermissionError(1, "write once")

    monkeypatch.setattr(Path, "unlink", refused)
    Run(world, stop_after=3)
    assert Run(world).found.first_seq == 192
    assert _files(world)
    assert Run(world).found.first_seq == 0


def test_two_runs_at_once_keep_no_watermarks_of_each_other(world: SigningWorld) -> None:
    Run(world, stop_after=3)
    place = world.place()
    other = Watermarks(place.outside, place.keyring.active(), lambda: world.wall)
    assert other.open(world.origin("JGK"))
    assert Run(world).found.first_seq == 0
    assert len(_files(world)) == 3
    other.close()
    assert Run(world).found.first_seq == 192


def _io_error() -> BaseException:
    return OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("error", "persisted"),
    [
        pytest.param(Stopped, False, id="stopped-not persisted"),
        pytest.param(_io_error, True, id="error-persisted", marks=pytest.mark.wide),
        pytest.param(Stopped, True, id="stopped-persisted", marks=pytest.mark.wide),
        pytest.param(_io_error, False, id="error-not persisted", marks=pytest.mark.wide),
    ],
)
def test_whatever_happens_to_a_watermark_the_next_run_says_what_is_so(
    world: SigningWorld, error: Callable[[], BaseException], persisted: bool
) -> None:
    """The steps of keeping and of discarding: each in turn does not end, or ends and says that it failed."""
    size, step, broke = world.size("JGK"), 0, 0
    while True:
        step += 1
        disk = Breaking(step, error, persisted)
        try:
            said = Run(world, stop_after=3 if step % 2 else None, disk=disk).said
            assert said[0] in ("cannot tell", "intact")
        except Stopped:
            pass
        broke += disk.count >= step
        verdict = Run(world).said
        assert verdict[:2] == ("intact", "self-attested")
        assert verdict[2] + verdict[3] == size
        if disk.count < step and step % 2 == 0:
            break
    assert broke >= 9


def test_text_that_nobody_signed_so_is_no_watermark(world: SigningWorld) -> None:
    Run(world, stop_after=2)
    text = note.parse(_files(world)[0].read_bytes()).text
    mark = Watermark.parse(text)
    assert (mark.text, mark.size, mark.attested) == (text, 64, 0)
    root = text.index("root ") + 5
    other = text[:root] + ("A" if text[root] != "A" else "B") + text[root + 1 :]
    for wrong in (
        other,
        text + "\n",
        text.replace("size 64", "size 65"),
        text.replace("size 64", "size 064"),
        "",
        text[:-1],
    ):
        with pytest.raises(ValueError, match="watermark"):
            Watermark.parse(wrong)
