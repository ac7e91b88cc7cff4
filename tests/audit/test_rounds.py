"""Rounds of verification: what each level reads, what is kept, and what a kept verdict proves later."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from audit import event, report, store
from audit.leaf import EMPTY, leaf_hash
from audit.read_plan import Level
from tests.audit.conftest import OURS, PRESIDENCY, World
from tests.stating import say


def _round(world: World, level: Level = "incremental") -> dict[str, Any]:
    rows, _ = report.report(world.engine("signer"), level)
    return next(row for row in rows if row["institution"] == "OURS")


def _tamper(world: World, statement: str, **values: Any) -> None:
    with world.engine("superuser").begin() as connection:
        for table in ("ledger", "event", "leaf", "verification"):
            connection.execute(text(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL"))
        connection.execute(text(statement), values)
        for table in ("ledger", "event", "leaf", "verification"):
            connection.execute(text(f"ALTER TABLE audit.{table} ENABLE TRIGGER ALL"))
            connection.execute(text(f"ALTER TABLE audit.{table} ENABLE ALWAYS TRIGGER append_only"))


OURS_ONLY = "ledger_id = (SELECT id FROM audit.ledger WHERE code = 'OURS')"


def _truncate(world: World, size: int) -> None:
    """Cuts a ledger back to a size, as an attacker who leaves nothing else behind."""
    _tamper(
        world,
        f"DELETE FROM audit.event WHERE id IN (SELECT event_id FROM audit.leaf WHERE {OURS_ONLY} AND seq >= :s)",
        s=size,
    )
    _tamper(world, f"DELETE FROM audit.leaf WHERE {OURS_ONLY} AND seq >= :s", s=size)
    _tamper(
        world,
        "UPDATE audit.ledger l SET size = :s, head = f.hash, recorded_at = f.recorded_at::timestamptz"
        " FROM audit.leaf f WHERE f.ledger_id = l.id AND l.code = 'OURS' AND f.seq = :s - 1",
        s=size,
    )


def test_a_report_says_what_it_says_and_no_more(world: World) -> None:
    world.fill(3)
    rows, code = report.report(world.engine("signer"), "full")
    assert code == 0
    assert [row["institution"] for row in rows] == ["OURS", "PRES", "THEIRS"]
    assert rows[0] == {
        "origin": world.ledger().origin,
        "institution": "OURS",
        "verdict": "intact",
        "assurance": "unsigned",
        "size": 3,
        "first_broken": None,
        "ranges": [[0, 3]],
        "since": None,
        "findings": [],
    }


def test_one_institution_can_be_asked_for(world: World) -> None:
    rows, code = report.report(world.engine("signer"), "full", "THEIRS")
    assert ([row["institution"] for row in rows], code) == (["THEIRS"], 0)


def test_a_round_is_one_entry_in_the_presidencys_ledger(world: World) -> None:
    world.fill(2)
    _round(world)
    entries = world.contents(PRESIDENCY)
    assert [entry["action"] for entry in entries] == ["ledger.verify"]
    assert entries[0]["actor"]["session"] == "itm_signer"
    assert entries[0]["detail"]["ledgers"] == entries[0]["detail"]["intact"] == 3


def test_a_tampered_ledger_is_exit_code_one_and_its_round_a_failure(world: World) -> None:
    world.fill(3)
    _tamper(world, "UPDATE audit.event SET content = content || ' '")
    rows, code = report.report(world.engine("signer"), "full")
    assert (code, rows[0]["verdict"], rows[0]["first_broken"]) == (1, "tampered", 0)
    assert world.contents(PRESIDENCY)[-1]["outcome"] == "failure"


def test_what_cannot_be_asked_is_exit_code_two(world: World) -> None:
    nobody = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    rows, code = report.report(nobody, "full")
    assert (code, rows[0]["verdict"]) == (2, "cannot tell")
    rows, code = report.report(world.engine("signer"), "full", "NO_SUCH")
    assert (code, rows[0]["verdict"]) == (2, "cannot tell")


def test_a_store_that_fails_midway_cannot_tell(world: World) -> None:
    world.fill(3)
    ledger = world.ledger()
    with world.engine("signer").connect() as connection:
        connection.execute(text("SELECT 1"))
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        world.run("SELECT pg_terminate_backend(:pid, 10000)", "superuser", pid=backend)
        verdict = store.verify(connection, ledger, "full").verdict
    assert (verdict.verdict, verdict.first_broken) == ("cannot tell", None)


def test_a_run_that_is_stopped_cannot_tell(world: World) -> None:
    world.fill(3)
    assert (
        store.verify(world.engine("signer"), world.ledger(), "full", stop=lambda: True).verdict.verdict == "cannot tell"
    )


def test_progress_ends_where_it_said_that_it_would(world: World) -> None:
    world.fill(5)
    told: list[tuple[int, int]] = []
    store.verify(
        world.engine("signer"), world.ledger(), "full", progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (5, 5)


def test_an_empty_ledger_is_intact(world: World) -> None:
    verdict = world.verify().verdict
    assert (verdict.verdict, verdict.size, verdict.head) == ("intact", 0, EMPTY)
    assert _round(world)["verdict"] == "intact"
    world.fill(1)
    assert _round(world)["verdict"] == "intact"


def test_a_truncated_ledger_is_found_by_an_earlier_verification(world: World) -> None:
    world.fill(6)
    assert _round(world)["verdict"] == "intact"
    _truncate(world, 4)
    assert _round(world)["verdict"] == "tampered"
    assert _round(world)["first_broken"] == 4


def test_truncation_that_no_verification_saw_passes_as_documented(world: World) -> None:
    world.fill(6)
    _truncate(world, 4)
    assert _round(world)["verdict"] == "intact"


def test_a_ledger_that_vanished_whole_is_missed(world: World) -> None:
    world.fill(2)
    _round(world)
    origin = world.ledger().origin
    for statement in (
        f"DELETE FROM audit.event WHERE {OURS_ONLY}",
        f"DELETE FROM audit.leaf WHERE {OURS_ONLY}",
        "DELETE FROM audit.ledger WHERE code = 'OURS'",
    ):
        _tamper(world, statement)
    rows, code = report.report(world.engine("signer"), "incremental")
    assert (code, rows[-1]["origin"], rows[-1]["verdict"]) == (1, origin, "tampered")
    assert rows[-1]["findings"][0]["detail"] == "the ledger itself is not there"


def _rewrite(world: World, first: int) -> None:
    """Rewrites history from an entry on with fresh hashes, head included: every link and hash is right again."""
    origin = world.ledger().origin
    with world.engine("superuser").connect() as connection:
        rows = connection.execute(
            text(f"SELECT * FROM audit.leaf WHERE {OURS_ONLY} ORDER BY seq"),
        ).all()
    salt = bytes([1]) * 32
    _tamper(
        world,
        "UPDATE audit.event SET salt = :salt WHERE id = :id",
        salt=salt,
        id=rows[first].event_id,
    )
    content = world.run("SELECT content FROM audit.event WHERE id = :id", "superuser", id=rows[first].event_id)
    prev = bytes(rows[first].prev)
    for row in rows[first:]:
        commitment = event.commitment(salt, content) if row.seq == first else bytes(row.commitment)
        hash = leaf_hash(origin, row.seq, row.recorded_at, prev, commitment)
        _tamper(
            world,
            f"UPDATE audit.leaf SET prev = :p, commitment = :c, hash = :h WHERE {OURS_ONLY} AND seq = :s",
            p=prev,
            c=commitment,
            h=hash,
            s=row.seq,
        )
        prev = hash
    _tamper(world, "UPDATE audit.ledger SET head = :h WHERE code = 'OURS'", h=prev)


def test_rewritten_history_is_found_between_the_last_head_that_matches_and_the_first_that_does_not(
    world: World,
) -> None:
    for _ in range(3):
        world.fill(2)
        _round(world)
    _rewrite(world, 3)
    row = _round(world)
    assert (row["verdict"], row["first_broken"]) == ("tampered", 2)
    assert [finding["kind"] for finding in row["findings"]] == ["anchor", "anchor"]
    assert row["findings"][0]["detail"].startswith("entries 2 to 3 ")


def test_a_tampered_verdict_is_no_anchor_and_stands_until_the_ledger_is_itself_again(world: World) -> None:
    world.fill(4)
    _round(world)
    _tamper(world, f"UPDATE audit.event SET purpose = 'x' WHERE {OURS_ONLY}")
    world.fill(2)
    for _ in range(2):
        assert _round(world)["verdict"] == "tampered"
    anchors = "SELECT max(size) FROM audit.verification WHERE verdict = 'intact' AND " + OURS_ONLY
    assert world.run(anchors, "superuser") == 4
    _tamper(world, f"UPDATE audit.event SET purpose = NULL WHERE {OURS_ONLY}")
    assert _round(world)["verdict"] == "intact"
    assert world.run(anchors, "superuser") == 6


def test_the_head_of_a_tampered_verdict_is_never_believed(world: World) -> None:
    world.fill(4)
    head = world.ledger().head
    for value, word in ((b"\x01" * 32, "tampered"), (head, "intact"), (head, "intact")):
        _tamper(world, "UPDATE audit.ledger SET head = :h WHERE code = 'OURS'", h=value)
        assert _round(world)["verdict"] == word


def test_a_small_ledger_is_read_whole_by_every_run(world: World) -> None:
    world.fill(5)
    _round(world)
    verification = world.verify(level="incremental")
    assert (verification.first_seq, verification.checked) == (0, 5)


def test_older_entries_are_read_again_in_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.store.verifying.REREAD", 3)
    world.fill(9)
    _round(world)
    read = []
    for _ in range(5):
        with world.engine("signer").begin() as connection:
            verification = world.verify(level="incremental")
            store.record(connection, verification)
        assert verification.verdict.verdict == "intact"
        read.append((verification.first_seq, verification.checked, verification.next_seq))
    assert read == [(0, 4, 3), (2, 4, 5), (4, 4, 7), (6, 3, 0), (0, 4, 3)]


def test_a_panel_that_may_not_see_all_cannot_judge_a_ledger(world: World) -> None:
    world.fill(2)
    ledger = world.ledger()
    with world.engine("app").begin() as connection:
        for reads, word in (
            ("all", "intact"),
            ("ledger", "cannot tell"),
            ("actor", "cannot tell"),
            ("none", "cannot tell"),
        ):
            say(connection, reads=reads, ledger=str(OURS), actor={"user": str(uuid.uuid4())})
            assert store.verify(connection, ledger, "full").verdict.verdict == word


def test_entries_that_arrive_while_reading_do_not_disturb(world: World) -> None:
    world.fill(3)
    ledger = world.ledger()

    def arrive(done: int, total: int) -> None:
        world.fill(1)

    with world.engine("signer").connect() as connection:
        assert store.verify(connection, ledger, "full", progress=arrive).verdict.verdict == "intact"
    assert store.verify(world.engine("signer"), ledger, "full", progress=arrive).verdict.verdict == "intact"
