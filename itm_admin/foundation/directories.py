"""A directory (LDAP, Active Directory) as the file of the providers of sign-in names it.

Its server is reached by LDAPS or by StartTLS alone, and proves its name by a certificate. `issuer` is the directory's
own name, which stays when its server moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import parse_filter

if TYPE_CHECKING:
    from itm_admin.foundation.identity_providers import Table

FILTERS: Mapping[str, str] = {
    "entryUUID": "(&(objectClass=person)(uid={name}))",
    "objectGUID": "(&(objectCategory=person)(objectClass=user)(sAMAccountName={name}))",
}
"""The search for a person by the name that was typed, by the attribute that stays with the person."""
NAME = "{name}"


@dataclass(frozen=True)
class Directory:
    """One directory. Its service account reads people's entries, and needs no other right."""

    issuer: str
    host: str
    port: int
    start_tls: bool
    certificates: str = field(repr=False)
    """PEM of those who may vouch for the server ('': the system's)."""
    base: str
    id: str
    """The attribute that stays with a person: entryUUID or objectGUID."""
    filter: str
    service_name: str
    service_password: str = field(repr=False)
    bind_name: str = ""
    """The name to bind with; {name} is the typed one. '': the service account looks the person up first."""
    connect_seconds: int = 3
    seconds: int = 8
    """For everything together, before the caller goes on without an answer."""

    @classmethod
    def of(cls, table: Table) -> tuple[str, Directory]:
        """The directory's own name, and its settings. ValueError names the key."""
        issuer, address = table.text("issuer"), urlsplit(table.address("address", "ldaps", "ldap"))
        if address.scheme not in ("ldaps", "ldap") or address.path not in ("", "/"):
            raise table.wrong("address", "ldaps://server or ldap://server (StartTLS) is expected")
        start_tls = address.scheme == "ldap"
        id = table.text("id")
        if id not in FILTERS:
            raise table.wrong("id", f"one of {', '.join(FILTERS)} is expected")
        found = cls(
            issuer,
            address.hostname or "",
            address.port or (389 if start_tls else 636),
            start_tls,
            table.certificates("certificates"),
            table.text("base"),
            id,
            table.text("filter", FILTERS[id]),
            table.text("service_name"),
            table.text("service_password"),
            table.text("bind_name", ""),
        )
        if not is_filter(found.filter):
            raise table.wrong("filter", f"an LDAP filter with {NAME} is expected")
        if found.bind_name and found.bind_name.count(NAME) != 1:
            raise table.wrong("bind_name", f"one {NAME} is expected")
        return issuer, found


def is_filter(text: str) -> bool:
    """True if this is a filter with a place for the typed name."""
    try:
        parse_filter(text.replace(NAME, "x"), None, False, False, None, False)
    except LDAPExceptionError:
        return False
    return NAME in text
