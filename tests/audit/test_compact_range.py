"""Compact ranges: appending entry by entry, in batches, from parts and from storage, always the same tree."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import merkle
from audit.compact_range import CompactRange
from tests.audit.trees import hashes, mth

LEAVES = hashes(1100)


def test_appending_one_by_one_gives_every_root_and_keeps_few_hashes() -> None:
    kept = CompactRange()
    for size in range(300):
        assert kept.root() == mth(LEAVES[:size])
        assert len(kept.hashes) == size.bit_count()
        kept.append(LEAVES[size])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 700), st.integers(0, 400))
def test_batches_give_the_same_range_as_single_entries(start: int, count: int) -> None:
    singly = CompactRange(start, start)
    for leaf in LEAVES[start : start + count]:
        singly.append(leaf)
    assert CompactRange.of(LEAVES[start : start + count], start) == singly
    node = merkle.nodes_of(LEAVES)
    assert singly.hashes == [node(height, index) for height, index in merkle.full_subtrees(start, start + count)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1100), max_size=5))
def test_parts_that_are_hashed_apart_join_into_the_whole(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 1100]
    whole = CompactRange()
    for start, stop in pairwise(edges):
        whole.join(CompactRange.of(LEAVES[start:stop], start))
    assert whole == CompactRange.of(LEAVES)
    assert whole.root() == merkle.root(LEAVES)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 700), st.integers(0, 400))
def test_what_was_stored_comes_back_and_goes_on(start: int, count: int) -> None:
    kept = CompactRange.of(LEAVES[start : start + count], start)
    back = CompactRange.from_bytes(kept.to_bytes())
    assert back == kept
    back.append(LEAVES[0])
    kept.append(LEAVES[0])
    assert back == kept


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_bytes_that_were_never_stored_are_refused_or_stored_alike(garbage: bytes) -> None:
    try:
        back = CompactRange.from_bytes(garbage)
    except ValueError:
        return
    assert back.to_bytes() == garbage


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        bytes(15),
        bytes(17),
        bytes(16) + bytes(32),
        bytes(8) + (1).to_bytes(8, "big"),
        (1).to_bytes(8, "big") * 2 + b"x",
        (2).to_bytes(8, "big") + (1).to_bytes(8, "big"),
        bytes(8) + (2**63).to_bytes(8, "big") + bytes(32),
    ],
)
def test_a_range_with_other_hashes_than_it_needs_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="compact range"):
        CompactRange.from_bytes(stored)


def test_ranges_join_only_where_they_touch() -> None:
    with pytest.raises(ValueError, match="go on"):
        CompactRange.of(LEAVES[:3]).join(CompactRange.of(LEAVES[4:6], 4))
    with pytest.raises(ValueError, match="height 1"):
        CompactRange.of(LEAVES[:3]).append_node(1, LEAVES[0])


def test_only_a_range_from_the_first_entry_has_a_root() -> None:
    with pytest.raises(ValueError, match="first entry"):
        CompactRange.of(LEAVES[1:3], 1).root()
