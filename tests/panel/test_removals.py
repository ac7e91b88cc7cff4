"""The list of deleted records and a deleted record's page name the person who took it away, the day and the reason."""

from __future__ import annotations

from itm_admin.cases.persons import PERSONS
from itm_admin.cases.services import CASES
from itm_admin.foundation.formats import day
from itm_admin.record.checks import today as the_day
from tests.factories import Factory, Somebody
from tests.panel.erasing import erased
from tests.panel.panel_app import RunningPanel


def test_a_deleted_record_says_who_deleted_it_when_and_why(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    other, author = make.manager(), make.focal_point()
    case = make.case(author)
    link = make.person(author, make.case(author))
    with make.working(other) as session:
        CASES.delete(session, case.id, {"reason": "DUPLICATE"}, 1)
        CASES.restore(session, case.id)
    with make.working(manager) as session:
        CASES.delete(session, case.id, {"reason": "DUPLICATE"}, CASES.get(session, case.id).row_version)
        person = PERSONS.get(session, link.person_id)
        PERSONS.delete(session, person.id, {"reason": "ENTERED_IN_ERROR"}, person.row_version)
    browser, today = panel.browser(make.manager()), day(the_day())
    for path, reason in ((f"/cases/{case.id}", "Mükerrer kayıt"), (f"/persons/{link.person_id}", "Yanlışlıkla")):
        for page in (browser.get(path).text, browser.get(f"{path.rpartition('/')[0]}/deleted").text):
            assert manager.actor.full_name in page
            assert today in page
            assert reason in page


def test_a_list_of_deleted_records_names_who_erased_a_person(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    author = make.focal_point()
    link = make.person(author, make.case(author))
    eraser = make.manager()
    erased(make, eraser, link)
    page = panel.browser(manager).get("/persons/deleted").text
    row = page[page.index(link.person.pseudonym) :].split("</tr>")[0]
    assert eraser.actor.full_name in row
    assert "İlgili kişinin talebi" in row
    assert f"İmha eden: {eraser.actor.full_name}." in panel.browser(manager).get(f"/persons/{link.person_id}").text


def test_a_person_whose_case_was_deleted_is_not_called_deleted(
    panel: RunningPanel, make: Factory, manager: Somebody
) -> None:
    author = make.focal_point()
    link = make.person(author, make.case(author))
    with make.working(manager) as session:
        CASES.delete(session, link.case_id, {"reason": "DUPLICATE"}, CASES.get(session, link.case_id).row_version)
    page = panel.browser(manager).get("/persons/deleted").text
    assert "Kendisi silinmedi: dosyası silindi" in page[page.index(link.person.pseudonym) :].split("</tr>")[0]
    assert "Bu kişinin bütün dosyaları silinmiş." in panel.browser(manager).get(f"/persons/{link.person_id}").text
