"""`itm ledger export`, `prove` and `tiles`: evidence taken out of the ledger, as itm_signer.

Promise: the ledger knows of it before anything is taken, and a file is there whole or not at all, for its owner's eyes.
"""

from __future__ import annotations

import getpass
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import click
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from audit import bundle_export, store
from audit.archive import ArchiveError
from audit.bundle import Bound, Filter
from audit.generation import generation_of
from audit.lines import LineError
from audit.store import checkpoints
from audit.witnessing import Witness
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database import engine_options, installation

ISTANBUL = ZoneInfo("Europe/Istanbul")
Progress = Callable[[int, int], None]


def export(
    settings: Settings,
    code: str,
    generation: int | None,
    out: Path,
    asked: Filter,
    purpose: str | None,
    progress: Progress,
) -> None:
    with _ledger(settings, code, generation) as (engine, ledger, running):
        _told(engine, ledger, "bundle", purpose, asked)
        with _whole(out) as file:
            taken = bundle_export.bundle(engine, ledger, file, asked, _policy(engine, running), progress)
        said = taken.manifest
        click.echo(f"{out}: {said.leaves} entries of {ledger.origin} from {said.first}, {said.events} with content")
        if taken.newer:
            click.echo(f"{taken.newer} newer entries are under no checkpoint yet and were left out")


def prove(settings: Settings, code: str, generation: int | None, seq: int, out: Path, purpose: str | None) -> None:
    with _ledger(settings, code, generation) as (engine, ledger, _running):
        _told(engine, ledger, "proof", purpose, Filter(seq, seq))
        with _whole(out) as file:
            file.write(bytes(bundle_export.proof(engine, ledger, seq)))
        click.echo(f"{out}: entry {seq} of {ledger.origin}")


def tiles(settings: Settings, code: str, generation: int | None, out: Path, purpose: str | None) -> None:
    with _ledger(settings, code, generation) as (engine, ledger, _running):
        _told(engine, ledger, "tiles", purpose, Filter())
        size = bundle_export.tile_directory(engine, ledger, out)
        click.echo(f"{out}: {size} entries of {ledger.origin}, without content")


def bound(said: str | None, last: bool) -> Bound:
    """A sequence number, or a time: a day (of Istanbul; the whole of it), or a moment. Raises ValueError."""
    if said is None or said.isdecimal():
        return None if said is None else int(said)
    moment = datetime.fromisoformat(said)
    if len(said) <= len("2026-01-31") and last:
        moment += timedelta(days=1, microseconds=-1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ISTANBUL)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def _ledger(
    settings: Settings, code: str, generation: int | None
) -> Iterator[tuple[Engine, store.Ledger, Settings]]:
    """The institution's ledger of a generation, or its newest. What cannot be taken is one line."""
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


def _told(engine: Engine, ledger: store.Ledger, form: str, purpose: str | None, asked: Filter) -> None:
    """The entry of an export, committed. A name that was typed is not repeated in it; an id is."""
    actor = None if asked.actor is None else asked.actor if _is_id(asked.actor) else "by name"
    target = None if asked.target is None else ":".join(asked.target)
    detail = {"form": form, "from": asked.since, "to": asked.until, "target": target, "actor": actor}
    context = {"ledger": ledger.holder, "actor": {"name": getpass.getuser(), "role": "console"}}
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('audit.context', :said, true)"), {"said": json.dumps(context)})
        store.append(connection, "ledger.export", kind="ledger", id=ledger.code, purpose=purpose, detail=detail)


def _is_id(said: str) -> bool:
    with suppress(ValueError):
        return str(uuid.UUID(said)) == said
    return False


def _policy(engine: Engine, settings: Settings) -> str:
    """What this installation would have its verifiers require, for reading."""
    with engine.connect() as connection:
        keys = checkpoints.keys(connection).named
    witnesses = [Witness.parse(each).key for each in settings.witnesses]
    lines = [f"log {key}" for key in keys] + [f"witness w{n} {key}" for n, key in enumerate(witnesses, 1)]
    if witnesses:
        quorum = settings.witness_quorum or len(witnesses) // 2 + 1
        lines.append(" ".join(["group", "witnesses", str(quorum), *(f"w{n + 1}" for n in range(len(witnesses)))]))
    lines.append(f"quorum {'witnesses' if witnesses else 'none'}")
    return "".join(f"{line}\n" for line in lines)


@contextmanager
def _whole(out: Path) -> Iterator[BinaryIO]:
    """A new file that nobody else reads, which has its name once it is whole and on the disk."""
    if out.exists():
        raise FileExistsError(0, "", str(out))
    part = out.with_name(f".{out.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(part, out)
    finally:
        part.unlink(missing_ok=True)
