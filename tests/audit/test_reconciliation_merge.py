"""The merge of rows and events without a database: what is found, by whichever order and number they come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.reconciliation import Differences, LastEvent, RecordRow, differences, left, shape_of, state_of
from audit.verification import CAP, Finding, Verdict

HOLDER = "whose"
HOLDERS = (HOLDER, "earlier")


def state(word: str, shape: int = 1) -> str:
    return f'{{"shape":"thing/{shape}","sha256":"{word}"}}'


def told(key: str, holder: str, word: str | None = "a", moved_to: str | None = None, shape: int = 1) -> LastEvent:
    end = f'"changes":{{}},"state":{"null" if word is None else state(word, shape)}}}'
    moved = None if moved_to is None else json.dumps({"changes": {HOLDER: {"old": holder, "new": moved_to}}})
    return LastEvent(key, holder, end, moved)


def found(rows: list[RecordRow], events: list[LastEvent]) -> list[tuple[str, str | None, str]]:
    return [(each.kind, each.holder, each.key) for each in differences(rows, events, HOLDERS, "P")]


CASES: dict[str, tuple[list[RecordRow], list[LastEvent], list[tuple[str, str, str]]]] = {
    "nothing": ([], [], []),
    "the same": ([RecordRow("1", "H", state("a"))], [told("1", "H")], []),
    "another state": ([RecordRow("1", "H", state("b"))], [told("1", "H")], [("record.changed", "H", "1")]),
    "no event": ([RecordRow("1", "H", state("a"))], [], [("record.added", "H", "1")]),
    "no event before, between and after": (
        [RecordRow(key, "H", state("a")) for key in "13579"],
        [told("3", "H"), told("7", "H")],
        [("record.added", "H", key) for key in "159"],
    ),
    "no row before, between and after": (
        [RecordRow("3", "H", state("a")), RecordRow("7", "H", state("a"))],
        [told(key, "H") for key in "13579"],
        [("record.removed", "H", key) for key in "159"],
    ),
    "deleted": ([], [told("1", "H", None)], []),
    "deleted, and there again": (
        [RecordRow("1", "H", state("a"))],
        [told("1", "H", None)],
        [("record.added", "H", "1")],
    ),
    "moved": ([RecordRow("1", "I", state("a"))], [told("1", "H", moved_to="I"), told("1", "I")], []),
    "moved, and back behind the ledger": (
        [RecordRow("1", "H", state("b"))],
        [told("1", "H", moved_to="I"), told("1", "I")],
        [("record.changed", "H", "1"), ("record.removed", "I", "1")],
    ),
    "moved behind the ledger": (
        [RecordRow("1", "I", state("b"))],
        [told("1", "H")],
        [("record.added", "I", "1"), ("record.removed", "H", "1")],
    ),
    "moved, and gone there": ([], [told("1", "H", moved_to="I"), told("1", "I")], [("record.removed", "I", "1")]),
    "moved in by an event that moved it here": ([], [told("1", "H", moved_to="H")], [("record.removed", "H", "1")]),
    "without a baseline": ([RecordRow("1", "H", state("a", 2))], [told("1", "H")], [("record.changed", "H", "1")]),
}


@pytest.mark.parametrize("what", CASES)
def test_each_difference_is_named(what: str) -> None:
    rows, events, expected = CASES[what]
    assert found(rows, events) == expected


def test_a_missing_baseline_is_said() -> None:
    (difference,) = differences([RecordRow("1", "H", state("a", 2))], [told("1", "H")])
    assert difference.why == "its last event has the shape thing/1, not thing/2: there was no baseline"


def test_a_row_of_nobody_went_to_the_presidency() -> None:
    gone = LastEvent("1", "H", f'"state":{state("a")}}}', json.dumps({"changes": {HOLDER: {"old": "H", "new": None}}}))
    assert left(gone, HOLDERS, "P")
    assert not left(gone._replace(holder="P"), HOLDERS, "P")


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", "{}", '{"changes":null}', '{"changes":[]}', '{"changes":{"whose":{}}}', '"x"']
)
def test_what_cannot_be_read_tells_of_no_move(content: str) -> None:
    assert not left(LastEvent("1", "H", "", content), HOLDERS, "P")


@pytest.mark.parametrize("end", ["", "}", 'x,"state":null}', 'x,"state":"y"}'])
def test_what_ends_without_a_state_has_none(end: str) -> None:
    assert state_of(end) is None


def test_a_state_that_cannot_be_read_has_an_unknown_shape() -> None:
    assert (shape_of("{"), shape_of("{}"), shape_of(state("a", 7))) == ("unknown", "unknown", "thing/7")


KEYS = st.text("0123456789abcdef-", min_size=1, max_size=4)
WORDS = st.sampled_from("ab")


@given(st.dictionaries(KEYS, WORDS), st.dictionaries(KEYS, st.one_of(st.none(), WORDS)))
def test_the_merge_finds_what_comparing_each_key_finds(rows: dict[str, str], events: dict[str, str | None]) -> None:
    expected = set()
    for key in {*rows, *events}:
        row, event = rows.get(key), events.get(key)
        if row is not None and event is None:
            expected.add(("record.added", "H", key))
        elif row is None and event is not None:
            expected.add(("record.removed", "H", key))
        elif row != event:
            expected.add(("record.changed", "H", key))
    got = found(
        [RecordRow(key, "H", state(rows[key])) for key in sorted(rows)],
        [told(key, "H", events[key]) for key in sorted(events)],
    )
    assert (len(got), set(got)) == (len(expected), expected)


def test_a_hundred_findings_of_a_holder_are_kept_and_all_are_counted() -> None:
    all_of_them = Differences()
    for number in range(CAP + 5):
        all_of_them.add("H", Finding(None, "record.added", "x", "t", str(number)))
    all_of_them.add("I", Finding(None, "record.added", "x", "t", "1"))
    assert (len(all_of_them.findings["H"]), all_of_them.counts) == (CAP, {"H": CAP + 5, "I": 1})


VERDICT = Verdict("o", "intact", "unsigned", 3, b"", None)
FINDING = Finding(None, "record.changed", "x", "t", "1")
BESIDE: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"findings": (), "found": 0}, ("intact", None, 0, [])),
    ({"findings": (FINDING,), "found": 1}, ("tampered", None, 1, ["record.changed"])),
    ({"findings": (), "found": 0, "failure": "x"}, ("cannot tell", None, 0, ["unread"])),
    ({"findings": (FINDING,), "found": 7, "failure": "x"}, ("tampered", None, 7, ["record.changed", "unread"])),
]


@pytest.mark.parametrize(("more", "expected"), BESIDE)
def test_a_verdict_with_what_was_found_beside_it_names_no_broken_entry(
    more: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    joined = VERDICT.beside(**more)
    assert (joined.verdict, joined.first_broken, joined.found, [each.kind for each in joined.findings]) == expected
