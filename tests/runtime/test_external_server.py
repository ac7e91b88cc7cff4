"""A server that somebody else runs: prepared by the printed script, then used like our own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from itm_admin.foundation.database import migration
from itm_admin.local import binaries
from itm_admin.local.embedded import EmbeddedServer
from tests.runtime.running import itm


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """One without our roles, which only this test knows."""
    folder = Path(tempfile.mkdtemp(prefix="itm-dba-"))
    folder.chmod(0o711)
    server = EmbeddedServer(folder / "home", "a-superuser-for-tests", durable=False)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


def test_the_printed_script_prepares_a_server_and_the_migration_is_content_with_it(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    script = itm(tmp_path, "database", "sql").stdout
    psql = binaries.find(server.home) / "psql"
    address = server.url().set(drivername="postgresql").render_as_string(hide_password=False)
    passwords = [f"--set={role}_password={role}'s own" for role in ("owner", "app", "signer", "purger")]
    done = subprocess.run(
        [psql, "--no-psqlrc", "--quiet", *passwords, address], input=script, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = {
        f"ITM_DATABASE{infix}_URL": server.url(f"itm_{role}", f"{role}'s own", "itm").render_as_string(False)
        for role, infix in (("app", ""), ("owner", "_OWNER"), ("signer", "_SIGNER"))
    }
    migrated = itm(tmp_path, "migrate", **told)
    assert migrated.returncode == 0, migrated.stderr
    migration.check_version(create_engine(told["ITM_DATABASE_URL"], poolclass=NullPool))
