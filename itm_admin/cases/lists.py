"""The lists of cases and persons: columns, filters and orders. No personal value can be filtered or ordered by."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import exists

from itm_admin.cases.models import Case, CaseAssignment, Person
from itm_admin.foundation import tenancy
from itm_admin.foundation.lists import Cell, Column, Filter, Listing
from itm_admin.record.listing import column, filters, named


def _is_open(wanted: bool) -> Any:
    return Case.closed_on.is_(None) if wanted else Case.closed_on.is_not(None)


def _assigned(wanted: bool) -> Any:
    somebody = exists().where(CaseAssignment.case_id == Case.id, CaseAssignment.ended_at.is_(None))
    return somebody if wanted else ~somebody


def _mine(wanted: bool) -> Any:
    mine = exists().where(
        CaseAssignment.case_id == Case.id,
        CaseAssignment.account_id == tenancy.current().account,
        CaseAssignment.ended_at.is_(None),
    )
    return mine if wanted else ~mine


CASES: Listing[Case] = Listing(
    caption=_l("Cases"),
    empty_text=_l("There is no case that you may see."),
    identify=lambda case: str(case.id),
    link=lambda case: url_for("CaseView.show", id=case.id),
    default_sort="-opened",
    name="cases",
    tie=(Case.reference, Case.id),
    search=lambda text: Case.reference.contains(text, autoescape=True),
    columns=(
        named(Case, "reference"),
        column(Case, "status"),
        column(Case, "opened_on", "opened", label=_l("Opened")),
        column(Case, "province"),
        column(Case, "exploitation_types", "exploitation", label=_l("Exploitation"), order=()),
        Column("people", _l("Persons"), lambda case: Cell("number", case.people_count)),
        column(Case, "confidentiality", order=(Case.sensitivity,)),
        Column("updated", _l("Last change"), lambda case: Cell("day", case.updated_at), (Case.updated_at,)),
    ),
    filters=(
        *filters(Case, "status"),
        Filter("mine", _l("Assigned to me"), "flag", _mine),
        Filter("open", _l("Open"), "flag", _is_open),
        Filter("assigned", _l("Assigned to somebody"), "flag", _assigned),
        *filters(Case, "province"),
        *filters(Case, "exploitation_types", "exploitation", label=_l("Exploitation")),
        *filters(Case, "referral_source", "source"),
        *filters(Case, "confidentiality"),
        Filter("from", _l("Opened from"), "day", lambda day: Case.opened_on >= day),
        Filter("to", _l("Opened until"), "day", lambda day: Case.opened_on <= day),
    ),
)

PERSONS: Listing[Person] = Listing(
    caption=_l("Persons"),
    empty_text=_l("There is no person that you may see. Persons are added from the page of a case."),
    identify=lambda person: str(person.id),
    link=lambda person: url_for("PersonView.show", id=person.id),
    default_sort="-added",
    name="persons",
    counted=1_000,
    tie=(Person.pseudonym, Person.id),
    search=lambda text: Person.pseudonym.contains(text, autoescape=True),
    columns=(
        named(Person, "pseudonym"),
        column(Person, "gender"),
        column(Person, "age_band", "age", label=_l("Age")),
        column(Person, "citizenships", "citizenship", label=_l("Citizenship"), order=()),
        Column("cases", _l("Cases"), lambda person: Cell("text", ", ".join(_references(person)))),
        Column("added", _l("Added"), lambda person: Cell("moment", person.created_at), (Person.created_at,)),
    ),
    filters=(
        *filters(Person, "gender"),
        *filters(Person, "age_band", "age", label=_l("Age")),
        *filters(Person, "citizenships", "citizenship", label=_l("Citizenship")),
        *filters(Person, "is_child", "child"),
    ),
)


def _references(person: Person) -> list[str]:
    return sorted(link.case.reference for link in person.links if link.case is not None)
