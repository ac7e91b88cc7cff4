"""A change and its entry in the ledger are one transaction: all of it, or none.

The database's triggers write the entry; this block commits. After it nothing is appended and nothing is
shown: the answer is a redirect, or an id and a version.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from flask import g, has_request_context
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import LedgerUnavailable
from itm_admin.foundation.faults import domain_error
from itm_admin.foundation.trouble import ledger_failed, ledger_works


@contextmanager
def writing(purpose: str | None = None) -> Iterator[Session]:
    """Commits at the end of the block. Raises domain errors only; then nothing is stored."""
    session: Session = db.session()
    committing = False
    try:
        if purpose:
            tenancy.bind(dataclasses.replace(tenancy.current(), purpose=purpose), session)
        yield session
        session.flush()
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
        g.wrote = not g.get("repeated")  # a repetition wrote nothing, and its look is still to be recorded
