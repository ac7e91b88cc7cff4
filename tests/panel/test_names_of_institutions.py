"""Institutions are called by their names on the pages of auditors and of the Presidency, and not by their codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from itm_admin.assurance import decisions
from itm_admin.foundation.roles import OVERSIGHT
from tests.conftest import Database
from tests.panel.assurance_panel import Browser, PanelWorld

NAME = "Gendarmerie General Command"


class Story:
    """A case of JGK, a decision about its ledger, an alert about it, and a verification that found all intact."""

    def __init__(self, panel: PanelWorld) -> None:
        make, self.panel = panel.make, panel
        jgk = make.institution()
        panel.run(f"update institution set name_en = '{NAME}' where code = 'JGK'")
        self.case = make.case(make.focal_point())
        self.auditor, self.supervisor = panel.browser(make.auditor()), panel.browser(supervisor := make.supervisor())
        with make.working(supervisor, OVERSIGHT) as session:
            self.decision = decisions.propose(session, {"institution": jgk.id, "reason": "TAMPERED"}).id
        self.ledger = panel.ledger("JGK")
        panel.verify()
        self.auditor.get("/verification/")
        self.asked = self.auditor.post("/verification/", level="full").headers["Location"]
        panel.run("insert into alert (kind, severity, subject) values ('ledger.unverified', 'warning', 'JGK')")


@pytest.fixture(scope="module")
def story(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home: Path = tmp_path_factory.mktemp("home")
    return Story(PanelWorld(shared_database, home))


def _sentences(browser: Browser, path: str) -> str:
    """The page's words without the codes that stand behind a name."""
    return re.sub(rf"{NAME} \(?JGK\)?", NAME, browser.words(path))


def test_no_page_of_an_auditor_calls_an_institution_by_its_code(story: Story) -> None:
    for path in (
        "/", "/ledgers/", "/ledgers/entries", f"/ledgers/{story.ledger}", f"/ledgers/{story.ledger}/1",
        "/verification/", "/alerts/", "/oversight/cases/", f"/oversight/cases/{story.case.id}",
        "/oversight/institutions/", "/ledger-decisions/", f"/ledger-decisions/{story.decision}",
        "/ledgers/receipts/",
        f"/ledgers/evidence/{story.ledger}", "/looks/", story.asked,
    ):  # fmt: skip
        words = _sentences(story.auditor, path)
        assert NAME in words or path == story.asked, path
        said = re.sub(r"\([^()]*JGK, [^()]*\)|JGK-\d{4}-\d+|\S*[/-]JGK[/-]\S*", "", words)  # people, references, files
        assert not re.search(r"\bJGK\b", said), (path, re.findall(r".{60}\bJGK\b.{30}", said))


def test_the_presidency_reads_names_in_its_alerts_and_overviews(story: Story) -> None:
    for path in ("/", "/alerts/", "/oversight/cases/", f"/oversight/cases/{story.case.id}"):
        words = _sentences(story.supervisor, path)
        assert f"The ledger of {NAME} could not be verified." in words, path
        assert not re.search(r"\bJGK\b(?!-\d)", words), (path, re.findall(r".{60}\bJGK\b.{30}", words))
    assert f"Institution {NAME}" in _sentences(story.supervisor, f"/oversight/cases/{story.case.id}")


def test_an_alert_that_ended_by_itself_is_not_told_as_taken_on(story: Story) -> None:
    story.panel.run("update alert set acknowledged_at = now(), detail = '{\"resolved\": true}' where subject = 'JGK'")
    words = story.supervisor.words("/alerts/")
    assert "Alerts that ended by themselves" in words
    assert "Acknowledged" not in words
    assert "Raised on" in words


def test_a_ledger_says_that_its_numbers_begin_at_0(story: Story) -> None:
    words = story.auditor.words(f"/ledgers/{story.ledger}")
    number, last = map(int, re.findall(r"(\d+), numbered from 0 to (\d+)", words)[0])
    assert number == last + 1
