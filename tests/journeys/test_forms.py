"""Long forms when the session ends and on two desks, pictures that open their tables, and a first day."""

from __future__ import annotations

import re

from tests.factories import PASSWORD
from tests.journeys.cast import FOCAL, MANAGER, SUPERVISOR, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House

TYPED = "Yarım kalan anlatım: tarlada çalıştırıldı."


def test_what_was_typed_is_still_there_after_the_session_has_ended(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    case = panel.make.case(worker)
    visitor = house.visitor(worker).open(f"/cases/{case.id}/edit")
    visitor.fill(narrative=TYPED, opened_on="04.03.2026")
    kept = visitor.main.locator("form[data-keep]").get_by_role("status")
    kept.filter(has_text="Taslak olarak saklandı").wait_for()

    visitor.page.context.clear_cookies()
    visitor.open(f"/cases/{case.id}/edit")
    assert visitor.path.startswith("/sign-in")
    code = panel.make.code(worker.username)
    visitor.fill(username=worker.username, password=PASSWORD).send("Oturum aç").fill(code=code).send("Devam")
    assert visitor.path == f"/cases/{case.id}/edit"
    assert visitor.main.locator("[name=narrative]").input_value() == ""
    visitor.follow("Kaldığınız yerden devam edin").says("Henüz hiçbir şey kaydedilmedi.")
    assert visitor.main.locator("[name=narrative]").input_value() == TYPED
    visitor.send("Kaydet").says("Değişiklikler kaydedildi.")
    assert "04.03.2026" in visitor.words()
    visitor.follow("Düzenle")
    assert visitor.main.get_by_text("Kaldığınız yerden devam edin").count() == 0


def test_whoever_opens_a_form_is_told_who_has_it_open(house: House, cast: Cast, panel: Panel) -> None:
    worker, colleague = cast.of(FOCAL), panel.make.focal_point(cast.jgk)
    case = panel.make.case(worker)
    first = house.visitor(worker).open(f"/cases/{case.id}/edit")
    second = house.visitor(colleague).open(f"/cases/{case.id}/edit")
    second.says(re.compile(r"bu formu .* açtı ve henüz kaydetmedi"))
    first.fill(opened_on="02.03.2026").send("Kaydet").says("Değişiklikler kaydedildi.")
    second.open(f"/cases/{case.id}/edit")
    assert second.main.get_by_text("henüz kaydetmedi").count() == 0


def test_each_picture_of_the_national_board_opens_its_table(house: House, cast: Cast, panel: Panel) -> None:
    panel.make.case(cast.of(FOCAL), province="TR-63", exploitation_types=["ForcedLabour"])
    board = house.visitor(cast.of(SUPERVISOR))
    pictures = board.main.locator("figure.picture")
    assert pictures.count() == 3
    for picture in pictures.all():
        assert picture.get_by_role("img").count() == 1
        assert not picture.get_by_role("table").is_visible()
        picture.locator("summary").click()
        assert picture.get_by_role("table").is_visible()
    provinces = pictures.first.get_by_role("row").filter(has=board.page.get_by_role("rowheader", name="Şanlıurfa"))
    assert int(provinces.get_by_role("cell").first.inner_text()) >= 1
    board.look()


def test_a_manager_of_an_institution_without_people_is_told_what_comes_first(house: House, cast: Cast) -> None:
    manager = house.visitor(cast.of(MANAGER, "ISKUR"))
    manager.says("Önce onlara hesap açın.")
    manager.follow("Yeni hesap").says("bağlantı")
