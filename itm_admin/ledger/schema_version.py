"""Records the schema's version in the ledger at the scheduler's start: no SQL can be an upgrade twice."""

from __future__ import annotations

import logging

from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)


def tell(engine: Engine) -> None:
    """Appends an entry with the schema's version, as itm_signer."""
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT itm.tell_version()"))
    except SQLAlchemyError as fault:  # the next start tries again
        log.error("the schema's version could not be told (%s)", type(fault).__name__)
