"""The Presidency's boards: counts of all, metadata of shared cases, and no identity."""

from __future__ import annotations

import html
import re
import uuid
from pathlib import Path

import pytest

from itm_admin.foundation import national
from tests.conftest import Database
from tests.panel.assurance_panel import Browser, PanelWorld

SECRET = "Gülşahane"


class Story:
    """Two cases of JGK, one of them unshared, and one of EGM; each with a named person."""

    def __init__(self, panel: PanelWorld) -> None:
        make = panel.make
        self.panel = panel
        self.focal = make.focal_point()
        stranger = make.focal_point(make.other_institution())
        self.shared = make.case(self.focal)
        self.unshared = make.case(self.focal, shared=False)
        self.foreign = make.case(stranger)
        self.link = make.person(self.focal, self.shared, given_name=SECRET)
        self.hidden = make.person(self.focal, self.unshared, given_name=SECRET)
        self.supervisor = panel.browser(make.supervisor())
        self.operator = panel.browser(make.operator())
        self.auditor = panel.browser(make.auditor())
        self.own_auditor = panel.browser(make.auditor(make.institution()))


@pytest.fixture(scope="module")
def story(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    home: Path = tmp_path_factory.mktemp("home")
    return Story(PanelWorld(shared_database, home))


def _overseers(story: Story) -> tuple[Browser, ...]:
    return story.supervisor, story.operator, story.auditor


def test_the_presidencys_home_shows_all_institutions_with_counts(story: Story) -> None:
    page = story.supervisor.words("/")
    assert "National overview" in page
    assert "JGK JGK 1 of 2 1 of 2 1 2" in page  # shared cases, open ones, not shared, persons
    assert "Cases 3" in page
    assert "By province" in page


def test_figures_are_links_and_the_unshared_cases_between_them_are_explained(story: Story) -> None:
    story.panel.make.institution("ILO", "international")
    page = story.supervisor.get("/").text
    for address in ("/oversight/cases/", "/oversight/cases/?open=yes", "/oversight/cases/?institution=JGK"):
        assert f'href="{address}"' in page, address
        assert story.supervisor.get(address).status_code == 200
    assert re.search(r"<dt>(Kişiler|Persons)</dt> <dd>\d+</dd>", page)  # there is no list of persons to open
    words = story.supervisor.words("/")
    assert "Of 3 cases the institutions share 2." in words
    assert "without any activity yet" in words


def test_a_number_that_leads_to_a_list_is_the_number_of_the_lists_records(story: Story) -> None:
    jgk = story.panel.make.institution()
    links = set()
    for page in ("/", f"/oversight/institutions/{jgk.id}"):
        links |= set(
            re.findall(r'<a href="(/oversight/cases/[^"]*)"[^>]*>([\d.]+)</a>', story.supervisor.get(page).text)
        )
    assert len({address for address, _number in links}) > 4, links
    for address, number in links:
        if "from=" in address:  # the picture of the years: its link is the year
            continue
        listed = story.supervisor.words(html.unescape(address))
        assert f"of {number} " in listed, (address, number)


def test_the_published_national_figures_stand_behind_the_years_with_their_sources(story: Story) -> None:
    page = story.supervisor.get("/").text
    table = page[page.index('id="picture-years"') :].partition("</table>")[0]
    assert national.by_year()
    for year, figure in national.by_year().items():
        row = table.partition("<tbody>")[2].partition(f">{year}</th>")[2].partition("</tr>")[0]
        assert f">{figure.value}<" in row
        assert f">{figure.source}<" in row
        for name in figure.source.split(", "):
            assert table.partition("<table")[0].count(name) == 1, "named beside the picture, too, and once"
            assert not re.search(r"\w\.\w", name), "a publication is named; its address is for those who check it"


def test_each_institution_has_a_page_with_its_counts(story: Story) -> None:
    jgk = story.panel.make.institution()
    address = f"/oversight/institutions/{jgk.id}"
    assert f'href="{address}"' in story.supervisor.get("/").text
    for browser in (story.supervisor, story.auditor):
        assert "Cases 2 Open cases 2 Not shared 1 Shared cases 1 Open shared cases 1 Persons 2" in browser.words(
            address
        )
    assert story.own_auditor.get(f"/oversight/institutions/{uuid.uuid4()}").status_code == 403


def test_an_unshared_case_is_in_no_list_and_has_no_page(story: Story) -> None:
    for browser in _overseers(story):
        page = browser.words("/oversight/cases/")
        assert story.shared.reference in page
        assert story.foreign.reference in page
        assert story.unshared.reference not in page
        assert browser.get(f"/oversight/cases/{story.unshared.id}").status_code == 404


def test_one_cases_page_has_pseudonyms_and_no_identity(story: Story) -> None:
    for browser in _overseers(story):
        page = browser.words(f"/oversight/cases/{story.shared.id}")
        assert story.link.person.pseudonym in page
        assert SECRET not in page


def test_an_institutions_auditor_sees_metadata_of_its_own_institution_only(story: Story) -> None:
    page = story.own_auditor.words("/oversight/cases/")
    assert story.shared.reference in page
    assert story.foreign.reference not in page
    assert story.own_auditor.get(f"/oversight/cases/{story.foreign.id}").status_code == 404


def test_a_case_that_does_not_exist_is_refused_like_an_unshared_one(story: Story) -> None:
    nowhere = story.supervisor.get(f"/oversight/cases/{uuid.uuid4()}")
    unshared = story.supervisor.get(f"/oversight/cases/{story.unshared.id}")
    assert nowhere.status_code == unshared.status_code == 404


def test_the_boards_are_closed_to_those_who_work_inside_an_institution(story: Story) -> None:
    browser = story.panel.browser(story.focal)
    for path in ("/oversight/cases/", "/oversight/institutions/", f"/oversight/cases/{story.foreign.id}"):
        assert browser.get(path).status_code == 403


def test_cases_are_filtered_by_institution_status_province_and_day(story: Story) -> None:
    page = story.supervisor.words("/oversight/cases/?institution=EGM")
    assert story.foreign.reference in page
    assert story.shared.reference not in page
    page = story.supervisor.words("/oversight/cases/?to=2020-01-01")
    assert story.shared.reference not in page
    assert story.shared.reference in story.supervisor.words("/oversight/cases/?province=TR-06&from=2026-01-01")


@pytest.mark.parametrize(
    "query", ["institution=NONE", "province=x", "from=x", "sort=narrative", "size=1000", "page=abc"]
)
def test_a_filter_that_is_not_understood_is_refused(story: Story, query: str) -> None:
    assert story.supervisor.get(f"/oversight/cases/?{query}").status_code == 400


def test_each_look_is_an_event_with_the_records_that_were_shown(story: Story) -> None:
    supervisor = story.panel.make.supervisor()
    browser = story.panel.browser(supervisor)
    browser.get("/oversight/cases/?institution=JGK")
    browser.get(f"/oversight/cases/{story.shared.id}")
    shown = story.panel.run(
        "select action, target_id, subjects from audit.entry where actor_id = :id and target_kind = 'case'"
        " order by seq",
        id=str(supervisor.id),
    )
    assert [(row.action, row.target_id) for row in shown] == [
        ("record.list", None),
        ("record.read", str(story.shared.id)),
    ]
    assert shown[0].subjects == [str(story.shared.id)]
    assert shown[1].subjects == [str(story.link.person_id)]


def test_a_focal_point_sees_that_the_presidency_looked(story: Story) -> None:
    story.operator.get(f"/oversight/cases/{story.shared.id}")
    assert story.panel.run("select 1 from audit.entry where code = 'GIB' and target_id = :id", id=str(story.shared.id))
