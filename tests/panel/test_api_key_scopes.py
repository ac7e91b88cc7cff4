"""Every operation of the interface, from the map of addresses: by a key that names it, and by one that does not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from itm_admin.accounts import api_key_scopes
from itm_admin.foundation.access import Access
from itm_admin.foundation.roles import ROLES
from tests.conftest import Database
from tests.factories import Somebody
from tests.panel.handover_panel import with_handovers
from tests.panel.panel_app import RunningPanel
from tests.panel.program import Program, make_key, take

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    """With an area more, which no word here was written for."""
    with with_handovers(shared_database):
        yield RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))


def operations(panel: RunningPanel) -> list[tuple[str, str, str]]:
    """Scope, method and address of each operation that takes a session, with an id that nobody has."""
    register: dict[str, Access] = panel.app.extensions["itm_access"]
    found = []
    for rule in panel.app.url_map.iter_rules():
        access = register.get(rule.endpoint)
        if access is not None and access.api and not access.public:
            values = {name: uuid.uuid4() for name in rule.arguments}
            for method in sorted(set(METHODS) & set(rule.methods or ())):
                path = panel.app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
                found.append((api_key_scopes.scope_of(access), method, path))
    return found


def name_scopes(panel: RunningPanel, key: uuid.UUID, scopes: list[str]) -> None:
    with panel.make.superuser() as connection:
        connection.execute(text("update api_key set scopes = :scopes where id = :id"), {"scopes": scopes, "id": key})


@pytest.mark.parametrize("role", ["focal_point", "caseworker", "institution_manager"])
def test_each_operation_takes_its_own_scope_and_no_other(panel: RunningPanel, role: str) -> None:
    people: list[Somebody] = [panel.make.manager(), panel.make.somebody(role)]
    with panel.app.app_context():
        offered, held = set(api_key_scopes.offered()), set(api_key_scopes.held(frozenset({role})))
    key = make_key(panel.browser(people[0]), people[1], sorted(held))
    robot = Program(panel.app.test_client(), take(panel, panel.browser(people[1]), key))
    tried = 0
    for scope, method, path in operations(panel):
        others = sorted(offered - {scope})
        name_scopes(panel, key, others)
        refused = robot.send(method, path, {} if method != "GET" else None)
        assert refused.status_code == 403, (scope, method, path, refused.text)
        assert json.loads(refused.text)["code"] == (
            "key_scope" if scope in held or (scope not in offered and _may(role, scope)) else "denied"
        )
        name_scopes(panel, key, [scope])
        answer = robot.send(method, path, {} if method != "GET" else None)
        assert (answer.status_code in (200, 400, 404, 428)) == (scope in held), (scope, method, path, answer.text)
        tried += 1
    assert tried > 30


def _may(role: str, scope: str) -> bool:
    subject, _dot, act = scope.partition(".")
    return act in ROLES[role].may.get(subject, ())


def test_the_description_offers_a_key_beside_the_session(panel: RunningPanel) -> None:
    document = json.loads(panel.browser(panel.make.manager()).get("/api/v1/openapi.json").text)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    listed = document["paths"]["/api/v1/cases/"]
    assert {"bearer": []} in listed["get"]["security"]
    assert {"bearer": []} in listed["post"]["security"]
    assert all("bearer" not in str(each["security"]) for each in document["paths"]["/api/v1/session/"].values())
