"""A list is sorted by the text that it shows: names and labels in the order of the page's language."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from itm_admin.foundation import vocabulary
from tests.factories import CASE, Somebody
from tests.panel.panel_app import RunningPanel

NAMES = {
    "AAA": ("Zeytin Kurumu", "Aardvark Office"),
    "BBB": ("Çay Kurumu", "Zebra Office"),
    "CCC": ("Cam Kurumu", "Ümit Office"),
    "DDD": ("Işık Kurumu", "Vine Office"),
    "EEE": ("İpek Kurumu", "Icon Office"),
}
TURKISH, ENGLISH = ["CCC", "BBB", "DDD", "EEE", "AAA"], ["AAA", "EEE", "CCC", "DDD", "BBB"]


@pytest.fixture(scope="module")
def register(panel: RunningPanel) -> RunningPanel:
    for code, (turkish, english) in NAMES.items():
        made = panel.make.institution(code, "agency")
        with panel.make.superuser() as connection:
            values = {"id": made.id, "tr": turkish, "en": english}
            connection.execute(text("update institution set name_tr = :tr, name_en = :en where id = :id"), values)
    return panel


def _shown(panel: RunningPanel, somebody: Somebody, path: str, after: str = "<body") -> dict[str, list[str]]:
    """The codes of the institutions as they stand on the page, in each language."""
    browser, found = panel.browser(somebody), {}
    for column, language in enumerate(("tr", "en")):
        browser.post("/language", language=language)
        page = browser.get(path).text.partition(after)[2]
        places = {code: page.find(name[column]) for code, name in NAMES.items()}
        assert min(places.values()) >= 0, (language, places)
        found[language] = sorted(places, key=lambda code: places[code])
    return found


@pytest.mark.parametrize("path", ["/institutions/?sort=name", "/accounts/?sort=institution"])
def test_institutions_are_sorted_by_the_name_that_the_page_shows(register: RunningPanel, path: str) -> None:
    make = register.make
    for code in NAMES:
        make.caseworker(make.institution(code))
    somebody = make.supervisor() if path.startswith("/inst") else make.administrator()
    assert _shown(register, somebody, path, "<tbody") == {"tr": TURKISH, "en": ENGLISH}


def test_institutions_to_choose_from_are_sorted_as_they_are_shown(register: RunningPanel) -> None:
    assert _shown(register, register.make.focal_point(), "/cases/new") == {"tr": TURKISH, "en": ENGLISH}


@pytest.mark.parametrize("language", ["tr", "en"])
def test_provinces_of_cases_are_sorted_by_their_names(panel: RunningPanel, language: str) -> None:
    provinces = ["TR-68", "TR-01", "TR-34", "TR-35", "TR-76", "TR-81", "TR-17"]
    focal = panel.make.focal_point(panel.make.institution(f"S{language.upper()}", "agency"))
    for province in provinces:
        panel.make.case(focal, **{**CASE, "province": province})
    browser = panel.browser(focal)
    browser.post("/language", language=language)
    page = browser.get("/cases/?sort=province").text
    names = [vocabulary.label("province", each, language) for each in provinces]
    wanted = [label for _code, label in vocabulary.choices("province", language) if label in names]
    found = [each for each in re.findall(r"<td[^>]*>([^<]+)</td>", page) if each in names]
    assert found == wanted
