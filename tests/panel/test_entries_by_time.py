"""For every reader, histories use the event's own time, and lists of entries are filtered by names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld

PAGES = {"auditor": "/ledgers/entries", "inside": "/ledgers/entries", "focal": "/institution-history/"}


class Story:
    """A ledger whose clock ran a month ahead and was put right, and a case of after that."""

    def __init__(self, panel: PanelWorld) -> None:
        make = panel.make
        self.panel, jgk = panel, make.institution()
        self.focal = make.focal_point(jgk)
        self.before = make.case(self.focal)
        with make.superuser() as connection:
            connection.exec_driver_sql(
                "update audit.ledger set recorded_at = now() + interval '30 days' where code = 'JGK'"
            )
        self.after = make.case(self.focal)
        people = {"auditor": make.auditor(), "inside": make.auditor(jgk), "focal": self.focal}
        self.browsers = {name: panel.browser(somebody) for name, somebody in people.items()}

    def day(self, later: int = 0) -> str:
        return (datetime.now(UTC) + timedelta(days=later)).date().isoformat()


@pytest.fixture(scope="module")
def story(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home: Path = tmp_path_factory.mktemp("home")
    return Story(PanelWorld(shared_database, home))


@pytest.fixture(scope="module")
def forty_looks(story: Story) -> None:
    for _look in range(40):
        story.browsers["focal"].get("/cases/")


@pytest.mark.parametrize("who", PAGES)
def test_an_entry_of_after_a_leap_of_the_clock_is_found_by_its_own_time(story: Story, who: str) -> None:
    browser, page = story.browsers[who], PAGES[who]
    asked = f"{page}?action=record.create&kind=case"
    assert browser.get(f"{asked}&from={story.day(20)}").text.count(story.after.reference) == 0
    told = browser.words(f"{asked}&to={story.day(1)}")
    assert story.after.reference in told
    assert story.before.reference in told


@pytest.mark.parametrize("who", PAGES)
def test_a_page_shows_the_own_time_and_the_sealed_one_where_they_differ(story: Story, who: str) -> None:
    browser = story.browsers[who]
    told = browser.words(f"{PAGES[who]}?target={story.after.reference}&action=record.create")
    assert "(sealed " in told
    assert "sealed" not in browser.words(f"{PAGES[who]}?target={story.before.reference}&action=record.create&kind=case")


@pytest.mark.parametrize("who", PAGES)
def test_a_name_that_is_typed_into_a_filter_is_posted_and_becomes_an_id(story: Story, who: str) -> None:
    browser, name = story.browsers[who], story.focal.actor.full_name
    browser.get(PAGES[who])
    path = "/ledgers/filter" if who != "focal" else "/institution-history/filter"
    found = browser.post(path, actor=name, target=story.after.reference, action="record.create")
    assert found.status_code == 303
    asked = parse_qs(urlsplit(found.headers["Location"]).query)
    assert asked == {"actor": [str(story.focal.id)], "target": [str(story.after.id)], "action": ["record.create"]}
    page = browser.get(found.headers["Location"]).text
    assert f'value="{name}"' in page
    assert f'value="{story.after.reference}"' in page
    again = browser.post(path, actor=name, actor_id=str(story.focal.id))
    assert parse_qs(urlsplit(again.headers["Location"]).query) == {"actor": [str(story.focal.id)]}


@pytest.mark.parametrize("who", PAGES)
def test_a_name_of_nobody_is_said_and_the_other_filters_are_kept(story: Story, who: str) -> None:
    browser = story.browsers[who]
    browser.get(PAGES[who])
    path = "/ledgers/filter" if who != "focal" else "/institution-history/filter"
    found = browser.post(path, actor="Nobody At All", action="record.create")
    assert parse_qs(urlsplit(found.headers["Location"]).query) == {"action": ["record.create"], "actor": ["-"]}
    page = browser.get(found.headers["Location"])
    assert (page.status_code, "There is no user with this name." in page.text) == (400, True)


def test_links_of_before_with_an_id_or_a_user_name_still_work(story: Story) -> None:
    for actor in (story.focal.id, story.focal.username):
        told = story.browsers["auditor"].words(f"/ledgers/entries?actor={actor}&target={story.after.id}")
        assert story.after.reference in told
        assert story.focal.actor.full_name in told


@pytest.mark.parametrize("who", PAGES)
@pytest.mark.usefixtures("forty_looks")
def test_pages_of_a_filtered_list_hold_each_entry_once(story: Story, who: str) -> None:
    browser, address = story.browsers[who], f"{PAGES[who]}?actor={story.focal.id}&size=25"
    seen: list[str] = []
    while address:
        page = browser.get(address).text
        rows = page.split('<td role="rowheader" class="kind-link"')[1:]
        links = [part.split('href="')[1].split('"')[0] for part in rows]
        assert len(rows) <= 25
        seen += links
        after = page.split('rel="next" href="')[1:]
        address = after[0].split('"')[0].replace("&amp;", "&") if after else ""
    assert len(seen) == len(set(seen)) >= 41
