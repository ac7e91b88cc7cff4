"""The providers of sign-in of this process, from the settings' file, and their mirror in the database.

The file decides: who is offered, whom it vouches for, what a second factor is. The tables show it, and hold its rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import current_app, request, url_for
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from itm_admin.accounts.oidc import Issuer
from itm_admin.accounts.provider_line import ProviderDown
from itm_admin.foundation import claims, i18n, identity_providers
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.identity_providers import SETTING, Provider

_DECLARE = text("select itm.declare_providers(:declared, :at, :mac)")
_OF_DIRECTORIES = {
    "ProviderSignInView.begin": "DirectorySignInView.sign_in",
    "ProviderLinkView.begin": "DirectoryLinkView.ask",
    "ProviderInvitationView.begin": "DirectoryInvitationView.ask",
}
_FIND = text("select itm.provider_of(:kind, :issuer)")


@dataclass(frozen=True)
class ProviderRegister:
    """All providers of the file, in its order, and the clients of the OIDC ones by their code."""

    providers: tuple[Provider, ...]
    issuers: dict[str, Issuer]

    @classmethod
    def of(cls, settings: Settings) -> ProviderRegister:
        """Raises SettingError."""
        found = _read(settings)
        return cls(found, {each.code: Issuer(each) for each in found if each.kind == "oidc"})


def register() -> ProviderRegister:
    found: ProviderRegister = current_app.extensions["itm_providers"]
    return found


def issuer(code: str) -> Issuer:
    """Raises NotFound."""
    found = register().issuers.get(code)
    if found is None:
        raise NotFound
    return found


def provider(code: str) -> Provider:
    """Of either kind. Raises NotFound."""
    found = next((each for each in register().providers if each.code == code), None)
    if found is None:
        raise NotFound
    return found


def directory(code: str) -> Provider:
    """A provider that is asked with a name and a password. Raises NotFound."""
    found = provider(code)
    if found.kind != "ldap":
        raise NotFound
    return found


def known(code: str, institution: str) -> Issuer | None:
    """The OIDC provider of this code, if it vouches for people of this institution."""
    return register().issuers.get(code) if code in {each.code for each in offered(institution)} else None


def offered(institution: str | None = None) -> Sequence[Provider]:
    """The providers that a page offers: all, or those of one institution's code."""
    return [
        each
        for each in register().providers
        if institution is None or any(bound.code == institution for bound in each.institutions)
    ]


def offers(providers: Sequence[Provider], endpoint: str, label: str, **values: Any) -> list[tuple[str, str]]:
    """Label and address of each provider's button. `label` has `%(name)s`."""
    here, origin = request.host_url.rstrip("/"), str(current_app.config["ITM_ORIGIN"])
    elsewhere = "" if here == origin else origin  # the provider knows one address alone, and cookies belong to it
    return [
        (
            label.replace("%(name)s", each.name(i18n.language())),
            ("" if each.kind == "ldap" else elsewhere)
            + url_for(_page_of(each, endpoint), provider_code=each.code, **values),
        )
        for each in providers
    ]


def _page_of(found: Provider, endpoint: str) -> str:
    """The page that asks for a directory's password stands where the way to an issuer begins."""
    return _OF_DIRECTORIES[endpoint] if found.kind == "ldap" else endpoint


def id_of(session: Session, provider: Provider) -> UUID:
    """The provider's row. Raises ProviderDown where the database mirrors another file."""
    found: UUID | None = session.scalar(_FIND, {"kind": provider.kind, "issuer": provider.issuer})
    if found is None:
        raise ProviderDown
    return found


def declare(engine: Engine, settings: Settings) -> None:
    """Mirrors the file in the database. Raises SettingError for unknown institutions. `engine`: the application's."""
    declared = identity_providers.declared(_read(settings))
    key = claims.key_from(settings.secret_key or "")
    with engine.begin() as connection:
        claim = claims.made(connection, "providers", claims.hex_of(declared), key=key)
        unknown = connection.scalar(_DECLARE, {"declared": declared, **claim})
    if unknown:
        named = ", ".join(unknown)
        raise SettingError(SETTING, f"{settings.identity_providers_file}: institution: no institution is {named}")


def _read(settings: Settings) -> tuple[Provider, ...]:
    try:
        return identity_providers.read(settings.identity_providers_file)
    except ValueError as error:
        raise SettingError(SETTING, str(error)) from None
