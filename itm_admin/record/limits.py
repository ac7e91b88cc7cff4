"""Limits on reveals and searches of one account in an hour. The database counts them in the ledger itself.

An account that reaches its limit is told when it may go on; the auditors and the Presidency get an alert. Values of a
second person take a fresh second factor.
"""

from __future__ import annotations

import uuid

from sqlalchemy import func, select

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import FactorTooOld, TooMany


def heed(session: AnySession, action: str) -> None:
    """TooMany if this account has done this so often within the hour; the alert is committed before."""
    wait = session.scalar(select(func.itm.seconds_to_wait(action)))
    if not wait:
        return
    session.rollback()  # nothing of this request is stored, and the alert stands alone
    session.scalar(select(func.itm.tell_of_limit(action)))
    session.commit()
    raise TooMany(retry_after=int(wait))


def heed_reveal(session: AnySession, kind: str, record: uuid.UUID) -> None:
    """As `heed`; FactorTooOld if somebody else's values were shown since the sign-in, and the last factor is old.

    After `heed`, whose lock lets one reveal of an account at a time find out what was shown before.
    """
    heed(session, "record.reveal")
    if session.scalar(select(func.itm.reveal_takes_factor(kind, record))):
        raise FactorTooOld
