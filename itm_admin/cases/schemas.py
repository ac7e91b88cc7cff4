"""The accepted input about cases and persons: one set of schemas for the forms and the REST API.

A field that is absent is left as it is when a record is changed; null (or an empty text) clears it.
"""

from __future__ import annotations

from itm_admin.cases.models import OPEN_STATUSES, Case, CaseAssignment, CasePerson, Person, VictimProfile
from itm_admin.record.checks import CodeCheck, FlagCheck, IdCheck, TextCheck
from itm_admin.record.derive import check_of, given, input_schema, typed_columns
from itm_admin.record.kind import kind_of
from itm_admin.record.schema import DeleteInput, Input

_CASE = kind_of(Case)
_PERSON = kind_of(Person)
_LINK = kind_of(CasePerson)
# Fields by group: a form gives each group its legend (forms.py).
SOURCE_COLUMNS = ("opened_on", "referral_source", "province")
PLACE_COLUMNS = ("unit_id", "lead_institution_id", "confidentiality", "shared")
EVENT_COLUMNS = ("exploitation_types", "industry", "narrative")
CASE_COLUMNS = (*SOURCE_COLUMNS, *PLACE_COLUMNS, *EVENT_COLUMNS)
API_COLUMNS = (*CASE_COLUMNS, "status")


class CaseInput(input_schema(_CASE, API_COLUMNS)):  # type: ignore[misc]
    """A case that is opened: defaults apply, and it begins in the first state."""

    status = CodeCheck("case_status", among=OPEN_STATUSES[:1], load_default=OPEN_STATUSES[0], allow_none=False)


IDENTITY_COLUMNS = ("given_name", "family_name", "birth_date", "tckn", "ykn", "passport")
ABOUT_COLUMNS = ("gender", "language", "citizenships")
CONTACT_COLUMNS = ("phone", "email", "address", "guardian")
PERSON_COLUMNS = (*IDENTITY_COLUMNS, *ABOUT_COLUMNS, *CONTACT_COLUMNS)


class PersonInput(input_schema(_PERSON, PERSON_COLUMNS)):  # type: ignore[misc]
    somebody_else = FlagCheck(
        metadata={"description": "true: seen, and not one of those who were told as possible matches"}
    )


class NewPersonInput(PersonInput):
    """A person who is new, and their role in the case."""

    role = check_of(_LINK.field("role"))


LinkInput = input_schema(_LINK, ("person_id", "role"), "LinkInput")
"""A person who is known already, in one more case."""
PROFILE_COLUMNS = tuple(typed_columns(kind_of(VictimProfile)))
VictimProfileInput = input_schema(kind_of(VictimProfile), PROFILE_COLUMNS, "VictimProfileInput")


class CloseInput(Input):
    reason = given(_CASE.field("closure_reason"))
    closed_on = check_of(_CASE.field("closed_on"))
    note = check_of(_CASE.field("closure_note"))


class HoldInput(Input):
    reason = given(_CASE.field("hold_reason"))


class ReleaseInput(Input):
    reason = CodeCheck("hold_release", required=True)


class EraseInput(Input):
    """Why a person is erased, and the pseudonym typed once more. Cases' narratives: see erasure.py."""

    ground = given(_PERSON.field("erasure_ground"))
    pseudonym = TextCheck(most=40, required=True)


class LowerInput(Input):
    """A lower confidentiality, and why."""

    confidentiality = given(_CASE.field("confidentiality"))
    reason = given(_CASE.field("lowering_reason"))


class UnlinkInput(DeleteInput):
    """Why a person leaves a case. From their last case they go to another one (`case_id`), or are deleted."""

    then = CodeCheck("last_unlinking")
    case_id = IdCheck()


AssignInput = input_schema(kind_of(CaseAssignment), ("account_id",), "AssignInput")


class SearchInput(Input):
    """A search for persons: all that is given must fit. `number` is an identity, passport or telephone number."""

    name = TextCheck(most=200)
    number = TextCheck(most=40)
    email = TextCheck(most=254)
