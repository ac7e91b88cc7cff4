"""A session's end: announced, put off, and survived with what was typed."""

from __future__ import annotations

import uuid

from itm_admin.accounts.sessions import ABSOLUTE, IDLE
from tests.factories import PASSWORD, Somebody, grow_older
from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

TYPED = "Gönderilmeden kalan gün"


def grow_old(panel: Panel, who: Somebody, *, idle: float = 0, begun: float = 0) -> None:
    """The person's open sessions, as they would be so many seconds after the last act and after their begin."""
    grow_older(panel.database.engine("superuser"), who, idle=idle, begun=begun)


def come_back(visitor: Visitor) -> None:
    """The tab is looked at again."""
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_the_end_of_a_session_is_announced_and_put_off(house: House, cast: Cast, panel: Panel) -> None:
    who = cast.of(FOCAL)
    idle, absolute = IDLE.total_seconds(), ABSOLUTE.total_seconds()
    visitor = house.visitor(who).open("/profile/edit")
    notice = visitor.page.locator(".session-end")
    assert not notice.is_visible()
    grow_old(panel, who, idle=idle - 100)
    come_back(visitor)
    notice.get_by_text("İşlem yapılmadığı için").wait_for()
    visitor.look()
    with visitor.page.expect_response("**/profile/session"):
        notice.get_by_role("button", name="Oturumu sürdür").click()
    notice.wait_for(state="hidden")
    grow_old(panel, who, begun=absolute - 100)
    visitor.open("/profile/edit")
    notice.get_by_text("en uzun süresi dolmak üzere").wait_for()
    assert not notice.get_by_role("button").is_visible()
    grow_old(panel, who, begun=200)
    come_back(visitor)
    notice.get_by_role("link", name="Yeni bir sekmede oturum açın").wait_for()
    visitor.look()


def test_a_form_that_is_sent_after_the_end_comes_back_to_the_same_step(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    visitor = house.visitor(worker)
    for path, field in ((f"/cases/new?draft={uuid.uuid4()}", "opened_on"), ("/profile/edit", "title")):
        visitor.open(path).fill(**{field: TYPED})
        grow_old(panel, worker, idle=IDLE.total_seconds() + 5)
        save = visitor.main.locator("form .form-end button.btn-primary")
        visitor.press(save, 401)
        visitor.says("Bir süre işlem yapılmadığı için")
        panel.make.code(worker.username)
        visitor.fill(username=worker.username, password=PASSWORD)
        visitor.send("Oturum aç").fill(code=panel.make.code(worker.username))
        visitor.main.get_by_role("button", name="Devam", exact=True).click()
        place = visitor.main.locator(f"[name={field}]")
        place.wait_for()
        assert visitor.path.startswith(path)
        assert place.input_value() == TYPED
        visitor.look()


def test_own_sessions_are_seen_and_ended_and_revealed_values_go_with_them(
    house: House, cast: Cast, panel: Panel
) -> None:
    worker = cast.of(FOCAL)
    person = panel.make.person(worker, panel.make.case(worker), given_name="Görülen", family_name="Kişi")
    here, there = house.visitor(worker), house.visitor(worker)
    there.open(f"/persons/{person.person_id}/reveal").choose(purpose="Dosya işlemi").send("Göster").says("Görülen")
    here.open("/profile/").follow("Oturumlarımı göster").says("Bu sunucunun kendisi")
    assert here.main.get_by_role("button", name="Kapat", exact=True).count() >= 1
    here.look()
    here.main.get_by_role("button", name="Diğerlerinin hepsini kapat").click()
    here.page.locator("dialog").get_by_role("button", name="Diğerlerinin hepsini kapat").click()
    here.says("Diğer oturumların hepsi kapatıldı.")
    there.page.wait_for_url("**/sign-in?**")  # within seconds, although nobody touched the page
    assert "Görülen" not in there.words()
