"""The signer without a database: for every change of a ledger, two of its signed trees never contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import event, merkle
from audit.checkpoint_folder import CheckpointFolder, HeldCheckpoint
from audit.key import SigningKey
from audit.key_statements import Statement
from audit.leaf import EMPTY, Entry, leaf_hash
from audit.signer import Signer, SigningRefused
from audit.verification import Head

ORIGIN = "itm-0123456789ab/ledger/JGK/1"
NOW = "2026-11-24T12:00:00.000000Z"
KEY = SigningKey.generate("itm-0123456789ab")


def _content(number: int, fork: str) -> str:
    id = f"00000000-0000-4000-8000-{number:012d}"
    return (
        f'{{"id":"{id}","time":"{NOW}","action":"record.read{fork}","outcome":"success","via":"append","actor":'
        '{"user":null,"name":null,"institution":null,"role":null},"target":null,"subjects":[],"purpose":null,'
        '"request":{"id":null}}'
    )


class Ledger:
    """Entries that chain; a fork is another history from there on."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def grow(self, count: int, fork: str = "") -> None:
        for _ in range(count):
            number = len(self.entries)
            prev = self.entries[-1].hash if self.entries else EMPTY
            content, salt = _content(number, fork), bytes(32)
            commitment = event.commitment(salt, content)
            hash = leaf_hash(ORIGIN, number, NOW, prev, commitment)
            columns = event.derived(content)
            self.entries.append(Entry(number, str(columns.id), NOW, prev, commitment, hash, salt, content, columns))

    def cut(self, size: int) -> None:
        del self.entries[size:]

    @property
    def head(self) -> Head:
        last = self.entries[-1] if self.entries else None
        return Head(ORIGIN, len(self.entries), last.hash if last else EMPTY, last.recorded_at if last else None)

    def read(self, start: int, stop: int) -> Iterator[Sequence[Entry]]:
        for at in range(start, min(stop, len(self.entries)), 3):
            yield self.entries[at : min(at + 3, stop)]


def _signer(folder: Path) -> Signer:
    outside = CheckpointFolder(folder)
    outside.state(Statement(KEY.verifier, "named", {}))
    return Signer(outside, (KEY,))


def _sign(signer: Signer, ledger: Ledger, recorded: int = 0) -> HeldCheckpoint | None:
    return signer.sign(ledger.head, signer.last(ORIGIN, recorded), ledger.read, NOW)


def test_an_empty_ledger_and_one_that_did_not_grow_are_not_signed(tmp_path: Path) -> None:
    signer, ledger = _signer(tmp_path), Ledger()
    assert _sign(signer, ledger) is None
    ledger.grow(2)
    assert _sign(signer, ledger)
    assert _sign(signer, ledger) is None
    assert signer.outside.sizes(ORIGIN) == [2]


_Steps = st.lists(st.tuples(st.sampled_from(["grow", "cut", "fork", "sign"]), st.integers(0, 9)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(_Steps)
def test_each_signed_tree_begins_with_the_one_before(tmp_path_factory: pytest.TempPathFactory, steps: object) -> None:
    signer, ledger, fork = _signer(tmp_path_factory.mktemp("outside")), Ledger(), 0
    signed: list[tuple[int, list[bytes]]] = []
    for act, number in [*steps, ("grow", 1), ("sign", 0)]:  # type: ignore[misc]
        if act == "grow":
            ledger.grow(number, f"/{fork}")
        elif act == "cut":
            ledger.cut(number)
        elif act == "fork":
            fork += 1
            size = len(ledger.entries)
            ledger.cut(number)
            ledger.grow(size - number, f"/{fork}")
        else:
            leaves = [entry.hash for entry in ledger.entries]
            before = signed[-1][1] if signed else []
            if leaves[: len(before)] != before:
                with pytest.raises(SigningRefused) as refused:
                    _sign(signer, ledger)
                assert refused.value.reason == ("truncated" if len(leaves) < len(before) else "rewritten")
                continue
            made = _sign(signer, ledger)
            if made:
                assert made.checkpoint.root == merkle.root(leaves)
                signed.append((made.checkpoint.size, leaves))
    assert [size for size, _ in signed] == signer.outside.sizes(ORIGIN)
    assert all(later[: len(earlier)] == earlier for (_, earlier), (_, later) in pairwise(signed))


@pytest.mark.parametrize("change", ["hash", "prev", "commitment", "content", "missing"])
def test_over_a_new_entry_that_contradicts_itself_nothing_is_signed(tmp_path: Path, change: str) -> None:
    signer, ledger = _signer(tmp_path), Ledger()
    ledger.grow(3)
    _sign(signer, ledger)
    ledger.grow(5)
    entry = ledger.entries[5]
    values: dict[str, Any] = {
        "hash": bytes(32),
        "prev": bytes(32),
        "commitment": bytes(32),
        "content": _content(5, "/other"),
    }
    if change == "missing":
        del ledger.entries[5]
    else:
        ledger.entries[5] = replace(entry, **{change: values[change]})
    with pytest.raises(SigningRefused) as refused:
        signer.sign(Head(ORIGIN, 8, ledger.entries[-1].hash, NOW), signer.last(ORIGIN, 3), ledger.read, NOW)
    assert (refused.value.reason, refused.value.found, refused.value.held) == ("broken", 5, 3)
    assert signer.outside.sizes(ORIGIN) == [3]


def test_what_the_database_has_recorded_must_be_held(tmp_path: Path) -> None:
    signer, ledger = _signer(tmp_path), Ledger()
    with pytest.raises(SigningRefused) as refused:
        signer.last(ORIGIN, 1)
    assert refused.value.reason == "missing"
    assert not signer.outside.begun(ORIGIN), "it is not taken for a new one the next time either"
    signer.outside.open(ORIGIN)
    with pytest.raises(SigningRefused) as refused:
        signer.last(ORIGIN, 1)
    assert refused.value.reason == "missing"
    ledger.grow(4)
    _sign(signer, ledger)
    assert signer.last(ORIGIN, 4)
    with pytest.raises(SigningRefused) as refused:
        signer.last(ORIGIN, 5)
    assert (refused.value.reason, refused.value.held) == ("older", 4)


def test_what_was_signed_is_not_read_again_for_a_few_new_entries(tmp_path: Path) -> None:
    signer, ledger = _signer(tmp_path), Ledger()
    ledger.grow(500)
    _sign(signer, ledger)
    ledger.grow(7)
    asked: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> Iterator[Sequence[Entry]]:
        asked.append((start, stop))
        yield from ledger.read(start, stop)

    made = signer.sign(ledger.head, signer.last(ORIGIN, 500), read, NOW)
    assert made
    assert made.checkpoint.root == merkle.root([entry.hash for entry in ledger.entries])
    assert asked == [(499, 507)]
