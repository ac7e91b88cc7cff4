"""For every division into chunks, and for every reader, the verdict equals that of reading entry by entry."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from audit import checkpoint, event, store
from audit.checkpoint import Checkpoint
from audit.checkpoint_comparison import Attested, Evidence, Recorded
from audit.compact_range import CompactRange
from audit.fast_check import Task
from audit.key import SigningKey
from audit.key_statements import Keys, Statement
from audit.leaf import EMPTY, Entry
from audit.store import chunks, reader_pool
from audit.verification import Anchors, Verdict, Verifier
from tests.audit.conftest import OURS, World
from tests.audit.cut_ledger import HEAD, HOLDER, ORIGIN, OTHER, SIZE, TRUE, composed, examined, sealed
from tests.benchmarks.loading import load

KEY = SigningKey.generate("itm-x")


def _references(anchors: Sequence[int], signed: Sequence[int]) -> tuple[Anchors, Attested]:
    """The true ledger at these sizes."""
    notes = []
    for size in signed:
        root = CompactRange.of([entry.hash for entry in TRUE[:size]]).root()
        notes.append(Recorded(size, root, bytes(checkpoint.sign(Checkpoint(ORIGIN, size, root), KEY)).decode()))
    evidence = Evidence(keys=Keys.of([Statement(KEY.verifier, "named", {})]))
    return Anchors((size, TRUE[size - 1].hash) for size in anchors), Attested(ORIGIN, evidence, notes)


def _judged(
    entries: Sequence[Entry], cuts: Sequence[int], page: int, anchors: Sequence[int], signed: Sequence[int]
) -> tuple[Verdict, int, int]:
    """The verdict, the entries that were checked, and up to where signatures vouch for them."""
    references = _references(anchors, signed)
    verifier = Verifier(HEAD, references)
    verifier.begin()
    for start, stop in zip((0, *cuts), (*cuts, SIZE), strict=True):
        task = Task(uuid.UUID(int=9), ORIGIN, HOLDER, start, stop, verifier.sizes(start, stop))
        found = examined(entries, task, page) if cuts else None
        if found is None or not verifier.over(found):
            for entry in entries:
                if start <= entry.seq < stop:
                    verifier.feed(entry)
    verifier.end(SIZE)
    verifier.close()
    return verifier.verdict(), verifier.checked, references[1].covered("self-attested")


def _columns(name: str, value: Any) -> Callable[[Entry], Entry]:
    return lambda entry: replace(entry, columns=entry.columns and entry.columns._replace(**{name: value}))


def _other_content(entry: Entry, content: str, reseal: bool = True) -> Entry:
    assert entry.salt
    changed = replace(entry, content=content)
    return sealed(replace(changed, commitment=event.commitment(entry.salt, content))) if reseal else changed


ATTACKS: dict[str, Callable[[Entry], Entry | None]] = {
    "gone": lambda entry: None,
    "event gone": lambda entry: replace(entry, content=None, columns=None, salt=None),
    "salt": lambda entry: replace(entry, salt=bytes(32)),
    "content": lambda entry: replace(entry, content=f"{entry.content} "),
    "commitment": lambda entry: replace(entry, commitment=bytes(32)),
    "hash": lambda entry: replace(entry, hash=bytes(32)),
    "prev": lambda entry: sealed(replace(entry, prev=bytes(32))),
    "elsewhere": lambda entry: replace(entry, in_place=False),
    "another's event": lambda entry: replace(entry, event_id=str(uuid.UUID(int=77))),
    "later": lambda entry: sealed(replace(entry, recorded_at="2027-01-01T00:00:00.000000Z")),
    "no time": lambda entry: sealed(replace(entry, recorded_at="2026-01-01 00:00:00")),
    "at": _columns("at", "2026-01-01T00:00:09.000000Z"),
    "action": _columns("action", "record.read"),
    "actor": _columns("actor_name", None),
    "subjects": _columns("subjects", ("a,b",)),
    "holder": _columns("target_holder", OTHER),
    "purpose": _columns("purpose", "x"),
    "request": _columns("request_id", None),
    "another holder's": lambda entry: _resealed_as(entry, target={"kind": "case", "id": "1", "institution": OTHER}),
    "spelled otherwise": lambda entry: _other_content(entry, f" {entry.content}"),
    "said twice": lambda entry: _other_content(entry, composed(entry.seq, ',"purpose":"other"')),
    "said twice, hidden": lambda entry: _other_content(entry, composed(entry.seq, ',"p\\u0075rpose":"other"')),
    "no JSON": lambda entry: _other_content(entry, composed(entry.seq, ',"x":')),
    "no end": lambda entry: _other_content(entry, composed(entry.seq).removesuffix("}")),
    "more": lambda entry: _other_content(entry, composed(entry.seq) + "{}"),
}


def _resealed_as(entry: Entry, **said: Any) -> Entry:
    content = composed(entry.seq, **said)
    return replace(_other_content(entry, content), columns=event.derived(content))


def _attacked(name: str, seq: int, entries: Sequence[Entry]) -> list[Entry]:
    found = (ATTACKS[name](entry) if entry.seq == seq else entry for entry in entries)
    return [entry for entry in found if entry is not None]


sizes = st.lists(st.integers(1, SIZE), unique=True, max_size=4).map(sorted)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(ATTACKS)), st.integers(0, SIZE - 1)), max_size=3),
    st.lists(st.integers(1, SIZE - 1), unique=True, min_size=1, max_size=6).map(sorted),
    st.integers(1, 5),
    sizes,
    sizes,
)
def test_any_cuts_give_the_verdict_of_reading_in_order(
    attacks: list[tuple[str, int]], cuts: list[int], page: int, anchors: list[int], signed: list[int]
) -> None:
    entries = TRUE
    for name, seq in attacks:
        entries = _attacked(name, seq, entries)
    assert _judged(entries, cuts, page, anchors, signed) == _judged(entries, (), page, anchors, signed)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_said_of_a_chunk_in_which_something_is_wrong(name: str) -> None:
    for seq in (3, 4, 5):
        attacked = _attacked(name, seq, TRUE)
        if _judged(attacked, (), 9, (), ())[0].verdict == "tampered":
            inside = Task(uuid.UUID(int=9), ORIGIN, HOLDER, 2, 7)
            assert examined(attacked, inside, 9) is None


def test_a_true_chunk_is_passed_over_and_only_what_is_spelled_otherwise_is_read_again() -> None:
    whole = examined(TRUE[:7], Task(uuid.UUID(int=9), ORIGIN, HOLDER, 0, 7, (3,)), 2)
    assert whole
    assert (whole.hash, whole.prev, [mark.size for mark in whole.marks]) == (TRUE[6].hash, EMPTY, [3])
    assert whole.range == CompactRange.of([entry.hash for entry in TRUE[:7]])
    assert whole.marks[0].range == CompactRange.of([entry.hash for entry in TRUE[:3]])
    assert examined(TRUE, Task(uuid.UUID(int=9), ORIGIN, HOLDER, 7, 8), 2) is None


def _verify(world: World, processes: int) -> store.Verification:
    signer = world.engine("signer")
    with store.reading(signer) as connection, reader_pool.reading_together(connection, 0, processes) as read:
        return store.verify(connection, world.ledger(), "full", chunks=read)


@pytest.fixture
def loaded(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three thousand entries in chunks of 256."""
    monkeypatch.setattr("audit.store.verifying.CHUNK", 256)
    load(world.database.url("superuser"), OURS, 3_000)
    return world


