"""Runs migrations: one at a time, as the owner, in one transaction, and never waiting long for a lock.

Started through itm_admin.foundation.database.migration, which hands in the connection.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection

from itm_admin import models

_ONE_AT_A_TIME = 0x69746D5F6D6967  # "itm_mig"

_CONTEXT = '{"actor": {"name": "migration"}}'


def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    """Flask-AppBuilder declares tables that do not exist here."""
    return kind != "table" or name in models.OUR_TABLES


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=models.metadata, include_object=ours, compare_type=True)
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.execute(text("SET LOCAL lock_timeout = '4s'"))
        connection.execute(text("SET LOCAL statement_timeout = '30s'"))
        # What it changes is told apart from what somebody changes by hand with the same role
        connection.execute(text("SELECT set_config('audit.context', :said, true)"), {"said": _CONTEXT})
        before = context.get_context().get_current_revision()
        context.run_migrations()
        # An auditor is told which changes were the upgrade's, from the version on that can tell it
        if connection.scalar(text("SELECT to_regproc('itm.tell_upgrade') IS NOT NULL")):
            connection.execute(text("SELECT itm.tell_upgrade(:before)"), {"before": before})


run(context.config.attributes["connection"])
