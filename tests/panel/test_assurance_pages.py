"""The auditors' pages and the access histories: who sees what, and that each look is an event itself."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import Database
from tests.factories import Somebody
from tests.panel.assurance_panel import Browser, PanelWorld
from tests.stating import say


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> PanelWorld:
    home: Path = tmp_path_factory.mktemp("home")
    return PanelWorld(shared_database, home)


class Story:
    """A JGK focal point's case with a person, seen by nobody else; an auditor of the nation and two of institutions."""

    def __init__(self, panel: PanelWorld) -> None:
        make = panel.make
        self.panel = panel
        self.focal = make.focal_point()
        self.case = make.case(self.focal, narrative="Anlatım")
        self.link = make.person(self.focal, self.case)
        self.stranger = make.focal_point(make.other_institution())
        self.national = make.auditor()
        self.own = make.auditor(make.institution())
        self.other = make.auditor(make.other_institution())
        self.supervisor = make.supervisor()
        self.operator = make.operator()
        panel.verify()
        self.browsers: dict[uuid.UUID, Browser] = {}

    def as_(self, somebody: Somebody) -> Browser:
        if somebody.id not in self.browsers:
            self.browsers[somebody.id] = self.panel.browser(somebody)
        return self.browsers[somebody.id]


@pytest.fixture(scope="module")
def story(panel: PanelWorld) -> Story:
    return Story(panel)


def test_a_national_auditor_sees_every_ledger_with_its_verdict_and_assurance(story: Story) -> None:
    page = story.as_(story.national).words("/ledgers/")
    assert all(code in page for code in ("GIB", "JGK", "EGM", "TIHEK"))
    assert "Intact · unsigned" in page


def test_an_institutions_auditor_sees_its_own_ledger_only(story: Story) -> None:
    browser = story.as_(story.own)
    page = browser.words("/ledgers/")
    assert "JGK" in page
    assert "EGM" not in page
    assert browser.get(f"/ledgers/{story.panel.ledger('EGM')}").status_code == 404
    assert browser.get(f"/ledgers/{story.panel.ledger('EGM')}/0").status_code == 404


def test_the_refusal_of_a_foreign_ledger_is_an_event_like_that_of_one_that_does_not_exist(story: Story) -> None:
    browser = story.as_(story.other)
    foreign, nowhere = story.panel.ledger("JGK"), uuid.uuid4()
    assert browser.get(f"/ledgers/{foreign}").status_code == browser.get(f"/ledgers/{nowhere}").status_code == 404
    denied = [
        (look.action, look.kind, look.target) for look in story.panel.looks(story.other) if look.outcome == "denied"
    ]
    assert denied == [("record.read", "ledger", str(foreign)), ("record.read", "ledger", str(nowhere))]


def test_a_change_that_was_refused_is_told_as_what_was_tried(story: Story) -> None:
    browser, case = story.as_(story.other), uuid.uuid4()
    browser.get("/cases/")
    tried = {"edit": "record.update", "close": "record.close", "delete": "record.delete", "restore": "record.restore"}
    for act in tried:
        assert browser.post(f"/cases/{case}/{act}", row_version="1").status_code in (403, 404), act
    denied = [(look.action, look.outcome) for look in story.panel.looks(story.other) if look.target == str(case)]
    assert denied == [(action, "denied") for action in tried.values()]
    page = story.as_(story.national).words(f"/ledgers/{story.panel.ledger('EGM')}?outcome=denied&action=record.close")
    assert "Close" in page


def test_a_change_that_succeeded_is_told_by_its_trigger_alone(story: Story) -> None:
    statement = text("select audit.append('record.update', :outcome, 'case', '1', to_presidency => true)")
    engine = story.panel.database.engine("app")
    with engine.begin() as connection:
        say(connection)
        connection.execute(statement, {"outcome": "denied"})
    for outcome in ("success", "Denied", None):
        with engine.connect() as connection:
            say(connection)
            with pytest.raises(DBAPIError, match="may not append|unknown outcome"):
                connection.execute(statement, {"outcome": outcome})


def test_entries_are_filtered_by_time_actor_action_kind_target_and_outcome(story: Story) -> None:
    browser = story.as_(story.national)
    base = f"/ledgers/{story.panel.ledger('JGK')}"
    for query, there, absent in (
        (f"actor={story.focal.username}&action=record.create", "Create", "Nothing matches"),
        (f"actor={story.focal.id}", story.focal.actor.full_name, "Nothing matches"),
        (f"target={story.case.id}", "Create", "Nothing matches"),
        ("kind=person&action=record.create", "Person", "Nothing matches"),
        ("from=2020-01-01&to=2020-01-02", "Nothing matches", story.focal.actor.full_name + " ("),
        ("outcome=failure", "Nothing matches", story.focal.actor.full_name + " ("),
    ):
        page = browser.words(f"{base}?{query}")
        assert there in page, query
        assert absent not in page, query


