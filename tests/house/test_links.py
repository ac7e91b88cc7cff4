"""Every link that a page offers is followed and every filter submitted, as each role: nothing answers 4xx or 5xx.

A link that is refused is a dead end for whoever was offered it, and an entry in the auditors' list of refusals.
"""

from __future__ import annotations

import pytest

from itm_admin.foundation.roles import ROLES
from tests.house.visiting import visits
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


@pytest.mark.parametrize("role", ROLES)
def test_no_link_and_no_filter_that_a_role_is_offered_is_refused_or_fails(role: str, world: World) -> None:
    faults = [
        f"{visit.answer.status_code} {visit.address}, offered at {visit.source}"
        for visit in visits(world, world.walkers[role])
        if visit.answer.status_code >= 400
    ]
    assert faults == []
