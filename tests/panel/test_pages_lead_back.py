"""A list whose pages go by key leads back as far as it led on, and the last verdicts are filtered and paged."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from itm_admin.ledger import verification_jobs
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld

_LINK = re.compile(r'<a [^>]*rel="(prev|next)" href="([^"]*)"')
_ENTRY = re.compile(r'href="/[a-z-]+/([0-9a-f-]{36}/\d+)"')


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> PanelWorld:
    panel = PanelWorld(shared_database, Path(tmp_path_factory.mktemp("home")))
    for tenant in (panel.make.institution(), panel.make.other_institution()):
        panel.make.case(panel.make.focal_point(tenant))
    return panel


def links(page: str) -> dict[str, str]:
    return {rel: unescape(address) for rel, address in _LINK.findall(page)}


def test_pages_of_entries_lead_back_to_the_same_rows(panel: PanelWorld) -> None:
    author = panel.make.focal_point()
    case = panel.make.case(author)
    for _look in range(4):
        panel.browser(author).get(f"/cases/{case.id}")
    for who, path in (
        (panel.make.auditor(), f"/ledgers/entries?size=2&actor={author.id}"),
        (panel.make.manager(), f"/institution-history/?size=2&actor={author.id}"),
        (panel.make.auditor(), f"/audit/acts/{author.id}?size=2"),
    ):
        browser, address = panel.browser(who), path
        seen = []
        for _page in range(3):
            page = browser.get(address).text
            seen.append(_ENTRY.findall(page))
            address = links(page)["next"]
        assert len({tuple(each) for each in seen}) == 3
        assert all(seen)
        page = browser.get(address).text
        for expected in reversed(seen):
            page = browser.get(links(page)["prev"]).text
            assert _ENTRY.findall(page) == expected
        assert "prev" not in links(page)


def test_a_way_back_that_cannot_be_read_is_refused(panel: PanelWorld) -> None:
    browser = panel.browser(panel.make.auditor())
    assert browser.get("/ledgers/entries?back=elsewhere").status_code == 400
    assert browser.get(f"/ledgers/entries?back={'_'.join(['first'] * 21)}").status_code == 400


def test_the_last_verdicts_are_filtered_and_paged(panel: PanelWorld) -> None:
    browser = panel.browser(panel.make.auditor())
    browser.get("/verification/")
    browser.post("/verification/", level="full", ledger="")
    verification_jobs.work_off_requests(panel.signer, lambda: False)
    whole = browser.words("/verification/")
    assert whole.count("Intact") >= 2
    of_one = browser.get("/verification/?ledger=JGK").text
    assert len(re.findall(r'<tr role="row">\s*<td', of_one)) == 1
    assert "Nothing matches this search" in browser.words("/verification/?verdict=tampered")
    assert browser.get("/verification/?verdict=well").status_code == 400
    assert "next" in links(browser.get("/verification/?size=1").text)
