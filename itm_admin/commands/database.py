"""`itm database`: addresses for psql, and what a DBA runs on an external server."""

from __future__ import annotations

import click

from itm_admin.foundation.config import Refusal, Settings


@click.group()
def database() -> None:
    """The database's roles and addresses."""


@database.command()
@click.option("--role", type=click.Choice(["app", "owner", "signer", "purger", "superuser"]), required=True)
def url(role: str) -> None:
    """A role's address (with its password), for psql and the like."""
    from itm_admin.local import installation

    settings = Settings.from_environment()
    if settings.embedded and not (settings.home / "postgres").exists():
        raise Refusal(f"ITM_HOME: there is no database in {settings.home} yet: `itm run` or `itm migrate` makes it")
    click.echo(installation.of(settings).url(role))


@database.command("sql")
def print_sql() -> None:
    """Print the SQL that a DBA runs once on an external server."""
    from itm_admin.foundation.database import roles

    click.echo(roles.dba_sql(), nl=False)
