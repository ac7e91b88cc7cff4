"""A real PgBouncer in transaction mode between the panel's role and the tests' server, as in `deploy/pgbouncer.ini`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import make_url

from itm_admin.local import binaries
from tests.conftest import PASSWORDS, Cluster, Database
from tests.machine import ROOT, environment_of, pgbouncer


class Pooled(Database):
    """The panel's role goes through the pooler, the others to the server."""

    def __init__(self, cluster: Cluster, name: str, port: int) -> None:
        super().__init__(cluster, name)
        self.port = port

    def url(self, role: str) -> str:
        straight = super().url(role)
        if role != "app":
            return straight
        through = make_url(straight).set(host="127.0.0.1", port=self.port, query={})
        return through.render_as_string(hide_password=False)


@contextmanager
def through_pgbouncer(database: Database, connections: int, cleans: bool = True) -> Iterator[Pooled]:
    """The same database through at most so many server connections. `cleans`: the second wall of the example stands."""
    program = pgbouncer()
    assert program is not None, "pgbouncer is not here: run it by `make wide`, which gets it"
    port, folder = _free_port(), Path(tempfile.mkdtemp(prefix="itm-pooler-"))
    folder.chmod(0o711)
    user = binaries.find(folder).user
    _write(folder, database, port, connections, cleans)
    if user is not None:
        for each in (folder, *folder.iterdir()):
            os.chown(each, user.uid, user.gid)
    words: list[str | Path] = [program, folder / "pgbouncer.ini"]
    try:
        with (folder / "log").open("wb") as log, subprocess.Popen(
            words, stdout=log, stderr=log, env=environment_of(program), cwd="/",
            user=user.uid if user else None, group=user.gid if user else None, extra_groups=[] if user else None,
        ) as running:  # fmt: skip
            pooled = Pooled(database.cluster, database.name, port)
            try:
                _wait_for(port, running, folder / "log")
                yield pooled
            finally:
                pooled.close()
                running.terminate()
                running.wait(30)
    finally:
        shutil.rmtree(folder)


def _write(folder: Path, database: Database, port: int, connections: int, cleans: bool) -> None:
    server = make_url(database.url("app"))
    place = server.query.get("host") or server.host
    text = (ROOT / "deploy" / "pgbouncer.ini").read_text("utf-8")
    name, gate = database.name, server.port or 5432
    changes = {
        "itm = host=database.example port=5432 dbname=itm": f"{name} = host={place} port={gate}",
        "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
        "/etc/pgbouncer/userlist.txt": str(folder / "userlist.txt"),
        "server_tls_sslmode = verify-full\n": "",
        "default_pool_size = 20": f"default_pool_size = {connections}",
    }
    if not cleans:
        changes["server_reset_query_always = 1"] = "server_reset_query_always = 0"
    for written, here in changes.items():
        assert written in text, written
        text = text.replace(written, here)
    (folder / "pgbouncer.ini").write_text(text, "utf-8")
    (folder / "userlist.txt").write_text(f'"itm_app" "{PASSWORDS["app"]}"\n', "utf-8")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    while running.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise AssertionError(log.read_text("utf-8"))
