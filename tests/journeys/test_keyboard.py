"""The panel without a mouse: what Tab reaches, Enter presses, and a visible frame shows where one is."""

from __future__ import annotations

import pytest

from tests.factories import PASSWORD
from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

_HERE = """() => {
  const here = document.activeElement, style = getComputedStyle(here);
  return {
    name: (here.getAttribute('aria-label') || (here.role === 'combobox' && here.labels[0].textContent)
      || here.textContent || here.name || '').trim().replace(/\\s+/g, ' '),
    field: here.name || '', seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    shown: here.getBoundingClientRect().width > 0,
  };
}"""
_MOST = 60


def tab_to(visitor: Visitor, name: str = "", field: str = "") -> None:
    """Tab by Tab until the focus is there, on a link, a button or a field; it is to be seen at every step."""
    for _ in range(_MOST):
        visitor.page.keyboard.press("Tab")
        here = visitor.page.evaluate(_HERE)
        assert here["seen"], here
        assert here["shown"], here
        if (field and here["field"] == field) or (name and not here["field"] and here["name"].startswith(name)):
            return
    raise AssertionError(f"{name or field} is not within {_MOST} steps of {visitor.page.url}")


def sign_in(visitor: Visitor, username: str) -> None:
    visitor.open("/sign-in")
    tab_to(visitor, field="username")
    visitor.page.keyboard.type(username)
    tab_to(visitor, field="password")
    visitor.page.keyboard.type(PASSWORD)
    code = visitor.code_of(username)
    visitor.key("Enter")
    tab_to(visitor, field="code")
    visitor.page.keyboard.type(code)
    visitor.key("Enter")


def skip_to_content(visitor: Visitor) -> None:
    tab_to(visitor, "İçeriğe geç")
    visitor.page.keyboard.press("Enter")


@pytest.mark.wide  # the new case below is opened in the same way
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


def test_a_new_case_from_signing_in_to_its_page_with_a_unit_found_among_many(
    house: House, cast: Cast, panel: Panel
) -> None:
    worker = cast.of(FOCAL, "EGM")
    for number in range(54):
        panel.make.unit(f"Karakol {number:02}", cast.institution("EGM"))
    panel.make.unit("Işık Şubesi", cast.institution("EGM"))
    visitor = house.window()
    keys = visitor.page.keyboard
    sign_in(visitor, worker.username)
    skip_to_content(visitor)
    tab_to(visitor, "Yeni dosya")
    visitor.key("Enter")
    assert visitor.page.locator(".side-wide [aria-current=page]").inner_text() == "Dosyalar"
    skip_to_content(visitor)
    tab_to(visitor, field="opened_on")
    keys.type("05.03.2026")
    for name in ("referral_source", "province"):
        tab_to(visitor, field=name)
        keys.press("ArrowDown")
    finds_the_unit(visitor)
    tab_to(visitor, "Devam")
    visitor.key("Enter")
    skip_to_content(visitor)
    tab_to(visitor, field="given_name")
    visitor.key("Enter")
    skip_to_content(visitor)
    tab_to(visitor, field="narrative")
    keys.type("Klavyeyle yazılan anlatım")
    tab_to(visitor, "Devam")
    visitor.key("Enter")
    visitor.says("Işık Şubesi (Merkez)")
    skip_to_content(visitor)
    tab_to(visitor, "Dosyayı aç")
    visitor.key("Enter")
    visitor.says("numaralı dosya açıldı.")
    visitor.says("Işık Şubesi")


def finds_the_unit(visitor: Visitor) -> None:
    """A combobox: pages of the list with the arrows, Escape goes back, typing finds, Enter chooses."""
    keys, field = visitor.page.keyboard, visitor.page.get_by_role("combobox", name="Birim")
    said, options = visitor.page.locator(".choices-said").first, visitor.page.locator(".choices [role=option]")
    marked = visitor.page.locator("[aria-selected=true]")
    tab_to(visitor, "Birim")
    before = field.input_value()
    keys.press("ArrowDown")
    said.filter(has_text="20 sonuç; devamı listenin sonunda").wait_for()
    options.nth(0).and_(marked).wait_for()
    for _ in range(19):
        keys.press("ArrowDown")
    options.nth(19).and_(marked).wait_for()
    keys.press("ArrowDown")
    said.filter(has_text="40 sonuç").wait_for()
    visitor.look()
    keys.press("Escape")
    assert (field.get_attribute("aria-expanded"), field.input_value()) == ("false", before)
    keys.press("Control+A")
    keys.press("ArrowDown")
    options.nth(0).and_(marked).wait_for()
    keys.insert_text("isik")
    keys.press("ArrowDown")  # faster than the list: it does not choose from the old one
    said.and_(visitor.page.get_by_text("1 sonuç", exact=True)).wait_for()
    options.nth(0).and_(marked).wait_for()
    assert field.get_attribute("aria-activedescendant") == options.get_attribute("id")
    keys.press("Enter")
    assert field.input_value() == "Işık Şubesi (Merkez)"
    assert visitor.page.locator("select[name=unit_id] option:checked").inner_text() == "Işık Şubesi (Merkez)"
