"""A provider that others wrote (oidc-provider-mock, RS256): the panel signs people in there as well."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import oidc_provider_mock

from tests.conftest import Database
from tests.panel.issuer import path_of
from tests.panel.provider_world import declaration, world_of


def test_a_person_of_another_implementation_signs_in(shared_database: Database, tmp_path: Path) -> None:
    with (
        oidc_provider_mock.run_server_in_thread() as server,
        world_of(shared_database, tmp_path / "home") as world,
    ):
        world.issuer.address = f"http://localhost:{server.server_port}"
        world.redeclare(declaration(world.issuer, "mock") + declaration(world.other, "other"))
        who = world.make.focal_point(world.make.institution("JGK"))
        world.link(who, "elif@example.invalid")
        browser = world.browser()
        begun = browser.get("/sign-in/with/mock?next=/cases/")
        parts = urlsplit(begun.location)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port)
        form = urlencode({"sub": "elif@example.invalid"})
        line.request("POST", f"{parts.path}?{parts.query}", form, {"Content-Type": "application/x-www-form-urlencoded"})
        there = line.getresponse().headers["Location"]
        answer = browser.get(path_of(str(there)))
        assert answer.location.startswith("/sign-in/set-up?next=/cases/")
        assert [(row.methods, row.whole) for row in world.sessions(who)] == [(["provider"], False)]
