"""Each thing that makes a chunk doubtful, alone: everything else in the ledger is as if the true one were so."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from audit import event
from audit.fast_check import Task
from audit.leaf import Entry
from audit.purge import Purge, Purges
from audit.verification import Anchors, Finding, Verifier
from tests.audit.cut_ledger import HEAD, HOLDER, ORIGIN, OTHER, TRUE, composed, examined, rechained

_SIZE = 7
_X = uuid.UUID(int=77)


def _with(seq: int, change: Callable[[Entry], Entry], fresh: bool = True) -> list[Entry]:
    entries = [change(entry) if entry.seq == seq else entry for entry in TRUE[:_SIZE]]
    return rechained(entries) if fresh else entries


def _told(seq: int, content: str, derive: bool = False) -> list[Entry]:
    """Other content, sealed as if it had been so from the beginning."""

    def change(entry: Entry) -> Entry:
        assert entry.salt
        columns = event.derived(content) if derive else entry.columns
        return replace(entry, content=content, columns=columns, commitment=event.commitment(entry.salt, content))

    return _with(seq, change)


def _columns(seq: int, **other: Any) -> list[Entry]:
    return _with(seq, lambda entry: replace(entry, columns=entry.columns and entry.columns._replace(**other)))


def _somebodys(via: str) -> str:
    return composed(5, via=via, target={"kind": "case", "id": "1", "institution": OTHER})


_LAST = _SIZE - 1
DOUBTS: dict[str, list[Entry]] = {
    "a number twice": _with(5, lambda entry: replace(entry, seq=4)),
    "the link": _with(4, lambda entry: replace(entry, prev=bytes(32)), fresh=False),
    "the last hash": _with(_LAST, lambda entry: replace(entry, hash=bytes(32)), fresh=False),
    "the salt": _with(4, lambda entry: replace(entry, salt=bytes(32)), fresh=False),
    "a time before": _with(6, lambda entry: replace(entry, recorded_at=TRUE[3].recorded_at)),
    "no time": _with(_LAST, lambda entry: replace(entry, recorded_at="2026-01-02 00:00:00")),
    "another ledger's": _with(4, lambda entry: replace(entry, in_place=False)),
    "another event": _with(
        4, lambda entry: replace(entry, event_id=str(_X), columns=entry.columns and entry.columns._replace(id=str(_X)))
    ),
    "the time's column": _columns(5, at="2026-01-01T00:00:09.000000Z"),
    "a column": _columns(5, action="record.read"),
    "the holder's column": _columns(5, target_holder=OTHER),
    "the purpose's column": _columns(5, purpose="x"),
    "the request's column": _columns(5, request_id=None),
    "the subjects' column": _columns(5, subjects=("a,b",)),
    "a purge": _told(5, composed(5, action="ledger.purge"), derive=True),
    "a change of another holder's": _told(5, _somebodys("trigger"), derive=True),
    "no comma": _told(5, composed(5).replace(',"changes"', ';"changes"')),
    "more behind": _told(5, composed(5) + "{}"),
    "said twice": _told(5, composed(5, ',"purpose":"other"')),
    "said twice, hidden": _told(5, composed(5, ',"p\\u0075rpose":"other"')),
    "no JSON": _told(5, composed(5, ',"x":')),
    "no such day": _told(5, composed(5, time="2026-13-41T00:00:00.000000Z")),
    "too deep": _told(5, composed(5, ',"x":' + "[" * 100_000 + "]" * 100_000)),
    "no event": _with(5, lambda entry: replace(entry, content=None, columns=None, salt=None)),
}


def test_without_any_doubt_the_chunk_is_believed() -> None:
    assert examined(TRUE, _task(0, _SIZE), 5)


@pytest.mark.parametrize("what", DOUBTS)
def test_one_doubt_is_enough_for_nothing_to_be_said(what: str) -> None:
    assert examined(DOUBTS[what], _task(0, _SIZE), 5) is None


@pytest.mark.parametrize("what", [name for name in DOUBTS if name != "a purge"])
def test_and_whoever_reads_entry_by_entry_finds_it(what: str) -> None:
    verifier = Verifier(HEAD)
    verifier.begin()
    for entry in DOUBTS[what]:
        verifier.feed(entry)
    assert verifier.verdict().verdict == "tampered"


def test_what_somebody_did_to_a_record_elsewhere_is_no_doubt() -> None:
    """A look at another holder's record is told in the ledger of the person who looked."""
    assert examined(_told(5, _somebodys("append"), derive=True), _task(0, _SIZE), 5)


def test_nothing_is_said_of_a_chunk_whose_end_is_not_there_or_that_has_no_entries() -> None:
    assert examined(TRUE[:5], _task(0, 7), 5) is None
    assert examined([], _task(5, 5), 5) is None


def _task(start: int, stop: int) -> Task:
    return Task(uuid.UUID(int=9), ORIGIN, HOLDER, start, stop)


class _Unready(Anchors):
    def ready(self, chunk: object) -> bool:
        return False


class _Slow:
    """A reference that wants to see each entry."""

    def passed(self, seq: int, hash: bytes) -> Finding | None:
        return None

    def ended(self, size: int) -> Finding | None:
        return None


def _claimed() -> Purges:
    return Purges(lambda: [Purge(11, 5, 6, b"")])


@pytest.mark.parametrize(
    "doubtful",
    [
        Verifier(HEAD, purges=_claimed(), _expected=4, _prev=TRUE[3].hash),
        Verifier(HEAD, _expected=3, _prev=TRUE[3].hash),
        Verifier(HEAD, _expected=5, _prev=TRUE[3].hash),
        Verifier(HEAD, _expected=4, _prev=bytes(32)),
        Verifier(HEAD, _expected=4, _prev=TRUE[3].hash, _recorded_at="2030-01-01T00:00:00.000000Z"),
        Verifier(HEAD, (Anchors(()), _Unready(())), _expected=4, _prev=TRUE[3].hash),
        Verifier(HEAD, (Anchors(()), _Slow()), _expected=4, _prev=TRUE[3].hash),
    ],
    ids=["purged", "overlaps", "gap", "link", "time", "reference not ready", "reference that cannot leap"],
)
def test_a_chunk_that_does_not_follow_is_read_entry_by_entry(doubtful: Verifier) -> None:
    chunk = examined(TRUE, _task(4, 7), 5)
    assert chunk
    assert not doubtful.over(chunk)
    assert doubtful.checked == 0
    assert Verifier(HEAD, (Anchors(()),), _expected=4, _prev=TRUE[3].hash).over(chunk)
