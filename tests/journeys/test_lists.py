"""A long list as its reader wants it: fewer columns under a name, several cases at once, and without a mouse."""

from __future__ import annotations

from typing import Any

from tests.factories import PASSWORD
from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

MOST_BYTES = 150_000
"""The most that the first page may weigh, with everything that it needs."""
_HERE = "() => document.activeElement.textContent.trim()"


def look_menu(visitor: Visitor) -> None:
    visitor.main.locator(".look > summary").click()


def test_a_view_is_made_kept_and_used_to_close_two_cases(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    references = [panel.make.case(worker, province="TR-73").reference for _ in range(3)]
    visitor = house.visitor(worker).open("/cases/?sort=-reference&province=TR-73")
    look_menu(visitor)
    for name in ("exploitation", "people", "confidentiality"):
        visitor.page.locator(f"#col-{name}").uncheck()
    visitor.send("Bu sütunları göster")
    assert visitor.main.locator("thead th").all_inner_texts()[1:] == [
        "Dosya no", "Durum", "Açılış tarihi", "İl", "Son değişiklik",
    ]  # fmt: skip
    look_menu(visitor)
    visitor.fill(label="Şırnak")
    visitor.send("Görünümü kaydet")
    visitor.open("/cases/?sort=opened").follow("Şırnak")
    assert visitor.main.locator("thead th").count() == 6
    assert visitor.main.locator(".chip").count() == 1
    for reference in references[:2]:
        visitor.main.get_by_label(f"{reference} satırını seç").check()
    assert visitor.main.locator("#bulk output").inner_text() == "2"
    visitor.send("Kapat…")
    visitor.choose(reason="Diğer").send("Seçilen dosyaları kapat")
    visitor.says("2 dosya kapatıldı.")
    assert visitor.main.locator("tbody .tag").all_inner_texts().count("Kapalı") == 2


def test_a_list_without_a_mouse(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    for _ in range(2):
        panel.make.case(worker)
    visitor = house.visitor(worker).open("/cases/?sort=reference")
    keys, page = visitor.page.keyboard, visitor.page
    links = visitor.main.locator("tbody td a")
    keys.press("j")
    keys.press("ArrowDown")
    assert page.evaluate(_HERE) == links.nth(1).inner_text()
    keys.press("k")
    assert page.evaluate(_HERE) == links.nth(0).inner_text()
    keys.press("x")
    assert visitor.main.locator("tbody input:checked").count() == 1
    keys.press("Control+x")
    assert visitor.main.locator("tbody input:checked").count() == 1, "with a modifier it is the browser's"
    keys.press("?")
    help_ = page.get_by_role("dialog", name="Klavye")
    assert help_.is_visible()
    visitor.look()
    keys.press("Escape")
    assert not help_.is_visible()
    keys.press("/")
    keys.type("jx?")
    assert page.locator("#list-search").input_value() == "jx?"
    assert not help_.is_visible()
    page.locator("body").click(position={"x": 1, "y": 1})
    keys.press("j")
    name = page.evaluate(_HERE)
    visitor.key("Enter")
    assert page.locator("h1").inner_text() == name
    page.locator("#find").fill(name.lower())
    visitor.key("Enter")
    assert page.locator("h1").inner_text() == name


def test_the_first_page_weighs_little(house: House, cast: Cast) -> None:
    visitor = house.window()
    received: list[Any] = []
    wire = visitor.page.context.new_cdp_session(visitor.page)
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    visitor.page.goto(visitor.address + "/sign-in", wait_until="networkidle")
    at_sign_in = sum(received)
    worker = cast.of(FOCAL)
    code = cast.make.code(worker.username)
    visitor.fill(username=worker.username, password=PASSWORD).send("Oturum aç").fill(code=code).send("Devam")
    visitor.page.wait_for_load_state("networkidle")
    assert 0 < at_sign_in <= sum(received) <= MOST_BYTES, (at_sign_in, sum(received))