@pytest.mark.parametrize(
    "query",
    ["from=yesterday", "to=2026-13-01", "action=erase", "outcome=maybe", "actor=a%20b", "target=%00", "size=1000",
     "size=x", "after=1", "after=2026-01-01T00:00:00.000000Z~x~1", "unknown=1", "from=0001-01-01", "kind=a&kind=b",
     "actor=%F0%9F%90%88", "after=2026-01-01T00:00:00.000000Z~------------------------------------~1"],
)  # fmt: skip
def test_a_filter_that_is_not_understood_is_refused_and_never_ignored(story: Story, query: str) -> None:
    assert story.as_(story.national).get(f"/ledgers/entries?{query}").status_code == 400


def test_pages_of_entries_follow_each_other_without_gap_or_repetition(story: Story) -> None:
    browser = story.as_(story.national)
    for _ in range(30):
        browser.get("/ledgers/")
    seen: list[str] = []
    url: str | None = "/ledgers/entries?size=25&actor=" + str(story.national.id)
    while url:
        text = browser.get(url).get_data(as_text=True)
        seen += re.findall(r'href="(/ledgers/[0-9a-f-]{36}/\d+)"', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        url = following[1].replace("&amp;", "&") if following else None
    assert len(seen) == len(set(seen)) > 30


def test_one_entrys_page_lays_out_content_and_leaf_and_computes_both_again(story: Story) -> None:
    seq = story.panel.scalar(
        "select seq from audit.entry where target_id = :id and action = 'record.create'", id=str(story.case.id)
    )
    page = story.as_(story.national).words(f"/ledgers/{story.panel.ledger('JGK')}/{seq}")
    assert "itm-ledger-entry/v1" in page
    assert "Computed again just now, commitment and hash are those that are stored" in page
    assert "Reference" in page
    assert story.case.reference in page
    assert "A hidden value was changed." in page


def test_an_entry_that_is_not_there_is_not_found(story: Story) -> None:
    ledger = story.panel.ledger("JGK")
    browser = story.as_(story.national)
    assert browser.get(f"/ledgers/{ledger}/999999").status_code == 404
    assert browser.get(f"/ledgers/{ledger}/{2**70}").status_code == 404


def test_a_focal_point_sees_who_touched_the_record_and_what_changed(story: Story) -> None:
    page = story.as_(story.focal).words(f"/history/case/{story.case.id}")
    assert f"{story.focal.actor.full_name} (JGK, Focal point)" in page
    assert "Create" in page
    assert "Province" in page
    assert "Ankara" in page
    assert "A hidden value was changed." not in page or "Key of the record" in page


def test_opening_a_history_is_an_event_that_the_history_then_shows(story: Story) -> None:
    browser = story.as_(story.focal)
    browser.get(f"/history/person/{story.link.person_id}")
    looks = [look for look in story.panel.looks(story.focal) if look.kind == "person"]
    assert (looks[-1].action, looks[-1].target) == ("record.read", str(story.link.person_id))
    assert looks[-1].detail["page"] == "history"
    assert "View" in browser.words(f"/history/person/{story.link.person_id}")


@pytest.mark.parametrize("kind", ["case", "person", "case_person"])
def test_the_history_of_another_institutions_record_is_not_found(story: Story, kind: str) -> None:
    id = {"case": story.case.id, "person": story.link.person_id, "case_person": story.link.id}[kind]
    browser = story.as_(story.stranger)
    foreign, nowhere = browser.get(f"/history/{kind}/{id}"), browser.get(f"/history/{kind}/{uuid.uuid4()}")
    assert foreign.status_code == nowhere.status_code == 404
    assert story.focal.actor.full_name not in foreign.get_data(as_text=True)


def test_a_kind_without_a_history_has_no_page(story: Story) -> None:
    assert story.as_(story.focal).get(f"/history/institution_key/{uuid.uuid4()}").status_code == 404


def test_an_auditor_proves_the_access_history_of_any_record_by_its_number(story: Story) -> None:
    story.as_(story.focal).get(f"/cases/{story.case.id}")
    page = story.as_(story.national).words(f"/audit/history/case/{story.case.id}")
    assert story.focal.actor.full_name in page
    assert "View" in page
    page = story.as_(story.national).words(f"/audit/acts/{story.focal.id}")
    assert "Create" in page


def test_an_institutions_auditor_learns_nothing_of_another_institutions_record(story: Story) -> None:
    page = story.as_(story.other).words(f"/audit/history/case/{story.case.id}")
    assert story.focal.actor.full_name not in page


def test_a_focal_point_reads_the_institutions_history_and_a_caseworker_only_the_own_acts(story: Story) -> None:
    worker = story.panel.make.caseworker()
    browser = story.as_(worker)
    assert story.focal.actor.full_name in story.as_(story.focal).words("/institution-history/")
    page = browser.words("/institution-history/")
    assert "Your role shows you what you did yourself." in page
    assert f"{story.focal.actor.full_name} (" not in page
    assert browser.get(f"/institution-history/{story.panel.ledger('EGM')}/0").status_code == 404


def test_everybody_reads_what_they_did_themselves_and_nothing_else(story: Story) -> None:
    for somebody in (story.supervisor, story.focal, story.national, story.panel.make.administrator()):
        browser = story.as_(somebody)
        browser.get("/")
        page = browser.words("/my-history/")
        assert f"{somebody.actor.full_name} (" in page
        others = {
            each.actor.full_name for each in (story.supervisor, story.focal, story.national) if each is not somebody
        }
        assert not any(f"{name} (" in page for name in others)


def test_a_manager_reads_what_was_done_to_an_account_of_the_own_institution(story: Story) -> None:
    manager = story.as_(story.panel.make.manager())
    assert "Account change" in manager.words(f"/history/account/{story.focal.id}")
    assert "Create" in manager.words(f"/history/account/{story.focal.id}/acts")
    assert manager.get(f"/history/account/{story.stranger.id}").status_code == 404
    assert manager.get(f"/history/account/{story.stranger.id}/acts").status_code == 404


def test_the_auditors_first_page_shows_verdicts_and_the_latest_refusals(story: Story) -> None:
    story.as_(story.stranger).get(f"/cases/{story.case.id}")
    page = story.as_(story.national).words("/")
    assert "Intact" in page
    assert "Latest refusals" in page
    assert story.stranger.actor.full_name in page


@pytest.mark.parametrize(
    "path", ["/ledgers/", "/ledgers/entries", "/verification/", "/alerts/", "/audit/acts/" + str(uuid.UUID(int=1))]
)
def test_the_auditors_pages_are_closed_to_those_who_work_on_cases(story: Story, path: str) -> None:
    assert story.as_(story.focal).get(path).status_code == 403


def test_no_page_of_the_auditors_shows_a_personal_value(story: Story) -> None:
    secret = "Zeynepgül"
    link = story.panel.make.person(story.focal, story.case, given_name=secret)
    browser = story.as_(story.national)
    for path in (
        "/ledgers/entries",
        f"/audit/history/person/{link.person_id}",
        "/",
        f"/audit/history/case/{story.case.id}",
    ):
        assert secret not in browser.words(path)


def test_a_changed_entry_is_shown_as_changed(story: Story, panel: PanelWorld) -> None:
    """The last test of the module: it damages a ledger."""
    with panel.make.superuser() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql("alter table audit.event disable trigger append_only")
        connection.exec_driver_sql(
            "update audit.event set content = replace(content, 'success', 'failure') where id = (select event_id from"
            " audit.leaf f join audit.ledger l on l.id = f.ledger_id where l.code = 'JGK' and seq = 3)"
        )
        connection.exec_driver_sql("alter table audit.event enable always trigger append_only")
    page = story.as_(story.national).words(f"/ledgers/{panel.ledger('JGK')}/3")
    assert "this entry was changed" in page
    panel.verify("incremental")
    browser = story.as_(story.national)
    assert "Tampered with · unsigned" in browser.words("/ledgers/")
    page = browser.words("/verification/")
    assert "First broken entry: 3" in page
    assert "The content is not what was sealed" in page


WITNESSED_HERE = "It adds a second process, not a second party"


@pytest.mark.parametrize("path", ["/", "/ledgers/", "/ledgers/{id}", "/verification/"])
def test_a_witness_on_the_ledgers_own_machine_is_not_passed_off_as_a_second_party(
    story: Story, panel: PanelWorld, path: str
) -> None:
    auditor = story.as_(story.national)
    panel.run("alter table audit.verification disable trigger all")
    panel.run("update audit.verification set assurance = 'witnessed'")
    panel.run("alter table audit.verification enable always trigger append_only")
    address = path.format(id=panel.ledger("JGK"))
    panel.app.config["ITM_WITNESSED_HERE"] = True
    try:
        said = auditor.words(address)
    finally:
        panel.app.config["ITM_WITNESSED_HERE"] = False
    assert WITNESSED_HERE in said
    assert path == "/" or "Intact · witnessed, on this machine" in said
    assert WITNESSED_HERE not in auditor.words(address)
