"""The panel on a database of a module's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    return RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))
