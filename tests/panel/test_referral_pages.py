"""Pages of referrals, and what others are told of them."""

from __future__ import annotations

from tests.house.samples import sent_referral
from tests.panel.panel_app import RunningPanel


def test_a_disclosure_without_consent_is_told_in_words_to_manager_and_auditor(panel: RunningPanel) -> None:
    make = panel.make
    sender = make.focal_point()
    case = make.case(sender)
    person = make.person(sender, case).person_id
    sent_referral(panel.browser(sender), person, case.id, make.other_institution().id)
    for who in (make.manager(sender.tenant), make.auditor()):
        page = panel.browser(who).get("/alerts/")
        assert page.status_code == 200, who.username
        assert "yasal bir dayanakla ve rıza olmadan" in page.text, who.username
        assert "LIFE_DANGER" not in page.text, who.username
        assert "Hayat veya beden bütünlüğünün korunması" in page.text, who.username
    assert "rıza olmadan" not in panel.browser(make.manager(make.other_institution())).get("/alerts/").text


def test_a_draft_s_list_and_the_way_from_a_referral_to_its_person(panel: RunningPanel) -> None:
    make = panel.make
    sender = make.focal_point()
    case = make.case(sender)
    link = make.person(sender, case)
    browser = panel.browser(sender)
    side = sent_referral(browser, link.person_id, case.id, make.other_institution().id)
    drafts = browser.get("/referral-drafts/").text
    assert "Barodan avukat görevlendirilmesi" in drafts
    assert "[&#39;" not in drafts
    page = browser.get(f"/referrals/{side}").text
    assert f'href="/persons/{link.person_id}"' in page
    assert f'href="/cases/{case.id}"' in page
    assert "EGM (tr) (EGM)" in page
