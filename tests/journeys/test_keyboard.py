"""The panel without a mouse: what Tab reaches, Enter presses, and a visible frame shows where one is."""

from __future__ import annotations

from tests.factories import PASSWORD
from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

_HERE = """() => {
  const here = document.activeElement, style = getComputedStyle(here);
  return {
    name: (here.getAttribute('aria-label') || here.textContent || here.name || '').trim().replace(/\\s+/g, ' '),
    field: here.name || '', seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    shown: here.getBoundingClientRect().width > 0,
  };
}"""
_MOST = 60


def tab_to(visitor: Visitor, name: str = "", field: str = "") -> None:
    """Tab by Tab until the focus is there; it is to be seen at every step."""
    for _ in range(_MOST):
        visitor.page.keyboard.press("Tab")
        here = visitor.page.evaluate(_HERE)
        assert here["seen"], here
        assert here["shown"], here
        if (field and here["field"] == field) or (name and here["name"].startswith(name)):
            return
    raise AssertionError(f"{name or field} is not within {_MOST} steps of {visitor.page.url}")


def sign_in(visitor: Visitor, username: str) -> None:
    visitor.open("/sign-in")
    tab_to(visitor, field="username")
    visitor.page.keyboard.type(username)
    tab_to(visitor, field="password")
    visitor.page.keyboard.type(PASSWORD)
    visitor.key("Enter")


def skip_to_content(visitor: Visitor) -> None:
    tab_to(visitor, "İçeriğe geç")
    visitor.page.keyboard.press("Enter")


def test_from_signing_in_to_an_open_case(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    reference = panel.make.case(worker).reference
    visitor = house.window()
    sign_in(visitor, worker.username)
    tab_to(visitor, "Dosyalar")
    visitor.key("Enter")
    visitor.page.keyboard.press("/")
    assert visitor.page.evaluate(_HERE)["field"] == "q"
    visitor.page.keyboard.type(reference)
    visitor.key("Enter")
    skip_to_content(visitor)
    tab_to(visitor, reference)
    visitor.key("Enter")
    assert visitor.page.locator("h1").inner_text() == reference


def test_revealing_a_person_for_a_purpose(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    person = panel.make.person(worker, panel.make.case(worker), given_name="Gülizar", family_name="Uğurlu").person
    visitor = house.window()
    sign_in(visitor, worker.username)
    visitor.open(f"/persons/{person.id}")
    skip_to_content(visitor)
    tab_to(visitor, "Korunan bilgileri göster")
    visitor.key("Enter")
    skip_to_content(visitor)
    tab_to(visitor, field="purpose")
    visitor.page.keyboard.press("ArrowDown")
    tab_to(visitor, "Göster")
    visitor.key("Enter")
    visitor.says("Gülizar")
    skip_to_content(visitor)
    tab_to(visitor, "Şimdi gizle")
    visitor.key("Enter")
    assert "Gülizar" not in visitor.page.content()
