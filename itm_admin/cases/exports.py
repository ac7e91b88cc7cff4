"""What is taken away of cases and persons: pseudonyms and masked values only."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from itm_admin.cases import lookup
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.record.export import Export, ExportColumn, coded, hidden, yes


def _people(case: Case) -> list[Person]:
    return [link.person for link in case.people if link.person is not None and link.person.erased_at is None]


def _cases(person: Person) -> list[Case]:
    return [link.case for link in person.links if link.case is not None]


def _pseudonyms(case: Case) -> str:
    return ", ".join(sorted({person.pseudonym for person in _people(case)}))


def _references(person: Person) -> str:
    return ", ".join(sorted({case.reference for case in _cases(person)}))


_CASE: tuple[ExportColumn[Case], ...] = (
    ExportColumn(_l("Reference"), lambda case: case.reference),
    ExportColumn(_l("Status"), lambda case: coded("case_status", case.status)),
    ExportColumn(_l("Date opened"), lambda case: case.opened_on),
    ExportColumn(_l("Date closed"), lambda case: case.closed_on),
    ExportColumn(_l("Reason for closing"), lambda case: coded("case_closure_reason", case.closure_reason)),
    ExportColumn(_l("Province"), lambda case: coded("province", case.province)),
    ExportColumn(_l("Unit"), lambda case: case.unit.name if case.unit else ""),
    ExportColumn(_l("Source of the referral"), lambda case: coded("referral_source", case.referral_source)),
    ExportColumn(_l("Types of exploitation"), lambda case: coded("exploitation_type", case.exploitation_types)),
    ExportColumn(_l("Sector"), lambda case: coded("industry_isic", case.industry)),
    ExportColumn(_l("Confidentiality"), lambda case: coded("confidentiality", case.confidentiality)),
    ExportColumn(_l("People"), _pseudonyms),
    ExportColumn(_l("Narrative"), lambda case: hidden(case.narrative_enc)),
)

_PERSON: tuple[ExportColumn[Person], ...] = (
    ExportColumn(_l("Pseudonym"), lambda person: person.pseudonym),
    ExportColumn(_l("Gender"), lambda person: coded("gender", person.gender)),
    ExportColumn(_l("Age band"), lambda person: coded("age_band", person.age_band)),
    ExportColumn(_l("Child"), lambda person: yes(person.is_child)),
    ExportColumn(_l("Citizenships"), lambda person: coded("citizenship", person.citizenships)),
    ExportColumn(_l("Language"), lambda person: coded("language", person.language)),
    ExportColumn(_l("Cases"), _references),
    ExportColumn(_l("Name"), lambda person: hidden(person.given_name_enc or person.family_name_enc)),
)


def _cases_with_people() -> Select[Case]:
    people = selectinload(Case.people.and_(CasePerson.deleted_at.is_(None))).joinedload(
        CasePerson.person.and_(Person.deleted_at.is_(None))
    )
    return lookup.list_cases().options(people)


CASES = Export(
    "case", Case, _l("cases"), _CASE, _cases_with_people, lambda case: [case.id, *(each.id for each in _people(case))]
)
PERSONS = Export(
    "person", Person, _l("persons"), _PERSON, lookup.list_persons,
    lambda person: [person.id, *(each.id for each in _cases(person))],
)  # fmt: skip
