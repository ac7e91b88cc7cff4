"""Forms and pages offer only what can be done: degrees, roles, erasure, and an order that people can follow."""

from __future__ import annotations

import gc
import re
import uuid
from typing import Any

import pytest
from sqlalchemy import Column, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from itm_admin.cases import services
from itm_admin.foundation.errors import Locked
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.roles import ROLES
from itm_admin.foundation.vocabulary import codes
from tests.factories import Factory
from tests.new_case import open_case
from tests.panel.panel_app import Browser, RunningPanel

SOURCE = {"opened_on": "24.11.2026", "referral_source": "POLICE", "province": "TR-06", "confidentiality": "OPEN"}


def offered(page: str, name: str) -> set[str]:
    """The codes in a select of the page."""
    select = page.partition(f'name="{name}"')[2].partition("</select>")[0]
    return set(re.findall(r'<option[^>]* value="([^"]+)"', select))


@pytest.mark.parametrize("present", ["SPECIAL", "CONFIDENTIAL", "INTERNAL"])
def test_lowering_offers_lower_degrees_alone(panel: RunningPanel, make: Factory, present: str) -> None:
    case = make.case(make.focal_point(), confidentiality=present)
    page = panel.browser(make.manager()).get(f"/cases/{case.id}/confidentiality").text
    assert offered(page, "confidentiality") == set(services.lower_than(present))


def test_editing_offers_no_degree_that_only_a_manager_may_choose(panel: RunningPanel, make: Factory) -> None:
    worker = make.focal_point()
    case = make.case(worker, confidentiality="CONFIDENTIAL")
    page = panel.browser(worker).get(f"/cases/{case.id}/edit").text
    assert offered(page, "confidentiality") == {"CONFIDENTIAL", "SPECIAL"}


@pytest.mark.parametrize("kind", ["cases", "persons"])
def test_erasing_is_not_offered_while_a_legal_hold_stands(panel: RunningPanel, make: Factory, kind: str) -> None:
    worker, browser = make.focal_point(), panel.browser(make.manager())
    case = make.case(worker)
    person = make.person(worker, case).person_id
    held = case.id if kind == "cases" else person
    erase = f'href="/erasures/{person}"'
    assert erase in browser.get(f"/persons/{person}").text
    assert browser.post(f"/holds/{kind}/{held}", version="1", reason="COURT_ORDER").status_code == 303
    page = browser.get(f"/persons/{person}").text
    assert erase not in page
    assert "hukuki saklama altında" in page
    assert browser.post(f"/holds/{kind}/{held}/release", version="2", reason="ENDED").status_code == 303
    assert erase in browser.get(f"/persons/{person}").text


def test_a_manager_is_offered_no_role_that_cannot_be_held_in_the_institution(
    panel: RunningPanel, make: Factory
) -> None:
    for code, kind, national in (("JGK", "law_enforcement", False), ("ICISLERI", "ministry", True)):
        home = make.institution(code, kind)
        page = panel.browser(make.manager(home)).get("/accounts/new").text
        assert ("auditor_national" in offered(page, "role")) is national, code
        assert "caseworker" in offered(page, "role")


@pytest.mark.parametrize("role", [code for code, role in ROLES.items() if role.held_in])
def test_the_database_refuses_each_role_where_the_table_says_that_it_is_not_held(make: Factory, role: str) -> None:
    refused, kinds = set(), [kind for kind in codes("institution_kind") if kind != "presidency"]
    for number, kind in enumerate(kinds):
        somebody = make.caseworker(make.institution(f"K{number}{kind[:3].upper()}", kind))
        with make.superuser() as connection:
            ended = text("update role_grant set state = 'ended' where account_id = :id")
            connection.execute(ended, {"id": somebody.id})
            inside = connection.begin_nested()
            try:
                connection.execute(
                    text(
                        "insert into role_grant (id, institution_id, account_id, role, state)"
                        " values (:id, :home, :account, :role, 'proposed')"
                    ),
                    {"id": uuid.uuid4(), "home": somebody.tenant.id, "account": somebody.id, "role": role},
                )
            except DBAPIError:
                refused.add(kind)
            inside.rollback()
    assert refused == set(kinds) - set(ROLES[role].held_in)


def test_what_is_locked_is_called_locked_on_the_way_to_a_new_case(
    panel: RunningPanel, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_arguments: Any, **_more: Any) -> None:
        raise Locked

    browser = panel.browser(make.focal_point())
    monkeypatch.setattr(services, "open_case", locked)
    assert open_case(browser, **SOURCE).status_code == 423
    monkeypatch.setattr(services, "places", locked)
    assert browser.post("/cases/new", **SOURCE).status_code == 423


def test_every_lists_order_ends_with_something_unique() -> None:
    gc.unfreeze()  # what was loaded before the tests is kept out of collections, and out of this list
    listings = [each for each in gc.get_objects() if isinstance(each, Listing)]
    gc.freeze()
    assert len(listings) > 5
    for listing in listings:
        if not listing.tie:  # rows that are all at hand, or that go by key
            assert listing.by_key or not any(column.order for column in listing.columns), listing.caption
            continue
        last = listing.tie[-1]
        column = last.property.columns[0] if isinstance(last, InstrumentedAttribute) else last
        assert isinstance(column, Column)
        assert column.primary_key, (listing.caption, column)


def shown_references(browser: Browser, path: str) -> list[str]:
    return re.findall(r">(ITM-[A-Z]+-\d{4}-\d{6})</a>", browser.get(path).text)


def test_cases_of_one_day_are_listed_in_the_order_of_their_references(panel: RunningPanel, make: Factory) -> None:
    home = make.institution("SAHILGUV", "law_enforcement")
    worker = make.focal_point(home)
    made = [make.case(worker, opened_on="2026-03-01").reference for _each in range(8)]
    browser = panel.browser(worker)
    assert shown_references(browser, "/cases/?sort=opened") == made
    assert shown_references(browser, "/cases/?sort=-opened") == made[::-1]
    assert shown_references(browser, "/cases/?sort=status") == made
