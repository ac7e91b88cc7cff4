"""A page that names a record tells its id, also where the name is no link, and each time that the page is shown."""

from __future__ import annotations

import pytest

from itm_admin.cases import services
from tests.panel.panel_app import RunningPanel


@pytest.mark.parametrize("times", [1, 2])
def test_a_kept_page_tells_whom_it_names_at_each_look(panel: RunningPanel, times: int) -> None:
    """A reveal's page names those who are assigned to the case; Back shows it once more."""
    make = panel.make
    author, colleague = make.focal_point(), make.focal_point()
    case = make.case(author, narrative="Kanarya")
    with make.working(author) as session:
        services.assign(session, case.id, {"account_id": str(colleague.id)})
    browser = panel.browser(author)
    answer = browser.post(f"/cases/{case.id}/reveal", purpose="CASE_WORK")
    for _ in range(times):
        assert str(colleague.id) in {id for event in panel.shown(answer) for id in (event.target, *event.subjects)}
        answer = browser.get(answer.request.full_path)
    assert answer.status_code == 200


def test_a_list_of_proposals_tells_the_people_whom_it_names(panel: RunningPanel) -> None:
    make = panel.make
    manager, administrator = make.manager(), make.administrator()
    person = make.somebody("caseworker", manager.tenant)
    assert panel.browser(administrator).post(
        f"/roles/of/{person.id}/new", role="institution_manager", reason="NEW_TASK"
    ).status_code == 303  # fmt: skip
    answer = panel.browser(make.administrator()).get("/roles/")
    told = {id for event in panel.events(answer) for id in (event.target, *event.subjects)}
    assert {str(person.id), str(administrator.id)} <= told
