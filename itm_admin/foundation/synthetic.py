"""The mark of synthetic data: set once, in the database, and shown on every page.

`itm demo` or `itm init` sets it before its first record; it cannot be changed afterwards.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from itm_admin.foundation.database import db
from itm_admin.foundation.i18n import TIMEZONE

_READ = text("select synthetic from itm.installation")
_MARK = text("insert into itm.installation (synthetic) values (:synthetic)")

ROUTE = "itm demo"
"""The route of the demonstration's entries in the ledger."""


def route_at(moment: datetime) -> str:
    """The same with the story's time. The ledger's own times are the true ones."""
    return f"{ROUTE} {moment:%Y-%m-%dT%H:%M}"


def story_time(route: object) -> datetime | None:
    """The story's time in a route; None for people's own requests."""
    if not isinstance(route, str) or not route.startswith(f"{ROUTE} "):
        return None
    try:
        return datetime.strptime(route.removeprefix(f"{ROUTE} "), "%Y-%m-%dT%H:%M").replace(tzinfo=ZoneInfo(TIMEZONE))
    except ValueError:
        return None


def marked(session: Session) -> bool | None:
    """True for a demonstration, False for an installation for real data, None while it is neither yet."""
    found: bool | None = session.scalar(_READ)
    return found


def mark(session: Session, synthetic: bool) -> None:
    """Sets the mark. Raises IntegrityError if it is set already."""
    session.execute(_MARK, {"synthetic": synthetic})


def is_synthetic() -> bool:
    """For the banner: read from the database until it is set, then remembered by this process."""
    known: bool | None = current_app.extensions.get("itm_synthetic")
    if known is None:
        try:
            known = marked(db.session())
        except SQLAlchemyError:
            db.session.rollback()
            return False
        current_app.extensions["itm_synthetic"] = known
    return bool(known)
