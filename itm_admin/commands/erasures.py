"""`itm erasures`: persons who were erased, as the list outside the database has it."""

from __future__ import annotations

import click

from itm_admin.foundation.config import Settings


@click.group()
def erasures() -> None:
    """Persons who were erased, as the list outside the database has it."""


@erasures.command("replay")
def replay_erasures() -> None:
    """Erase again whom a restored backup brought back. `itm run` and the scheduler do it too."""
    from itm_admin.cases import erasure_replay
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), "ITM_DATABASE_SIGNER_URL") as settings:
        found = erasure_replay.at_start(settings) or erasure_replay.Replayed()
    click.echo(f"Erased again: {found.repeated}. Ended late: {found.settled}.")
    if found.open:
        click.echo(f"Begun and not carried out: {found.open}. Erase these persons in the panel, or leave them.")
    if found.unlisted:
        click.echo(f"Erased but on no list, now listed: {found.unlisted}.")
