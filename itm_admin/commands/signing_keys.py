"""`itm ledger key`, `rotate-key` and `compromise`: on the machine that signs, with or without a running scheduler.

Promise: the next round, or the same command again, completes an interrupted one. No secret is printed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine

from audit import store
from audit.checkpoint_folder import CheckpointFolderError
from audit.generation import Closures, closures
from audit.store import checkpoints
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database import engine_options
from itm_admin.ledger.keyring import KeyTrouble
from itm_admin.ledger.signing import Round, Signing, SigningPlace
from itm_admin.local import installation, signing_setup

PATIENCE = 120.0
"""Seconds for which a command waits until the scheduler's round ends."""


def show(settings: Settings, out: Path | None = None) -> None:
    """Prints the keys. ``out`` gets the key statements, as `audit.verify --keys` reads them. No file is overwritten."""
    with _at(settings) as (place, _engine):
        said = place.outside.keys()
    if not said.named:
        raise Refusal("No checkpoint was signed yet: the scheduler makes the key with its first round")
    for key in said.named:
        compromised, retired = said.said(key, "compromised"), said.said(key, "retired")
        click.echo(f"{key}  {'compromised' if compromised else 'retired' if retired else 'signs'}")
    if out is not None:
        try:
            with out.open("xb") as file:
                file.write(b"".join(map(bytes, said.statements)))
        except OSError as error:
            raise Refusal(f"--out: {error.strerror}") from None


def rotate(settings: Settings) -> None:
    with _at(settings) as (place, engine):
        with engine.connect() as connection:
            deployment = checkpoints.deployment(connection)
        with place.outside.locked(wait=True):
            if not place.outside.keys().active:
                raise Refusal("No key signs yet: there is nothing to replace")
            place.keyring.prepare(deployment)
        _finish(place, engine)
        for key in place.outside.keys().active:
            click.echo(f"Signs from now on: {key}")


def compromise(settings: Settings, name: str, trust_size: int) -> None:
    with _at(settings) as (place, engine):
        with engine.connect() as connection:
            sizes = _trusted(connection, trust_size, closures(place.outside))
        with place.outside.locked(wait=True):
            place.keyring.distrust(place.keyring.find(name), sizes)
        _finish(place, engine)
        click.echo("What it signed counts up to:")
        for origin, size in sorted(sizes.items()):
            click.echo(f"  {origin}: {size}")


@contextmanager
def _at(settings: Settings) -> Iterator[tuple[SigningPlace, Engine]]:
    with installation.running(settings, "ITM_DATABASE_SIGNER_URL") as running:
        engine = create_engine(str(running.signer_url), **engine_options())
        try:
            yield signing_setup.of(running), engine
        except (KeyTrouble, CheckpointFolderError) as trouble:
            raise Refusal(f"ITM_CHECKPOINTS: {trouble}") from None
        finally:
            engine.dispose()


def _trusted(connection: Connection, size: int, closed: Closures) -> dict[str, int]:
    """The Presidency's ledger up to this size, and each other ledger as far as its entries name it by then.

    A closed generation counts up to its proved part.
    """
    ids = {each.ledger for each in checkpoints.growth(connection) if each.presidency}
    ledgers = store.ledgers(connection)
    presidency = next((ledger for ledger in ledgers if ledger.id in ids), None)
    if presidency is None:
        raise Refusal("There is no ledger yet")
    if size > presidency.size:
        raise Refusal(f"--trust-size: the Presidency's ledger has {presidency.size} entries")
    found: dict[str, int] = {}
    for ledger in ledgers:
        closing = closed.closing(ledger.origin)
        if ledger.code == presidency.code and ledger.closed and closing:
            found |= {**checkpoints.trusted_sizes(connection, ledger.id, closing.size), ledger.origin: closing.size}
    named = checkpoints.trusted_sizes(connection, presidency.id, size)
    return {**found, **named, presidency.origin: size}


def _finish(place: SigningPlace, engine: Engine) -> Round:
    """Does a round now, or after the scheduler's present one."""
    until, signing = time.monotonic() + PATIENCE, Signing(place)
    while (done := signing.round(engine)) is None:
        if time.monotonic() > until:
            raise Refusal("ITM_CHECKPOINTS: another signer does not end; the next round finishes what was begun")
        time.sleep(0.2)
    if done.failed:
        raise Refusal(f"ITM_CHECKPOINTS: {done.failed}")
    return done
