"""A fresh second factor in a real browser: by passkey and by code; what was chosen comes back afterwards."""

from __future__ import annotations

from tests.factories import Somebody, forget_factors
from tests.journeys.cast import Cast
from tests.journeys.panel import Panel
from tests.journeys.test_passkeys import SECOND, Device, own_name
from tests.journeys.visitor import House, Visitor

__all__ = ["own_name"]
ASKED = "İkinci doğrulamayı yeniden yapın"
NARROW = {"width": 360, "height": 640}


def grow_old(panel: Panel, who: Somebody) -> None:
    forget_factors(panel.database.engine("superuser"), who)


def asked(visitor: Visitor) -> None:
    visitor.main.get_by_text("son beş dakika içinde yapılmış").wait_for()
    assert visitor.page.get_by_role("heading", level=1).inner_text() == ASKED
    visitor.look(visitor.page.url)


def test_an_export_goes_on_after_a_passkey_with_what_was_chosen(own_name: House, cast: Cast, panel: Panel) -> None:
    who = panel.make.manager(cast.jgk)
    panel.make.case(panel.make.focal_point(cast.jgk))
    visitor = own_name.visitor(who)
    Device(visitor)
    visitor.open("/profile/factors/").page.locator("#passkey-name").fill("Anahtar")
    visitor.send("Geçiş anahtarı kur")
    grow_old(panel, who)
    visitor.open("/cases/export").choose(purpose="İstatistik").main.get_by_label("CSV").check()
    visitor.send("Dışa aktar", status=403)
    asked(visitor)
    visitor.says("Dosyalar: Dışa aktar")
    visitor.main.get_by_role("button", name=SECOND).click()
    purpose = visitor.main.locator("[name=purpose]")
    purpose.wait_for()
    assert purpose.locator("option:checked").inner_text() == "İstatistik"
    assert visitor.main.get_by_label("CSV").is_checked()
    visitor.look()
    with visitor.page.expect_download() as coming:
        visitor.main.get_by_role("button", name="Dışa aktar").click()
    assert coming.value.suggested_filename.endswith(".csv")


def test_a_second_person_is_revealed_after_a_code_by_keyboard_on_a_narrow_screen(
    house: House, cast: Cast, panel: Panel
) -> None:
    who = panel.make.focal_point(cast.jgk)
    case = panel.make.case(who)
    one, other = (panel.make.person(who, case, given_name=name).person_id for name in ("Birgül", "İkbal"))
    visitor = house.visitor(who, viewport=NARROW)
    grow_old(panel, who)
    visitor.open(f"/persons/{one}/reveal").choose(purpose="Dosya işlemi").send("Göster").says("Birgül")
    visitor.open(f"/persons/{other}/reveal").choose(purpose="Dosya işlemi").send("Göster", status=403)
    asked(visitor)
    assert "İkbal" not in visitor.words()
    visitor.page.locator("#code").focus()
    visitor.page.keyboard.type(panel.make.code(who.username))
    visitor.page.keyboard.press("Enter")
    visitor.main.locator("[name=purpose]").wait_for()
    visitor.look()
    visitor.send("Göster").says("İkbal")
