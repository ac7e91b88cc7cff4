"""`itm ledger export`, `prove` and `tiles`: exports evidence from the ledger, as itm_signer.

Promise: the ledger records an export before anything is written, and a file is complete or absent, readable by its
owner only. The offline verifier's own code judges each bundle: a command that succeeds has written an intact one.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from audit import bundle_export, store, verify
from audit.bundle import EventFilter
from audit.canonical_json import LineError
from audit.canonical_zip import ArchiveError
from audit.generation import generation_of
from audit.store import checkpoints
from itm_admin.assurance import evidence
from itm_admin.assurance.evidence import Period, bound
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database import engine_options
from itm_admin.foundation.errors import Invalid
from itm_admin.local import installation

__all__ = ["bound", "export", "prove", "tiles"]
Progress = Callable[[int, int], None]


def export(
    settings: Settings,
    code: str,
    generation: int | None,
    out: Path,
    asked: EventFilter,
    purpose: str | None,
    progress: Progress,
) -> None:
    with _ledger(settings, code, generation) as (engine, ledger, running):
        period = _numbered(engine, ledger, asked)
        _told(engine, ledger, "bundle", purpose, asked, period)
        with _whole(out) as file:
            taken = bundle_export.bundle(engine, ledger, file, period.numbers, _policy(engine, running), progress)
            file.flush()
            with engine.connect() as connection:
                report = evidence.judged(file, checkpoints.keys(connection))
        said = taken.manifest
        click.echo(f"{out}: {said.leaves} entries of {ledger.origin} from {said.first}, {said.events} with content")
        if period.numbers != asked:
            apart = f"; {period.apart} among them have another time" if period.apart else ""
            click.echo(f"by their own time: entries {period.numbers.since} to {period.numbers.until}{apart}")
        if taken.newer:
            click.echo(f"{taken.newer} newer entries are under no checkpoint yet and were left out")
        if report.verdict != "intact":
            click.echo(f"itm: the bundle was judged and is not intact:\n{verify.told(report)}", err=True)
            raise click.exceptions.Exit(verify.EXIT[report.verdict])


def prove(settings: Settings, code: str, generation: int | None, seq: int, out: Path, purpose: str | None) -> None:
    with _ledger(settings, code, generation) as (engine, ledger, _running):
        _told(engine, ledger, "proof", purpose, EventFilter(seq, seq))
        with _whole(out) as file:
            file.write(bytes(bundle_export.proof(engine, ledger, seq)))
        click.echo(f"{out}: entry {seq} of {ledger.origin}")


def tiles(settings: Settings, code: str, generation: int | None, out: Path, purpose: str | None) -> None:
    with _ledger(settings, code, generation) as (engine, ledger, _running):
        _told(engine, ledger, "tiles", purpose, EventFilter())
        size = bundle_export.tile_directory(engine, ledger, out)
        click.echo(f"{out}: {size} entries of {ledger.origin}, without content")


@contextmanager
def _ledger(settings: Settings, code: str, generation: int | None) -> Iterator[tuple[Engine, store.Ledger, Settings]]:
    """Opens the institution's ledger: the given generation, or the newest. Errors become one line."""
    with installation.running(settings, "ITM_DATABASE_SIGNER_URL") as running:
        engine = create_engine(str(running.signer_url), **engine_options())
        try:
            with engine.connect() as connection:
                found = [ledger for ledger in store.ledgers(connection) if ledger.code == code]
            if not found:
                raise Refusal(f"--institution: there is no ledger of {code}")
            if generation is not None:
                found = [ledger for ledger in found if generation_of(ledger.origin) == generation]
            if not found:
                raise Refusal(f"--generation: {code} has no ledger of this generation")
            yield engine, found[-1], running
        except FileExistsError as error:
            raise Refusal(f"--out: {error.filename} is there already") from None
        except (bundle_export.NotCovered, ArchiveError, LineError) as error:
            raise Refusal(f"Cannot be taken: {error}") from None
        except OSError as error:
            raise Refusal(f"--out: {error.strerror}") from None
        finally:
            engine.dispose()


def _numbered(engine: Engine, ledger: store.Ledger, asked: EventFilter) -> Period:
    with engine.connect() as connection:
        try:
            return evidence.numbered(connection, ledger.id, asked)
        except Invalid:
            raise Refusal("--from, --to: no entry of this ledger has its time in this period") from None


def _told(
    engine: Engine,
    ledger: store.Ledger,
    form: str,
    purpose: str | None,
    asked: EventFilter,
    period: Period | None = None,
) -> None:
    """Commits the export's entry."""
    detail = evidence.told(form, asked, period)
    context = {"ledger": ledger.holder, "actor": {"name": getpass.getuser(), "role": "console"}}
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('audit.context', :said, true)"), {"said": json.dumps(context)})
        store.append(connection, "ledger.export", kind="ledger", id=ledger.code, purpose=purpose, detail=detail)


def _policy(engine: Engine, settings: Settings) -> str:
    with engine.connect() as connection:
        return evidence.policy_text(connection, settings.witnesses, settings.quorum)


@contextmanager
def _whole(out: Path) -> Iterator[BinaryIO]:
    """A new private file; it gets its name once it is complete and on the disk."""
    if out.exists():
        raise FileExistsError(0, "", str(out))
    part = out.with_name(f".{out.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(part, out)
    finally:
        part.unlink(missing_ok=True)
