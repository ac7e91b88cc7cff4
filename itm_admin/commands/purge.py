"""`itm ledger purge`: destroys content past its retention time, after two people's decision, as a login for that alone.

Promise: each decision is one transaction, carried out whole or not at all, and never twice. Nothing runs it
automatically.
"""

from __future__ import annotations

import click
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from audit.store.session import OPTIONS
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.local import installation

_WAITING = text("SELECT decision, code, first, last FROM itm.purges()")
_PURGEABLE = text("SELECT code, first, last FROM itm.purgeable(:years)")
_PURGE = text("SELECT itm.purge(:decision, :years)")


def purge(settings: Settings, dry: bool) -> None:
    """Carries out approved purges; ``dry``: lists them and the ones that could be proposed."""
    with installation.running(settings, "ITM_DATABASE_PURGER_URL") as running:
        engine = create_engine(
            running.purger_url or "", poolclass=NullPool, hide_parameters=True, connect_args={"options": OPTIONS}
        )
        try:
            if dry:
                _say(engine, running.retention_years)
            else:
                _carry_out(engine, running.retention_years)
        finally:
            engine.dispose()


def _say(engine: Engine, years: int) -> None:
    with engine.connect() as connection:
        waiting = connection.execute(_WAITING).all()
        free = connection.execute(_PURGEABLE, {"years": years}).all()
    for row in waiting:
        click.echo(f"{row.code:<12}approved: entries {row.first} to {row.last}")
    for row in free:
        click.echo(f"{row.code:<12}older than {years} years and signed: entries {row.first} to {row.last}")
    if not waiting and not free:
        click.echo(f"Nothing is approved, and nothing is older than {years} years.")


def _carry_out(engine: Engine, years: int) -> None:
    with engine.connect() as connection:
        waiting = connection.execute(_WAITING).all()
    if not waiting:
        click.echo("Nothing is approved.")
    for row in waiting:
        try:
            with engine.begin() as connection:
                removed = connection.scalar(_PURGE, {"decision": row.decision, "years": years})
        except DBAPIError as error:
            raise Refusal(f"{row.code}, entries {row.first} to {row.last}: {_reason(error)}") from None
        click.echo(f"{row.code:<12}entries {row.first} to {row.last}: the content of {removed} events is destroyed")


def _reason(error: DBAPIError) -> str:
    """The database's own message, without the statement."""
    diagnosis = getattr(error.orig, "diag", None)
    return str(getattr(diagnosis, "message_primary", None) or "the database does not answer")
