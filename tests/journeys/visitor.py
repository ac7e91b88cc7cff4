"""A person before the panel: opens, reads, follows, fills in and sends, and looks at every page that comes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, ViewportSize

from tests import signed_in
from tests.factories import PASSWORD, Somebody
from tests.journeys.looking import REPORT, Console, axe_faults, frame_faults

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 640}
Name = str | re.Pattern[str]


@dataclass
class Visitor:
    """One browser window of a person; `language` is what its pages must be in."""

    page: Page
    address: str
    language: str = "tr"
    code_of: Callable[[str], str] = field(default=lambda _username: "", repr=False)
    """A code of this user name's authenticator app that is accepted now."""
    seen: list[str] = field(default_factory=list)
    """Every address that this window came to."""

    def __post_init__(self) -> None:
        self.console = Console(self.page)
        self.page.set_default_timeout(15_000)

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.address)

    def open(self, path: str, status: int = 200) -> Visitor:
        """Types an address."""
        return self._came(self.page.goto(self.address + path), status)

    def follow(self, name: Name, within: Locator | None = None, status: int = 200) -> Visitor:
        """Presses a link."""
        return self.press((within or self.main).get_by_role("link", name=name, exact=isinstance(name, str)), status)

    def send(self, name: Name, within: Locator | None = None, status: int = 200) -> Visitor:
        """Presses a button that sends a form."""
        return self.press((within or self.main).get_by_role("button", name=name, exact=isinstance(name, str)), status)

    def press(self, target: Locator, status: int = 200) -> Visitor:
        with self.page.expect_navigation() as coming:
            target.click()
        return self._came(coming.value, status)

    def key(self, key: str, status: int = 200) -> Visitor:
        """Presses a key that leads to another page."""
        with self.page.expect_navigation() as coming:
            self.page.keyboard.press(key)
        return self._came(coming.value, status)

    def fill(self, **fields: str) -> Visitor:
        """Types into fields, by their names in the form."""
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]").fill(value)
        return self

    def choose(self, **fields: str) -> Visitor:
        """Chooses from lists, by the label that is shown."""
        for name, label in fields.items():
            self.page.locator(f"main select[name={name}]").select_option(label=label)
        return self

    def sign_in(self, username: str, password: str = PASSWORD) -> Visitor:
        """By the pages: the password, and a code of the person's app, which is set up if there is none."""
        code = self.code_of(username)
        self.open("/sign-in").fill(username=username, password=password).send("Oturum aç")
        return self.fill(code=code).send("Devam")

    def sign_out(self) -> Visitor:
        self.page.locator("details.person summary").click()
        return self.send("Oturumu kapat", self.page.locator(".person-card"))

    def says(self, words: Name) -> Locator:
        """The place of these words; the page must have them."""
        place = self.main.get_by_text(words).locator("visible=true").first
        place.wait_for()
        return place

    def words(self) -> str:
        """All that the page shows, as one reads it."""
        return self.page.locator("body").inner_text()

    def look(self, refused: str | None = None) -> None:
        """Holds of the page what is held of every page."""
        faults = [*frame_faults(self.page, self.language), *axe_faults(self.page), *self.console.take(refused)]
        assert not faults, (self.page.url, self.page.viewport_size, faults)

    def _came(self, answer: Response | None, status: int) -> Visitor:
        assert answer is not None, self.page.url
        self.seen.append(answer.url)
        assert answer.status == status, (answer.status, answer.url, self.words()[:2000])
        self.look(self.page.url if status >= 400 else None)
        return self


@dataclass
class House:
    """Opens windows at the panel's address and closes them at the end of a journey."""

    browser: Browser
    address: str
    let_in: Callable[[str], str]
    """The cookie of a new session of this user name."""
    code_of: Callable[[str], str]
    contexts: list[BrowserContext] = field(default_factory=list)

    def window(self, **options: Any) -> Visitor:
        """A new browser of its own: no cookie yet."""
        context = self.browser.new_context(
            locale="tr-TR", timezone_id="Europe/Istanbul", **{"viewport": WIDE, **options}
        )
        context.add_init_script(REPORT)
        self.contexts.append(context)
        return Visitor(context.new_page(), self.address, code_of=self.code_of)

    def visitor(self, somebody: Somebody, **options: Any) -> Visitor:
        """A window in which somebody has signed in."""
        visitor = self.window(**options)
        value = self.let_in(somebody.username)
        visitor.page.context.add_cookies([{"name": signed_in.COOKIE, "value": value, "url": self.address}])
        return visitor.open("/")

    def another_tab(self, visitor: Visitor) -> Visitor:
        return Visitor(visitor.page.context.new_page(), self.address, visitor.language, self.code_of)

    def close(self) -> None:
        for context in self.contexts:
            context.close()
