"""A panel with two issuers of one institution, and browsers that go to them and come back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import create_app
from itm_admin.accounts import provider_register
from itm_admin.foundation import identity_providers
from itm_admin.foundation.config import Settings
from tests.conftest import Database, settings_for
from tests.factories import Factory, Somebody
from tests.panel.account_browser import Browser, signed_in
from tests.panel.issuer import ACR, CLIENT, SECRET, Issuer, path_of, query_of

INSTITUTION = "JGK"


def declaration(issuer: Issuer, code: str, **bound: Any) -> str:
    """One provider of the settings' file."""
    flags = {"code": INSTITUTION, **bound}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in flags.items())
    return f"""
[[provider]]
kind = "oidc"
code = "{code}"
name_tr = "Jandarma kurum girişi ({code})"
name_en = "Gendarmerie account ({code})"
issuer = "{issuer.address}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
acr = ["{ACR}"]
amr = ["otp"]
[[provider.institution]]
{lines}
"""


@dataclass
class ProviderWorld:
    database: Database
    settings: Settings
    issuer: Issuer
    other: Issuer
    app: Flask
    make: Factory

    def browser(self, who: Somebody | None = None) -> Browser:
        return Browser(self.app) if who is None else signed_in(self.app, who)

    def linked(self, subject: str, role: str = "focal_point", how: str = "linked") -> Somebody:
        """Somebody who is known at the first issuer by this id."""
        who = self.make.somebody(role, self.make.institution(INSTITUTION))
        self.link(who, subject, how)
        return who

    def link(self, who: Somebody, subject: str, how: str = "linked") -> uuid.UUID:
        with self.make.superuser() as connection:
            id = connection.execute(
                text(
                    "insert into external_identity (institution_id, account_id, provider_id, subject, how, linked_at)"
                    " select :home, :who, p.id, :subject, :how, now() - interval '1 day' from identity_provider p"
                    " where p.issuer = :issuer returning id"
                ),
                {"home": who.tenant.id, "who": who.id, "subject": subject, "how": how, "issuer": self.issuer.address},
            ).scalar_one()
        return uuid.UUID(str(id))

    def go(self, browser: Browser, code: str = "jgk", start: str = "", next: str = "") -> str:
        """To the provider and as far as its answer: gives the address back, which was not opened yet."""
        begun = browser.client.get(start or f"/sign-in/with/{code}", query_string={"next": next} if next else None)
        assert begun.status_code == 303, begun.text
        issuer = self.issuer if begun.location.startswith(self.issuer.address) else self.other
        assert begun.location.startswith(issuer.address), begun.location
        return path_of(issuer.authorize(begun.location))

    def come(self, browser: Browser, person: dict[str, Any] | None = None, **how: Any) -> TestResponse:
        """The whole way: the answer to the returning browser."""
        if person is not None:
            self.issuer.person = person
        return browser.get(self.go(browser, **how))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine("superuser").connect() as connection:
            return list(connection.execute(text(statement), values))

    def sessions(self, who: Somebody) -> list[Any]:
        return self.rows(
            "select methods, factor_at is not null as whole, ended_at, why from account_session where account_id = :id"
            " order by begun_at",
            id=who.id,
        )

    def reasons(self) -> list[tuple[str, str | None]]:
        """Reason and provider of the refusals in every ledger, the newest first; counted ones at once."""
        with self.make.superuser() as connection:
            connection.execute(text("delete from sign_in_tally"))
        rows = self.rows(
            "select content::jsonb -> 'detail' ->> 'reason' as reason, content::jsonb -> 'detail' ->> 'provider' as p"
            " from audit.event where action = 'auth.login' and outcome <> 'success' order by at desc, id desc"
        )
        return [(row.reason, row.p) for row in rows]

    def redeclare(self, content: str) -> Flask:
        """The panel with another file, as after a new start."""
        path = write(self.settings.home, content)
        self.settings = replace(self.settings, identity_providers_file=path)
        provider_register.declare(self.database.engine("app"), self.settings)
        self.app = create_app(self.settings)
        self.app.extensions["factory"] = self.make
        self.make.keyring = self.app.extensions["itm_keyring"]
        return self.app


def write(home: Path, content: str) -> Path:
    path = home / "providers.toml"
    path.touch(0o600)
    path.write_text(content)
    identity_providers.checked_path(str(path))
    return path


@contextmanager
def world_of(database: Database, home: Path, **bound: Any) -> Iterator[ProviderWorld]:
    issuer, other = Issuer(), Issuer()
    settings = settings_for(database, home)
    app = create_app(settings)
    make = Factory(database, app.extensions["itm_keyring"])
    make.institution(INSTITUTION)
    world = ProviderWorld(database, settings, issuer, other, app, make)
    world.redeclare(declaration(issuer, "jgk", **bound) + declaration(other, "other"))
    try:
        yield world
    finally:
        issuer.close()
        other.close()
        make.close()


@pytest.fixture(scope="module")
def world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderWorld]:
    with world_of(shared_database, Path(tmp_path_factory.mktemp("home")), trusts_factor=True) as made:
        yield made


__all__ = ["ACR", "ProviderWorld", "declaration", "path_of", "query_of", "world", "world_of"]
