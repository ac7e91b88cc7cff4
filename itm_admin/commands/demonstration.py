"""`itm demo`: the synthetic data, its logins, and a story played through the panel."""

from __future__ import annotations

import json
import os

import click

from itm_admin.commands.progress import ProgressBar
from itm_admin.foundation.config import Settings


@click.group(invoke_without_command=True)
@click.pass_context
def demo(context: click.Context) -> None:
    """Fill an empty database with synthetic data (again: changes nothing)."""
    if context.invoked_subcommand is not None:
        return
    from itm_admin.demonstration import seeding
    from itm_admin.foundation.database import migration
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), *installation.NEEDED_EXTERNALLY) as settings:
        migration.upgrade(str(settings.owner_url))
        with ProgressBar("Making the demonstration") as progress:
            seeding.seed(settings, progress)


@demo.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def logins(as_json: bool) -> None:
    """The demonstration's users with their passwords; --json has the secrets of their authenticator apps too (totp)."""
    from itm_admin.demonstration import seeding
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), *installation.NEEDED_EXTERNALLY) as settings:
        found = seeding.logins(settings)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for login in found:
        click.echo(f"{login['role']:<24}{login['username']:<28}{login['password']:<24}{login['institution']}")


@demo.command()
@click.argument("user")
def code(user: str) -> None:
    """Print the code of the moment of USER's authenticator app."""
    from itm_admin.demonstration import codes
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), *installation.NEEDED_EXTERNALLY) as settings:
        found, wait = codes.code(settings, user)
    if wait:
        click.echo(f"The code before it was used: this one works in {wait} seconds.", err=True)
    click.echo(found)


@demo.command()
@click.option("--language", type=click.Choice(["tr", "en"]), help="Of the narration (none: by LANG, else Turkish).")
@click.option("--pause", type=click.FloatRange(min=0), default=8, show_default=True, help="Seconds between scenes.")
def story(language: str | None, pause: float) -> None:
    """Play a story through the panel, in about two minutes: from the hotline to the proof on paper.

    On the panel that runs, or on one that is started for it. A row is altered in the database and taken back at
    the end. Exit code 2 if a step did not do what it claims.
    """
    from itm_admin.demonstration.story import play

    play.play(Settings.from_environment(), language or play.language_of(os.environ.get("LANG")), pause)


def tell_first_logins(settings: Settings) -> None:
    """One login per role, each role's first."""
    from itm_admin.demonstration import logins

    first: dict[str, dict[str, str]] = {}
    for login in logins.kept(settings) or []:
        first.setdefault(login["role"], login)
    click.echo("Synthetic data. One login per role (all of them: itm demo logins):")
    for login in first.values():
        click.echo(f"  {login['role']:<24}{login['username']:<28}{login['password']:<24}{login['institution']}")
    click.echo("The sign-in page shows the code of the second factor; a command does too: itm demo code USER")
    click.echo("")
