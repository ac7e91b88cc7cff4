"""One browser for all journeys, one panel for those that leave each other alone, and a window per person."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

from tests import machine
from tests.conftest import Cluster, Database, _copy
from tests.journeys.cast import Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House

_panels: list[Panel] = []
"""A failure is reported with the logs of these."""
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """The system's Chromium. A machine without one fails these tests: they cannot be skipped."""
    path = machine.chromium()
    assert path is not None, "there is no Chromium: run `make test`, or name one in ITM_TEST_CHROMIUM"
    chromium = playwright.chromium.launch(executable_path=path, args=_FLAGS)
    yield chromium
    chromium.close()


def _served(database: Database, home: Path) -> Iterator[Panel]:
    with Panel(database, home).serving() as panel:
        _panels.append(panel)
        yield panel
        _panels.remove(panel)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A journey that fails is reported with what the web servers logged."""
    report = yield
    if report.failed:
        report.sections += [("log of the web server", panel.logged()) for panel in _panels]
    return report


@pytest.fixture(scope="session")
def panel(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """A panel that many journeys share: each makes its own records and breaks nothing."""
    for database in _copy(cluster, template):
        yield from _served(database, tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def own_panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """A panel of the module's own, to tamper with."""
    yield from _served(shared_database, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def cast(panel: Panel) -> Cast:
    """The people of the shared panel."""
    return Cast(panel)


@pytest.fixture
def house(browser: Browser, panel: Panel) -> Iterator[House]:
    """Windows at the shared panel."""
    found = House(browser, panel.address, panel.let_in, panel.make.code)
    yield found
    found.close()


@pytest.fixture
def own_house(browser: Browser, own_panel: Panel) -> Iterator[House]:
    """Windows at the module's own panel."""
    found = House(browser, own_panel.address, own_panel.let_in, own_panel.make.code)
    yield found
    found.close()
