"""Requests that the API's description allows, and such as it forbids: no fault, answers as described, each id recorded.

schemathesis makes them from the description alone. Path ids are sometimes those of real records, so that the
operations are carried out as well.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.factories import Somebody
from tests.house.expectations import ADMIN, EVERYBODY, FOCAL, MANAGER, NATIONAL, OPERATOR, SUPERVISOR
from tests.house.ids_told import ID
from tests.panel.panel_app import Browser, Records, RunningPanel

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ENDS_THE_SESSION = ("DELETE", "/api/v1/session/")
EVERY_RUN = (FOCAL, MANAGER)
"""Roles that are tried in `make test`; `make isolation` tries the others."""
FEW, MANY = 2, 6
"""Of each operation, role and kind of request: derandomised, so that one run is like another."""


@pytest.fixture(scope="module")
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.wide)])
@pytest.mark.parametrize(
    "role",
    [role if role in EVERY_RUN else pytest.param(role, marks=pytest.mark.isolation) for role in sorted(EVERYBODY)],
)
def test_generated_requests_meet_no_fault_and_are_answered_as_described(
    panel: RunningPanel, own: Records, role: str, examples: int
) -> None:
    homes = {OPERATOR: panel.make.presidency(), SUPERVISOR: panel.make.presidency(), ADMIN: panel.make.presidency()}
    who = panel.make.auditor() if role == NATIONAL else panel.make.somebody(role, homes.get(role, own.tenant))
    browser = panel.browser(who)
    schema: Any = schemathesis.openapi.from_dict(json.loads(browser.get("/api/v1/openapi.json").text))
    schema.app = panel.app
    asked = done = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if (operation.method.upper(), operation.path) == ENDS_THE_SESSION:
            continue
        for mode in GenerationMode:
            statuses = _try(panel, browser, who, own, operation, mode, examples)
            asked += len(statuses)
            done += sum(status < 300 for status in statuses)
    assert asked > 100
    assert done > (15 if role in EVERY_RUN else 0), "most were refused before anything was done"


def _try(
    panel: RunningPanel,
    browser: Browser,
    who: Somebody,
    own: Records,
    operation: Any,
    mode: GenerationMode,
    examples: int,
) -> list[int]:
    statuses: list[int] = []
    real = {"id": own.person if "/persons" in operation.path else own.case, "link": own.link, "case": own.case}
    real["account"] = own.colleague.id

    @hypothesis.settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy(mode), known=st.booleans())
    def send(case: Any, known: bool) -> None:
        if known:
            case.path_parameters = {
                name: str(real.get(name, value)) for name, value in (case.path_parameters or {}).items()
            }
        cookie = browser.client.get_cookie("itm")
        assert cookie is not None
        headers = {"X-CSRFToken": browser.token, "Accept-Encoding": "identity"}
        answer = case.call(headers=headers, cookies={"itm": cookie.value})
        statuses.append(answer.status_code)
        case.validate_response(answer, checks=CHECKS)
        _recorded(panel, case, answer)

    with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing of it can be wrong: it takes nothing
        send()
    return statuses


def _recorded(panel: RunningPanel, case: Any, answer: Any) -> None:
    """Every id in the answer is named by the request or by an entry of it."""
    texts = json.dumps([case.path_parameters, case.body if isinstance(case.body, dict) else None], default=str)
    quiet = panel.app.extensions["itm_access"].get(_endpoint(panel, case))
    found = set(ID.findall(answer.text)) - set(ID.findall(texts))
    if not found or quiet is None or quiet.quiet or quiet.public:
        return
    rows = panel.rows(
        "select target_id, subjects from audit.event where request_id = :id", id=answer.headers["x-request-id"][0]
    )
    assert found <= {id for row in rows for id in (row.target_id, *row.subjects)}


def _endpoint(panel: RunningPanel, case: Any) -> str:
    path = case.operation.path
    for name in case.path_parameters or {}:
        path = path.replace(f"{{{name}}}", str(uuid.UUID(int=0)))
    return str(panel.app.url_map.bind("localhost").match(path, method=case.operation.method.upper())[0])
