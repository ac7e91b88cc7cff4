"""Pages of one record have titles of their own; a taken list says what was taken; what was erased is called so."""

from __future__ import annotations

import re
from html import unescape

from sqlalchemy import select

from itm_admin.cases import person_services
from itm_admin.cases.models import VictimProfile
from itm_admin.record.display import facts
from tests.factories import Factory, Somebody
from tests.panel.erasing import NAME, erased
from tests.panel.panel_app import Browser, RunningPanel


def titles(browser: Browser, path: str) -> tuple[str, str]:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    title, heading = re.search("<title>(.*?)</title>", answer.text), re.search("<h1>(.*?)</h1>", answer.text)
    assert title is not None
    assert heading is not None
    return unescape(title[1]), unescape(heading[1])


def test_the_pages_of_one_record_have_titles_of_their_own(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    author, colleague = make.focal_point(), make.focal_point()
    link = make.person(author, make.case(author), **NAME)
    supervisor = make.supervisor()
    work, managed, above = panel.browser(author), panel.browser(manager), panel.browser(supervisor)
    for browser, show, *others in (
        (work, f"/cases/{link.case_id}", "edit", "close"),
        (work, f"/persons/{link.person_id}", "edit", "reveal"),
        (work, f"/profiles/{link.id}", "edit"),
        (managed, f"/accounts/{colleague.id}", "edit"),
        (managed, f"/persons/{link.person_id}", "delete"),
        (above, f"/institutions/{author.tenant.id}", "edit"),
        (work, "/profile/", "edit", "password"),
    ):
        pages = [titles(browser, show), *(titles(browser, f"{show.rstrip('/')}/{act}") for act in others)]
        assert len(set(pages)) == len(pages), pages


def test_a_list_that_was_taken_away_says_how_many_rows_and_where_the_ledger_tells_it(
    panel: RunningPanel, make: Factory
) -> None:
    author = make.focal_point()
    make.case(author)
    browser = panel.browser(author)
    browser.get("/cases/export")
    answer = browser.post("/cases/export", purpose="STATISTICS", format="csv")
    rows = answer.get_data().decode("utf-8-sig").count("\r\n") - 1
    page = browser.get("/cases/export").text
    assert f"{rows} satır indirildi" in page
    place = re.search(r'href="(/my-history/\?action=record.export)"', page)
    assert place is not None
    assert "Dışa aktar" in browser.get(place[1]).text
    assert "satır indirildi" not in browser.get("/cases/export").text


def test_values_of_an_erased_person_are_called_erased_in_each_kind(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    author = make.focal_point()
    link = make.person(author, make.case(author), **NAME)
    with make.working(author) as session:
        health = {"trafficking_status": "PossibleVictimOfTrafficking", "health": "kanarya"}
        person_services.set_profile(session, make.keyring, link.id, health)
    erased(make, manager, link)
    for path in (f"/persons/{link.person_id}", f"/profiles/{link.id}"):
        assert "İmha edildi" in panel.browser(manager).get(path).text, path
    with panel.app.test_request_context(), make.working(manager) as session:
        profile = session.scalars(select(VictimProfile).where(VictimProfile.case_person_id == link.id)).one()
        assert facts(profile, ["health"])[0][1] == "İmha edildi"  # the person is not loaded
