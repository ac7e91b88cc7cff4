"""Settings: each is read once, checked, and refused in one line that names it."""

from __future__ import annotations

import base64
from dataclasses import fields
from pathlib import Path

import pytest

from audit.key import Algorithm, SigningKey
from itm_admin.accounts.passkeys import Site
from itm_admin.foundation.config import SettingError, Settings, default_home
from itm_admin.foundation.settings_table import SETTINGS


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ITM_PORT", "http", "a whole number from 1 to 65535"),
        ("ITM_PORT", "0", "a whole number"),
        ("ITM_PORT", "70000", "a whole number"),
        ("ITM_PORT", "٨٠٨٠", "a whole number"),
        ("ITM_WEB_WORKERS", "-1", "a whole number"),
        ("ITM_HTTPS", "perhaps", "yes or no"),
        ("ITM_SECRET_KEY", "short", "at least 32 characters"),
        ("ITM_DATABASE_URL", "mysql://a:b@c/d", "only postgresql://"),
        ("ITM_DATABASE_URL", "postgresql://a:b@10.0.0.5/itm", "the server is on another machine"),
        ("ITM_DATABASE_URL", "postgresql://a:b@db.example/itm?sslmode=require", "the server is on another machine"),
        ("ITM_DATABASE_SIGNER_URL", "postgresql://a:b@/itm?host=/run,db.example", "the server is on another machine"),
        (
            "ITM_DATABASE_OWNER_URL",
            "postgresql://a:b@localhost/itm?hostaddr=10.0.0.5",
            "the server is on another machine",
        ),
        ("ITM_DATABASE_URL", "postgresql://a:b@/itm?service=x", "the server is on another machine"),
        ("ITM_DATABASE_URL", "postgresql://host/itm", "the address must name a role and a database"),
        ("ITM_DATABASE_URL", "nonsense", "an address like postgresql://"),
        ("ITM_TRUSTED_HOSTS", "https://panel.example/", "host names are expected"),
        ("ITM_PROT", "8080", "there is no such setting"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_environment({name: value})
    assert str(refused.value).startswith(f"{name}: {reason}")


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_environment({"ITM_SECRET_KEY": "tooshortsecret"})
    assert "tooshortsecret" not in str(refused.value)


def test_an_owners_address_without_the_applications_is_half_a_server() -> None:
    with pytest.raises(SettingError, match="^ITM_DATABASE_URL: is missing"):
        Settings.from_environment({"ITM_DATABASE_OWNER_URL": "postgresql://itm_owner:x@host/itm?sslmode=verify-full"})


def test_nothing_set_is_an_installation_of_this_machine() -> None:
    settings = Settings.from_environment({"PATH": "/bin", "ITM_PORT": ""})
    assert settings.embedded
    assert (settings.home, settings.host, settings.port) == (default_home(), "127.0.0.1", 8080)
    assert settings.secret_key is None


def test_a_named_server_is_not_embedded_and_is_spoken_to_with_psycopg() -> None:
    settings = Settings.from_environment(
        {"ITM_DATABASE_URL": "postgresql://itm_app:p%40ss@host:6543/itm?sslmode=verify-full"}
    )
    assert not settings.embedded
    assert settings.database_url == "postgresql+psycopg://itm_app:p%40ss@host:6543/itm?sslmode=verify-full"


def test_what_is_needed_and_missing_is_named() -> None:
    settings = Settings.from_environment({"ITM_DATABASE_URL": "postgresql://itm_app:x@host/itm?sslmode=verify-full"})
    with pytest.raises(SettingError, match="^ITM_MASTER_KEY_FILE: is missing"):
        settings.require("ITM_DATABASE_URL", "ITM_MASTER_KEY_FILE")


def test_secrets_are_not_in_the_representation() -> None:
    settings = Settings.from_environment(
        {"ITM_SECRET_KEY": "k" * 40, "ITM_DATABASE_URL": "postgresql://itm_app:hidden@host/itm?sslmode=verify-full"}
    )
    assert "kkkk" not in repr(settings)
    assert "hidden" not in repr(settings)


def test_a_childs_environment_holds_what_it_is_given_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITM_DATABASE_OWNER_URL", "postgresql://itm_owner:x@host/itm?sslmode=verify-full")
    monkeypatch.setenv("AWS_SECRET", "x")
    settings = Settings.from_environment(
        {
            "ITM_DATABASE_URL": "postgresql://itm_app:x@host/itm?sslmode=verify-full",
            "ITM_HTTPS": "yes",
            "ITM_TRUSTED_HOSTS": "a.example,b",
        }
    )
    told = settings.environment("ITM_DATABASE_URL", "ITM_HTTPS", "ITM_TRUSTED_HOSTS", "ITM_PORT")
    assert set(told) <= {"PATH", "HOME", "LANG", "TZ", "ITM_DATABASE_URL", "ITM_HTTPS", "ITM_TRUSTED_HOSTS", "ITM_PORT"}
    again = Settings.from_environment(told)
    assert (again.database_url, again.https, again.trusted_hosts) == (
        settings.database_url,
        True,
        ("a.example", "b"),
    )


@pytest.mark.parametrize("content", [b"", b"not base64!", base64.b64encode(b"short"), b"\xff\xfe", bytes(range(32))])
def test_a_master_key_of_another_shape_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(content)
    with pytest.raises(SettingError, match="^ITM_MASTER_KEY_FILE: .* 32 bytes in base64"):
        Settings(master_key_file=file).master_key()


def test_a_master_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="^ITM_MASTER_KEY_FILE: .*No such file"):
        Settings(master_key_file=tmp_path / "none").master_key()


