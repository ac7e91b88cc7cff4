"""Windows of a browser in which the people of the kinds' world look at their pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread

from playwright.sync_api import Playwright
from werkzeug.serving import make_server

from tests import machine, signed_in
from tests.house.kind_world import KindWorld
from tests.journeys.conftest import _FLAGS
from tests.journeys.visitor import NARROW, House, Visitor


class Visitors(dict[str, Visitor]):
    """A window for each person, opened when it is needed."""

    def __init__(self, house: House, world: KindWorld) -> None:
        super().__init__()
        self._house, self._people = house, {who.username: who for who in world.browsers}

    def __missing__(self, name: str) -> Visitor:
        self[name] = self._house.visitor(self._people[name], viewport=NARROW)
        return self[name]


@contextmanager
def windows(playwright: Playwright, world: KindWorld) -> Iterator[Visitors]:
    """The world's panel behind a web server, in Chromium."""
    chromium = playwright.chromium.launch(executable_path=machine.chromium(), args=_FLAGS)
    server = make_server("127.0.0.1", 0, world.panel.app, threaded=True)
    serving = Thread(target=server.serve_forever)
    serving.start()
    panel = world.panel
    let_in = partial(signed_in.cookie_of, panel.app.secret_key, panel.database)
    opened = House(chromium, f"http://127.0.0.1:{server.port}", let_in, panel.make.code)
    yield Visitors(opened, world)
    opened.close()
    server.shutdown()
    serving.join()
    chromium.close()
