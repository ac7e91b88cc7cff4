"""The store's public names, in one place."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from audit.store.checkpoints import signing_alone, unlisted
from audit.store.rounds import Check, LedgerProgress, overall, verify_all
from audit.store.snapshot import PAGE, Ledger, Unreadable, entries, ledgers, reading
from audit.store.verifying import Progress, Stop, Unseen, Verification, verify
from audit.store.writing import SQL, append, install, record, record_round

Database = Engine

__all__ = [
    "PAGE",
    "SQL",
    "Check",
    "Database",
    "Ledger",
    "LedgerProgress",
    "Progress",
    "Stop",
    "Unreadable",
    "Unseen",
    "Verification",
    "append",
    "entries",
    "install",
    "ledgers",
    "overall",
    "reading",
    "record",
    "record_round",
    "signing_alone",
    "unlisted",
    "verify",
    "verify_all",
]
