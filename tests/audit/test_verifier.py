"""The verifier by itself, without a database: what it says of a stream of entries, and when it says nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from audit import event
from audit.leaf import EMPTY, Entry, leaf_hash
from audit.read_plan import Past, Plan, plan
from audit.verification import CAP, Anchors, Head, Verdict, Verifier

ORIGIN = "itm-x/ledger/JGK/1"


def _content(number: int) -> str:
    return json.dumps(
        {
            "id": str(number),
            "time": "2026-01-01T00:00:00.000001Z",
            "action": "record.read",
            "outcome": "success",
            "via": "append",
            "actor": {"user": "u", "name": None, "institution": None, "role": None},
            "target": None,
            "subjects": [],
            "purpose": None,
            "request": {"id": None},
        }
    )


def _sealed(entry: Entry) -> Entry:
    return replace(entry, hash=leaf_hash(ORIGIN, entry.seq, entry.recorded_at, entry.prev, entry.commitment))


def _chain(size: int, recorded_at: dict[int, str] | None = None) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(size):
        content, salt = _content(seq), bytes([seq % 256]) * 32
        moment = (recorded_at or {}).get(seq, f"2026-01-01T00:00:00.{seq:06}Z")
        prev = entries[-1].hash if entries else EMPTY
        committed = event.commitment(salt, content)
        entry = Entry(seq, str(seq), moment, prev, committed, b"", salt, content, event.derived(content))
        entries.append(_sealed(entry))
    return entries


def _verdict(entries: list[Entry], head: Head | None = None, anchors: Anchors | None = None, start: int = 0) -> Verdict:
    last = entries[-1] if entries else None
    head = head or Head(ORIGIN, len(entries) + start, last.hash if last else EMPTY, last.recorded_at if last else None)
    verifier = Verifier(head, (anchors,) if anchors else ())
    verifier.begin(start)
    for entry in entries:
        verifier.feed(entry)
    verifier.close()
    return verifier.verdict()


def test_a_chain_is_intact() -> None:
    verdict = _verdict(_chain(5))
    assert (verdict.verdict, verdict.assurance, verdict.first_broken) == ("intact", "unsigned", None)


def test_a_stretch_from_the_middle_is_intact_by_itself() -> None:
    assert _verdict(_chain(9)[4:], start=4).verdict == "intact"


def test_a_stretch_from_the_middle_must_chain_from_its_first_entry() -> None:
    entries = _chain(9)
    entries[5] = _sealed(replace(entries[5], prev=EMPTY))
    assert _verdict(entries[4:], start=4).first_broken == 5


def test_the_first_entry_names_no_predecessor() -> None:
    entries = _chain(1)
    entries[0] = _sealed(replace(entries[0], prev=b"\x01" * 32))
    assert _verdict(entries).first_broken == 0


@pytest.mark.parametrize(
    "moment", ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00.000000Z", "٢٠٢٦-01-01T00:00:00.000000Z", ""]
)
def test_a_malformed_time_is_found_although_its_hash_is_right(moment: str) -> None:
    verdict = _verdict(_chain(3, {1: moment}))
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 1)


def test_a_time_before_its_predecessors_is_found_although_its_hash_is_right() -> None:
    verdict = _verdict(_chain(3, {1: "2026-06-01T00:00:00.000000Z"}))
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 2)


def test_equal_times_are_in_order() -> None:
    assert _verdict(_chain(3, dict.fromkeys(range(3), "2026-06-01T00:00:00.000000Z"))).verdict == "intact"


def test_an_entry_that_comes_twice_is_found() -> None:
    entries = _chain(3)
    head = Head(ORIGIN, 3, entries[2].hash, entries[2].recorded_at)
    assert _verdict([*entries[:2], entries[1], entries[2]], head).first_broken == 1


def test_entries_that_are_missing_at_the_end_are_found() -> None:
    entries = _chain(3)
    verdict = _verdict(entries[:2], Head(ORIGIN, 3, entries[2].hash, entries[2].recorded_at))
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 2)
    assert verdict.findings[0].kind == "missing"


def test_an_event_that_stands_under_another_entrys_name_is_found() -> None:
    entries = _chain(3)
    entries[1] = replace(entries[1], event_id="7")
    assert _verdict(entries).first_broken == 1


def test_all_findings_are_counted_and_the_first_are_kept() -> None:
    entries = [replace(entry, content=None) for entry in _chain(CAP + 20)]
    verdict = _verdict(entries)
    assert (len(verdict.findings), verdict.found, verdict.first_broken) == (CAP, CAP + 20, 0)


def test_the_smallest_entry_counts_also_when_it_is_found_late() -> None:
    entries = _chain(4)
    verifier = Verifier(Head(ORIGIN, 4, entries[3].hash, entries[3].recorded_at))
    for start, stop in ((2, 4), (0, 2)):
        verifier.begin(start)
        for entry in entries[start:stop]:
            verifier.feed(replace(entry, content=None))
    assert verifier.verdict().first_broken == 0


def test_a_failure_says_nothing_unless_something_was_found_before() -> None:
    entries = _chain(3)
    verifier = Verifier(Head(ORIGIN, 3, entries[2].hash, entries[2].recorded_at))
    verifier.begin()
    verifier.feed(entries[0])
    verifier.failed("the disk is gone")
    assert verifier.verdict().verdict == "cannot tell"
    verifier.feed(replace(entries[1], content=None))
    assert verifier.verdict().verdict == "tampered"


def test_an_entry_whose_fields_are_gone_is_a_finding_and_no_crash() -> None:
    entries = _chain(3)
    entries[1] = replace(entries[1], prev=None, recorded_at=None)  # type: ignore[arg-type]
    assert _verdict(entries).first_broken == 1


def test_a_head_that_was_seen_must_still_be_there() -> None:
    entries = _chain(6)
    right = Anchors([(2, entries[1].hash), (6, entries[5].hash)])
    wrong = Anchors([(2, entries[1].hash), (6, b"\x01" * 32)])
    assert _verdict(entries, anchors=right).verdict == "intact"
    verdict = _verdict(entries, anchors=wrong)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 2)
    assert verdict.findings[0].detail.startswith("entries 2 to 5 ")


def test_an_entry_that_fails_by_itself_is_named_before_a_range() -> None:
    entries = _chain(6)
    entries[4] = replace(entries[4], content=None)
    assert _verdict(entries, anchors=Anchors([(2, b"\x01" * 32)])).first_broken == 4


def test_two_heads_at_one_size_cannot_both_be_right() -> None:
    entries = _chain(3)
    assert _verdict(entries, anchors=Anchors([(3, entries[2].hash), (3, b"\x01" * 32)])).verdict == "tampered"


def test_fewer_entries_than_were_verified_are_a_truncation() -> None:
    entries = _chain(6)
    anchors = Anchors([(6, entries[5].hash)])
    verdict = _verdict(entries[:4], anchors=anchors)
    assert (verdict.verdict, verdict.first_broken) == ("tampered", 4)


@pytest.mark.parametrize(
    ("size", "past", "expected"),
    [
        (0, None, Plan(((0, 0),))),
        (9, None, Plan(((0, 9),))),
        (9, Past(True, 9, 0), Plan(((0, 3), (8, 9)), 3)),
        (9, Past(True, 3, 0), Plan(((0, 9),))),
        (20, Past(True, 12, 6), Plan(((5, 8), (11, 20)), 8)),
        (20, Past(True, 12, 10), Plan(((9, 20),))),
        (20, Past(False, 12, 6), Plan(((0, 20),))),
        (9, Past(True, 12, 6), Plan(((0, 9),))),
    ],
)
def test_what_an_incremental_run_reads(size: int, past: Past | None, expected: Plan) -> None:
    assert plan("incremental", size, past, reread=3) == expected


def test_a_full_run_reads_everything() -> None:
    assert plan("full", 9, Past(True, 9, 3)) == Plan(((0, 9),))
