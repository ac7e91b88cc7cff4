"""A small true ledger in memory, its rows as PostgreSQL sends them, and what is said of a part of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from audit import event, fast_check
from audit.fast_check import Chunk, Examiner, Task
from audit.leaf import EMPTY, Entry, leaf_hash
from audit.verification import Head

ORIGIN, HOLDER, OTHER = "itm-x/ledger/JGK/1", str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
SIZE = 12
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def moment(seq: int) -> str:
    return (_BEGAN + timedelta(seconds=seq // 3, microseconds=seq)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def composed(seq: int, tail: str = "", **said: Any) -> str:
    """As audit.write composes it."""
    id = str(uuid.UUID(int=seq + 100))
    whole = {
        "id": id,
        "time": moment(seq),
        "action": "record.update",
        "outcome": "success",
        "via": "trigger" if seq % 2 else "append",
        "actor": {
            "user": None if seq % 5 == 0 else id, "name": "Ayşe \"A\"" if seq == 7 else "Ayşe", "institution": "JGK",
            "role": "caseworker", "session": "itm_app", "transaction": "7", "client": None,
        },
        "on_behalf_of": None,
        "target": None if seq == 4 else {"kind": "case", "id": id, "institution": HOLDER if seq % 2 else None},
        "subjects": [[], ["a"], ["a", "b, c"]][seq % 3],
        "purpose": None if seq % 2 else "casework",
        "request": {"id": "r", "route": "x", "address": None},
        **({"changes": {"id": {"old": None, "new": "["}}, "state": {"shape": "case/1"}} if seq % 2 else {}),
        **said,
    }  # fmt: skip
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).removesuffix("}") + tail + "}"


def sealed(entry: Entry) -> Entry:
    return replace(entry, hash=leaf_hash(ORIGIN, entry.seq, entry.recorded_at, entry.prev, entry.commitment))


def chain(contents: Sequence[str]) -> list[Entry]:
    entries: list[Entry] = []
    for seq, content in enumerate(contents):
        salt, prev = sha256(bytes([seq])).digest(), entries[-1].hash if entries else EMPTY
        try:
            columns = event.derived(content)
        except ValueError:
            columns = event.derived(composed(seq))
        committed = event.commitment(salt, content)
        made = Entry(seq, str(columns.id), moment(seq), prev, committed, b"", salt, content, columns)
        entries.append(sealed(made))
    return entries


TRUE = chain([composed(seq) for seq in range(SIZE)])
HEAD = Head(ORIGIN, SIZE, TRUE[-1].hash, TRUE[-1].recorded_at, HOLDER)


def raw(entry: Entry) -> fast_check.Row:
    """Leaf and event as PostgreSQL sends them."""

    def text(value: str | None) -> bytes | None:
        return None if value is None else value.encode()

    columns = entry.columns or TRUE[0].columns
    assert columns
    id = uuid.UUID(entry.event_id).bytes
    shown = [text(value) for value in columns[:12]]
    subjects = json.dumps(columns.subjects, ensure_ascii=False, separators=(",", ":")).encode()
    content = None if entry.content is None else entry.content.encode()
    return (
        entry.seq, id, entry.recorded_at.encode(), entry.prev, entry.commitment, entry.hash,
        uuid.UUID(str(columns.id)).bytes, entry.salt, content, entry.in_place,
        *shown, subjects, text(columns.purpose), text(columns.request_id),
    )  # fmt: skip


def examined(entries: Sequence[Entry], task: Task, page: int) -> Chunk | None:
    examiner = Examiner(task)
    within = [raw(entry) for entry in entries if task.start <= entry.seq < task.stop]
    for at in range(0, len(within), page):
        if not examiner.page(within[at : at + page]):
            return None
    return examiner.chunk()


def rechained(entries: Sequence[Entry]) -> list[Entry]:
    """With fresh links and hashes: nothing but what was changed is wrong."""
    made: list[Entry] = []
    for entry in entries:
        made.append(sealed(replace(entry, prev=made[-1].hash if made else EMPTY)))
    return made
