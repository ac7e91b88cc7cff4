"""The file of the settings names a directory: what is wrong is refused with its key, and no value is repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from itm_admin.foundation import identity_providers
from itm_admin.foundation.directories import Directory

RIGHT = {
    "kind": "ldap", "code": "jgk-ad", "name_tr": "Jandarma hesabı", "name_en": "Gendarmerie account",
    "issuer": "jgk.example.gov.tr", "address": "ldaps://dc1.jgk.example.gov.tr", "base": "DC=jgk,DC=example",
    "id": "objectGUID", "service_name": "CN=itm,DC=jgk,DC=example", "service_password": "gizli-parola-9",
}  # fmt: skip


def read(folder: Path, **other: str | None) -> Directory:
    lines = ["[[provider]]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in {**RIGHT, **other}.items() if value is not None]
    path = folder / "providers.toml"
    path.write_text("\n".join([*lines, "[[provider.institution]]", 'code = "JGK"']), "utf-8")
    (found,) = identity_providers.read(path)
    assert isinstance(found.own, Directory)
    return found.own


def test_a_directory_is_reached_by_tls_alone(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (found.host, found.port, found.start_tls) == ("dc1.jgk.example.gov.tr", 636, False)
    found = read(tmp_path, address="ldap://dc1.jgk.example.gov.tr:3890")
    assert (found.port, found.start_tls) == (3890, True)
    assert "gizli-parola-9" not in repr(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "http://localhost"), ("address", "ldapi:///var/run/ldapi"), ("address", "ldaps://dc1/ou=x"),
        ("address", "ldaps://user:gizli-parola-9@dc1"), ("address", "dc1"), ("id", "sAMAccountName"), ("id", None),
        ("filter", "(uid=x)"), ("filter", "uid={name}"), ("filter", "(uid={name}"), ("bind_name", "CN=itm,DC=jgk"),
        ("bind_name", "{name}@{name}"), ("base", ""), ("service_name", None), ("service_password", None),
        ("service_password", ""), ("certificates", "gizli-parola-9"), ("issuer", None), ("start_tls", "no"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_and_its_value_is_not(tmp_path: Path, key: str, value: str | None) -> None:
    with pytest.raises(ValueError, match=rf"provider 1 \(jgk-ad\), {key}: ") as refused:
        read(tmp_path, **{key: value})
    assert "gizli-parola-9" not in str(refused.value)


def test_what_the_database_gets_has_no_secret_and_no_place(tmp_path: Path) -> None:
    read(tmp_path)
    declared = identity_providers.declared(identity_providers.read(tmp_path / "providers.toml"))
    assert "jgk.example.gov.tr" in declared
    for hidden in ("gizli-parola-9", "CN=itm", "dc1."):
        assert hidden not in declared
