"""Choices found while typing in a form's field: a page at a time, all of one's own and none of anybody else's."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from tests.factories import Somebody, Tenant
from tests.new_case import seen_in
from tests.panel.panel_app import Browser, RunningPanel

MANY = 56


class World:
    """JGK has a great many units and colleagues; EGM has one of each."""

    def __init__(self, panel: RunningPanel) -> None:
        self.panel, make = panel, panel.make
        self.jgk: Tenant = make.institution("JGK")
        self.egm: Tenant = make.institution("EGM")
        self.units = {make.unit(f"Birim {number:02}", self.jgk): f"Birim {number:02}" for number in range(MANY)}
        self.light = make.unit("Işık Çadırı", self.jgk)
        self.theirs = make.unit("Işık Öteki", self.egm)
        self.focal, self.manager = make.focal_point(self.jgk), make.manager(self.jgk)
        self.stranger = make.focal_point(self.egm)
        self.case = make.case(self.focal, unit_id=str(self.light))
        self.link = make.person(self.focal, self.case)
        foreign = make.case(self.stranger)
        self.foreign = make.person(self.stranger, foreign).person

    def browser(self, somebody: Somebody) -> Browser:
        return self.panel.browser(somebody)


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


@pytest.fixture(scope="module")
def focal(world: World) -> Browser:
    return world.browser(world.focal)


def found(browser: Browser, path: str, **asked: str) -> dict[str, Any]:
    answer = browser.post(path, **asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = json.loads(answer.text)
    return document


def all_pages(browser: Browser, path: str, **asked: str) -> list[list[str]]:
    pages, after = [], ""
    while True:
        page = found(browser, path, after=after, **asked)
        pages.append([item["text"] for item in page["items"]])
        if page["next"] is None:
            return pages
        after = page["next"]


@pytest.mark.parametrize("path", ["/choices/case-units", "/choices/units"])
def test_pages_follow_each_other_in_turkish_order_and_hold_everything_once(world: World, path: str) -> None:
    browser = world.browser(world.focal if "case" in path else world.manager)
    pages = all_pages(browser, path)
    assert [len(page) for page in pages] == [20, 20, MANY + 2 - 40]
    names = [text.split(" (")[0] for page in pages for text in page]
    assert names == ["Merkez", *sorted(world.units.values()), "Işık Çadırı"]


def test_typing_finds_whatever_the_case_and_the_marks(focal: Browser) -> None:
    for typed in ("isik", "IŞIK", "çadır", "  ışık   cadiri "):
        assert [item["text"] for item in found(focal, "/choices/case-units", q=typed)["items"]] == [
            "Işık Çadırı (Merkez)"
        ]
    assert found(focal, "/choices/case-units", q="%")["items"] == []
    assert found(focal, "/choices/institutions", q="egm")["items"][0]["text"].endswith("(EGM)")


def test_nothing_of_another_institution_is_found(world: World, focal: Browser) -> None:
    manager = world.browser(world.manager)
    ids = {item["id"] for item in found(manager, f"/choices/units?of={world.egm.id}", q="ışık")["items"]}
    assert ids == {str(world.light)}
    colleagues = [text for page in all_pages(focal, "/choices/colleagues") for text in page]
    assert len(colleagues) == 1, "the manager works on no case"
    own, foreign = world.link.person.pseudonym, world.foreign.pseudonym
    assert [item["text"] for item in found(focal, "/choices/persons", q=own)["items"]] == [own]
    assert found(focal, "/choices/persons", q=foreign)["items"] == []


def test_a_system_administrator_finds_the_units_of_the_institution_that_is_asked_for(world: World) -> None:
    browser = world.browser(world.panel.make.administrator())
    asked = found(browser, f"/choices/units?of={world.egm.id}")
    assert {item["id"] for item in asked["items"]} == {str(world.theirs), str(world.egm.root)}
    assert found(browser, "/choices/units")["items"] == []
    assert browser.post("/choices/units?of=x").status_code == 400


def test_who_opens_cases_in_one_unit_is_offered_that_one(world: World) -> None:
    narrow = world.panel.make.focal_point(world.jgk, world.light)
    browser = world.browser(narrow)
    assert [item["id"] for item in found(browser, "/choices/case-units")["items"]] == [str(world.light)]


def test_finding_persons_is_a_look_and_a_name_finds_nobody(world: World, focal: Browser) -> None:
    answer = focal.post("/choices/persons", q=world.link.person.pseudonym.lower())
    (noted,) = world.panel.events(answer)
    assert (noted.action, noted.kind) == ("record.list", "person")
    assert [str(id) for id in noted.subjects] == [str(world.link.person_id)]
    for nothing in ("ad", "", "J", "Gülşen"):
        assert found(focal, "/choices/persons", q=nothing)["items"] == []


def test_a_damaged_place_or_an_endless_text_is_refused(focal: Browser) -> None:
    for asked in ({"after": "x"}, {"after": str(uuid.uuid4())}, {"q": "a" * 101}):
        assert focal.post("/choices/case-units", **asked).status_code == 400


def test_what_is_found_is_counted_in_words(focal: Browser) -> None:
    assert found(focal, "/choices/case-units", q="isik")["said"] == "1 sonuç"
    assert found(focal, "/choices/case-units", q="yoktur")["said"] == "Uyan kayıt yok."
    first = found(focal, "/choices/case-units")
    assert first["said"] == "20 sonuç; devamı listenin sonunda"
    assert found(focal, "/choices/case-units", after=first["next"], shown="20")["said"].startswith("40 sonuç")


def test_a_form_holds_the_beginning_of_a_long_list_and_always_what_is_chosen(world: World, focal: Browser) -> None:
    page = focal.get(f"/cases/{world.case.id}/edit").text
    select = re.search(r'<select[^>]*name="unit_id"[^>]*>.*?</select>', page, re.DOTALL)
    assert select is not None
    assert 'data-choices="/choices/case-units"' in select[0]
    assert select[0].count("<option") == 50
    assert f'selected value="{world.light}"' in select[0]
    short = re.search(r'<select[^>]*name="lead_institution_id"[^>]*>', page)
    assert short is not None
    assert "data-choices" not in short[0]
    parent = world.browser(world.manager).get(f"/units/{world.light}").text
    assert f'selected value="{world.jgk.root}"' in parent


def test_lists_offer_only_what_the_reader_may_do(world: World, focal: Browser) -> None:
    offered = {"/cases/": ('href="/cases/new"', 'href="/cases/export'), "/persons/": ('href="/persons/export',)}
    worker, manager = world.browser(world.panel.make.caseworker(world.jgk)), world.browser(world.manager)
    for path, links in offered.items():
        assert [link in focal.get(path).text for link in links] == [True] * len(links)
        assert links[-1] not in worker.get(path).text
        assert links[-1] in manager.get(path).text
    assert 'href="/cases/new"' not in manager.get("/cases/").text


def test_those_who_can_work_on_a_case_are_offered_with_role_and_unit_and_nobody_else_is_assigned(world: World) -> None:
    make = world.panel.make
    tenant = make.institution("KIHBI")
    focal, worker = make.focal_point(tenant), make.somebody("caseworker", tenant, make.unit("Hatay Birimi", tenant))
    manager, auditor = make.manager(tenant), make.auditor(tenant)
    case = make.case(focal)
    browser = world.browser(focal)
    texts = {item["id"]: item["text"] for item in found(browser, "/choices/colleagues")["items"]}
    assert texts.keys() == {str(focal.id), str(worker.id)}
    assert texts[str(worker.id)].endswith(" – Dosya sorumlusu – Hatay Birimi")
    for other in (manager, auditor):
        refused = browser.post(f"/cases/{case.id}/assign", account_id=str(other.id))
        assert (refused.status_code, "dosyalarda çalışmayı kapsamıyor" in refused.text) == (422, True)
    assert browser.post(f"/cases/{case.id}/assign", account_id=str(worker.id)).status_code == 303


def test_a_new_case_goes_to_the_province_s_unit_where_none_is_chosen_and_the_last_page_names_it(world: World) -> None:
    make = world.panel.make
    tenant = make.institution("TEK")
    hatay, bursa = make.unit("Hatay Birimi", tenant), make.unit("Bursa Birimi", tenant)
    with make.superuser() as connection:
        for unit, code in ((hatay, "TR-31"), (bursa, "TR-16")):
            connection.exec_driver_sql(f"update unit set province = '{code}' where id = '{unit}'")
    browser = world.browser(make.focal_point(tenant))
    for province, chosen, expected in (("TR-31", "", hatay), ("TR-16", str(hatay), hatay), ("TR-06", "", tenant.root)):
        source = {"opened_on": "24.11.2026", "referral_source": "GENDARMERIE", "province": province}
        where = browser.post("/cases/new", **source, unit_id=chosen, confidentiality="INTERNAL").headers["Location"]
        for _step in range(2):
            where = browser.post(where).headers["Location"]
        shown = browser.get(where).text
        assert (expected != hatay) or "Hatay Birimi" in shown
        made = browser.post(where, seen=seen_in(shown)).headers["Location"]
        unit = world.panel.value("select unit_id from case_file where id = :id", id=made.rsplit("/", 1)[1])
        assert unit == expected, province
