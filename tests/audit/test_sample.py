"""A sample: the ranges that it reads, the claims it may make about them, and that it changes no other run."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import report, store
from audit.checkpoint import Checkpoint, sign
from audit.checkpoint_comparison import Evidence
from audit.checkpoint_folder import CheckpointFolder, HeldCheckpoint
from audit.compact_range import CompactRange
from audit.key import SigningKey
from audit.key_statements import Statement
from audit.read_plan import MOST, RANGES, SPAN, Past, Plan, plan, sample
from tests.audit.conftest import OURS, World
from tests.benchmarks.loading import load


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), max_size=300), st.integers())
def test_ranges_are_in_order_apart_within_the_ledger_and_not_too_long(size: int, marks: list[int], seed: int) -> None:
    marks = sorted({mark for mark in marks if mark <= size})
    found = sample(size, marks, 7, Random(seed))
    assert found.next_seq == 7
    if size <= RANGES * SPAN:
        assert found.stretches == ((0, size),)
        return
    assert SPAN <= found.total <= RANGES * MOST
    before = -1
    for start, stop in found.stretches:
        assert before < start < stop <= size
        before = stop


@pytest.mark.parametrize("seed", range(20))
def test_where_checkpoints_are_near_each_range_goes_from_one_to_another(seed: int) -> None:
    marks = range(1_000, 900_001, 1_000)
    for start, stop in sample(900_000, marks, 0, Random(seed)).stretches:
        assert (start == 0 or start in marks, stop in marks) == (True, True)


def test_signed_sizes_past_a_ledger_that_was_cut_are_no_ranges_ends() -> None:
    marks = range(1_500, 200_001, 1_500)
    for seed in range(100):
        assert all(stop <= 100_000 for _, stop in sample(100_000, marks, 0, Random(seed)).stretches)


def test_a_sample_keeps_the_place_of_incremental_runs_and_what_was_cut_is_read_whole() -> None:
    assert plan("sample", 10**6, Past(True, 10**6, 77)).next_seq == 77
    assert plan("incremental", 5, Past(True, 9, 9)).stretches == ((0, 5),)


def test_every_place_may_be_read_and_nobody_knows_which() -> None:
    read = [sample(100_000).stretches for _ in range(3)]
    assert read[0] != read[1] or read[1] != read[2]
    firsts = {sample(100_000, (), 0, Random(seed)).stretches[0][0] for seed in range(200)}
    assert min(firsts) < 2_000
    lasts = {sample(100_000, (), 0, Random(seed)).stretches[-1][1] for seed in range(200)}
    assert max(lasts) > 99_000


@pytest.fixture
def signed(world: World, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[World, Evidence]:
    """Two hundred entries, signed at every tenth; a sample reads two ranges of about twenty."""
    for name, value in (("RANGES", 2), ("SPAN", 15), ("MOST", 60)):
        monkeypatch.setattr(f"audit.read_plan.{name}", value)
    load(world.database.url("superuser"), OURS, 200)
    ledger, key = world.ledger(), SigningKey.generate(world.ledger().origin.split("/")[0])
    outside = CheckpointFolder(tmp_path / "outside")
    outside.begin(key.name)
    outside.state(Statement(key.verifier, "named", {}))
    with world.engine("signer").connect() as connection:
        hashes = [entry.hash for page in store.entries(connection, ledger.id, 0, 200) for entry in page]
    for size in range(10, 201, 10):
        range_ = CompactRange.of(hashes[:size])
        note = sign(Checkpoint(ledger.origin, size, range_.root()), key)
        outside.keep(HeldCheckpoint(note, "2026-01-01T00:00:00.000000Z", hashes[size - 1], range_))
    return world, Evidence.now(outside)


def _verify(world: World, evidence: Evidence, level: Any = "sample") -> dict[str, Any]:
    rows, _ = report.report(world.engine("signer"), level, "OURS", evidence=evidence)
    return rows[0]


def test_a_sample_computes_signed_roots_again_and_says_what_it_read(signed: tuple[World, Evidence]) -> None:
    world, evidence = signed
    assert _verify(world, evidence, "full")["verdict"] == "intact"
    for _ in range(5):
        row = _verify(world, evidence)
        assert (row["verdict"], row["assurance"]) == ("intact", "self-attested")
        assert 15 <= sum(stop - start for start, stop in row["ranges"]) < 200
        assert all(stop % 10 == 0 for _, stop in row["ranges"])


def test_a_sample_of_a_ledger_that_nobody_signed_is_unsigned(signed: tuple[World, Evidence]) -> None:
    world, _ = signed
    report.report(world.engine("signer"), "full", "OURS")
    rows, _ = report.report(world.engine("signer"), "sample", "OURS")
    assert (rows[0]["verdict"], rows[0]["assurance"]) == ("intact", "unsigned")


def _attack(world: World, statement: str) -> None:
    with world.engine("superuser").begin() as connection:
        for table in ("event", "leaf"):
            connection.exec_driver_sql(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL")
        connection.exec_driver_sql(statement)
        for table in ("event", "leaf"):
            connection.exec_driver_sql(f"ALTER TABLE audit.{table} ENABLE TRIGGER ALL")


def test_what_was_changed_within_a_sample_is_found_and_then_everything_is_read(
    signed: tuple[World, Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, evidence = signed
    _verify(world, evidence, "full")
    monkeypatch.setattr("audit.read_plan.sample", lambda *_: Plan(((100, 120),)))
    _attack(world, "UPDATE audit.leaf SET commitment = sha256(commitment) WHERE seq IN (30, 110)")
    row = _verify(world, evidence)
    assert (row["verdict"], row["first_broken"]) == ("tampered", 110)
    assert _verify(world, evidence)["first_broken"] == 30


def test_an_intact_sample_says_nothing_of_what_it_did_not_read(
    signed: tuple[World, Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    """New entries are still new for the next incremental run, and its place in older ones is kept."""
    world, evidence = signed
    _verify(world, evidence, "full")
    load(world.database.url("superuser"), OURS, 5)
    _attack(
        world, "UPDATE audit.event SET salt = sha256(salt) WHERE id = (SELECT event_id FROM audit.leaf WHERE seq = 203)"
    )
    monkeypatch.setattr("audit.read_plan.sample", lambda *_: Plan(((100, 120),)))
    monkeypatch.setattr("audit.store.verifying.REREAD", 3)
    assert _verify(world, evidence)["verdict"] == "intact"
    assert _verify(world, evidence, "incremental")["first_broken"] == 203


def test_a_sample_finds_that_signed_entries_are_gone_from_the_end(
    signed: tuple[World, Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, evidence = signed
    _verify(world, evidence, "full")
    monkeypatch.setattr("audit.read_plan.sample", lambda *_: Plan(((100, 120),)))
    _attack(world, "DELETE FROM audit.leaf WHERE seq >= 195; UPDATE audit.ledger SET size = 195")
    row = _verify(world, evidence)
    assert ("truncated", 195) in [(each["kind"], each["seq"]) for each in row["findings"]]
