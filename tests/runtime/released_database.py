"""A database as a released version left it: its demonstration, restored into a database of the test."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from sqlalchemy import text

from itm_admin.foundation.config import Settings
from itm_admin.local import binaries
from tests.conftest import Database, settings_for

_AT_ONCE = 500
"""Entries of one transaction: what its end costs grows faster than they do."""
FOLDERS = sorted(path for path in (Path(__file__).parent / "released").iterdir() if path.is_dir())


def restore(folder: Path, database: Database) -> None:
    """Fills an empty database. Owners and privileges come with the dump; its data comes before its triggers."""
    done = subprocess.run(
        [_program("pg_restore"), "--exit-on-error", "--dbname", _plain(database), folder / "database.dump"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def settings_of(folder: Path, database: Database, home: Path) -> Settings:
    """Settings with the master key of the folder: what was sealed there opens here."""
    home.mkdir()
    (home / "master_key").write_bytes((folder / "master_key").read_bytes())
    (home / "master_key").chmod(0o600)
    return settings_for(database, home)


def logins(folder: Path) -> list[dict[str, str]]:
    return json.loads((folder / "logins.json").read_text("utf-8"))  # type: ignore[no-any-return]


def add_looks(database: Database, entries: int) -> None:
    """So many more entries in the ledger of the institution that has the most of them."""
    holder, append = _busiest(database), "SELECT count(audit.append('record.list', 'success', 'case'))"
    for start in range(0, entries, _AT_ONCE):
        with database.engine("app").begin() as connection:
            connection.execute(text("SELECT set_config('audit.context', :said, true)"), {"said": json.dumps(holder)})
            many = {"many": min(_AT_ONCE, entries - start)}
            connection.execute(text(f"{append} FROM generate_series(1, :many)"), many)


def _busiest(database: Database) -> dict[str, str]:
    newest = "SELECT holder FROM audit.ledger WHERE closed_at IS NULL AND NOT presidency ORDER BY size DESC LIMIT 1"
    with database.engine("superuser").connect() as connection:
        return {"ledger": str(connection.execute(text(newest)).scalar_one())}


def revision(database: Database) -> str:
    with database.engine("superuser").connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM public.alembic_version")).scalar_one())


def _plain(database: Database) -> str:
    return database.url("superuser").replace("postgresql+psycopg://", "postgresql://", 1)


def _program(name: str) -> Path:
    return binaries.packaged() / "bin" / name