def test_two_processes_say_what_one_says_of_a_true_ledger_and_of_tampered_ones(loaded: World) -> None:
    assert (_verify(loaded, 2).verdict, _verify(loaded, 2).checked) == (_verify(loaded, 1).verdict, 3_000)
    with loaded.engine("superuser").begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit.leaf DISABLE TRIGGER ALL")
        connection.exec_driver_sql("DELETE FROM audit.leaf WHERE seq IN (255, 256, 1000)")
        connection.exec_driver_sql(
            "UPDATE audit.leaf SET recorded_at = '2020' || substr(recorded_at, 5) WHERE seq = 512"
        )
    alone, together = _verify(loaded, 1).verdict, _verify(loaded, 2).verdict
    assert together == alone
    assert (alone.verdict, alone.first_broken) == ("tampered", 255)


def test_a_worker_that_dies_changes_nothing(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hired: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def begun(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        hired.append(begin(*arguments, **options))
        return hired[-1]

    monkeypatch.setattr("audit.store.reader_pool.subprocess.Popen", begun)

    def killed(done: int, total: int) -> None:
        for process in hired[: 2 if done > 1000 else 1]:
            process.kill()
            process.wait()

    signer = loaded.engine("signer")
    with store.reading(signer) as connection, reader_pool.reading_together(connection, 0, 2) as read:
        found = store.verify(connection, loaded.ledger(), "full", progress=killed, chunks=read)
    assert (found.verdict.verdict, found.checked, len(hired)) == ("intact", 3_000, 2)
    assert all(process.returncode is not None for process in hired)


def test_answers_that_nobody_waited_for_are_not_given_to_whoever_reads_next(loaded: World) -> None:
    """As where a ledger could not be read on, and the next one is read by the same workers."""
    ledger = loaded.ledger()
    tasks = [Task(ledger.id, ledger.origin, str(OURS), start, start + 256) for start in range(0, 2_560, 256)]
    signer = loaded.engine("signer")
    with store.reading(signer) as connection, reader_pool.reading_together(connection, 0, 2) as read:
        answers = read(tasks)
        assert isinstance(answers, Generator)
        assert next(answers)[0] == tasks[0]
        answers.close()
        given = list(read(tasks[5:7]))
        assert [task for task, _ in given] == tasks[5:7]
        assert [found and found.start for _, found in given] == [task.start for task in tasks[5:7]]


def test_workers_see_what_their_reader_sees_and_nothing_later(loaded: World) -> None:
    """A snapshot still has a fault that was put right after it was taken."""

    def swap() -> None:
        with loaded.engine("superuser").begin() as connection:
            connection.exec_driver_sql("ALTER TABLE audit.leaf DISABLE TRIGGER ALL")
            connection.exec_driver_sql(
                "UPDATE audit.leaf SET hash = substr(hash, 2) || substr(hash, 1, 1) WHERE seq = 700"
            )

    def swap_back() -> None:
        with loaded.engine("superuser").begin() as connection:
            connection.exec_driver_sql(
                "UPDATE audit.leaf SET hash = substr(hash, 32) || substr(hash, 1, 31) WHERE seq = 700"
            )

    swap()
    ledger, signer = loaded.ledger(), loaded.engine("signer")
    with store.reading(signer) as connection, reader_pool.reading_together(connection, 0, 2) as read:
        swap_back()
        assert store.verify(connection, ledger, "full", chunks=read).verdict.first_broken == 700


def test_a_transaction_that_has_written_is_read_by_itself(loaded: World) -> None:
    """Nobody else would see what it wrote."""
    with loaded.engine("superuser").connect() as connection:
        connection.exec_driver_sql("ALTER TABLE audit.leaf DISABLE TRIGGER ALL")
        connection.exec_driver_sql("DELETE FROM audit.leaf WHERE seq = 7")
        with reader_pool.reading_together(connection, 10**6, 2) as read:
            assert store.verify(connection, loaded.ledger(), "full", chunks=read).verdict.first_broken == 7


_SIZES = "SELECT (SELECT count(*) FROM audit.leaf), pg_current_snapshot()::text"


def test_what_is_asked_meanwhile_sees_the_same_snapshot_by_a_connection_of_its_own(loaded: World) -> None:
    def ask(connection: Connection) -> tuple[object, ...]:
        pid, *seen = connection.exec_driver_sql(f"SELECT pg_backend_pid(), x.* FROM ({_SIZES}) x").one()
        pids.append(pid)
        return tuple(seen)

    pids: list[int] = []
    with store.reading(loaded.engine("signer")) as connection:
        mine = tuple(connection.exec_driver_sql(_SIZES).one())
        loaded.add()
        with reader_pool.meanwhile(connection, reader_pool.SMALL, ask) as answer:
            assert answer() == mine
        with reader_pool.meanwhile(connection, reader_pool.SMALL - 1, ask) as answer:
            assert answer() == mine
        own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    assert own != pids[0]
    assert own == pids[1]


def test_without_a_second_connection_the_first_is_asked(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.reading(loaded.engine("signer")) as connection:
        monkeypatch.setattr(Engine, "connect", _refused)
        with reader_pool.meanwhile(connection, reader_pool.SMALL, lambda asked: asked is connection) as answer:
            assert answer()


def _refused(engine: Engine) -> Connection:
    raise OperationalError("", None, Exception("too many connections"))


def test_whoever_leaves_without_the_answer_does_not_wait_for_it(loaded: World) -> None:
    ended: list[Exception] = []

    def ask(connection: Connection) -> None:
        try:
            connection.exec_driver_sql("SELECT pg_sleep(600)")
        except OperationalError as error:
            ended.append(error)

    with (
        store.reading(loaded.engine("signer")) as connection,
        reader_pool.meanwhile(connection, reader_pool.SMALL, ask),
    ):
        pass
    assert len(ended) == 1


def test_a_worker_gets_no_secret_and_ends_with_its_parent(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITM_SECRET_KEY", "not for you")
    monkeypatch.setenv("PGAPPNAME", "ours")
    assert {"ITM_SECRET_KEY", "ITM_MASTER_KEY_FILE"}.isdisjoint(reader_pool._environment())
    assert reader_pool._environment()["PGAPPNAME"] == "ours"
    program = (
        "import sys; from sqlalchemy import create_engine; from audit import store;"
        "from audit.store import reader_pool;"
        "engine = create_engine(sys.argv[1]); before = sys.stdin.readline\n"
        "with store.reading(engine) as connection, reader_pool.reading_together(connection, 0, 2) as read:\n"
        "    print(*[each.pid for each in read.__self__._workers.values()], flush=True); before()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, loaded.database.url("signer")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers
    handles = [os.pidfd_open(pid) for pid in workers]
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    for handle in handles:
        assert _ended(handle)


def _ended(handle: int) -> bool:
    try:
        return bool(select.select([handle], [], [], 60)[0])
    finally:
        os.close(handle)


def test_events_far_from_their_places_are_found_by_their_ids(loaded: World) -> None:
    """Long transactions, many ledgers, a copy that was loaded in another order: only the time of reading differs."""
    task = Task(loaded.ledger().id, loaded.ledger().origin, str(OURS), 0, 3_000)
    with loaded.engine("superuser").begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit.event DISABLE TRIGGER ALL")
        connection.exec_driver_sql("UPDATE audit.event SET salt = salt WHERE random() < 0.5")
    with psycopg.connect(loaded.database.url("signer").replace("+psycopg", "")) as driver:
        found = chunks.read(driver, task)
    assert found
    assert (found.stop, found.hash) == (3_000, loaded.ledger().head)
