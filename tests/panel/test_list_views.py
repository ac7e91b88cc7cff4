"""Columns, row height and saved views of lists: kept in the address or as a preference, and nobody else's."""

from __future__ import annotations

import html
import re
import uuid

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from itm_admin.accounts.saved_views import MOST
from itm_admin.cases.views import CaseView
from itm_admin.foundation.errors import Invalid
from tests.panel.panel_app import Browser, Records, RunningPanel

CASES = CaseView.listing
FILTERED = "sort=-updated&status=Active&cols=reference&cols=status&cols=updated"


@pytest.fixture(scope="module")
def own(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture
def focal(panel: RunningPanel, own: Records) -> Browser:
    return panel.browser(panel.make.focal_point(own.tenant))


def heads(page: str) -> list[str]:
    table = page.partition("<thead")[2].partition("</thead>")[0]
    return [
        " ".join(re.sub(r"<[^>]+>", " ", cell).split())
        for cell in re.findall(r"<th.*?</th>", table, re.DOTALL)
        if "choose" not in cell
    ]


def tabs(page: str) -> list[str]:
    place = page.partition('<nav class="views"')[2].partition("</nav>")[0]
    return [html.unescape(each) for each in re.findall(r">([^<]+)</a>", place)]


def keep(browser: Browser, label: str, query: str = FILTERED, **more: str) -> None:
    answer = browser.post(
        "/preferences/views", list="cases", query=query, label=label, next="/cases/?sort=opened", **more
    )
    assert answer.status_code == 303


def view_of(panel: RunningPanel, label: str) -> uuid.UUID:
    (row,) = panel.rows("select id from saved_view where label = :label", label=label)
    return uuid.UUID(str(row.id))


def test_the_address_says_which_columns_are_shown_and_the_first_always_is(focal: Browser) -> None:
    everything = heads(focal.get("/cases/").text)
    some = heads(focal.get("/cases/?cols=status").text)
    assert len(everything) == 8
    assert [head for head in some if head] == [everything[0], everything[1]], some
    assert heads(focal.get("/cases/?" + "&".join(f"cols={each.name}" for each in CASES.columns)).text) == everything


@pytest.mark.parametrize("query", ["cols=narrative", "cols=status&cols=status", "cols=", "cols=status,updated"])
def test_a_column_that_the_list_does_not_have_is_refused(focal: Browser, query: str) -> None:
    assert focal.get(f"/cases/?{query}").status_code == 400


def test_the_programming_interface_knows_no_columns(focal: Browser) -> None:
    assert focal.get("/api/v1/cases/?cols=status").status_code == 400


def test_links_of_the_list_keep_the_columns_and_the_filters(focal: Browser) -> None:
    page = focal.get(f"/cases/?{FILTERED}").text
    turned = html.unescape(page.partition("<thead")[2].partition('href="')[2].partition('"')[0])
    assert "cols=reference&cols=status&cols=updated" in turned
    assert "status=Active" in turned


def test_a_view_keeps_everything_but_what_was_searched_for(panel: RunningPanel) -> None:
    with panel.app.test_request_context():
        query = CASES.read(MultiDict([*re.findall(r"(\w+)=([^&]+)", FILTERED), ("q", "ITM-JGK-2026"), ("page", "2")]))
    assert CASES.canonical(query) == FILTERED


def test_a_saved_view_stands_above_its_list_and_shows_what_was_kept(focal: Browser) -> None:
    keep(focal, "Açık <dosyalar>")
    page = focal.get(f"/cases/?{FILTERED}").text
    assert tabs(page)[1:] == ["Açık <dosyalar>"]
    assert page.partition('<nav class="views"')[2].partition("</nav>")[0].count('aria-current="true"') == 1
    assert tabs(focal.get("/persons/").text) == []


def test_nobody_else_sees_changes_or_removes_a_view(panel: RunningPanel, own: Records, focal: Browser) -> None:
    keep(focal, "Benim")
    view = view_of(panel, "Benim")
    for other in (panel.browser(panel.make.focal_point(own.tenant)), panel.browser(panel.make.manager(own.tenant))):
        assert tabs(other.get("/cases/?sort=opened").text) == []
        assert other.post(f"/preferences/views/{view}", label="Onun").status_code == 404
        assert other.post(f"/preferences/views/{view}/remove").status_code == 404
    assert panel.value("select label from saved_view where id = :id", id=view) == "Benim"


def test_a_view_is_renamed_and_removed(panel: RunningPanel, focal: Browser) -> None:
    keep(focal, "Eski ad")
    view = view_of(panel, "Eski ad")
    back = focal.post(f"/preferences/views/{view}", label="Yeni ad", next="/cases/?sort=opened")
    assert back.headers["Location"] == "/cases/?sort=opened"
    assert tabs(focal.get("/cases/?sort=opened").text)[1:] == ["Yeni ad"]
    focal.post(f"/preferences/views/{view}/remove")
    assert tabs(focal.get("/cases/?sort=opened").text) == []


def test_the_list_opens_in_the_view_that_was_chosen_for_it_and_can_still_be_shown_whole(focal: Browser) -> None:
    keep(focal, "Önce", opens="yes")
    keep(focal, "Sonra", "sort=reference", opens="yes")
    opened = focal.get("/cases/")
    assert (opened.status_code, opened.headers["Location"]) == (302, "/cases/?sort=reference")
    whole = focal.get(f"/cases/?{FILTERED}").text.partition('class="chips"')[2]
    everything = html.unescape(re.findall(r'href="([^"]+)"', whole.partition("</ul>")[0])[-1])
    assert focal.get(everything).status_code == 200


def test_a_view_that_the_list_no_longer_knows_does_not_bar_the_way(panel: RunningPanel, focal: Browser) -> None:
    keep(focal, "Kaldırılan", opens="yes")
    with panel.make.superuser() as connection:
        connection.exec_driver_sql("update saved_view set query = 'gone=1' where label = 'Kaldırılan'")
    assert focal.get("/cases/").status_code == 200


@pytest.mark.parametrize(
    ("label", "query"),
    [
        ("", FILTERED),
        ("a" * 61, FILTERED),
        ("Ali 10000000146", FILTERED),
        ("Ad", "nonsense=1"),
        ("Ad", "sort=x"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_said(panel: RunningPanel, focal: Browser, label: str, query: str) -> None:
    before = panel.value("select count(*) from saved_view")
    keep(focal, label, query)
    assert panel.value("select count(*) from saved_view") == before
    assert "tone-warn" in focal.get("/cases/?sort=opened").text.partition("<main")[2]


def test_so_many_views_of_a_list_and_no_more(panel: RunningPanel, focal: Browser) -> None:
    for number in range(MOST + 1):
        keep(focal, f"Sıra {number}")
    assert panel.value("select count(*) from saved_view where label like 'Sıra %'") == MOST


def test_a_view_of_a_list_that_is_not_for_this_role_is_refused(panel: RunningPanel) -> None:
    administrator = panel.browser(panel.make.administrator())
    assert administrator.post("/preferences/views", list="cases", label="Ad", query="sort=opened").status_code == 400


def test_the_height_of_rows_is_remembered_and_only_two_are_known(focal: Browser) -> None:
    assert "rows-compact" not in focal.get("/cases/").text
    answer = focal.post("/preferences/rows", rows="compact", next="/cases/")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "rows-compact" in focal.get("/cases/").text
    assert focal.post("/preferences/rows", rows="tiny").status_code == 400
    focal.post("/preferences/rows", rows="comfortable")
    assert "rows-compact" not in focal.get("/cases/").text


def test_beyond_the_bound_no_row_is_asked_for(focal: Browser) -> None:
    page = focal.get("/cases/?page=401").text
    assert "10.000" in page
    assert "10.000" not in focal.get("/cases/?page=2").text


def test_a_kept_query_is_read_as_strictly_as_an_address(panel: RunningPanel) -> None:
    app: Flask = panel.app
    with app.test_request_context():
        for text in ("sort", "sort=opened&sort=opened", "status=bogus", "cols=bogus", "page_X=1"):
            with pytest.raises(Invalid):
                CASES.parse(text)


NOT_TO_BE_KEPT = ("Şule Kaya", "10000000146", "5321234567", "U12345678", "100 000 001 46")


@pytest.mark.parametrize("typed", NOT_TO_BE_KEPT)
def test_no_list_reads_a_name_or_a_number_from_its_address(panel: RunningPanel, typed: str) -> None:
    people = [panel.make.manager(), panel.make.operator(), panel.make.supervisor(), panel.make.auditor()]
    lists = ("/cases/", "/persons/", "/cases/deleted", "/persons/deleted", "/oversight/cases/")
    asked = 0
    for browser in map(panel.browser, people):
        for path in lists:
            if browser.get(path).status_code != 200:
                continue
            answer = browser.client.get(path, query_string={"q": typed, "size": "50"})
            assert (answer.status_code, answer.headers.get("Location")) == (303, f"{path}?size=50"), path
            assert not panel.events(answer)
            assert typed not in answer.text
            asked += 1
    assert asked > 6
    refused = panel.browser(people[0]).client.get("/api/v1/cases/", query_string={"q": typed})
    assert (refused.status_code, typed in refused.text) == (400, False)
