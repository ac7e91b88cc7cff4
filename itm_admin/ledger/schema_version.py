"""The schema's version in the ledger, told by the scheduler's process at its start: no SQL can be an upgrade twice."""

from __future__ import annotations

import logging

from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)


def tell(engine: Engine) -> None:
    """As itm_signer: the ledger has an entry of the schema's version that this process found."""
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT itm.tell_version()"))
    except SQLAlchemyError as fault:  # the next start tells it
        log.error("the schema's version could not be told (%s)", type(fault).__name__)
