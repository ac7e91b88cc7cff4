"""The console command `itm`: thin commands that call the code that does the work.

A failure gives its reason in one line on stderr and exit code 2; a wrong setting, an absent database or a rule of the
domain never shows a traceback. Imports happen inside the commands, so that each starts fast.
"""

from __future__ import annotations

import os
import signal
import sys

import click

from itm_admin.commands import database, demonstration, erasures, keys, ledger
from itm_admin.foundation.config import Refusal, Settings

NEEDED_BY_THE_PANEL = ("ITM_DATABASE_URL", "ITM_SECRET_KEY", "ITM_MASTER_KEY_FILE")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def itm() -> None:
    """Coordination against human trafficking: the panel, its database and its ledger.

    Settings are ITM_* environment variables (see the README).
    """


@itm.command()
@click.option("--demo", is_flag=True, help="Fill an empty database with synthetic data and print logins.")
def run(demo: bool) -> None:
    """Run the whole system on this machine: database, web server and scheduler."""
    from itm_admin.local import supervisor

    supervisor.run(Settings.from_environment(), demonstration.tell_first_logins if demo else None)


@itm.command()
def migrate() -> None:
    """Bring the database's schema up to date, and repeat erasures that a restored backup does not know."""
    from itm_admin import models  # noqa: F401 (each must be known before one is used)
    from itm_admin.cases import erasure_replay, upkeep
    from itm_admin.foundation import claims
    from itm_admin.foundation.database import migration
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), "ITM_DATABASE_OWNER_URL") as settings:
        migration.upgrade(str(settings.owner_url))
        claims.bring_of(settings)
        found = erasure_replay.at_start(settings)
        if upkeep.run(settings, all_ages=False) is None:
            click.echo("The search index is written anew by the panel's own process: `itm run` or the scheduler.")
    click.echo("The schema is up to date.")
    if found is None:
        click.echo("ITM_DATABASE_SIGNER_URL is not set: after a restore run `itm erasures replay`.")
    elif found.repeated:
        click.echo(f"Persons erased again: {found.repeated}.")


@itm.command()
def init() -> None:
    """Set up an empty installation: the register of institutions and the first administrator's invitation."""
    from itm_admin.accounts import bootstrap
    from itm_admin.foundation.database import migration
    from itm_admin.local import installation

    settings = Settings.from_environment()
    with installation.running(settings, *NEEDED_BY_THE_PANEL, "ITM_DATABASE_OWNER_URL") as settings:
        migration.upgrade(str(settings.owner_url))
        links = bootstrap.run(settings)
    click.echo(
        "The institutions are registered. The first administrator chooses a password here, once:\n\n"
        f"{links.administrator}\n\n"
        f"And another person, the Presidency's first supervisor ({bootstrap.SUPERVISOR}), here. The two confirm each "
        f"other's proposals, so give the links to two people:\n\n{links.supervisor}\n"
    )


@itm.command()
@click.argument("username")
def invite(username: str) -> None:
    """Make a new one-time link for a system administrator who cannot sign in: an entry and an alert."""
    from itm_admin import models  # noqa: F401 (each must be known before one is used)
    from itm_admin.accounts import administrator_link
    from itm_admin.local import installation

    settings = Settings.from_environment()
    needed = ("ITM_DATABASE_URL", "ITM_DATABASE_OWNER_URL", "ITM_DATABASE_SIGNER_URL")
    with installation.running(settings, *needed) as settings:
        link = administrator_link.make(settings, username)
    click.echo(
        f"The present password and all sessions of {username} have ended. A password is chosen here, once:\n\n{link}\n"
    )


@itm.command()
def scheduler() -> None:
    """Run the scheduler alone; `itm run` does it too."""
    from itm_admin import schedule
    from itm_admin.local import installation, ownership, programs, signing_setup

    needed = ("ITM_DATABASE_SIGNER_URL", "ITM_SIGNING_KEY_FILE")
    with installation.running(Settings.from_environment(), *needed) as settings:
        if os.geteuid() == 0:
            ownership.arrange(settings)
            signing_setup.prepare_key(settings)
            sys.exit(programs.attend(programs.SCHEDULER, ["-m", "itm_admin.commands.main", "scheduler"], settings))
        schedule.main(settings)


@itm.command()
def sinks() -> None:
    """Pass entries on to the sinks alone; `itm run` does it too."""
    from itm_admin.ledger import sink_process
    from itm_admin.local import installation, ownership, programs

    with installation.running(Settings.from_environment(), "ITM_DATABASE_SIGNER_URL") as settings:
        if os.geteuid() == 0:
            ownership.arrange(settings)
            sys.exit(programs.attend(programs.SINKS, ["-m", "itm_admin.commands.main", "sinks"], settings))
        sink_process.main(settings)


@itm.command()
def mail() -> None:
    """Send what waits to be sent by e-mail alone; `itm run` does it too."""
    from itm_admin.accounts import mail
    from itm_admin.local import installation, ownership, programs

    with installation.running(Settings.from_environment(), "ITM_DATABASE_SIGNER_URL") as settings:
        if os.geteuid() == 0:
            ownership.arrange(settings)
            sys.exit(programs.attend(programs.MAIL, ["-m", "itm_admin.commands.main", "mail"], settings))
        mail.main(settings)


@itm.command()
def web() -> None:
    """Run the web server alone; `itm run` does it too."""
    from sqlalchemy import create_engine

    from itm_admin.accounts import provider_register
    from itm_admin.foundation import claims, door_check, key_check
    from itm_admin.foundation.config import all_at_once
    from itm_admin.foundation.database import engine_options, migration, roles
    from itm_admin.local import embedded, ownership, programs
    from itm_admin.local import web as server

    settings = Settings.from_environment()
    all_at_once(lambda: settings.require(*NEEDED_BY_THE_PANEL), settings.master_key)
    embedded.prepare_home(settings.home)
    engine = create_engine(str(settings.database_url), **engine_options())
    migration.check_version(engine)
    with engine.connect() as connection:
        roles.refuse_deviations(connection)
    claims.bring_of(settings)
    door_check.check(engine, settings)
    key_check.check(engine, settings)
    provider_register.declare(engine, settings)
    engine.dispose()
    if os.geteuid() == 0:
        ownership.arrange(settings)
        listening = server.listen(settings.host, str(settings.port))  # only root may bind a low port
        programs.become(programs.WEB, server.words(settings, listening.fileno()), settings, [listening.fileno()])
    command = server.command(settings)
    os.execv(command[0], command)  # noqa: S606 (our own words)


for _group in (demonstration.demo, keys.keys, ledger.ledger, erasures.erasures, database.database):
    itm.add_command(_group)


def main() -> None:
    """The console command's entry point: any error is one line."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = itm(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception as error:
        line = _one_line(error)
        if line is None:
            raise
        for each in line.split("\n"):
            click.echo(f"itm: {each}", err=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _terminate(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _one_line(error: Exception) -> str | None:
    """The line for an error; None for a fault of ours, which keeps its traceback."""
    if isinstance(error, Refusal):
        return str(error)
    import psycopg
    from sqlalchemy.exc import DBAPIError

    from itm_admin.foundation.errors import DomainError

    if isinstance(error, DomainError):
        return str(error)
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.OperationalError):
        reason = " ".join(str(cause).split())
        if "password authentication failed" in reason:
            reason += (
                ". Where somebody changed a role's password: an administrator of the server runs ALTER ROLE … PASSWORD"
            )
        return f"ITM_DATABASE_URL: the database cannot be used: {reason}"
    return None


if __name__ == "__main__":
    main()
