"""Secrets: made once for a new installation, private, and never made anew beside a database."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from itm_admin.foundation.config import SettingError, Settings
from itm_admin.local import installation


def begun(home: Path) -> Settings:
    """An installation with secrets and a database (as far as they look at it)."""
    settings = Settings(home=home, embedded=True)
    installation.of(settings)
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("18\n", "ascii")
    return settings


def test_a_new_installation_gets_secrets_of_its_own_that_nobody_else_reads(tmp_path: Path) -> None:
    first = installation.of(Settings(home=tmp_path / "a", embedded=True)).settings
    second = installation.of(Settings(home=tmp_path / "b", embedded=True)).settings
    assert first.master_key() != second.master_key()
    assert first.secret_key != second.secret_key
    assert first.database_url is not None
    assert "itm_app" in first.database_url
    for file in (tmp_path / "a" / "secrets").rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600)
    assert stat.S_IMODE((tmp_path / "a" / "secrets").stat().st_mode) == 0o700


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    settings = begun(tmp_path / "home")
    assert installation.of(settings).settings == installation.of(settings).settings


@pytest.mark.parametrize(
    ("secret", "setting"),
    [
        ("web/master_key", "ITM_MASTER_KEY_FILE"),
        ("web/session_key", "ITM_SECRET_KEY"),
        ("operator/database_owner", "ITM_HOME"),
        ("operator/database_superuser", "ITM_HOME"),
    ],
)
def test_a_secret_that_is_gone_is_not_made_anew_beside_a_database(tmp_path: Path, secret: str, setting: str) -> None:
    settings = begun(tmp_path / "home")
    lost = tmp_path / "home" / "secrets" / secret
    lost.unlink()
    with pytest.raises(SettingError, match=f"^{setting}: .*{secret} is missing"):
        installation.of(settings)
    assert not lost.exists()


def _contents(home: Path) -> dict[str, str]:
    return {path.name: path.read_text("ascii") for path in (home / "secrets").rglob("*") if path.is_file()}


@pytest.mark.parametrize("moved", [0, 3, 7])
def test_secrets_of_an_earlier_layout_are_moved_also_after_a_move_that_was_stopped(tmp_path: Path, moved: int) -> None:
    settings = begun(tmp_path / "home")
    secrets = tmp_path / "home" / "secrets"
    (secrets / "scheduler" / "ledger-signing-key").write_text("a key", "ascii")
    before, expected = _contents(settings.home), installation.of(settings).settings
    for path in sorted(path for path in secrets.glob("*/*"))[moved:]:
        path.rename(secrets / path.name)
    assert installation.of(settings).settings.secret_key == expected.secret_key  # a command beside the old program
    for _ in range(2):
        assert installation.arranged(settings).settings == expected
        assert _contents(settings.home) == before
        assert not [path for path in secrets.iterdir() if path.is_file()]


def test_two_secrets_that_differ_are_refused_and_both_kept(tmp_path: Path) -> None:
    settings = begun(tmp_path / "home")
    old = tmp_path / "home" / "secrets" / "master_key"
    old.write_text("another", "ascii")
    with pytest.raises(SettingError, match=r"^ITM_HOME: .*master_key and .*master_key differ"):
        installation.arranged(settings)
    assert old.exists()


def test_keys_that_are_told_are_used_and_none_is_made(tmp_path: Path) -> None:
    told = Settings(home=tmp_path / "home", embedded=True, secret_key="k" * 32, master_key_file=tmp_path / "key")
    settings = installation.of(told).settings
    assert (settings.secret_key, settings.master_key_file) == ("k" * 32, tmp_path / "key")
    assert not {"session_key", "master_key"} & {file.name for file in (tmp_path / "home" / "secrets").rglob("*")}


def test_two_at_once_on_one_data_folder_are_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, embedded=True)
    with installation.alone(settings):
        refused = pytest.raises(SettingError, match=r"^ITM_HOME: .* is in use by another itm \(process \d+\)")
        with refused, installation.alone(settings):
            raise AssertionError("both hold it")
    with installation.alone(settings):
        assert (tmp_path / "itm.lock").exists()


def test_the_superuser_of_a_named_server_is_not_known(tmp_path: Path) -> None:
    place = installation.of(Settings(home=tmp_path, database_url="postgresql+psycopg://itm_app:x@host/itm"))
    with pytest.raises(SettingError, match="^ITM_DATABASE_URL: "):
        place.url("superuser")
    assert place.url("app") == "postgresql://itm_app:x@host/itm"
    with pytest.raises(SettingError, match="^ITM_DATABASE_OWNER_URL: is missing"):
        place.url("owner")
