"""Lists and their acts on several rows answer on the spot: nothing chosen, nothing typed and no row is lost."""

from __future__ import annotations

import html
import re

import pytest

from tests.panel.test_cases_bulk_pages import NEXT, Desk, close, desk

__all__ = ["desk"]
EARLY = "31.01.2026"
BOX = re.compile(r'type="checkbox" name="chosen" value="([^"]+)"[^>]*?( checked)?>')


def ticked(page: str) -> set[str]:
    return {value for value, checked in BOX.findall(page) if checked}


def test_rows_stay_chosen_where_the_value_for_all_of_them_is_wrong(desk: Desk) -> None:
    boxes = desk.boxes(desk.cases())
    answer = close(desk.focal, boxes, confirmed="yes", closed_on=EARLY)
    assert answer.status_code == 422
    assert ticked(answer.text) == set(boxes)
    assert 'value="31.01.2026"' in answer.text
    assert 'id="closed_on-error"' in answer.text, "the message stands beside the field"
    assert "Aşağıda belirtilen kayıtlar" not in answer.text


def test_a_record_that_changed_is_not_chosen_any_more_and_the_others_are(desk: Desk) -> None:
    cases = desk.cases()
    boxes = desk.boxes(cases)
    with desk.panel.make.superuser() as connection:
        connection.exec_driver_sql("update case_file set province = 'TR-35' where id = %s", (cases[1],))
    answer = close(desk.focal, boxes, confirmed="yes", closed_on=EARLY)
    assert answer.status_code == 409
    assert {box.partition(":")[0] for box in ticked(answer.text)} == {str(cases[0]), str(cases[2])}
    assert "Aşağıda belirtilen kayıtlar" in answer.text


def test_no_chosen_row_is_an_error_of_the_form_that_asks(desk: Desk) -> None:
    boxes = desk.boxes(desk.cases())
    answer = close(desk.focal, [], offered=boxes, confirmed="yes", closed_on="01.03.2026")
    assert answer.status_code == 422
    assert "Önce en az bir satır seçin." in html.unescape(answer.text)
    assert 'value="01.03.2026"' in answer.text
    assert len(BOX.findall(answer.text)) == 3
    assert ticked(answer.text) == set()


def test_an_act_without_a_chosen_row_leads_back_to_its_list_and_says_so(desk: Desk) -> None:
    make, app = desk.panel.make, desk.panel.app
    people = [desk.focal, desk.chief, desk.panel.browser(make.auditor()), desk.panel.browser(make.administrator())]
    addresses = [rule.rule for rule in app.url_map.iter_rules() if "/together/" in rule.rule and not rule.arguments]
    assert {"/cases/together/close", "/accounts/together/suspend", "/alerts/together/acknowledge"} <= set(addresses)
    for address in addresses:
        back = address.partition("together")[0]
        browser = next(each for each in people if each.post(address, next=back).status_code == 303)
        browser.get(back)  # says so, of the first try
        answer = browser.post(address, next=back)
        assert (answer.status_code, answer.headers["Location"]) == (303, back)
        page = browser.get(back).text
        assert page.count("Önce en az bir satır seçin.") == 1, address


WRONG = (
    ("/cases/?province=TR-34&from=31+%C5%9Eubat+2026&sort=reference", "from", 'value="TR-34" selected'),
    ("/cases/?status=Nothing&province=TR-34", "status", 'value="TR-34" selected'),
    ("/persons/?gender=zz&child=yes", "gender", 'value="yes" selected'),
    ("/my-history/?from=zz&outcome=denied", "from", 'value="denied" selected'),
    ("/institution-history/?to=zz&outcome=denied", "to", 'value="denied" selected'),
)


@pytest.mark.parametrize(("address", "name", "kept"), WRONG)
def test_a_wrong_filter_is_told_beside_its_field_and_the_others_stay(
    desk: Desk, address: str, name: str, kept: str
) -> None:
    answer = desk.chief.get(address)
    assert answer.status_code == 400
    assert f'id="filter-{name}-error"' in answer.text
    assert kept in answer.text
    assert "<tbody" not in answer.text, "no row fits what cannot be read"
    assert "Ana sayfaya git" not in answer.text
    assert "<title data-plain" in answer.text


def test_what_a_list_does_not_know_is_refused_as_ever(desk: Desk) -> None:
    assert "Ana sayfaya git" in desk.focal.get("/cases/?colour=red").text


def test_a_page_behind_the_last_leads_to_the_last(desk: Desk) -> None:
    desk.cases(1)
    page = html.unescape(desk.focal.get("/cases/?page=99&open=yes").text)
    assert "Liste bu sayfadan önce bitiyor." in page
    assert "görebileceğiniz" not in page
    assert re.search(r'href="/cases/\?[^"]*page=\d+[^"]*">Son sayfaya git', page)


@pytest.mark.parametrize("typed", ["selin", "Selin Hiçkimse"])
def test_a_name_that_nobody_has_stays_a_filter_and_nothing_fits_it(desk: Desk, typed: str) -> None:
    answer = desk.chief.post("/institution-history/filter", actor=typed, outcome="success")
    assert answer.status_code == 303
    assert "elin" not in answer.headers["Location"], "a name stands in no address"
    page = html.unescape(desk.chief.get(answer.headers["Location"]).text)
    assert "Bu adla bir kullanıcı yok." in page
    assert f'value="{typed}"' in page
    assert "<tbody" not in page


def test_a_case_is_found_by_a_persons_pseudonym_and_a_person_by_the_cases_number(desk: Desk) -> None:
    assert desk.own.reference in desk.focal.get(f"/cases/?q={desk.own.pseudonym}").text.partition("<tbody")[2]
    assert desk.own.pseudonym in desk.focal.get(f"/persons/?q={desk.own.reference}").text.partition("<tbody")[2]


def test_the_list_of_persons_leads_to_their_cases(desk: Desk) -> None:
    page = desk.focal.get(f"/persons/?q={desk.own.reference}").text
    link = re.search(rf'<a href="(/cases/[0-9a-f-]{{36}})">{desk.own.reference}</a>', page)
    assert link is not None
    assert desk.own.reference in desk.focal.get(link[1]).text


def test_nothing_of_another_institution_is_found_so(desk: Desk) -> None:
    assert "<tbody" not in desk.focal.get(f"/cases/?q={desk.theirs.pseudonym}").text
    assert "<tbody" not in desk.focal.get(f"/persons/?q={desk.theirs.reference}").text


def test_an_address_that_nothing_has_is_shown_in_the_persons_own_frame(desk: Desk) -> None:
    page = desk.focal.get("/yok-boyle")
    assert page.status_code == 404
    assert 'class="side"' in page.text
    assert "Ana sayfaya git" in page.text
    nobody = desk.panel.browser().get("/yok-boyle")
    assert nobody.status_code == 404
    assert 'class="side"' not in nobody.text


def test_the_back_address_of_a_closed_form_is_the_list(desk: Desk) -> None:
    assert close(desk.focal, []).headers["Location"] == NEXT


def test_a_filter_that_the_list_does_not_know_is_refused_in_one_sentence(desk: Desk) -> None:
    answer = desk.focal.get("/cases/?of_tomorrow=1")
    assert answer.status_code == 400
    assert html.unescape(answer.text).count("Adreste, bu listenin tanımadığı bir değer var.") == 1
