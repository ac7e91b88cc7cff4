"""Plain Flask-AppBuilder with `base_filters` leaks in 23 of the 39 probes: the reason for a layer of our own."""

from __future__ import annotations

import pytest

from tests.panel.probes.plain_site import Site
from tests.panel.probes.probes import PROBES, Probe


@pytest.mark.wide  # it tells of Flask-AppBuilder, whose release is fixed, and not of us
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_base_filters_hold_and_leak_where_the_table_says(plain: Site, probe: Probe) -> None:
    plain.begin_again()
    assert probe.on_plain(plain) == probe.leaks_on_plain


def test_there_are_39_probes_and_23_leak() -> None:
    assert len({probe.name for probe in PROBES}) == 39
    assert sum(probe.leaks_on_plain for probe in PROBES) == 23
