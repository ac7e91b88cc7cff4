"""Last sign-ins and numbers of cases, as SQL of the panel's own role meets them."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.factories import Factory
from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="module")
def make(panel: RunningPanel) -> Factory:
    return panel.make


def test_only_the_own_sign_in_writes_when_it_was_and_the_databases_time_counts(
    panel: RunningPanel, make: Factory
) -> None:
    manager, officer = make.manager(), make.focal_point()
    forged = text("update account set last_login = '2099-01-01' where id = :id")
    for somebody, scope in ((manager, None), (officer, None), (make.administrator(), "accounts")):
        with pytest.raises(DBAPIError, match="a sign-in writes"), make.working(somebody, scope) as session:
            session.execute(forged, {"id": officer.id})
    panel.browser(officer)
    said = "select last_login between now() - interval '1 hour' and now() from account where id = :id"
    assert panel.value(said, id=officer.id) is True


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("update case_counter set last = last - 1", "rises by one"),
        ("update case_counter set last = 900000", "rises by one"),
        ("update case_counter set year = 2001", "rises by one"),
        ("update case_counter set last = last", "rises by one"),
        ("insert into case_counter (institution_id, year, last) values (itm.institution(), 2031, 7)", "rises by one"),
    ],
)
def test_the_number_of_cases_rises_by_one(make: Factory, change: str, why: str) -> None:
    officer = make.focal_point()
    make.case(officer)
    with pytest.raises(DBAPIError, match=why), make.working(officer) as session:
        session.execute(text(change))
    first, second = make.case(officer), make.case(officer)
    assert int(second.reference[-6:]) == int(first.reference[-6:]) + 1
