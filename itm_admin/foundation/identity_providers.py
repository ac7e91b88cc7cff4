"""The file of the providers of sign-in (TOML): issuers and directories, their secrets, and whose people they vouch for.

It is read at the start. What is wrong is refused with file, provider and key; a value is never repeated, since it may
be a secret. The database gets `declared`, which holds none (0016/40).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from itm_admin.foundation.directories import Directory

SETTING = "ITM_IDENTITY_PROVIDERS_FILE"
_CODE = re.compile(r"[a-z0-9-]{1,40}")
HERE = frozenset({"localhost", "127.0.0.1", "::1"})
LARGEST = 256 * 1024


class Table:
    """One table of the file: each key is asked for once, and what nobody asks for is refused."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where, self._left = where, dict(values)

    def wrong(self, key: str, message: str) -> ValueError:
        return ValueError(f"{self.where}, {key}: {message}")

    def text(self, key: str, default: str | None = None) -> str:
        found = self._left.pop(key, default)
        if not isinstance(found, str) or (default is None and not found.strip()) or "\0" in found:
            raise self.wrong(key, "a text is expected")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._left.pop(key, [])
        if not isinstance(found, list) or not all(isinstance(each, str) and each.strip() for each in found):
            raise self.wrong(key, "a list of texts is expected")
        return tuple(found)

    def flag(self, key: str, default: bool) -> bool:
        found = self._left.pop(key, default)
        if not isinstance(found, bool):
            raise self.wrong(key, "true or false is expected")
        return found

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        found = self._left.pop(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.wrong(key, f"tables of the form [[…{key}]] are expected")
        return found

    def certificates(self, key: str) -> str:
        """PEM text with the authorities that the server is checked against; '': the system's."""
        found = self.text(key, "")
        try:
            if found:
                x509.load_pem_x509_certificates(found.encode())
        except ValueError:
            raise self.wrong(key, "certificates in PEM are expected") from None
        return found

    def address(self, key: str, *schemes: str) -> str:
        """An address with one of these schemes; unencrypted only to this machine itself."""
        found = self.text(key)
        try:
            parts = urlsplit(found)
            bare = not (parts.query or parts.fragment or parts.username or parts.password) and parts.port != 0
        except ValueError:
            parts, bare = urlsplit(""), False
        plain = parts.scheme == "http" and parts.hostname in HERE
        if not (bare and parts.hostname and (parts.scheme in schemes or plain)) or found != found.strip():
            raise self.wrong(key, f"an address that begins with {' or '.join(f'{s}://' for s in schemes)} is expected")
        return found

    def finish(self) -> None:
        for key in self._left:
            raise self.wrong(key, "there is no such key")


@dataclass(frozen=True)
class OidcClient:
    """This panel as a client of an issuer. `certificates`: PEM; '' for the system's authorities."""

    client_id: str
    client_secret: str = field(repr=False)
    certificates: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    acr_values: tuple[str, ...] = ()
    """Asked for at each sign-in; `Provider.acr` decides what counts."""

    @classmethod
    def of(cls, table: Table) -> tuple[str, OidcClient]:
        """The issuer, letter by letter, and the client."""
        issuer = table.address("issuer", "https")
        found = cls(
            table.text("client_id"),
            table.text("client_secret"),
            table.certificates("certificates"),
            table.texts("scopes") or cls.scopes,
            table.texts("acr_values"),
        )
        if "openid" not in found.scopes:
            raise table.wrong("scopes", "openid is missing")
        return issuer, found


KINDS: dict[str, Callable[[Table], tuple[str, Any]]] = {"oidc": OidcClient.of, "ldap": Directory.of}
"""Reads what one kind of provider has of its own: gives its issuer and its settings."""


@dataclass(frozen=True)
class Bound:
    """An institution whose people a provider vouches for, and what the institution lets it do."""

    code: str
    trusts_factor: bool
    arrivals: bool
    password: bool


@dataclass(frozen=True)
class Provider:
    """One provider of sign-in. `own`: what its kind has besides, secrets among it."""

    kind: str
    code: str
    name_tr: str
    name_en: str
    issuer: str
    acr: tuple[str, ...]
    amr: tuple[str, ...]
    institutions: tuple[Bound, ...]
    own: Any = field(repr=False)

    def name(self, language: str) -> str:
        return self.name_tr if language == "tr" else self.name_en


def read(path: Path | None) -> tuple[Provider, ...]:
    """The providers of the file; none without one. ValueError names file, provider and key."""
    if path is None:
        return ()
    try:
        content = path.read_bytes()
        if len(content) > LARGEST:
            raise ValueError(f"{path}: the file is too large")
        document = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: UTF-8 is expected") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at .*\)$", str(error))
        raise ValueError(f"{path}: this is not TOML {place.group() if place else ''}".rstrip()) from None
    whole = Table(f"{path}", document)
    found = tuple(_provider(path, number, each) for number, each in enumerate(whole.tables("provider"), 1))
    whole.finish()
    for what, each_of in (("code", lambda p: p.code), ("issuer", lambda p: (p.kind, p.issuer))):
        _once(path, what, [each_of(each) for each in found])
    return found


def checked_path(value: str) -> Path:
    """The setting's parser: the file as it is now can be used, and nobody else can read it."""
    from itm_admin.foundation.config import private

    path = Path(value).expanduser().absolute()
    private(SETTING, path)
    read(path)
    return path


def declared(providers: Sequence[Provider]) -> str:
    """The content of the database's tables, as JSON: no secret."""
    return json.dumps(
        [
            {
                "kind": each.kind, "issuer": each.issuer, "code": each.code, "name_tr": each.name_tr,
                "name_en": each.name_en, "client": getattr(each.own, "client_id", None),
                "acr": each.acr, "amr": each.amr, "institutions": [vars(bound) for bound in each.institutions],
            }
            for each in providers
        ]
    )  # fmt: skip


def _provider(path: Path, number: int, values: Mapping[str, Any]) -> Provider:
    code = values.get("code")
    named = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    table = Table(f"{path}: provider {number}{named}", values)
    kind = table.text("kind")
    if kind not in KINDS:
        raise table.wrong("kind", f"one of {', '.join(KINDS)} is expected")
    issuer, own = KINDS[kind](table)
    found = Provider(
        kind, table.text("code"), table.text("name_tr"), table.text("name_en"), issuer, table.texts("acr"),
        table.texts("amr"), tuple(_bound(table, each) for each in table.tables("institution")), own,
    )  # fmt: skip
    table.finish()
    if not _CODE.fullmatch(found.code):
        raise table.wrong("code", "up to 40 of a-z, 0-9 and - are expected")
    if not found.institutions:
        raise table.wrong("institution", "is missing: whose people does it vouch for?")
    _once(table.where, "institution", [each.code for each in found.institutions])
    if sum(each.arrivals for each in found.institutions) > 1:
        raise table.wrong("arrivals", "one institution alone can get the people whom nobody knows")
    if any(each.trusts_factor for each in found.institutions) and not (found.acr or found.amr):
        raise table.wrong("trusts_factor", "acr or amr has to say what a second factor is")
    return found


def _bound(table: Table, values: Mapping[str, Any]) -> Bound:
    inner = Table(f"{table.where}, institution", values)
    found = Bound(
        inner.text("code"), inner.flag("trusts_factor", False), inner.flag("arrivals", False),
        inner.flag("password", True),
    )  # fmt: skip
    inner.finish()
    return found


def _once(where: object, key: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"{where}, {key}: each has to be named once")
