"""The file of the providers of sign-in: what is wrong is refused with file, provider and key, and without a secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from itm_admin.accounts import provider_register
from itm_admin.foundation import identity_providers
from itm_admin.foundation.config import SettingError, Settings
from tests.conftest import Database, settings_for

NAME = "ITM_IDENTITY_PROVIDERS_FILE"
GOOD = """
[[provider]]
kind = "oidc"
code = "jgk"
name_tr = "Jandarma"
name_en = "Gendarmerie"
issuer = "https://sso.example.gov.tr/realms/jgk"
client_id = "itm"
client_secret = "S3CR3T-of-the-client"
amr = ["otp"]
[[provider.institution]]
code = "JGK"
trusts_factor = true
"""


def told(tmp_path: Path, content: str, mode: int = 0o600) -> str:
    file = tmp_path / "providers.toml"
    file.touch(mode)
    file.write_text(content)
    file.chmod(mode)
    try:
        Settings.from_environment({NAME: str(file)})
    except SettingError as refused:
        return str(refused)
    return ""


def test_a_file_that_others_cannot_read_is_taken(tmp_path: Path) -> None:
    assert told(tmp_path, GOOD) == ""
    (found,) = identity_providers.read(tmp_path / "providers.toml")
    assert (found.code, found.issuer) == ("jgk", "https://sso.example.gov.tr/realms/jgk")
    assert "S3CR3T" not in repr(found)
    assert "S3CR3T" not in identity_providers.declared((found,))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    assert told(tmp_path, GOOD, mode).startswith(f"{NAME}: {tmp_path}/providers.toml: others may read it")


WRONG = {
    "client_id": ('client_id = "itm"', "", "provider 1 (jgk), client_id: a text is expected"),
    "no secret": ('client_secret = "S3CR3T-of-the-client"', "", "provider 1 (jgk), client_secret: a text is expected"),
    "plain": ("https://sso", "http://sso", "provider 1 (jgk), issuer: an address that begins with https://"),
    "with a name in it": ("https://sso", "https://a:S3CR3T@sso", "issuer: an address that begins with https://"),
    "kind": ('kind = "oidc"', 'kind = "saml"', "provider 1 (jgk), kind: one of"),
    "code": ('code = "jgk"', 'code = "J G K"', "provider 1, code: up to 40 of"),
    "misspelt": ('amr = ["otp"]', 'amrs = ["otp"]', "provider 1 (jgk), amrs: there is no such key"),
    "nothing to trust": ('amr = ["otp"]', "", "provider 1 (jgk), trusts_factor: acr or amr has to say"),
    "nobody": ("[[provider.institution]]", "[[other]]", "provider 1 (jgk), institution: is missing"),
    "flag": ("trusts_factor = true", 'trusts_factor = "yes"', "institution, trusts_factor: true or false is expected"),
    "no TOML": ("[[provider]]", "[[provider", "this is not TOML (at line"),
    "certificates": ('amr = ["otp"]', 'amr = ["otp"]\ncertificates = "S3CR3T"', "certificates: certificates in PEM"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_its_key_and_without_its_value(tmp_path: Path, name: str) -> None:
    was, is_now, words = WRONG[name]
    refused = told(tmp_path, GOOD.replace(was, is_now, 1))
    assert refused.startswith(f"{NAME}: {tmp_path}/providers.toml")
    assert words in refused
    assert "S3CR3T" not in refused


def test_each_is_named_once_and_one_institution_gets_the_arrivals(tmp_path: Path) -> None:
    assert "code: each has to be named once" in told(tmp_path, GOOD + GOOD)
    other = GOOD.replace('code = "jgk"', 'code = "other"')
    assert "issuer: each has to be named once" in told(tmp_path, GOOD + other)
    two = GOOD + 'arrivals = true\n[[provider.institution]]\ncode = "GIB"\narrivals = true\n'
    assert "arrivals: one institution alone" in told(tmp_path, two)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"{NAME}: /nowhere/p.toml: No such file"):
        Settings.from_environment({NAME: "/nowhere/p.toml"})


def test_an_institution_that_nobody_has_is_refused_at_the_start(database: Database, tmp_path: Path) -> None:
    settings = settings_for(database, tmp_path / "home")
    file = tmp_path / "providers.toml"
    file.touch(0o600)
    file.write_text(GOOD.replace('code = "JGK"', 'code = "XYZ"'))
    settings = replace(settings, identity_providers_file=file)
    with pytest.raises(SettingError, match="institution: no institution is XYZ"):
        provider_register.declare(database.engine("app"), settings)
