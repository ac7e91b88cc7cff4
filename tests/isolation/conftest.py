"""The panel on a database of a module's own, with its factory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database
    from tests.factories import Factory, Somebody


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    return RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def make(panel: RunningPanel) -> Factory:
    return panel.make


@pytest.fixture(scope="module")
def manager(make: Factory) -> Somebody:
    """A manager of the module's own institution."""
    return make.manager()
