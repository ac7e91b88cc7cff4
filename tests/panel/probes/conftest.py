"""Plain Flask-AppBuilder, once per test process, and our panel, once per module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from tests.panel.probes.panel_site import PanelSite
from tests.panel.probes.plain_site import Site, plain_site

if TYPE_CHECKING:
    from tests.conftest import Cluster
    from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="session")
def plain(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = create_engine(cluster.url("superuser", "postgres"), hide_parameters=True)
    with plain_site(server, tmp_path_factory.mktemp("plain")) as site:
        yield site
    server.dispose()


@pytest.fixture(scope="module")
def panel_site(panel: RunningPanel) -> PanelSite:
    return PanelSite(panel)
