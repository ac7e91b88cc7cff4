"""An API key from the manager's form to its end: made, taken by its person alone, used, replaced and ended."""

from __future__ import annotations

import urllib.error
import urllib.request

from tests.journeys.cast import FOCAL, INSIDE, MANAGER, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import NARROW, House, Visitor


def status(panel: Panel, secret: str) -> int:
    """The answer to a program that asks for the list of cases."""
    asked = urllib.request.Request(  # noqa: S310 (our own server)
        f"{panel.address}/api/v1/cases/", headers={"Authorization": f"Bearer {secret}"}
    )
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def taken(person: Visitor, link: str) -> str:
    person.open("/profile/api-keys/").follow(link).send("Gizli metni göster")
    secret = person.page.locator("#secret").input_value()
    person.follow("Gizli metni sakladım")
    return secret


def test_a_key_is_made_taken_replaced_and_ended(house: House, cast: Cast, panel: Panel) -> None:
    manager, person = house.visitor(cast.of(MANAGER)), house.visitor(whose := cast.of(FOCAL), viewport=NARROW)
    manager.open("/api-keys/new")
    manager.send("Anahtarı oluştur", status=422).says("Sorumlu kişiyi seçin.")
    manager.fill(name="Hastane aktarımı", networks="127.0.0.0/8").choose(
        account_id=whose.actor.full_name, days="30 gün"
    )
    manager.page.get_by_label("Dosyalar: Listeyi gör").check()
    manager.send("Anahtarı oluştur").says("Sorumlu kişiyi bekliyor")
    first = taken(person, "Gizli metni al")
    assert status(panel, first) == 200
    manager.page.reload()
    manager.says("Yürürlükte")
    manager.says("127.0.0.1")
    second = taken(person, "Gizli metni yenileyin")
    assert [status(panel, each) for each in (first, second)] == [200, 200]
    auditor = house.visitor(cast.of(INSIDE))
    auditor.open("/api-keys/").follow("Hastane aktarımı")
    auditor.follow("Anahtarı sonlandır")
    auditor.page.get_by_label("Şüpheli kullanım").check()
    auditor.send("Anahtarı sonlandır").says("Şüpheli kullanım")
    assert [status(panel, each) for each in (first, second)] == [401, 401]
    person.open("/profile/api-keys/").says("Sona erdi")
