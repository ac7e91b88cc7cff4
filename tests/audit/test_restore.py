"""A lawful dump and restore is intact, with PostgreSQL's own tools; a part of one is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from audit import report
from audit.catalogue import CatalogueManifest
from audit.store import catalogue
from itm_admin.foundation.database import roles
from itm_admin.local.binaries import MAJOR, packaged
from tests.audit.conftest import World
from tests.audit.test_catalogue import SCHEMAS
from tests.conftest import Cluster

NUMBERS = count()
Restore = Callable[..., Engine]


@pytest.fixture
def manifest(world: World) -> CatalogueManifest:
    with world.engine("superuser").connect() as connection:
        return CatalogueManifest(SCHEMAS, [catalogue.major(connection)], catalogue.catalogue(connection, SCHEMAS))


@pytest.fixture
def restore(world: World, cluster: Cluster, tmp_path: Path) -> Iterator[Restore]:
    """Dumps the world's database in PostgreSQL's folder format and restores it into a new one, with these options."""
    world.fill(40)
    made: list[str] = []
    with world.engine("superuser").connect() as asked:
        tools = _tools(catalogue.major(asked))
    environment = {**os.environ, "PGPASSWORD": cluster.address.password or ""}

    def restored(dumped: tuple[str, ...] = (), options: tuple[str, ...] = (), again: str | None = None) -> Engine:
        name = f"itm_restored_{os.getpid()}_{next(NUMBERS)}"
        folder = tmp_path / name
        source = cluster.url("superuser", again or str(world.engine("superuser").url.database))
        with cluster.connect() as connection:
            roles.make_database(connection, name)
        made.append(name)
        for command in (
            [tools / "pg_dump", "-Fd", "-j", "2", *dumped, "-f", folder, "-d", _address(source)],
            [tools / "pg_restore", *options, "-d", _address(cluster.url("superuser", name)), folder],
        ):
            done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
            assert "error" not in done.stderr.replace('schema "public" already exists', "").lower() or dumped, (
                done.stderr
            )
        return create_engine(cluster.url("signer", name), poolclass=NullPool)

    yield restored
    with cluster.connect() as server:
        for name in made:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _tools(major: int) -> Path:
    """Those of the server's version: the embedded one's come with it, another one's from the system's packages."""
    return packaged() / "bin" if major == MAJOR else Path(f"/usr/lib/postgresql/{major}/bin")


def _address(url: object) -> str:
    return str(url.set(drivername="postgresql").render_as_string(hide_password=False))  # type: ignore[attr-defined]


def _judged(engine: Engine, manifest: CatalogueManifest) -> tuple[int, set[str]]:
    rows, code = report.report(engine, "full", manifest=manifest)
    return code, {str(each["detail"]) for row in rows for each in row["findings"]}


@pytest.mark.parametrize("options", [(), ("-j", "2")], ids=["whole", "by two"])
def test_a_whole_restore_is_intact_and_so_is_a_restore_of_it(
    restore: Restore, manifest: CatalogueManifest, options: tuple[str, ...]
) -> None:
    first = restore(options=options)
    assert _judged(first, manifest) == (0, set())
    assert _judged(restore(options=options, again=first.url.database), manifest) == (0, set())


@pytest.mark.parametrize(
    "left_out",
    # To verify without a table's rows finds the same as where they were deleted: tests/audit/test_tampering.py
    [("--schema-only",), ("--exclude-table-data=public.thing",), ("--exclude-table=public.thing",),
     *(pytest.param((f"--exclude-table-data=audit.{name}",), marks=pytest.mark.wide)
       for name in ("event", "leaf", "ledger", "watched"))],
    ids=" ".join,
)  # fmt: skip
def test_a_part_of_one_is_not_intact(restore: Restore, manifest: CatalogueManifest, left_out: tuple[str, ...]) -> None:
    assert _judged(restore(left_out), manifest)[0] != 0
