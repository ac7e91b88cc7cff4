"""Migrates the database to the schema of this code, and refuses to start if that fails.

One migration at a time on one database (an advisory lock, see migrations/env.py). Never goes backwards.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import NullPool

from audit.catalogue import CatalogueManifest
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import engine_options, roles

_SCRIPTS = Path(__file__).parents[3] / "migrations"
_NAMED = re.compile(r'^(revision|down_revision)\b[^=\n]*= "(\w+)"$', re.MULTILINE)


def upgrade(owner_url: str | URL) -> None:
    """Migrates the schema as the owner, in one transaction. Raises Refusal for a newer schema."""
    engine = create_engine(owner_url, poolclass=NullPool, connect_args=engine_options()["connect_args"])
    with engine.connect() as connection:
        roles.refuse_deviations(connection)
        refuse_unknown(_found(connection))
        if _found(connection) == (newest(),):
            return
        connection.rollback()
        configuration = Config()
        configuration.set_main_option("script_location", str(_SCRIPTS))
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")


def run_scripts(connection: Connection, folder: Path) -> None:
    """Runs a migration's SQL files in the order of their names. Raises FileNotFoundError if it has none."""
    scripts = sorted(folder.glob("*.sql"))
    if not scripts:
        raise FileNotFoundError(folder)
    for script in scripts:
        connection.exec_driver_sql(script.read_text("utf-8"), execution_options={"no_parameters": True})


def check_version(engine: Engine) -> None:
    """Raises Refusal unless the database has exactly the schema of this code."""
    with engine.connect() as connection:
        found = _found(connection)
    refuse_unknown(found)
    if found != (newest(),):
        raise Refusal(f"The database's schema is {', '.join(found) or 'empty'}, not {newest()}: run `itm migrate`")


def manifest_path() -> Path:
    """The file of the newest schema's catalogue. One path, so that a change is a diff."""
    return _SCRIPTS / "catalogue.json"


def manifest() -> CatalogueManifest:
    """The expected catalogue, for a full verification."""
    return CatalogueManifest.load(manifest_path().read_text("utf-8"))


def refuse_unknown(found: tuple[str, ...]) -> None:
    for revision in found:
        if revision not in _revisions():
            raise Refusal(
                f"ITM_DATABASE_URL: the database's schema ({revision}) is newer than this program: update the program"
            )


@cache
def _revisions() -> dict[str, str | None]:
    """Each migration and its predecessor. Read, not imported: Alembic imports by paths that a process may not reach."""
    found: dict[str, str | None] = {}
    for path in (_SCRIPTS / "versions").glob("*.py"):
        said = dict(_NAMED.findall(path.read_text("utf-8")))
        found[said["revision"]] = said.get("down_revision")
    return found


def newest() -> str:
    """The schema version that this code expects."""
    heads = set(_revisions()) - set(_revisions().values())
    if len(heads) != 1:
        raise Refusal(f"{_SCRIPTS} has {len(heads)} newest migrations, and not one")
    return heads.pop()


def _found(connection: object) -> tuple[str, ...]:
    return tuple(MigrationContext.configure(connection).get_current_heads())  # type: ignore[arg-type]
