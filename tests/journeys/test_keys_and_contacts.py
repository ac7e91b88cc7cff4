"""A key's limits and an institution's focal points, from the form to the answer: on a phone, in both languages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize
from sqlalchemy import text

from tests import signed_in
from tests.factories import Somebody
from tests.journeys.cast import Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

PHONE: ViewportSize = {"width": 360, "height": 740}
WORDS = {
    "tr": {
        "make": "Anahtarı oluştur", "days": "30 gün", "edit": "Düzenle", "save": "Kaydet",
        "waits": "sorumlu kişi kabul edene kadar bekliyor", "answer": "Bakın ve yanıtlayın",
        "accept": "Genişletmeyi kabul et", "widened": "Anahtarın sınırları genişletildi", "end": "Anahtarı sonlandır",
        "name": "Odak noktası olarak belirle", "rank": "Asıl odak noktası",
        "waiting": "Başkanlığın onayını bekliyor", "confirm": "Onayla",
    },
    "en": {
        "make": "Make the key", "days": "30 days", "edit": "Edit", "save": "Save",
        "waits": "waits until the responsible person accepts it", "answer": "Look and answer",
        "accept": "Accept the wider limits", "widened": "The key has its wider limits", "end": "End the key",
        "name": "Name as focal point", "rank": "Primary focal point",
        "waiting": "waits for the Presidency's approval", "confirm": "Confirm",
    },
}  # fmt: skip


def at(house: House, panel: Panel, somebody: Somebody, language: str) -> Visitor:
    """A narrow window of somebody who reads this language."""
    with panel.make.superuser() as connection:
        change = text("update account set language = :language where id = :id")
        connection.execute(change, {"language": language, "id": somebody.id})
    window = house.window(viewport=PHONE)
    window.language = language
    value = house.let_in(somebody.username)
    window.page.context.add_cookies([{"name": signed_in.COOKIE, "value": value, "url": house.address}])
    return window.open("/")


def kept(visitor: Visitor, name: str) -> None:
    if place := os.environ.get("ITM_TEST_PICTURES"):
        visitor.page.screenshot(path=Path(place) / f"{name}-{visitor.language}.png", full_page=True)


@pytest.mark.parametrize("language", ["tr", "en"])
def test_a_keys_limits_are_changed_and_accepted(house: House, cast: Cast, panel: Panel, language: str) -> None:
    say, home = WORDS[language], cast.institution("EGM")
    boss, responsible = panel.make.manager(home), panel.make.focal_point(home)
    manager, person = (at(house, panel, each, language) for each in (boss, responsible))
    manager.open("/api-keys/")
    kept(manager, "keys")
    manager.open("/api-keys/new")
    kept(manager, "new")
    manager.fill(name="Aktarım", networks="10.0.0.0/8").choose(account_id=responsible.actor.full_name, days=say["days"])
    manager.page.locator("main [name=scopes][value='Case.list']").check()
    manager.send(say["make"])
    kept(manager, "key")
    manager.follow(say["edit"])
    kept(manager, "edit")
    manager.fill(networks="10.1.0.0/16 192.0.2.0/24").send(say["save"])
    manager.says(say["waits"])
    kept(manager, "asked")
    person.open("/profile/api-keys/")
    kept(person, "own")
    person.follow(say["answer"])
    kept(person, "wider")
    person.send(say["accept"]).says(say["widened"])
    manager.page.reload()
    assert "192.0.2.0/24" in manager.words()
    manager.follow(say["end"])
    kept(manager, "end")


@pytest.mark.parametrize("language", ["tr", "en"])
def test_a_focal_point_is_named_approved_and_found(house: House, cast: Cast, panel: Panel, language: str) -> None:
    say, home = WORDS[language], cast.institution("ADALET" if language == "tr" else "MEB")
    boss, chosen = panel.make.manager(home), panel.make.focal_point(home)
    manager = at(house, panel, boss, language)
    manager.open(f"/accounts/{chosen.id}").follow(say["name"])
    kept(manager, "naming")
    manager.choose(rank=say["rank"]).page.locator("main select[name=reason]").select_option("NEW_TASK")
    manager.send(say["name"])
    kept(manager, "account")
    manager.open("/focal-points/").says(say["waiting"])
    kept(manager, "contacts")
    supervisor = at(house, panel, panel.make.supervisor(), language)
    supervisor.open("/confirmations/")
    kept(supervisor, "confirmations")
    place = supervisor.main.locator("section", has_text=chosen.actor.full_name)
    place.get_by_role("button", name=say["confirm"], exact=True).click()
    supervisor.send(say["confirm"], supervisor.page.locator("dialog"))
    reader = at(house, panel, panel.make.caseworker(cast.institution("EGM")), language)
    reader.open("/focal-points/").says(chosen.actor.full_name)
    kept(reader, "directory")
    supervisor.open(f"/institutions/{home.id}").says(chosen.actor.full_name)
    kept(supervisor, "institution")
    supervisor.open("/alerts/")
    kept(supervisor, "alerts")
