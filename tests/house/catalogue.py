"""Writes the catalogue's manifest of the newest migration, from fresh schemas; the difference is read in review.

``make .venv && .venv/bin/python -m tests.house.catalogue [ADDRESS …]``: the server of our own that this starts,
and passing servers of other major versions, each named by its superuser's address (postgresql://…). Versions
that were seen before stay in the manifest: before a release it is written with one server of each.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from audit.catalogue import CatalogueManifest, Objects, differences
from audit.store import catalogue
from itm_admin.foundation.database import migration, roles
from itm_admin.local.binaries import MAJOR
from itm_admin.local.embedded import EmbeddedServer
from tests.conftest import PASSWORDS, Cluster

SCHEMAS = ("audit", "itm", "public")
_NAME = "itm_catalogue"


def fresh(cluster: Cluster) -> tuple[int, Objects]:
    """Migrates an empty database of this server: its major version and what its catalogue says."""
    with cluster.connect() as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{_NAME}"'.encode())
        roles.ensure(connection, PASSWORDS)
        for short, role in roles.ROLES.items():
            connection.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORDS[short]}'".encode())
        roles.make_database(connection, _NAME)
    with cluster.connect(_NAME) as connection:
        roles.prepare_database(connection)
    migration.upgrade(cluster.url("owner", _NAME))
    with create_engine(cluster.url("superuser", _NAME), poolclass=NullPool).connect() as superuser:
        return catalogue.major(superuser), catalogue.catalogue(superuser, SCHEMAS)


def main(addresses: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="itm-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedServer(Path(folder) / "server", superuser_password="a-superuser-for-tests", durable=False)
        server.start()
        try:
            urls = [server.url(), *(make_url(each).set(drivername="postgresql+psycopg") for each in addresses)]
            found = dict(fresh(Cluster(url)) for url in urls)
        finally:
            server.stop()
    ours = found[MAJOR]
    for version, other in found.items():
        for finding in differences(ours, other):
            raise SystemExit(f"PostgreSQL {version} has other words for this than {MAJOR}: {finding.detail}")
    path = migration.manifest_path()
    before = migration.manifest().versions if path.exists() else ()
    path.write_text(CatalogueManifest(SCHEMAS, sorted({*before, *found}), ours).dump(), "utf-8")
    print(f"{path}: seen on PostgreSQL {', '.join(map(str, sorted(found)))}")


if __name__ == "__main__":
    main(sys.argv[1:])
