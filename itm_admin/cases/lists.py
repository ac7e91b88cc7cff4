"""The lists of cases and persons: columns, filters and orders. No personal value can be filtered or ordered by."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import exists

from itm_admin.cases.models import Case, CaseAssignment, Person
from itm_admin.foundation import tenancy, vocabulary
from itm_admin.foundation.formats import label
from itm_admin.foundation.lists import Cell, Column, Filter, Listing

STATUS_TONES = {"Active": "info", "FollowUp": "warn", "Closed": "neutral", "ClosedReferred": "neutral"}
CONFIDENTIALITY_TONES = {"CONFIDENTIAL": "warn", "SPECIAL": "bad"}


def _text(value: Any) -> Cell:
    return Cell("text", value)


def _coded(code: str | None, list_name: str) -> Cell:
    return Cell("text", label(code, list_name))


def _all_coded(codes: list[str], list_name: str) -> Cell:
    return Cell("text", ", ".join(label(code, list_name) for code in codes))


def _choice(name: str, text: Any, list_name: str, condition: Any) -> Filter:
    return Filter(name, text, "choice", condition, lambda: vocabulary.choices(list_name))


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
    tie=(Case.id,),
    search=lambda text: Case.reference.contains(text, autoescape=True),
    columns=(
        Column("reference", _l("Reference"), lambda case: Cell("link", case.reference), (Case.reference,)),
        Column(
            "status",
            _l("Status"),
            lambda case: Cell("badge", label(case.status, "case_status"), STATUS_TONES.get(case.status, "neutral")),
            (vocabulary.shown_order(Case.status, "case_status"),),
        ),
        Column("opened", _l("Opened"), lambda case: Cell("day", case.opened_on), (Case.opened_on,)),
        Column(
            "province",
            _l("Province"),
            lambda case: _coded(case.province, "province"),
            (vocabulary.shown_order(Case.province, "province"),),
        ),
        Column(
            "exploitation",
            _l("Exploitation"),
            lambda case: _all_coded(case.exploitation_types, "exploitation_type"),
        ),
        Column("people", _l("Persons"), lambda case: Cell("number", case.people_count)),
        Column(
            "confidentiality",
            _l("Confidentiality"),
            lambda case: Cell(
                "badge",
                label(case.confidentiality, "confidentiality"),
                CONFIDENTIALITY_TONES.get(case.confidentiality, "neutral"),
            ),
            (Case.sensitivity,),
        ),
        Column("updated", _l("Last change"), lambda case: Cell("day", case.updated_at), (Case.updated_at,)),
    ),
    filters=(
        _choice("status", _l("Status"), "case_status", lambda code: Case.status == code),
        Filter("mine", _l("Assigned to me"), "flag", _mine),
        Filter("open", _l("Open"), "flag", _is_open),
        Filter("assigned", _l("Assigned to somebody"), "flag", _assigned),
        _choice("province", _l("Province"), "province", lambda code: Case.province == code),
        _choice(
            "exploitation",
            _l("Exploitation"),
            "exploitation_type",
            lambda code: Case.exploitation_types.contains([code]),
        ),
        _choice("source", _l("Source of the referral"), "referral_source", lambda code: Case.referral_source == code),
        _choice("confidentiality", _l("Confidentiality"), "confidentiality", lambda code: Case.confidentiality == code),
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
    tie=(Person.id,),
    search=lambda text: Person.pseudonym.contains(text, autoescape=True),
    columns=(
        Column("pseudonym", _l("Pseudonym"), lambda person: Cell("link", person.pseudonym), (Person.pseudonym,)),
        Column("gender", _l("Gender"), lambda person: _coded(person.gender, "gender"), (Person.gender,)),
        Column("age", _l("Age"), lambda person: _coded(person.age_band, "age_band"), (Person.age_band,)),
        Column("citizenship", _l("Citizenship"), lambda person: _all_coded(person.citizenships, "citizenship")),
        Column("cases", _l("Cases"), lambda person: _text(", ".join(_references(person)))),
        Column("added", _l("Added"), lambda person: Cell("moment", person.created_at), (Person.created_at,)),
    ),
    filters=(
        _choice("gender", _l("Gender"), "gender", lambda code: Person.gender == code),
        _choice("age", _l("Age"), "age_band", lambda code: Person.age_band == code),
        _choice("citizenship", _l("Citizenship"), "citizenship", lambda code: Person.citizenships.contains([code])),
        Filter("child", _l("Child"), "flag", lambda wanted: Person.is_child.is_(wanted)),
    ),
)


def _references(person: Person) -> list[str]:
    return sorted(link.case.reference for link in person.links if link.case is not None)
