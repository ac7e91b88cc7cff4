"""Upgrades of the schema change rows past the panel: this module tells them from changes by hand.

Promise: a change counts as an upgrade's only in the transaction that the ledger's own entry of the upgrade names
(itm.upgrades). Anybody who can write SQL can use the name "migration".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import g
from sqlalchemy import ColumnElement, Table, func, select, text

from itm_admin.assurance.ledger_queries import MIGRATION, AnyRow
from itm_admin.foundation.database import db

OWNER = "itm_owner"
"""The database user who makes upgrades."""
_KNOWN = text("SELECT itm.upgrades()")


def is_upgrade(table: Table) -> ColumnElement[bool]:
    """True for entries of an upgrade."""
    known = select(func.itm.upgrades()).scalar_subquery()
    return func.itm.is_upgrade(table.c.content, table.c.at, known)


def says(row: AnyRow) -> bool:
    """True if the entry claims to be an upgrade's. See `made`."""
    return not row.actor_id and bool(row.actor_name == MIGRATION)


def made(row: AnyRow, actor: Mapping[str, Any]) -> bool:
    """The same of one entry, for a page."""
    if not says(row) or actor.get("session") != OWNER:
        return False
    if "upgrades" not in g:
        g.upgrades = db.session.scalar(_KNOWN)
    at = g.upgrades.get(str(actor.get("transaction")))
    return at is not None and abs(datetime.fromisoformat(at) - row.at) < timedelta(hours=1)
