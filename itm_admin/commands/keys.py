"""`itm keys`: replaces keys while the panel runs. Each command, given again, completes an interrupted one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from itm_admin.commands.progress import ProgressBar
from itm_admin.foundation.config import Refusal, Settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from itm_admin.cases.key_rotation import Rotation
    from itm_admin.foundation.encryption import Keyring

_NEEDED = ("ITM_DATABASE_URL", "ITM_DATABASE_OWNER_URL", "ITM_MASTER_KEY_FILE")


@click.group()
def keys() -> None:
    """The keys that protect data: replaced while the panel runs, and the master key's shares."""


@keys.command()
@click.argument("kind", type=click.Choice(["master", "institution", "person", "index", "signing"]))
@click.option("--institution", "code", metavar="CODE", help="Only this institution (none: all).")
def rotate(kind: str, code: str | None) -> None:
    """Replace keys. Given again after an interruption, it goes on where it was.

    master: wraps all institutions' keys. institution: the key that wraps persons' and cases' keys. person: the keys of
    persons and cases, and all their values. index: the key of the search index. signing: the key of checkpoints.
    """
    from itm_admin.commands import signing_keys

    settings = Settings.from_environment()
    if kind == "signing":
        signing_keys.rotate(settings)
    elif kind == "master":
        if code:
            raise Refusal("--institution: the master key is one for all institutions")
        _rotate_master(settings)
    else:
        _renew(settings, kind, code)


@keys.command()
@click.argument("share", type=click.Path(path_type=Path))
def split(share: Path) -> None:
    """Keep the master key in two shares: the new file SHARE, and its own file, which is replaced by the rest.

    Neither opens anything alone. Move SHARE to its keeper, name it in ITM_MASTER_KEY_SHARE_FILE, and start again.
    """
    from itm_admin.foundation import master_key
    from itm_admin.local import installation

    found = installation.of(Settings.from_environment()).settings
    master_key.split(found, share.absolute())
    click.echo(f"The master key needs both from now on: {found.master_key_file} and {share}")


def _rotate_master(settings: Settings) -> None:
    from itm_admin.foundation import master_key
    from itm_admin.foundation.encryption import Keyring

    with _at(settings) as (running, owner, app, ring):
        following = Keyring(master_key.prepare(running))
        rotations = list(_rotations(owner, app, ring, None))
        with ProgressBar("Wrapping") as told:
            for number, rotation in enumerate(rotations, 1):
                rotation.wrap_anew(following)
                told(number, len(rotations))
        _check(rotations, following)
        if master_key.promote(running):
            click.echo(
                "The next master key is the present one. The former stays beside it, with .former: backups need it."
            )
        else:
            click.echo("All keys are wrapped with the next master key: make it the present one where it is kept.")


def _check(rotations: list[Rotation], following: Keyring) -> None:
    """Opens every institution's key with the next master key alone, before the present one is put aside."""
    from sqlalchemy import text

    for rotation in rotations:
        with rotation.transaction() as session:
            wrapped = session.scalar(
                text("select wrapped from institution_key where institution_id = :id"), {"id": rotation.institution}
            )
            following.unwrapped(rotation.institution, bytes(wrapped or b""))


def _renew(settings: Settings, kind: str, code: str | None) -> None:
    with _at(settings) as (_running, owner, app, ring):
        rotations = list(_rotations(owner, app, ring, code))
        if not rotations:
            raise Refusal(f"--institution: {code}: there is no such institution")
        for rotation in rotations:
            name = rotation.context.institution_code
            with ProgressBar(str(name)) as told:
                done = rotation.renew(kind, told)
            more = f", {done.unreadable} did not open before either" if done.unreadable else ""
            click.echo(f"{name}: {done.records} persons and cases renewed and verified{more}")


@contextmanager
def _at(settings: Settings) -> Iterator[tuple[Settings, Engine, Engine, Keyring]]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    from itm_admin import models  # noqa: F401 (each must be known before one is used)
    from itm_admin.foundation.encryption import Keyring
    from itm_admin.local import installation

    with installation.running(settings, *_NEEDED) as running:
        owner, app = (
            create_engine(str(url), poolclass=NullPool, hide_parameters=True)
            for url in (running.owner_url, running.database_url)
        )
        yield running, owner, app, Keyring.from_settings(running)


def _rotations(owner: Engine, app: Engine, ring: Keyring, code: str | None) -> Iterator[Rotation]:
    from sqlalchemy import text

    from itm_admin.cases.key_rotation import Rotation

    with owner.connect() as connection:
        found = connection.execute(
            text("select id, code from institution where code = coalesce(:code, code) order by code"), {"code": code}
        ).all()
    for row in found:
        yield Rotation(owner, app, ring, row.id, row.code)
