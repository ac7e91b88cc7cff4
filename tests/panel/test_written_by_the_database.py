"""Last sign-ins and numbers of cases, as SQL of the panel's own role meets them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.factories import Factory, Somebody
from tests.panel.panel_app import RunningPanel


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
    "change",
    [
        "update case_counter set last = last + 1",
        "update case_counter set last = last - 1, reference = null",
        "update case_counter set year = 2001",
        "insert into case_counter (institution_id, year, last) values (itm.institution(), 2031, 1)",
        "delete from case_counter",
    ],
)
def test_the_panel_writes_no_number_of_cases(make: Factory, change: str) -> None:
    officer = make.focal_point()
    make.case(officer)
    with pytest.raises(DBAPIError, match="permission denied"), make.working(officer) as session:
        session.execute(text(change))


_CASE = (
    "insert into case_file (id, institution_id, unit_id, lead_institution_id, reference, opened_on, province,"
    " referral_source) select {id}, institution_id, unit_id, lead_institution_id, 'ITM-JGK-2026-900000',"
    " make_date({year}, 3, 1), province, referral_source from case_file where id = :case"
)
_NEW, _SAME, _FOREIGN = "gen_random_uuid()", ":case", ":foreign"


def _numbers(panel: RunningPanel) -> list[tuple[int, int, int, str]]:
    """Of each year: the last number, how many cases, and the reference that the counter names."""
    rows = panel.rows(
        "select n.year, n.last, n.reference, count(c.id) as cases from case_counter n"
        " join institution i on i.id = n.institution_id left join case_file c on c.institution_id = n.institution_id"
        " and split_part(c.reference, '-', 3) = n.year::text where i.code = 'JGK' group by 1, 2, 3 order by 1"
    )
    return [(row.year, row.last, row.cases, row.reference) for row in rows]


def _add(make: Factory, officer: Somebody, steps: list[tuple[str, int]], values: Mapping[str, object]) -> None:
    with make.working(officer) as session:
        for id, year in steps:
            session.execute(text(_CASE.format(id=id, year=year) + " on conflict do nothing"), values)


def test_a_number_is_given_with_a_case_and_no_other_way(panel: RunningPanel, make: Factory) -> None:
    officer, foreign = make.focal_point(), make.case(make.focal_point(make.other_institution()))
    first = make.case(officer)
    values = {"case": first.id, "foreign": foreign.id}
    with make.working(officer) as session:
        session.execute(text(_CASE.format(id=_NEW, year=2026)), values)
    ways = {
        "one that stores nothing": [(_SAME, 2026)],
        "a foreign case in its place": [(_FOREIGN, 2026)],
        "another year": [(_SAME, 2019)],
        "and a case after it": [(_SAME, 2026), (_NEW, 2026)],
        "and a case of another year after it": [(_SAME, 2026), (_NEW, 2025)],
    }
    for way, steps in ways.items():
        before = _numbers(panel)
        with pytest.raises(DBAPIError):
            _add(make, officer, steps, values)
        assert _numbers(panel) == before, way
    second = make.case(officer)
    assert int(second.reference[-6:]) == int(first.reference[-6:]) + 2
    assert all(last == cases for _year, last, cases, _reference in _numbers(panel))
    assert _numbers(panel)[-1][3] == second.reference, "and none was chosen by who wrote the case"


def test_a_case_keeps_its_reference(panel: RunningPanel, make: Factory) -> None:
    officer = make.focal_point()
    case = make.case(officer)
    with pytest.raises(DBAPIError), make.working(officer) as session:
        session.execute(text("update case_file set reference = 'ITM-JGK-2026-777777' where id = :id"), {"id": case.id})
