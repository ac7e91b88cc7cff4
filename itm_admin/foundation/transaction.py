"""A change and its entry in the ledger are one transaction: all of it, or none.

The database's triggers write the entry; this block commits. After it nothing is appended and nothing is
shown: the answer is a redirect, or an id and a version.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g, has_request_context
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from itm_admin.foundation.database import db
from itm_admin.foundation.database_errors import domain_error
from itm_admin.foundation.errors import LedgerUnavailable
from itm_admin.foundation.ledger_outage import ledger_failed, ledger_works

_EVENTS = text("select nullif(current_setting('audit.pending', true), '')")
"""The ledgers for which this transaction has events; none if nothing changed."""


@contextmanager
def writing() -> Iterator[Session]:
    """Commits at the end of the block. Raises domain errors only; then nothing is stored."""
    session: Session = db.session()
    committing = False
    try:
        yield session
        session.flush()
        events = session.scalar(_EVENTS)
        committing = True
        session.commit()
    except SQLAlchemyError as fault:
        session.rollback()
        error = domain_error(fault, committing)
        if isinstance(error, LedgerUnavailable):
            ledger_failed(fault)
        raise error from None
    except BaseException:
        session.rollback()
        raise
    ledger_works()
    if has_request_context():
        g.wrote, g.committed = bool(events) or bool(g.get("wrote")), True


def wrote(*ids: str) -> None:
    """Remembers rows of this request's change: their events name them."""
    if has_request_context():
        written: set[str] = g.setdefault("written", set())
        written.update(ids)


@event.listens_for(Session, "after_flush")
def _note(session: Session, _context: object) -> None:
    # A row is dirty already when a value was set to what it was: then it has no event
    changed = (row for row in session.dirty if session.is_modified(row))
    wrote(*(str(row.id) for row in (*session.new, *changed) if hasattr(row, "id")))
