"""The console command `itm`: thin commands that call what does the work.

Whatever cannot go on says why in one line on stderr and ends with 2; nobody sees a traceback for a setting,
a database that is away, or a rule of the domain. Imports happen inside the commands, so that each starts fast.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from itm_admin.commands import ledger
from itm_admin.foundation.config import Refusal, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

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

    supervisor.run(Settings.from_environment(), demo)


@itm.command()
def migrate() -> None:
    """Bring the database's schema up to date, and repeat erasures that a restored backup does not know."""
    from itm_admin.cases import replay, upkeep
    from itm_admin.foundation.database import migration
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), "ITM_DATABASE_OWNER_URL") as settings:
        migration.upgrade(str(settings.owner_url))
        found = replay.at_start(settings)
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
    from itm_admin.accounts import administrator_link
    from itm_admin.local import installation

    settings = Settings.from_environment()
    with installation.running(settings, "ITM_DATABASE_URL", "ITM_DATABASE_SIGNER_URL") as settings:
        link = administrator_link.make(settings, username)
    click.echo(
        f"The present password and all sessions of {username} have ended. A password is chosen here, once:\n\n{link}\n"
    )


@itm.group(invoke_without_command=True)
@click.pass_context
def demo(context: click.Context) -> None:
    """Fill an empty database with synthetic data (again: changes nothing)."""
    if context.invoked_subcommand is not None:
        return
    from itm_admin.demonstration import seeding as demonstration
    from itm_admin.foundation.database import migration
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), *installation.NEEDED_EXTERNALLY) as settings:
        migration.upgrade(str(settings.owner_url))
        with progress_bar("Making the demonstration") as progress:
            demonstration.seed(settings, progress)


@demo.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def logins(as_json: bool) -> None:
    """The demonstration's users with their passwords."""
    from itm_admin.demonstration import seeding as demonstration
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), *installation.NEEDED_EXTERNALLY) as settings:
        found = demonstration.logins(settings)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for login in found:
        click.echo(f"{login['role']:<24}{login['username']:<28}{login['password']:<24}{login['institution']}")


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

    from itm_admin.foundation import key_check
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
    key_check.check(engine, settings)
    engine.dispose()
    if os.geteuid() == 0:
        ownership.arrange(settings)
        listening = server.listen(settings.host, str(settings.port))  # a low port is root's to take
        programs.become(programs.WEB, server.words(settings, listening.fileno()), settings, [listening.fileno()])
    command = server.command(settings)
    os.execv(command[0], command)  # noqa: S606 (our own words)


@itm.group()
def ledger() -> None:
    """The audit ledger."""


@ledger.command()
@click.option("--institution", "code", metavar="CODE", help="Only this institution's ledger.")
@click.option("--level", type=click.Choice(["incremental", "sample", "full"]), default="full", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def verify(context: click.Context, code: str | None, level: Any, as_json: bool) -> None:
    """Verify ledgers. Exit code 0: intact, 1: tampered, 2: cannot tell.

    Ctrl-C ends it; the next full run goes on where it was.
    """
    from itm_admin.commands import verify

    with progress_bar("Verifying") as progress:
        rows, exit_code = verify.verify(Settings.from_environment(), level, code, progress)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for row in rows:
            _tell(row)
    context.exit(exit_code)


@ledger.command("key")
@click.option("--out", type=click.Path(path_type=Path), help="A new file with what is said of them, for --keys.")
def show_key(out: Path | None) -> None:
    """The keys that sign checkpoints, as verifiers need them. Hand them on by another way than the evidence."""
    from itm_admin.commands import signing_keys

    signing_keys.show(Settings.from_environment(), out)


@ledger.command("rotate-key")
def rotate_key() -> None:
    """Replace the key that signs checkpoints. The next checkpoints bear both signatures."""
    from itm_admin.commands import signing_keys

    signing_keys.rotate(Settings.from_environment())


@ledger.command()
@click.option("--key", "name", required=True, metavar="NAME", help="Its id or verifier key, see `itm ledger key`.")
@click.option(
    "--trust-size",
    type=click.IntRange(min=0),
    required=True,
    metavar="N",
    help="Entries of the Presidency's ledger that a witness cosigned before the key was in other hands.",
)
def compromise(name: str, trust_size: int) -> None:
    """Declare that somebody else may have a signing key: what it signed later proves nothing."""
    from itm_admin.commands import signing_keys

    signing_keys.compromise(Settings.from_environment(), name, trust_size)


for _command in ledger.COMMANDS:
    ledger.add_command(_command)


def _tell(row: dict[str, Any]) -> None:
    size = "" if row["size"] is None else f", {row['size']} entries"
    click.echo(f"{row['institution'] or '-':<12}{row['verdict']}, {row['assurance']}{size}")
    if row["since"]:
        click.echo(
            f"{'':<12}entries before {row['ranges'][0][0]} were read since {row['since']}, by a run that was stopped"
        )
    if sum(stop - start for start, stop in row["ranges"]) not in (0, row["size"]) and not row["since"]:
        click.echo(f"{'':<12}read: {', '.join(f'{start} to {stop - 1}' for start, stop in row['ranges'])}")
    if row["first_broken"] is not None:
        click.echo(f"{'':<12}first broken: {row['first_broken']}")
    for finding in row["findings"]:
        place = "" if finding["seq"] is None else f"{finding['seq']}: "
        click.echo(f"{'':<12}{place}{finding['kind']}: {finding['detail']}")


@itm.group()
def erasures() -> None:
    """Persons who were erased, as the list outside the database has it."""


@erasures.command("replay")
def replay_erasures() -> None:
    """Erase again whom a restored backup brought back. `itm run` and the scheduler do it too."""
    from itm_admin.cases import replay
    from itm_admin.local import installation

    with installation.running(Settings.from_environment(), "ITM_DATABASE_SIGNER_URL") as settings:
        found = replay.at_start(settings) or replay.Replayed()
    click.echo(f"Erased again: {found.repeated}. Ended late: {found.settled}.")
    if found.open:
        click.echo(f"Begun and not carried out: {found.open}. Erase these persons in the panel, or leave them.")
    if found.unlisted:
        click.echo(f"Erased but on no list, now listed: {found.unlisted}.")


@itm.group()
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
    """What a DBA runs once on an external server."""
    from itm_admin.foundation.database import roles

    click.echo(roles.dba_sql(), nl=False)


class progress_bar:
    """A bar on a terminal, nothing elsewhere. Entering gives a function of what is done and the total."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.done = 0
        self.bar: Any = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def _show(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if self.bar is None or self.bar.length != total or done < self.done:
            self._finish()
            self.bar = click.progressbar(length=total, label=self.label, file=sys.stderr)
            self.bar.__enter__()
            self.done = 0
        self.bar.update(done - self.done)
        self.done = done

    def _finish(self) -> None:
        if self.bar is not None:
            self.bar.__exit__(None, None, None)

    def __exit__(self, *_: object) -> None:
        self._finish()


def main() -> None:
    """The console command's entry: nothing but one line is said of what went wrong."""
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
    """What is said of an error, or None for a fault of ours, which keeps its traceback."""
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
