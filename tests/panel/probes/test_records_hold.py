"""The base of all records holds in the same 39 probes, tried with an area that was not written for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.panel.handover_panel import with_handovers
from tests.panel.panel_app import RunningPanel
from tests.panel.probes import on_records
from tests.panel.probes.probes import PROBES, Probe
from tests.panel.probes.record_site import RecordSite

if TYPE_CHECKING:
    from tests.conftest import Database


@pytest.fixture(scope="module")
def record_site(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordSite]:
    with with_handovers(shared_database):
        yield RecordSite(RunningPanel(shared_database, tmp_path_factory.mktemp("panel")))


@pytest.mark.wide  # the panel's own records are kept by the same base: test_panel_holds.py
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_nothing_of_another_institution_is_seen_changed_or_told_apart(record_site: RecordSite, probe: Probe) -> None:
    getattr(on_records, probe.on_panel.__name__)(record_site)
