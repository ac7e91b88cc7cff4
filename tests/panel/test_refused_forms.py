"""A form that is refused says what to do and keeps what was typed; a page offers no way that ends in a refusal."""

from __future__ import annotations

import re
import uuid

import pytest

from itm_admin.cases import lookup, services
from itm_admin.cases.models import Case, CasePerson
from tests.factories import Factory, Somebody
from tests.panel.panel_app import Browser, RunningPanel

TYPED = "0532 111 22 33"
STORY = "Yazılan anlatım"
CASE = {"opened_on": "24.11.2026", "referral_source": "POLICE", "province": "TR-06", "confidentiality": "OPEN"}


@pytest.fixture(scope="module")
def author(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture
def browser(panel: RunningPanel, author: Somebody) -> Browser:
    return panel.browser(author)


@pytest.fixture
def case(make: Factory, author: Somebody) -> Case:
    return make.case(author, confidentiality="OPEN")


@pytest.fixture
def person(make: Factory, author: Somebody, case: Case) -> CasePerson:
    return make.person(author, case, given_name="Ayşe", birth_date="~17@2026-11-20")


def close(make: Factory, author: Somebody, case: Case) -> None:
    with make.working(author) as session:
        version = lookup.get_case(session, case.id).row_version
        services.close_case(session, make.keyring, case.id, {"reason": "OTHER"}, version)


def version_in(page: str) -> str:
    found = re.search(r'name="version"[^>]*value="(\d+)"', page)
    assert found, page
    return found[1]


def test_what_was_typed_stays_on_the_form_when_a_colleague_closes_the_case_meanwhile(
    panel: RunningPanel, make: Factory, author: Somebody, browser: Browser, case: Case, person: CasePerson
) -> None:
    forms = {
        f"/persons/{person.person_id}/edit": {"phone": TYPED},
        f"/cases/{case.id}/edit": {"narrative": TYPED, **CASE},
        f"/persons/new/{case.id}": {"given_name": TYPED, "role": "VICTIM", "gender": "Feminine"},
        f"/profiles/{person.id}/edit": {"health": TYPED, "trafficking_status": "PotentialVictimOfTrafficking"},
    }
    versions = {path: re.search(r'name="version"[^>]*value="(\d+)"', browser.get(path).text) for path in forms}
    close(make, author, case)
    for path, fields in forms.items():
        failures = "select count(*) from audit.event where outcome = 'failure'"
        before, found = panel.value(failures), versions[path]
        answer = browser.post(path, **fields, **({"version": "99" if "cases/" in path else found[1]} if found else {}))
        if answer.status_code == 409:  # closing is a newer version as well: the text stands there too
            assert "yeniden kaydedin" not in answer.text, "a closed case is not asked to be saved again"
            assert "yeniden açın" in answer.text, path
            answer = browser.post(path, **fields, version=version_in(answer.text))
        assert answer.status_code == 423, (path, answer.status_code)
        assert TYPED in answer.text, path
        assert "yeniden açın" in answer.text, path
        assert panel.value(failures) > before, path
        assert "yeniden açın" in browser.get(path).text, "said before anything is typed"


def test_a_closing_note_stays_when_a_colleague_saved_first_and_goes_with_the_next_try(
    make: Factory, author: Somebody, browser: Browser, case: Case
) -> None:
    path = f"/cases/{case.id}/close"
    version = version_in(browser.get(path).text)
    with make.working(author) as session:
        services.change_case(session, make.keyring, case.id, {"province": "TR-01"}, int(version))
    answer = browser.post(path, reason="OTHER", note=STORY, version=version)
    assert answer.status_code == 409
    assert STORY in answer.text
    assert "başka biri kaydetti" in answer.text
    assert browser.post(path, reason="OTHER", note=STORY, version=version_in(answer.text)).status_code == 303


def test_a_person_whose_cases_are_closed_is_not_offered_to_be_edited(
    make: Factory, author: Somebody, browser: Browser, case: Case, person: CasePerson
) -> None:
    edit = f'href="/persons/{person.person_id}/edit"'
    assert edit in browser.get(f"/persons/{person.person_id}").text
    close(make, author, case)
    assert edit not in browser.get(f"/persons/{person.person_id}").text


def test_all_that_is_missing_of_a_new_account_is_told_at_once(panel: RunningPanel, manager: Somebody) -> None:
    page = panel.browser(manager).post("/accounts/new", language="tr").text
    wrong = {each for each in ("first_name", "last_name", "email", "role", "reason") if f'id="{each}-error"' in page}
    assert wrong == {"first_name", "last_name", "email", "role", "reason"}


def test_what_was_refused_for_its_form_says_how_to_write_it(browser: Browser, case: Case) -> None:
    fields = {"role": "VICTIM", "gender": "Feminine", "given_name": "Ali\u202e", "birth_date": "17 yaşında"}
    page = browser.post(f"/persons/new/{case.id}", **fields).text
    assert "elle yazın" in page
    assert "ya da tahmin: yaklaşık 17." in page


def test_an_exported_file_is_called_in_its_readers_language(browser: Browser) -> None:
    answer = browser.post("/cases/export", purpose="CASE_WORK", format="csv")
    assert "itm-dosyalar-" in answer.headers["Content-Disposition"]


def test_a_refusal_outside_a_form_leads_back_to_the_record(panel: RunningPanel) -> None:
    make = panel.make
    own = panel.records(make.institution())
    manager = panel.browser(make.manager(own.tenant))
    form = {"version": "1", "ground": "PERSON_REQUEST", "pseudonym": own.pseudonym}
    assert manager.post(f"/erasures/{own.person}", **form).status_code == 303
    for path in (f"/erasures/{own.person}", f"/persons/{own.person}/delete"):
        refused = manager.post(path, **form)
        assert refused.status_code == 423, path
        assert f'href="/persons/{own.person}">Kayda dön</a>' in refused.text, path
    unknown = manager.post(f"/persons/{uuid.uuid4()}/delete", version="1")
    assert (unknown.status_code, "Kayda dön" in unknown.text) == (404, False)


def test_a_refusal_that_belongs_to_no_field_is_told_in_the_title_too(browser: Browser) -> None:
    page = browser.post("/persons/search", name="", number="").text
    assert re.search(r"<title[^>]*>Hata: ", page), page[:2000]


def test_what_was_done_is_told_as_done_and_a_hint_is_not(browser: Browser, case: Case) -> None:
    page = browser.get(f"/cases/{case.id}/edit").text
    fields = CASE | {"version": version_in(page), "narrative": STORY}
    saved = browser.post(f"/cases/{case.id}/edit", **fields)
    assert 'class="note tone-good" role="status"' in browser.get(saved.headers["Location"]).text
    hint = browser.get("/cases/?q=Şule")
    assert 'class="note tone-info" role="status"' in browser.get(hint.headers["Location"]).text


def test_a_possible_match_is_told_without_the_answer_before_it(
    browser: Browser, make: Factory, author: Somebody, case: Case
) -> None:
    make.person(author, case, given_name="Nermin", family_name="Taşkıran", birth_date="1999-05-12")
    fields = {"given_name": "NERMİN", "family_name": "Taskiran", "birth_date": "12.05.1999"}
    page = browser.post(f"/persons/new/{case.id}", **fields, role="WITNESS", gender="Feminine").text
    summary = page[page.index('id="error-summary-title"') :].partition("</ul>")[0]
    assert "Olası eşleşme: " in summary
    assert "Bu başka bir kişi" not in summary


def test_an_address_that_nobody_signed_in_may_open_says_how_to_go_on(panel: RunningPanel) -> None:
    page = panel.browser().get("/invitation/expired-or-cut-off")
    assert page.status_code == 404
    assert "Listeye dönüp" not in page.text, "there is no list before the sign-in"
    assert "Bağlantının yenisini" in page.text
    assert "Oturum aç</a>" in page.text
