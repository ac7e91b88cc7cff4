"""What may be typed about cases and persons: one set of schemas for the forms and the REST API.

A field that is absent is left as it is when a record is changed; null (or an empty text) clears it.
"""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.cases.models import OPEN_STATUSES, VictimProfile
from itm_admin.foundation.identity_numbers import passport_number, phone_number, tckn, ykn
from itm_admin.record.derive import input_schema, typed_columns
from itm_admin.record.kind import kind_of
from itm_admin.record.schema import DeleteInput, Input
from itm_admin.record.schema_fields import (
    Birth,
    Checked,
    Code,
    Codes,
    Day,
    Email,
    Flag,
    Name,
    RecordId,
    Text,
)


class CaseInput(Input):
    """A case, when it is opened (defaults apply) or changed (partial)."""

    opened_on = Day(required=True)
    province = Code("province", required=True)
    referral_source = Code("referral_source", required=True)
    exploitation_types = Codes("exploitation_type", load_default=list)
    industry = Code("industry_isic")
    confidentiality = Code("confidentiality", load_default="INTERNAL", allow_none=False)
    shared = Flag(load_default=True)
    unit_id = RecordId()
    lead_institution_id = RecordId()
    status = Code("case_status", among=OPEN_STATUSES, allow_none=False)
    narrative = Text(most=20_000, lines=True)


class PersonInput(Input):
    gender = Code("gender", required=True)
    citizenships = Codes("citizenship", load_default=list)
    language = Code("language")
    given_name = Name(most=200)
    family_name = Name(most=200)
    birth_date = Birth(most=40)
    tckn = Checked(tckn, _l("This is not a Turkish identity number: its check digits do not fit."))
    ykn = Checked(ykn, _l("This is not a foreigner's identity number: 99 first, and check digits that fit."))
    passport = Checked(passport_number, _l("A passport number has 5 to 20 letters and digits."))
    phone = Checked(phone_number, _l("This is not a telephone number. Numbers of other countries begin with +."))
    email = Email(most=254)
    address = Text(most=1_000, lines=True)
    guardian = Text(most=1_000, lines=True)
    somebody_else = Flag(metadata={"description": "true: seen, and not one of those who were told as possible matches"})


class NewPersonInput(PersonInput):
    """A person who is new, and their role in the case."""

    role = Code("case_role", required=True)


class LinkInput(Input):
    """A person who is known already, in one more case."""

    person_id = RecordId(required=True)
    role = Code("case_role", required=True)


PROFILE_COLUMNS = tuple(typed_columns(kind_of(VictimProfile)))
VictimProfileInput = input_schema(kind_of(VictimProfile), PROFILE_COLUMNS, "VictimProfileInput")


class CloseInput(Input):
    reason = Code("case_closure_reason", required=True)
    closed_on = Day()
    note = Text(most=5_000, lines=True)


class HoldInput(Input):
    reason = Code("hold_reason", required=True)


class ReleaseInput(Input):
    reason = Code("hold_release", required=True)


class EraseInput(Input):
    """Why a person is erased, and the pseudonym typed once more. Cases' narratives: see erasure.py."""

    ground = Code("erasure_ground", required=True)
    pseudonym = Text(most=40, required=True)


class LowerInput(Input):
    """A lower confidentiality, and why."""

    confidentiality = Code("confidentiality", required=True)
    reason = Code("lowering_reason", required=True)


class UnlinkInput(DeleteInput):
    """Why a person leaves a case. From their last case they go to another one (`case_id`), or are deleted."""

    then = Code("last_unlinking")
    case_id = RecordId()


class AssignInput(Input):
    account_id = RecordId(required=True)


class SearchInput(Input):
    """A search for persons: all that is given must fit. `number` is an identity, passport or telephone number."""

    name = Text(most=200)
    number = Text(most=40)
    email = Text(most=254)
