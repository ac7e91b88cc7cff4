"""The page "Who looked?": found by a name that is posted, grouped by person with counts and reasons."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from itm_admin.assurance import looks
from tests.conftest import Database
from tests.factories import PASSWORD
from tests.house.walking import sign
from tests.panel.assurance_panel import Browser, PanelWorld


class Story:
    """A person in an unshared case, whom two colleagues revealed, one of them twice and in an emergency."""

    def __init__(self, panel: PanelWorld) -> None:
        make = panel.make
        self.panel = panel
        self.focal, self.worker = make.focal_point(), make.focal_point()
        self.case = make.case(self.focal, shared=False, confidentiality="OPEN")
        self.link = make.person(self.focal, self.case, given_name="Şükran")
        for somebody, purpose in ((self.focal, "CASE_WORK"), (self.worker, "EMERGENCY"), (self.worker, "EMERGENCY")):
            browser = panel.browser(somebody)
            browser.get(f"/persons/{self.link.person_id}/reveal")
            words = "A call of the hotline: she is in danger"
            answer = browser.post(f"/persons/{self.link.person_id}/reveal", purpose=purpose, words=words, reason=words)
            assert answer.status_code in (200, 303), answer.text
        self.manager, self.auditor = panel.browser(make.manager()), panel.browser(make.auditor())
        self.inside = panel.browser(make.auditor(make.institution()))
        self.stranger = panel.browser(make.auditor(make.other_institution()))


@pytest.fixture(scope="module")
def story(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home: Path = tmp_path_factory.mktemp("home")
    return Story(PanelWorld(shared_database, home))


@pytest.mark.parametrize(
    ("who", "page"), [("auditor", "/looks/"), ("inside", "/looks/"), ("manager", "/institution-looks/")]
)
def test_who_looked_at_a_person_is_told_by_person_with_counts_and_reasons(story: Story, who: str, page: str) -> None:
    browser = getattr(story, who)
    browser.get(page)
    found = browser.post(page, what=story.link.person.pseudonym, action="record.reveal")
    assert found.status_code == 303
    assert story.link.person.pseudonym not in found.headers["Location"]
    words = browser.words(found.headers["Location"])
    assert f"Who looked? Person {story.link.person.pseudonym}" in words
    assert re.search(rf"{story.worker.actor.full_name} \(JGK, Focal point\) 2 [^0-9]+: 2 Emergency: 2", words)
    assert re.search(rf"{story.focal.actor.full_name} \(JGK, Focal point\) 1 [^0-9]+: 1 Case work: 1", words)
    assert "Take the evidence away: JGK (JGK)" in words


def test_auditors_find_unshared_cases_by_reference_and_see_no_fact_of_them(story: Story) -> None:
    found = story.auditor.post("/looks/", what=story.case.reference)
    page = story.auditor.words(found.headers["Location"])
    assert f"Who looked? Case {story.case.reference}" in page
    assert "Ankara" not in page


def test_the_looks_find_what_the_search_in_the_header_finds(story: Story) -> None:
    """Small letters, a Turkish İ, spaces: for auditors and for managers."""
    for browser, page in ((story.auditor, "/looks/"), (story.manager, "/institution-looks/")):
        browser.get(page)
        for what in (story.case.reference, story.link.person.pseudonym, story.worker.username):
            for typed in (what.lower(), what.replace("I", "İ"), f" {what} ", what.replace("-", " - "), what.upper()):
                if what == story.worker.username and typed.strip().lower() != what:
                    continue
                assert browser.post(page, what=typed).status_code == 303, (page, typed)


def test_the_single_lines_keep_the_question(story: Story) -> None:
    """The lines behind a count are as many, tell the words of the emergency, and can be narrowed further."""
    pages = ((story.manager, "/institution-looks", "account", story.worker.id),
             (story.auditor, "/looks", "account", story.worker.id),
             (story.auditor, "/looks", "person", story.link.person_id))  # fmt: skip
    for browser, looked, kind, id in pages:
        asked = f"{looked}/{kind}/{id}?action=record.reveal&purpose=EMERGENCY"
        link = re.search(r'href="([^"]+)">Entry by entry', browser.get(asked).text)
        assert link is not None
        page = browser.get(link[1].replace("&amp;", "&")).text
        assert page.count('class="timeline-head"') == 2, link[1]
        assert 'name="purpose"' in page
        assert "remove this filter" in page
        if looked == "/institution-looks":
            assert page.count("A call of the hotline") == 2
    wrong = story.manager.get(f"/history/account/{story.worker.id}/acts?from=31.02.2026")
    assert (wrong.status_code, "timeline-head" in wrong.text) == (400, False)


def test_a_right_password_before_the_second_step_is_no_refusal(story: Story) -> None:
    browser = Browser(story.panel.app.test_client())
    browser.get("/sign-in")
    assert browser.post("/sign-in", username=story.worker.username, password=PASSWORD).status_code == 303
    assert story.panel.scalar("select count(*) from audit.event where content like '%factor_missing%'") == 1
    assert not re.search(r"[0-9] refused", story.auditor.words("/looks/everything?action=auth.login"))
    refusals = story.auditor.get("/ledgers/entries?outcome=denied&action=auth.login").text
    half_way = story.auditor.get("/ledgers/entries?outcome=half_way&action=auth.login").text
    assert "First step of two</span>" not in refusals
    assert "First step of two</span>" in half_way
    home = story.auditor.get("/").text
    assert "factor was asked for" not in home[home.index("Latest refusals") : home.index("Latest reveals")]


def test_what_a_user_did_is_reached_from_the_user(story: Story) -> None:
    link = f"/looks/account/{story.worker.id}"
    assert link in story.auditor.get(f"/audit/accounts/{story.worker.id}").text
    page = story.auditor.words(link)
    assert f"What did this user do? Account {story.worker.actor.full_name}" in page
    assert "Emergency: 2" in page


def test_emergency_reveals_of_last_month_by_person_are_three_clicks_away(story: Story) -> None:
    assert 'href="/looks/"' in story.auditor.get("/").text
    links = re.findall(r'href="(/looks/everything\?[^"]+)"', story.auditor.get("/looks/").text)
    first = links[0].replace("&amp;", "&")
    assert "purpose=EMERGENCY" in first
    assert f"from={looks.last_month()['from']}" in first
    assert story.auditor.get(first).status_code == 200
    assert story.worker.actor.full_name in story.auditor.words(
        "/looks/everything?purpose=EMERGENCY&action=record.reveal"
    )


def test_a_name_that_nobody_has_and_one_of_another_institution_look_alike(story: Story) -> None:
    for what in (story.link.person.pseudonym, story.case.reference, story.worker.username, "nothing"):
        answer = story.stranger.post("/looks/", what=what)
        assert answer.status_code == 422
        assert "Nothing here has this reference, pseudonym or user name." in answer.text
        assert story.stranger.words("/looks/everything").count(story.worker.actor.full_name) == 0


def test_the_evidence_of_an_answer_is_one_press_away(story: Story, shared_database: Database) -> None:
    sign(shared_database)
    address = f"/looks/person/{story.link.person_id}"
    page = story.auditor.get(address).text
    action = re.search(r'action="(/ledgers/evidence/[^"]+)"', page)
    assert action is not None
    fields = dict(
        re.findall(r'<input type="hidden" name="(kind|target|purpose|since|until|actor)" value="([^"]*)"', page)
    )
    assert fields["target"] == str(story.link.person_id)
    answer = story.auditor.post(action[1], **fields)
    assert answer.status_code == 200, answer.text


def test_a_person_is_one_line_whatever_role_they_had_at_the_time(story: Story) -> None:
    """Before the first role an account's own acts stand in the ledger without one."""
    lookers: dict[str, looks.Looker] = {}
    act = {"actor_id": str(story.focal.id), "actor_name": "worker", "actor_institution": "JGK", "login": None,
           "action": "record.read", "purpose": None, "refused": False, "times": 2,
           "first": story.case.created_at, "last": story.case.created_at}  # fmt: skip
    with story.panel.app.test_request_context():
        for role in ("caseworker", None):
            looks._add(lookers, SimpleNamespace(**act, actor_role=role))  # type: ignore[arg-type]
    assert [each.total for each in lookers.values()] == [4]


def test_institutions_are_chosen_by_their_names(story: Story) -> None:
    page = story.auditor.get("/looks/").text
    chosen = re.findall(r'<option value="([A-Z_]+)">([^<]+)</option>', page[page.index('name="ledger"') :])
    assert chosen
    assert [code for code, words in chosen if not re.fullmatch(rf".+ \({code}\)", words)] == []


def test_a_record_is_told_under_its_own_kind_alone(story: Story) -> None:
    case, person = story.case.id, story.link.person_id
    for browser, page in (
        (story.auditor, "/looks"),
        (story.manager, "/institution-looks"),
        (story.auditor, "/audit/history"),
    ):
        assert [browser.get(f"{page}/case/{each}").status_code for each in (case, person)] == [200, 404], page
        assert [browser.get(f"{page}/person/{each}").status_code for each in (case, person)] == [404, 200], page
