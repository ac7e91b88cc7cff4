"""Computed columns of cases and persons: properties that lists, exports and pages name like fields.

Each needs what its statement loads: a row never asks the database again.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from itm_admin.foundation.formats import HIDDEN, Hidden

if TYPE_CHECKING:
    from itm_admin.cases.models import Case, CasePerson, Person


class CaseColumns:
    """Columns of a case that follow from its lead institution and its persons."""

    if TYPE_CHECKING:
        lead_institution: Any
        people: Any

    @property
    def lead(self) -> str | None:
        """The lead institution's name in the page's language, and its code."""
        return None if self.lead_institution is None else str(self.lead_institution.full_name)

    @property
    def living_people(self) -> list[Person]:
        """The persons in the case whose values are not destroyed."""
        links: list[CasePerson] = self.people
        return [link.person for link in links if link.person is not None and link.person.erased_at is None]

    @property
    def pseudonyms(self) -> list[str]:
        return sorted({person.pseudonym for person in self.living_people})


class CaseReference(str):
    """The reference of a case, and which case it is."""

    case_id: uuid.UUID

    def __new__(cls, case: Case) -> CaseReference:
        made = super().__new__(cls, case.reference)
        made.case_id = case.id
        return made


class PersonColumns:
    """Columns of a person that follow from their cases and their protected values."""

    if TYPE_CHECKING:
        links: Any
        given_name_enc: Any
        family_name_enc: Any

    @property
    def case_references(self) -> list[CaseReference]:
        links: list[CasePerson] = self.links
        return sorted({CaseReference(link.case) for link in links if link.case is not None})

    @property
    def masked_name(self) -> Hidden | None:
        """Dots if a name is stored."""
        return HIDDEN if self.given_name_enc or self.family_name_enc else None
