"""Our panel holds in all 39 probes: the 23 that leak in plain Flask-AppBuilder, and the rest."""

from __future__ import annotations

import pytest

from tests.panel.probes.panel_site import PanelSite
from tests.panel.probes.probes import PROBES, Probe


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_nothing_of_another_institution_is_seen_changed_or_told_apart(panel_site: PanelSite, probe: Probe) -> None:
    probe.on_panel(panel_site)


def test_every_probe_asks_in_its_own_way() -> None:
    assert len({probe.on_panel for probe in PROBES}) == len(PROBES)
