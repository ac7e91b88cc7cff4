"""The accepted input about cases and persons: one set of schemas for the forms and the REST API.

A field that is absent is left as it is when a record is changed; null (or an empty text) clears it.
"""

from __future__ import annotations

from typing import Any

from itm_admin.cases.models import OPEN_STATUSES, Case, Person, VictimProfile
from itm_admin.record.checks import CodeCheck, DayCheck, FlagCheck, IdCheck, TextCheck
from itm_admin.record.derive import input_schema, typed_columns
from itm_admin.record.kind import kind_of
from itm_admin.record.schema import DeleteInput, Input

_CASE = kind_of(Case)
_PERSON = kind_of(Person)
_OpenCase: Any = input_schema(
    _CASE,
    (
        "opened_on", "province", "referral_source", "exploitation_types", "industry", "confidentiality", "shared",
        "narrative",
    ),
)  # fmt: skip
PERSON_COLUMNS = (
    "given_name", "family_name", "birth_date", "gender", "citizenships", "language", "tckn", "ykn", "passport", "phone",
    "email", "address", "guardian",
)  # fmt: skip
_Person: Any = input_schema(_PERSON, PERSON_COLUMNS)


class CaseInput(_OpenCase):
    """A case, when it is opened (defaults apply) or changed (partial). Where it lies follows, unless it is said."""

    unit_id = IdCheck()
    lead_institution_id = IdCheck()
    status = CodeCheck("case_status", among=OPEN_STATUSES, allow_none=False)


class PersonInput(_Person):
    somebody_else = FlagCheck(
        metadata={"description": "true: seen, and not one of those who were told as possible matches"}
    )


class NewPersonInput(PersonInput):
    """A person who is new, and their role in the case."""

    role = CodeCheck("case_role", required=True)


class LinkInput(Input):
    """A person who is known already, in one more case."""

    person_id = IdCheck(required=True)
    role = CodeCheck("case_role", required=True)


PROFILE_COLUMNS = tuple(typed_columns(kind_of(VictimProfile)))
VictimProfileInput = input_schema(kind_of(VictimProfile), PROFILE_COLUMNS, "VictimProfileInput")


class CloseInput(Input):
    reason = CodeCheck("case_closure_reason", required=True)
    closed_on = DayCheck()
    note = TextCheck(most=5_000, lines=True)


class HoldInput(Input):
    reason = CodeCheck("hold_reason", required=True)


class ReleaseInput(Input):
    reason = CodeCheck("hold_release", required=True)


class EraseInput(Input):
    """Why a person is erased, and the pseudonym typed once more. Cases' narratives: see erasure.py."""

    ground = CodeCheck("erasure_ground", required=True)
    pseudonym = TextCheck(most=40, required=True)


class LowerInput(Input):
    """A lower confidentiality, and why."""

    confidentiality = CodeCheck("confidentiality", required=True)
    reason = CodeCheck("lowering_reason", required=True)


class UnlinkInput(DeleteInput):
    """Why a person leaves a case. From their last case they go to another one (`case_id`), or are deleted."""

    then = CodeCheck("last_unlinking")
    case_id = IdCheck()


class AssignInput(Input):
    account_id = IdCheck(required=True)


class SearchInput(Input):
    """A search for persons: all that is given must fit. `number` is an identity, passport or telephone number."""

    name = TextCheck(most=200)
    number = TextCheck(most=40)
    email = TextCheck(most=254)
