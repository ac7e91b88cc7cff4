"""A panel whose institution has a directory: the settings' file, its mirror in the database, and linked people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from itm_admin.foundation import claims, identity_providers
from itm_admin.foundation.config import Settings
from tests.conftest import Database, settings_for
from tests.factories import Somebody, without_rules
from tests.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd

ISSUER = "kurum.example"


def provider_file(folder: Path, server: Slapd, *institutions: str, **keys: str) -> Path:
    """The file of the settings, with this directory. `keys`: others of its own."""
    values = {
        "kind": "ldap", "code": "dizin", "name_tr": "Kurum dizini", "name_en": "Institution's directory",
        "issuer": ISSUER,
        "address": f"ldap://localhost:{server.port}", "base": PEOPLE, "id": "entryUUID", "service_name": SERVICE,
        "service_password": SERVICE_PASSWORD, **keys,
    }  # fmt: skip
    lines = ["[[provider]]", *(f"{name} = {json.dumps(text)}" for name, text in values.items())]
    lines += [f"certificates = '''\n{server.authority}'''"]
    for place, code in enumerate(institutions):
        lines += ["[[provider.institution]]", f"code = '{code}'", f"arrivals = {'false' if place else 'true'}"]
    path = folder / "providers.toml"
    path.touch(0o600)
    path.write_text("\n".join(lines), "utf-8")
    return path


def settings_with(database: Database, home: Path, server: Slapd, *institutions: str, **keys: str) -> Settings:
    """The settings, and the mirror in the database."""
    found = settings_for(database, home)
    settings = replace(found, identity_providers_file=provider_file(home, server, *institutions, **keys))
    declare(settings)
    return settings


def declare(settings: Settings) -> None:
    claims.bring_of(settings)
    declared = identity_providers.declared(identity_providers.read(settings.identity_providers_file))
    engine = create_engine(str(settings.database_url))
    with engine.begin() as connection:
        key = claims.key_from(str(settings.secret_key))
        claim = claims.made(connection, "providers", claims.hex_of(declared), key=key)
        statement = text("select itm.declare_providers(:declared, :at, :mac)")
        assert connection.scalar(statement, {"declared": declared, **claim}) == []
    engine.dispose()


def link(database: Database, somebody: Somebody, subject: str, shown: str) -> None:
    """As its person has linked it."""
    values: dict[str, Any] = {"account": somebody.id, "subject": subject, "shown": shown, "issuer": ISSUER}
    with database.engine("superuser").begin() as connection, without_rules(connection, "external_identity"):
        connection.execute(
            text(
                "insert into external_identity (institution_id, account_id, provider_id, subject, how, shown_name,"
                " last_used_at) select a.institution_id, a.id, p.id, :subject, 'linked', :shown, now()"
                " from account a, identity_provider p"
                " where a.id = :account and p.issuer = :issuer"
            ),
            values,
        )
