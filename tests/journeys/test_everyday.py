"""Everyday work: two tabs, a file to download, a search for somebody, and leaving the desk."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

NAMES = {"given_name": "Şükrüye İrem", "family_name": "Kılıçdağı"}


def test_of_two_tabs_the_second_is_told_and_loses_nothing(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    address = f"/cases/{panel.make.case(worker, narrative='Önceki anlatım').id}"
    first = house.visitor(worker).open(address).follow("Düzenle")
    second = house.another_tab(first).open(address).follow("Düzenle")
    first.choose(province="İzmir").fill(narrative="Birinci sekmede yazılan").send("Kaydet").says(
        "Değişiklikler kaydedildi."
    )

    second.choose(province="Van").fill(narrative="İkinci sekmede yazılan", opened_on="02.03.2026")
    second.send("Kaydet", status=409).says("Sizin sürümünüz")
    versions = {row.get_by_role("rowheader").inner_text(): row.get_by_role("cell").all_inner_texts()
                for row in second.main.locator("table.conflict tbody tr").all()}  # fmt: skip
    assert versions["İl farklı"] == ["Van", "İzmir"]
    assert versions["Açılış tarihi farklı"] == ["02.03.2026", "01.03.2026"]
    assert second.main.locator("[name=narrative]").input_value() == "İkinci sekmede yazılan"
    assert second.main.locator("[name=opened_on]").input_value() == "02.03.2026"
    assert "Birinci sekmede yazılan" not in second.page.content()

    second.send("Kaydet").says("Değişiklikler kaydedildi.")
    assert "Van" in second.words()
    second.follow("Olay anlatımını göster").choose(purpose="Dosya işlemi").send("Göster").says("İkinci sekmede yazılan")


@pytest.mark.parametrize("kind", ["CSV", "Excel (XLSX)"])
def test_a_list_is_taken_away_with_a_purpose_and_without_protected_values(
    kind: str, house: House, cast: Cast, panel: Panel, tmp_path: Path
) -> None:
    worker = cast.of(FOCAL)
    unit = panel.make.unit('=HYPERLINK("http://x.invalid")', cast.jgk)
    case = panel.make.case(worker, unit_id=str(unit), narrative="Anlatılan olay")
    panel.make.person(worker, case, **NAMES, birth_date="1996-11-17", phone="+905320001122")
    visitor = house.visitor(worker).open("/cases/")
    visitor.page.locator("details.exports summary").click()
    visitor.follow("Listeyi dışa aktar")
    assert visitor.main.locator("[name=purpose]").input_value() == ""
    visitor.send("Dışa aktar", status=422)
    assert visitor.page.title().startswith("Hata: ")
    visitor.choose(purpose="İstatistik").main.get_by_label(kind).check()
    with visitor.page.expect_download() as coming:
        visitor.main.get_by_role("button", name="Dışa aktar").click()
    file = tmp_path / coming.value.suggested_filename
    coming.value.save_as(file)
    visitor.main.get_by_role("status").get_by_role("link", name="İşlemlerim").wait_for()
    visitor.look()
    assert visitor.page.title() == "Listeyi dışa aktar – İTM", "a file came: nothing is wrong any more"
    assert visitor.main.locator(".error-summary, .field-error, [aria-invalid]").count() == 0

    rows = read(file)
    assert len(rows) > 1
    assert any(case.reference in row for row in rows)
    cells = [cell for row in rows for cell in row]
    if kind == "CSV":  # a spreadsheet reads a formula into a CSV cell; a text cell of XLSX is a text
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    for secret in (*NAMES.values(), "Anlatılan olay", "1996", "5320001122"):
        assert not [cell for cell in cells if secret in cell]
    told = panel.ask("select content::jsonb ->> 'purpose' as purpose from audit.entry where action = 'record.export'")
    assert {row.purpose for row in told} == {"STATISTICS"}


def read(file: Path) -> list[list[str]]:
    """All cells as text; no cell of the workbook is a formula."""
    if file.suffix == ".csv":
        return list(csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline=""), delimiter=";"))
    sheet = load_workbook(file).active
    assert sheet is not None
    cells = [list(row) for row in sheet.iter_rows()]
    assert not [cell for row in cells for cell in row if cell.data_type == "f"]
    return [["" if cell.value is None else str(cell.value) for cell in row] for row in cells]


def test_somebody_is_found_by_every_spelling_and_no_name_stands_in_an_address(
    house: House, cast: Cast, panel: Panel
) -> None:
    worker = cast.of(FOCAL)
    person = panel.make.person(worker, panel.make.case(worker), **NAMES, tckn="10000000146").person
    visitor = house.visitor(worker).open("/persons/").follow("Ad veya numarayla ara")
    for spelling in (
        "Şükrüye İrem Kılıçdağı",
        "ŞÜKRÜYE KILIÇDAĞI",
        "sukruye kilicdagi",
        "Shukruye Kilichdaghi",
        "ırem",
    ):
        visitor.fill(name=spelling, number="").send("Ara")
        assert person.pseudonym in visitor.main.locator("section li").all_inner_texts()[0], spelling
        assert visitor.main.locator("[name=name]").count() == 1
    visitor.fill(name="", number="100 000 001 46").send("Ara").says(person.pseudonym)
    visitor.fill(name="Hiçkimse Yoktur", number="").send("Ara").says("Uygun kişi bulunamadı.")
    assert {re.sub(r"\?answer=[0-9a-f]{32}$", "", address.removeprefix(house.address)) for address in visitor.seen} == {
        "/", "/persons/", "/persons/search",
    }  # fmt: skip
    place = visitor.page.evaluate("location.search + location.hash + JSON.stringify(history.state)")
    assert re.fullmatch(r"\?answer=[0-9a-f]{32}null", place)


def test_after_signing_out_the_back_button_shows_nothing(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    case = panel.make.case(worker)
    person = panel.make.person(worker, case, **NAMES).person
    visitor = house.visitor(worker).open(f"/cases/{case.id}")
    visitor.open(f"/persons/{person.id}/reveal").choose(purpose="Dosya işlemi").send("Göster").says(
        NAMES["family_name"]
    )
    visitor.open("/cases/").sign_out()
    for _ in range(3):
        went_back(visitor)
        assert [
            said for said in (case.reference, person.pseudonym, *NAMES.values()) if said in visitor.page.content()
        ] == []


def went_back(visitor: Visitor) -> None:
    """As the browser's button does: a page that came by a form and may not be kept is not shown again."""
    browser = visitor.page.context.new_cdp_session(visitor.page)
    history = browser.send("Page.getNavigationHistory")
    before = history["entries"][history["currentIndex"] - 1]
    with visitor.page.expect_event("framenavigated"):
        browser.send("Page.navigateToHistoryEntry", {"entryId": before["id"]})
    visitor.page.wait_for_load_state()
    browser.detach()
