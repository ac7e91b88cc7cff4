"""The console command: what cannot go on says why in one line and does not end with 0."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.factories import Factory
from tests.runtime.running import free_port, itm, itm_of_a_fork


def external(database: Database, folder: Path) -> dict[str, str]:
    """A complete set of settings for a named server."""
    key = folder / "key"
    key.touch(0o600)
    key.write_bytes(base64.b64encode(os.urandom(32)))
    return {
        "ITM_DATABASE_URL": database.url("app"),
        "ITM_DATABASE_OWNER_URL": database.url("owner"),
        "ITM_DATABASE_SIGNER_URL": database.url("signer"),
        "ITM_SECRET_KEY": "k" * 40,
        "ITM_MASTER_KEY_FILE": str(key),
        "ITM_SIGNING_KEY_FILE": str(folder / "signing-key"),
    }


@pytest.mark.parametrize(
    "missing",
    [
        "ITM_DATABASE_OWNER_URL",
        "ITM_DATABASE_SIGNER_URL",
        "ITM_SECRET_KEY",
        "ITM_MASTER_KEY_FILE",
        "ITM_SIGNING_KEY_FILE",
    ],
)
def test_running_on_a_named_server_without_a_setting_names_it(database: Database, tmp_path: Path, missing: str) -> None:
    told = external(database, tmp_path)
    del told[missing]
    refused = itm_of_a_fork(tmp_path / "home", "run", **told)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"itm: {missing}: is missing")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["run"], ["web"], ["migrate"], ["ledger", "verify"]])
def test_a_misspelt_setting_is_refused_by_every_command(tmp_path: Path, words: list[str]) -> None:
    refused = itm_of_a_fork(tmp_path / "home", *words, ITM_PROT="8080")
    assert (refused.returncode, refused.stderr) == (2, "itm: ITM_PROT: there is no such setting\n")


@pytest.mark.parametrize("words", [["migrate"], ["run"], ["web"]])
def test_a_database_that_does_not_answer_is_one_line_with_the_settings_name(
    database: Database, tmp_path: Path, words: list[str]
) -> None:
    nobody = f"postgresql://itm_app:secret-password@127.0.0.1:{free_port()}/itm"
    told = external(database, tmp_path) | {"ITM_DATABASE_URL": nobody, "ITM_DATABASE_OWNER_URL": nobody}
    refused = itm_of_a_fork(tmp_path / "home", *words, **told, ITM_PORT=str(free_port()))
    assert refused.returncode == 2
    assert refused.stderr.startswith("itm: ITM_DATABASE_URL: the database cannot be used: ")
    assert refused.stderr.count("\n") == 1
    assert "secret-password" not in refused.stderr


def test_a_wrong_password_is_one_line_without_the_password(database: Database, tmp_path: Path) -> None:
    told = external(database, tmp_path)
    told["ITM_DATABASE_OWNER_URL"] = told["ITM_DATABASE_OWNER_URL"].replace("an-owner-for-tests", "mistaken-one")
    refused = itm_of_a_fork(tmp_path / "home", "migrate", **told)
    assert refused.returncode == 2
    assert "password authentication failed" in refused.stderr
    assert "mistaken-one" not in refused.stderr


def test_a_newer_schema_is_refused(database: Database, tmp_path: Path) -> None:
    with database.cluster.connect(database.name) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    told = external(database, tmp_path) | {"ITM_PORT": str(free_port())}
    for words in (["run"], ["web"], ["migrate"]):
        refused = itm_of_a_fork(tmp_path / "home", *words, **told)
        assert refused.returncode == 2
        assert refused.stderr.startswith("itm: ITM_DATABASE_URL: the database's schema (9999) is newer")


def test_verifying_without_a_database_cannot_tell(tmp_path: Path) -> None:
    nobody = f"postgresql://itm_signer:x@127.0.0.1:{free_port()}/itm"
    told = {"ITM_DATABASE_URL": nobody, "ITM_DATABASE_SIGNER_URL": nobody}
    said = itm_of_a_fork(tmp_path / "home", "ledger", "verify", "--json", **told)
    assert said.returncode == 2
    assert [row["verdict"] for row in json.loads(said.stdout)] == ["cannot tell"]


def test_the_address_of_a_database_that_was_never_made_is_refused(tmp_path: Path) -> None:
    refused = itm_of_a_fork(tmp_path / "home", "database", "url", "--role", "app")
    assert refused.returncode == 2
    assert refused.stderr.startswith("itm: ITM_HOME: there is no database in ")


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = itm_of_a_fork(tmp_path / "file" / "home", "migrate")
    assert refused.returncode == 2
    assert refused.stderr.startswith("itm: ITM_HOME: ")


def test_the_dbas_script_is_printed_without_asking_a_database(tmp_path: Path) -> None:
    said = itm(tmp_path / "home", "database", "sql")
    assert said.returncode == 0
    assert "CREATE DATABASE itm OWNER itm_owner" in said.stdout


def test_running_names_all_that_is_missing_or_wrong_at_once(database: Database, tmp_path: Path) -> None:
    told = external(database, tmp_path)
    del told["ITM_SIGNING_KEY_FILE"], told["ITM_SECRET_KEY"]
    (tmp_path / "key").chmod(0o644)
    refused = itm_of_a_fork(tmp_path / "home", "run", **told)
    named = [line.split(": ")[1] for line in refused.stderr.splitlines()]
    assert (refused.returncode, sorted(named)) == (
        2,
        ["ITM_MASTER_KEY_FILE", "ITM_SECRET_KEY", "ITM_SIGNING_KEY_FILE"],
    )


@pytest.mark.parametrize("words", [["run"], ["web"]])
def test_another_master_key_than_the_datas_is_refused(database: Database, tmp_path: Path, words: list[str]) -> None:
    Factory(database).institution()
    refused = itm_of_a_fork(tmp_path / "home", *words, **external(database, tmp_path), ITM_PORT=str(free_port()))
    assert refused.returncode == 2
    assert "itm: ITM_MASTER_KEY_FILE: is another master key than" in refused.stderr