def test_every_setting_has_a_place_and_a_meaning() -> None:
    assert {setting.attribute for setting in SETTINGS} == {field.name for field in fields(Settings)} - {"embedded"}
    assert all(setting.meaning and setting.name.startswith("ITM_") for setting in SETTINGS)


def test_the_readme_has_a_row_for_every_setting_and_no_other() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8").replace("`", "")
    rows = [line for line in readme.splitlines() if line.startswith("| ITM_")]
    assert [" ".join(row.split()) for row in rows] == [
        " ".join(f"| {setting.name} | {setting.default} | {setting.meaning} |".split()) for setting in SETTINGS
    ]


@pytest.mark.parametrize(
    ("here", "elsewhere", "quorum", "told"),
    [
        (0, 0, None, False),
        (1, 0, None, True),
        (1, 2, None, False),
        (2, 1, None, True),
        (1, 2, 1, True),
        (0, 2, 1, False),
    ],
)
def test_witnesses_on_this_machine_are_told_apart_where_they_are_enough(
    here: int, elsewhere: int, quorum: int | None, told: bool
) -> None:
    hosts = ["127.0.0.1"] * here + ["witness.example"] * elsewhere
    keys = [SigningKey.generate(f"w{n}.example", Algorithm.COSIGNATURE).verifier for n in range(len(hosts))]
    named = ",".join(f"http://{host}:8600={key}" for host, key in zip(hosts, keys, strict=True))
    environ = {"ITM_WITNESSES": named, **({"ITM_WITNESS_QUORUM": str(quorum)} if quorum else {})}
    assert Settings.from_environment(environ).witnessed_here is told


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
@pytest.mark.parametrize("attribute", ["master_key_file", "sink_secret_file"])
def test_a_secrets_file_that_others_may_read_is_refused(tmp_path: Path, mode: int, attribute: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(base64.b64encode(bytes(32)))
    file.chmod(mode)
    settings = Settings(**{attribute: file})  # type: ignore[arg-type]
    read = settings.master_key if attribute == "master_key_file" else settings.sink_secret
    with pytest.raises(SettingError, match=f"others may read it .mode {mode:04o}.: chmod 0600 {file}$"):
        read()
    file.chmod(0o600)
    assert read()


def test_everything_that_is_wrong_is_named_at_once() -> None:
    wrong = {"ITM_PROT": "1", "ITM_PORT": "0", "ITM_HTTPS": "perhaps"}
    with pytest.raises(SettingError) as refused:
        Settings.from_environment(wrong)
    assert sorted(line.partition(":")[0] for line in str(refused.value).split("\n")) == sorted(wrong)
    with pytest.raises(SettingError) as refused:
        Settings(database_url="x").require("ITM_SECRET_KEY", "ITM_DATABASE_URL", "ITM_MASTER_KEY_FILE")
    assert [line.partition(":")[0] for line in str(refused.value).split("\n")] == [
        "ITM_SECRET_KEY",
        "ITM_MASTER_KEY_FILE",
    ]


@pytest.mark.parametrize("place", ["localhost", "127.0.0.1", "[::1]:5433", ""])
def test_a_server_on_this_machine_needs_no_tls(place: str) -> None:
    assert Settings.from_environment({"ITM_DATABASE_URL": f"postgresql://itm_app:x@{place}/itm"}).database_url


@pytest.mark.parametrize(
    ("hosts", "https", "proxies", "origin", "site"),
    [
        (("localhost", "127.0.0.1"), False, (), "http://localhost:8080", "localhost"),
        (("127.0.0.1", "localhost"), False, (), "http://localhost:8080", "localhost"),
        (("itm.example",), True, ("10.0.0.1",), "https://itm.example", "itm.example"),
        (("itm.example:8443",), True, ("10.0.0.1",), "https://itm.example:8443", "itm.example"),
        (("10.0.0.5",), False, (), None, "10.0.0.5"),
    ],
)
def test_passkeys_belong_to_the_first_name_and_to_no_number(
    hosts: tuple[str, ...], https: bool, proxies: tuple[str, ...], origin: str | None, site: str
) -> None:
    settings = Settings(trusted_hosts=hosts, https=https, trusted_proxies=proxies)
    assert Site.at(settings.origin) == Site(origin, site)
