"""The exports of cases and persons: pseudonyms and masked values only."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from itm_admin.cases import lookup
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.foundation.formats import HIDDEN
from itm_admin.record.export import Export, ExportColumn
from itm_admin.record.listing import exported


def _people(case: Case) -> list[Person]:
    return [link.person for link in case.people if link.person is not None and link.person.erased_at is None]


def _cases(person: Person) -> list[Case]:
    return [link.case for link in person.links if link.case is not None]


def _pseudonyms(case: Case) -> str:
    return ", ".join(sorted({person.pseudonym for person in _people(case)}))


def _references(person: Person) -> str:
    return ", ".join(sorted({case.reference for case in _cases(person)}))


_CASE: tuple[ExportColumn[Case], ...] = (
    exported(Case, "reference"),
    exported(Case, "status"),
    exported(Case, "opened_on"),
    exported(Case, "closed_on"),
    exported(Case, "closure_reason"),
    exported(Case, "province"),
    ExportColumn(_l("Unit"), lambda case: case.unit.name if case.unit else ""),
    exported(Case, "referral_source"),
    exported(Case, "exploitation_types"),
    exported(Case, "industry"),
    exported(Case, "confidentiality"),
    ExportColumn(_l("People"), _pseudonyms),
    exported(Case, "narrative"),
)

_PERSON: tuple[ExportColumn[Person], ...] = (
    exported(Person, "pseudonym"),
    exported(Person, "gender"),
    exported(Person, "age_band", label=_l("Age band")),
    exported(Person, "is_child"),
    exported(Person, "citizenships"),
    exported(Person, "language"),
    ExportColumn(_l("Cases"), _references),
    ExportColumn(_l("Name"), lambda person: str(HIDDEN) if person.given_name_enc or person.family_name_enc else ""),
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
