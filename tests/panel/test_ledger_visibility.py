"""The ledger shows an entry of a record to those who may see the record now, and auditors no fact about a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from itm_admin.assurance import disclosure
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld

FACTS = ("Hatay", "ForcedBegging", "Forced begging", "Girl", "TR-31")


class Story:
    """A child's SPECIAL case of one unit, a focal point of another, and everybody who reads the ledger."""

    def __init__(self, panel: PanelWorld) -> None:
        make = panel.make
        self.panel, jgk = panel, make.institution()
        hatay, gaziantep = make.unit("Hatay Birimi"), make.unit("Gaziantep Birimi")
        self.worker = make.caseworker(jgk, hatay)
        self.other = make.focal_point(jgk, gaziantep)
        self.case = make.case(
            self.worker, unit_id=str(hatay), province="TR-31", confidentiality="SPECIAL", shared=False,
            exploitation_types=["ForcedBegging"],
        )  # fmt: skip
        self.link = make.person(self.worker, self.case, citizenships=["SY"], gender="Feminine")
        self.own = make.case(self.other, unit_id=str(gaziantep))
        self.manager, self.auditor, self.inside = make.manager(), make.auditor(), make.auditor(jgk)
        self.ledger = panel.ledger("JGK")

    def seq(self, kind: str, id: object, action: str = "record.create") -> int:
        return int(
            self.panel.scalar(
                "select seq from audit.entry where code = 'JGK' and target_kind = :kind and target_id = :id"
                " and action = :action order by seq limit 1", kind=kind, id=str(id), action=action,
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def story(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home: Path = tmp_path_factory.mktemp("home")
    return Story(PanelWorld(shared_database, home))


def test_an_entry_of_a_hidden_record_has_no_page_and_stands_in_no_list(story: Story) -> None:
    browser = story.panel.browser(story.other)
    listed = browser.get("/institution-history/?size=100").text
    for kind, id in (("case", story.case.id), ("person", story.link.person_id), ("case_person", story.link.id)):
        assert browser.get(f"/institution-history/{story.ledger}/{story.seq(kind, id)}").status_code == 404, kind
        assert str(id) not in listed
    assert story.link.person.pseudonym not in listed
    assert story.case.reference not in listed
    own = story.seq("case", story.own.id)
    assert f"/institution-history/{story.ledger}/{own}" in listed


def test_a_list_of_somebody_else_shows_none_of_the_hidden_records_in_it(story: Story) -> None:
    story.panel.browser(story.manager).get("/cases/")
    seq = int(
        story.panel.scalar(
            "select max(seq) from audit.entry where actor_id = :id and action = 'record.list' and target_kind = 'case'"
            " and :case = any (subjects)", id=str(story.manager.id), case=str(story.case.id),
        )
    )  # fmt: skip
    page = story.panel.browser(story.other).get(f"/institution-history/{story.ledger}/{seq}")
    assert page.status_code == 200, "a record that may be seen stands in it too"
    assert story.own.reference in page.text
    assert str(story.case.id) not in page.text
    assert story.case.reference not in page.text


def test_managers_and_assigned_people_read_what_they_may_see(story: Story) -> None:
    for somebody in (story.manager, story.worker):
        path = f"/institution-history/{story.ledger}/{story.seq('case', story.case.id)}"
        assert "Hatay" in story.panel.browser(somebody).words(path)


def test_who_loses_a_case_loses_its_entries_by_others(story: Story) -> None:
    make, panel = story.panel.make, story.panel
    focal = make.focal_point(make.institution(), make.unit("Hatay Birimi"))
    case = make.case(story.worker, unit_id=str(make.unit("Hatay Birimi")), confidentiality="INTERNAL")
    path = f"/institution-history/{story.ledger}/{story.seq('case', case.id)}"
    browser = panel.browser(focal)
    assert browser.get(path).status_code == 200
    with make.superuser() as connection:
        connection.execute(text("update case_file set confidentiality = 'SPECIAL' where id = :id"), {"id": case.id})
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("who", ["auditor", "inside"])
def test_auditors_see_that_and_by_whom_something_changed_and_no_fact_of_it(story: Story, who: str) -> None:
    browser = story.panel.browser(getattr(story, who))
    for kind, id in (("case", story.case.id), ("person", story.link.person_id), ("case_person", story.link.id)):
        answer = browser.get(f"/ledgers/{story.ledger}/{story.seq(kind, id)}")
        assert answer.status_code == 200
        page = browser.words(f"/ledgers/{story.ledger}/{story.seq(kind, id)}")
        assert "Deneme Kişi" in page
        assert "Changed. The value is about a person and is not shown here." in page
        assert not [fact for fact in FACTS if f" {fact} " in page or f'"{fact}"' in answer.text], kind
        assert story.panel.looks(getattr(story, who))[-1].kind == "entry"
        subjects = story.panel.scalar(
            "select subjects from audit.entry where actor_id = :id order by recorded_at desc, seq desc limit 1",
            id=str(getattr(story, who).id),
        )
        assert str(id) in subjects
    assert story.case.reference in browser.words(f"/ledgers/{story.ledger}/{story.seq('case', story.case.id)}")


def test_facts_of_a_shared_case_are_those_that_auditors_see_on_its_page(story: Story) -> None:
    browser = story.panel.browser(story.auditor)
    page = browser.words(f"/ledgers/{story.ledger}/{story.seq('case', story.own.id)}")
    assert "Ankara" in page
    with story.panel.make.superuser() as connection:
        connection.execute(text("update case_file set shared = false where id = :id"), {"id": story.own.id})
    assert "Ankara" not in browser.words(f"/ledgers/{story.ledger}/{story.seq('case', story.own.id)}")


def test_every_covered_column_is_declared_shown_or_hidden(story: Story) -> None:
    watched = story.panel.run(
        "select distinct on (relation) kind, columns from audit.watched order by relation, shape desc"
    )
    for kind, columns in watched:
        lists = (disclosure.SHOWN, disclosure.OF_SHARED, disclosure.ABOUT_A_PERSON)
        told = [each.get(kind, frozenset()) for each in lists]
        assert set(columns) <= frozenset().union(*told), f"{kind}: say in assurance/disclosure.py who sees each column"
        assert sum(map(len, told)) == len(frozenset().union(*told)), f"{kind}: a column is in two lists"
