"""A PostgreSQL of these tests' own, with the settings that are shipped: it may be killed, and its log read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from itm_admin.foundation.database import migration, roles
from itm_admin.local.embedded import EmbeddedServer
from tests.conftest import PASSWORDS, Cluster, Database

_numbers = itertools.count(1)


@dataclass(frozen=True)
class OwnServer:
    """The server, and a migrated database on it."""

    server: EmbeddedServer
    database: Database


@pytest.fixture(scope="module")
def own_server(short_folder: Path) -> Iterator[OwnServer]:
    server = EmbeddedServer(
        short_folder / f"own{next(_numbers)}", superuser_password="a-superuser-for-tests", durable=False
    )
    server.start()
    try:
        cluster = Cluster(server.url())
        with cluster.connect() as connection:
            roles.ensure(connection, PASSWORDS)
            roles.make_database(connection)
        with cluster.connect(roles.DATABASE) as connection:
            roles.prepare_database(connection)
        migration.upgrade(cluster.url("owner", roles.DATABASE))
        database = Database(cluster, roles.DATABASE)
        yield OwnServer(server, database)
        database.close()
    finally:
        server.stop()
