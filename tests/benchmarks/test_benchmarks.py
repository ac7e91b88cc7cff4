"""The harness of the benchmarks works: every figure is taken once, with sizes too small to say anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import figures, others, run, taking
from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Place
from tests.conftest import Cluster


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    place = Place(cluster)
    yield place
    place.close()


@pytest.mark.wide  # of the harness, which nobody but a developer runs
@pytest.mark.parametrize("name", ["updates", "ledgers", "one-ledger", "pages", "proofs", "verification", "appends"])
def test_each_figure_can_be_taken(place: Place, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "PYTHON", tmp_path / "no other packages")
    found = run.measures(place, scale=0.001)[name]()
    assert found
    assert all(figure.value == figure.value for figure in found)


def test_a_ratio_is_the_median_of_the_turns_own_ratios() -> None:
    taken = taking.Turns({"ours": (2.0, 8.0, 1.0), "plain": (1.0, 2.0, 1.0)})
    assert taken.ratio("ours", "plain") == 0.5


def test_turns_are_taken_alternately_and_the_warm_up_is_not_counted() -> None:
    order: list[str] = []
    taken = taking.in_turn(2, {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, warm_up=1)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert len(taken.seconds["a"]) == 2


def test_a_missed_aim_is_told_as_missed(tmp_path: Path) -> None:
    missed = Figure("ours over theirs", 0.79, least=0.8, beside={"another": 0.5})
    assert "NO" in figures.table([missed])
    figures.keep([missed], tmp_path / "bench" / "results.json")
    kept = json.loads((tmp_path / "bench" / "results.json").read_text("utf-8"))
    assert [(figure["value"], figure["met"], figure["beside"]) for figure in kept["figures"]] == [
        (0.79, False, {"another": 0.5})
    ]
