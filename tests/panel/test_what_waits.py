"""A person who may confirm another's access sees that somebody waits, and the subject of the decision."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from tests.factories import Somebody
from tests.panel.panel_app import RunningPanel

NEW = "mor masa yedi yıldız"


@dataclass
class Waiting:
    """A new caseworker of JGK, who has used the link that their manager saw."""

    panel: RunningPanel
    manager: Somebody
    colleague: Somebody
    change: str


@pytest.fixture(scope="module")
def waiting(panel: RunningPanel) -> Waiting:
    make = panel.make
    manager, colleague = make.manager(), make.focal_point()
    boss = panel.browser(manager)
    answer = boss.post(
        "/accounts/new", first_name="Yeni", last_name="Gelen", email="yeni@jgk.invalid", language="tr",
        role="caseworker", reason="NEW_COLLEAGUE",
    )  # fmt: skip
    link = re.search(r'value="http://localhost(/invitation/[^"]+)"', answer.text)
    assert link
    assert panel.browser(colleague).get("/").text.count("onayınızı bekliyor") == 0  # the link is not used yet
    invited = panel.browser()
    invited.get(link[1])
    token = re.search(r'name="csrf_token" value="([^"]+)"', invited.get("/invitation/").text)
    assert token
    invited.token = token[1]
    assert invited.post("/invitation/", password=NEW, again=NEW).status_code == 303
    change = panel.value("select id from access_change where state = 'waiting'")
    return Waiting(panel, manager, colleague, change)


def test_a_colleague_who_may_confirm_sees_at_home_that_somebody_waits_and_its_maker_does_not(waiting: Waiting) -> None:
    home = waiting.panel.browser(waiting.colleague).get("/").text
    assert '<a href="/confirmations/">1 kişi onayınızı bekliyor</a>' in home
    assert "onayınızı bekliyor" not in waiting.panel.browser(waiting.manager).get("/").text
    supervisor = waiting.panel.browser(waiting.panel.make.supervisor())
    assert "1 kişi onayınızı bekliyor" in supervisor.get("/").text


def test_the_confirmer_reads_the_role_and_the_institutions_name(waiting: Waiting) -> None:
    page = waiting.panel.browser(waiting.colleague).get("/confirmations/").text
    assert re.search(r"<dt>Roller</dt><dd[^>]*>.*?Dosya sorumlusu", page, re.DOTALL)
    assert re.search(r"<dt>Kurum</dt><dd>JGK \(tr\)</dd>", page)
    assert re.search(r"<dt>İstek zamanı</dt><dd>\d\d\.\d\d\.\d{4}", page), "not the beginning of anything"
    assert re.search(r'data-confirm-yes="Onayla" data-confirm-tone="primary"', page), "red is for what destroys"


def test_the_roles_of_a_change_are_told_to_those_alone_who_may_decide_it(waiting: Waiting) -> None:
    make = waiting.panel.make
    asked = text("select itm.roles_at_stake(:id)")
    told = {}
    for name, who, scope in (
        ("colleague", waiting.colleague, None), ("stranger", make.focal_point(make.other_institution()), None),
        ("auditor", make.auditor(), None), ("operator", make.operator(), None),
        ("supervisor", make.supervisor(), "oversight"), ("administrator", make.administrator(), None),
    ):  # fmt: skip
        with make.working(who, scope) as session:
            told[name] = session.scalar(asked, {"id": waiting.change})
    role = ["caseworker"]
    assert told == {"colleague": role, "supervisor": role, "administrator": role,
                    "stranger": [], "auditor": [], "operator": []}  # fmt: skip


def test_a_proposed_role_is_called_so_in_turkish_in_both_lists_of_accounts(panel: RunningPanel) -> None:
    make = panel.make
    root = panel.browser(make.administrator())
    home = make.institution("TIHEK", "rapporteur")
    answer = root.post(
        "/accounts/new", institution_id=str(home.id), first_name="Deniz", last_name="Bakar",
        email="deniz@tihek.invalid", language="tr", role="auditor_national",
        reason="NEW_TASK",
    )  # fmt: skip
    assert answer.status_code == 200
    for browser, address in ((root, "/accounts/"), (panel.browser(make.auditor()), "/audit/accounts/")):
        assert "Ulusal denetçi (önerildi)" in browser.get(address).text, address
    approvals = panel.browser(make.supervisor()).get("/approvals/").text
    assert "<dt>Kurum</dt><dd>TIHEK (tr)</dd>" in approvals


def test_a_role_that_waits_for_another_person_is_told_at_home_to_those_who_may_approve_it(panel: RunningPanel) -> None:
    make = panel.make
    root, officer = make.administrator(), make.somebody("caseworker", make.institution("ASHB", "ministry"))
    manager = make.manager(officer.tenant)
    foreign = make.manager(make.institution("SGK", "agency"))
    proposed = panel.browser(root).post(f"/roles/of/{officer.id}/new", role="institution_manager", reason="NEW_TASK")
    assert proposed.status_code == 303
    said = "rol önerisi onayınızı bekliyor"
    for somebody, page in ((manager, "/roles/"), (make.administrator(), "/roles/"), (make.supervisor(), "/approvals/")):
        home = panel.browser(somebody).get("/").text
        found = re.search(rf'<a href="{page}">(\d+) {said}</a>', home)
        assert found, somebody.username
        listed = panel.browser(somebody).get(page).text
        assert listed.count("/approve") == int(found[1]), somebody.username
    for somebody in (foreign, root, officer):
        assert said not in panel.browser(somebody).get("/").text, somebody.username
    manager_page = panel.browser(manager)
    approve = re.search(r'action="(/roles/[0-9a-f-]+/approve)"', manager_page.get("/roles/").text)
    assert approve
    assert manager_page.post(approve[1]).status_code == 303
    assert said not in manager_page.get("/").text
