"""A session's end: announced, put off, and survived with what was typed."""

from __future__ import annotations

import time
import uuid
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from itm_admin.accounts.sessions import ABSOLUTE, IDLE
from tests.factories import PASSWORD
from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

TYPED = "Gönderilmeden kalan gün"


def grow_old(visitor: Visitor, panel: Panel, **ages: int) -> None:
    """The browser's cookie, as it would be after so many seconds."""
    app = Flask("cookie")
    app.secret_key = panel.settings.secret_key
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    context = visitor.page.context
    cookie: Any = next(each for each in context.cookies() if each["name"] == "itm")
    content = signer.loads(cookie["value"]) | {name: int(time.time()) - age for name, age in ages.items()}
    context.add_cookies([{"name": "itm", "value": signer.dumps(content), "url": visitor.address}])


def come_back(visitor: Visitor) -> None:
    """The tab is looked at again."""
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_the_end_of_a_session_is_announced_and_put_off(house: House, cast: Cast, panel: Panel) -> None:
    visitor = house.visitor(cast.of(FOCAL)).open("/profile/edit")
    notice = visitor.page.locator(".session-end")
    assert not notice.is_visible()
    grow_old(visitor, panel, seen=IDLE - 240)
    come_back(visitor)
    notice.get_by_text("İşlem yapılmadığı için").wait_for()
    visitor.look()
    notice.get_by_role("button", name="Oturumu sürdür").click()
    notice.wait_for(state="hidden")
    grow_old(visitor, panel, since=ABSOLUTE - 200)
    visitor.open("/profile/edit")
    notice.get_by_text("12 saat dolmak üzere").wait_for()
    assert not notice.get_by_role("button").is_visible()
    grow_old(visitor, panel, since=ABSOLUTE + 1)
    come_back(visitor)
    notice.get_by_role("link", name="Yeni bir sekmede oturum açın").wait_for()
    visitor.look()


def test_a_form_that_is_sent_after_the_end_comes_back_to_the_same_step(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    visitor = house.visitor(worker)
    for path, field in ((f"/cases/new?draft={uuid.uuid4()}", "opened_on"), ("/profile/edit", "title")):
        visitor.open(path).fill(**{field: TYPED})
        grow_old(visitor, panel, seen=IDLE + 5)
        save = visitor.main.locator("form .form-end button.btn-primary")
        visitor.press(save, 401)
        visitor.says("30 dakika işlem yapılmadığı için")
        visitor.fill(username=worker.username, password=PASSWORD)
        visitor.main.get_by_role("button", name="Oturum aç").click()
        place = visitor.main.locator(f"[name={field}]")
        place.wait_for()
        assert visitor.path.startswith(path)
        assert place.input_value() == TYPED
        visitor.look()
