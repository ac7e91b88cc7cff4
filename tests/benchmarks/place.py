"""The benchmarks' server: durable as an installation's, with migrated databases.

Promise: nothing here is faster than for users. Each comparison has its databases on the same server.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from itm_admin.foundation.config import default_home
from itm_admin.foundation.database import migration, roles
from itm_admin.local.embedded import EmbeddedServer
from tests.conftest import PASSWORDS, Cluster, Database


def home() -> Path:
    """The folder for results and the peers' packages: `bench` in the installation's folder."""
    folder = Path(os.environ["ITM_HOME"]).absolute() if os.environ.get("ITM_HOME") else default_home()
    return folder / "bench"


class Place:
    """A running server; `database()` is fresh and migrated, `empty()` has nothing in it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._numbers = count(1)
        self._opened: list[Database] = []
        self._template = self._migrated()

    def _migrated(self) -> str:
        name = self._make()
        with self.cluster.connect(name) as connection:
            roles.prepare_database(connection)
        migration.upgrade(self.cluster.url("owner", name))
        return name

    def _make(self, template: str = "template0") -> str:
        name = f"itm_bench_{os.getpid()}_{next(self._numbers)}"
        with self.cluster.connect() as connection:
            roles.make_database(connection, name, template)
        return name

    def database(self, like: Database | None = None) -> Database:
        """A fresh one, or a copy of another one that nobody uses any more."""
        if like is not None:
            like.close()
        made = Database(self.cluster, self._make(like.name if like else self._template))
        self._opened.append(made)
        return made

    def empty(self) -> Database:
        made = Database(self.cluster, self._make())
        self._opened.append(made)
        return made

    def drop(self, database: Database) -> None:
        database.close()
        self._opened.remove(database)
        with self.cluster.connect() as connection:
            connection.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)'.encode())

    def close(self) -> None:
        for database in (*self._opened, Database(self.cluster, self._template)):
            database.close()
            with self.cluster.connect() as connection:
                connection.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)'.encode())


@contextmanager
def opened() -> Iterator[Place]:
    """A server with an installation's settings, for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="itm-bench-"))
    folder.chmod(0o711)
    server = EmbeddedServer(folder / "server", superuser_password="a-superuser-for-figures")
    try:
        server.start()
        cluster = Cluster(server.url())
        with cluster.connect() as connection:
            roles.ensure(connection, PASSWORDS)
        yield Place(cluster)
    finally:
        server.stop()
        shutil.rmtree(folder)
