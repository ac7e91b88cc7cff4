"""A change says its own reason; that no reason was asked for is said of looks alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from itm_admin.assurance import labels
from itm_admin.foundation import vocabulary
from tests.conftest import Database
from tests.panel.assurance_panel import Browser, PanelWorld, words_of

NOT_ASKED = "no reason was asked for"


class Story:
    """A case that its manager looked at, closed by its focal point, and a person in it."""

    def __init__(self, panel: PanelWorld) -> None:
        make = panel.make
        self.panel, self.focal = panel, make.focal_point()
        self.case = make.case(self.focal, confidentiality="OPEN")
        browser = panel.browser(self.focal)
        browser.get(f"/cases/{self.case.id}")
        browser.get(f"/cases/{self.case.id}/close")
        closed = browser.post(f"/cases/{self.case.id}/close", reason="SUPPORT_COMPLETED", version="1")
        assert closed.status_code == 303, words_of(closed)
        self.manager = panel.browser(make.manager())
        self.manager.get(f"/cases/{self.case.id}")
        self.auditor = panel.browser(make.auditor())


@pytest.fixture(scope="module")
def story(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home: Path = tmp_path_factory.mktemp("home")
    return Story(PanelWorld(shared_database, home))


def _entries(story: Story) -> list[tuple[str, str]]:
    """Action and address of every entry about the case."""
    rows = story.panel.run(
        "select action, ledger_id, seq from audit.entry where target_id = :id order by seq", id=str(story.case.id)
    )
    return [(row.action, f"/ledgers/{row.ledger_id}/{row.seq}") for row in rows]


def _facts(browser: Browser, address: str) -> str:
    return browser.words(address).partition("Written by")[0]


def test_an_entry_of_a_change_shows_its_own_reason_and_a_look_without_one_says_so(story: Story) -> None:
    entries = _entries(story)
    assert {"record.create", "record.close", "record.read"} <= {action for action, _address in entries}
    for action, address in entries:
        words = _facts(story.auditor, address)
        assert (NOT_ASKED in words) == (action in labels.LOOKED), (action, words)
        if action == "record.close":
            assert "Reason for closing" in words, words


def test_who_looked_counts_no_missing_reason_of_changes(story: Story) -> None:
    page = story.manager.words(f"/institution-looks/case/{story.case.id}")
    counted = sum(map(int, re.findall(rf"{NOT_ASKED}: (\d+)", page)))
    looks = sum(action in labels.LOOKED for action, _address in _entries(story))
    assert 0 < counted <= looks + 1, (counted, looks)  # the page itself is a look, too


def test_every_act_of_the_vocabulary_that_looks_is_known_as_one() -> None:
    looking = re.compile(r"(record|attachment)\.(read|list|search|reveal|export|print|download)")
    assert set(labels.LOOKED) == {code for code in vocabulary.codes("audit_event") if looking.fullmatch(code)}
