"""A page that cannot be read names its table, in PostgreSQL's words for each kind of damage."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from audit import report
from audit.fast_check import Chunk, Task
from tests.audit.conftest import World

DAMAGES = {
    "a page": ("XX001", "'invalid page in block 0 of relation base/5/' || pg_relation_filenode('audit.event')"),
    "a page of long values": (
        "XX001",
        "'invalid page in block 0 of relation base/5/' || pg_relation_filenode((SELECT reltoastrelid FROM pg_class"
        " WHERE oid = 'audit.event'::regclass))",
    ),
    "a page of an index": (
        "XX001",
        "'could not read blocks 0..0 in file \"base/5/' || pg_relation_filenode('audit.event_pkey') || '\"'",
    ),
    "a long value": (
        "XX001",
        "'missing chunk number 0 for toast value 1 in pg_toast_' || 'audit.event'::regclass::oid",
    ),
    "an index": ("XX002", "'index \"event_pkey\" contains unexpected zero page at block 0'"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_page_names_its_table(world: World, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill(2)
    state, words = DAMAGES[what]

    def damaged(connection: psycopg.Connection[Any], task: Task) -> Chunk | None:
        connection.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = {words}; END $$".encode())
        return None

    monkeypatch.setattr("audit.store.reader_pool.read", damaged)
    rows, code = report.report(world.engine("signer"), "full")
    details = [each["detail"] for row in rows for each in row["findings"] if row["institution"] == "OURS"]
    assert code == 2
    assert [detail.split(": ", 1)[1] for detail in details] == ["audit.event is damaged"]
