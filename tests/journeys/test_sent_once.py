"""A slow answer, Back and reload: nothing is stored twice, nothing typed is lost, and no browser asks to send again."""

from __future__ import annotations

import re

from playwright.sync_api import Route

from tests.journeys.cast import FOCAL, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House


def test_reload_and_back_after_a_refused_form_ask_for_the_page_anew(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    case = panel.make.case(worker)
    visitor = house.visitor(worker).open(f"/cases/{case.id}/edit")
    visitor.fill(opened_on="31.02.2026").send("Kaydet", status=422)
    sent = []
    visitor.page.on("request", lambda request: sent.append(request.method) if request.is_navigation_request() else None)
    visitor._came(visitor.page.reload(), 422)
    visitor.open("/cases/")
    visitor._came(visitor.page.go_back(), 422)
    assert visitor.main.locator("[name=opened_on]").input_value() == "31.02.2026"
    assert set(sent) == {"GET"}


def test_a_reveal_is_not_repeated_by_reload_and_leaves_one_look(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    case = panel.make.case(worker, narrative="Anlatılan olay")
    looks = "select count(*) from audit.event where action = 'record.reveal' and target_id = :id"
    visitor = house.visitor(worker).open(f"/cases/{case.id}/reveal")
    visitor.choose(purpose="Dosya işlemi").send("Göster").says("Anlatılan olay")
    assert panel.ask(looks, id=str(case.id))[0][0] == 1
    visitor.page.reload()
    visitor.says("Anlatılan olay")
    visitor.open("/cases/").page.go_back()
    visitor.says("Anlatılan olay")
    assert panel.ask(looks, id=str(case.id))[0][0] == 1


def test_a_case_whose_answer_is_lost_on_the_way_is_open_and_found_again(house: House, cast: Cast, panel: Panel) -> None:
    worker = cast.of(FOCAL)
    visitor = house.visitor(worker).open("/cases/new")
    visitor.choose(province="Ankara", referral_source="Jandarma").send("Devam")
    visitor.send("Devam").send("Devam")
    before = panel.ask("select count(*) from case_file")[0][0]
    answers: list[int] = []

    def slow(route: Route) -> None:
        """The first answer is lost on the way: the person goes back and presses again."""
        answer = route.fetch(max_redirects=0)
        answers.append(answer.status)
        route.abort()

    check = visitor.path
    visitor.page.route(
        re.compile("/cases/new/check"),
        lambda route: slow(route) if route.request.method == "POST" else route.continue_(),
    )
    button = visitor.main.get_by_role("button", name="Dosyayı aç")
    with visitor.page.expect_event("requestfailed"):
        button.click()
    assert panel.ask("select count(*) from case_file")[0][0] == before + 1
    visitor.page.wait_for_url(re.compile("^chrome-error:"))
    visitor.page.goto(visitor.address + check)
    assert re.fullmatch(r"/cases/[0-9a-f-]{36}", visitor.path), "the way to a case that is open leads to it"
    assert (answers, panel.ask("select count(*) from case_file")[0][0]) == ([303], before + 1)


def test_a_step_that_is_left_by_back_keeps_what_was_typed(house: House, cast: Cast) -> None:
    visitor = house.visitor(cast.of(FOCAL)).open("/cases/new")
    visitor.choose(province="Ankara", referral_source="Jandarma").send("Devam")
    visitor.fill(given_name="Zeynep").send("Geri dön")
    assert visitor.path.startswith("/cases/new?draft=")
    visitor.choose(referral_source="Jandarma").send("Devam")
    assert visitor.main.locator("[name=given_name]").input_value() == "Zeynep"
