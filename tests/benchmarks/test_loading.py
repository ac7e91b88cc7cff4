"""The loader that large figures rest on: what it leaves behind is a ledger like any other."""

from __future__ import annotations

import uuid

from sqlalchemy import text

from audit import store
from tests.benchmarks.loading import load
from tests.conftest import Database
from tests.stating import say

HOLDER = uuid.UUID(int=7)
_TRIGGERS = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"


def test_a_loaded_ledger_is_intact_goes_on_and_has_its_triggers_again(database: Database) -> None:
    superuser = database.engine("superuser")
    with database.engine("owner").begin() as connection:
        connection.execute(text("SELECT audit.open_ledger(:holder, 'LOADED', true)"), {"holder": HOLDER})
    with superuser.connect() as connection:
        before = connection.execute(text(_TRIGGERS)).all()
    load(database.url("superuser"), HOLDER, 50)
    with database.engine("app").begin() as connection:
        say(connection, ledger=str(HOLDER), reads="ledger")
        store.append(connection, "record.read", kind="case", id="1")
    load(database.url("superuser"), HOLDER, 50)
    with superuser.connect() as connection:
        assert connection.execute(text(_TRIGGERS)).all() == before
        ledger = store.ledgers(connection)[0]
        verdict = store.verify(connection, ledger, "full").verdict
    assert (verdict.verdict, verdict.size, verdict.findings) == ("intact", 101, ())
