"""The answers of the programming interface about cases, persons and profiles, derived from their columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from itm_admin.cases.models import Case, Person, VictimProfile
from itm_admin.cases.schemas import CaseInput, CloseInput, LowerInput, PersonInput, VictimProfileInput
from itm_admin.foundation.api_schemas import of_record, page_of, versioned
from itm_admin.record.fields import Codes as SeveralCodes
from itm_admin.record.kind import kind_of
from itm_admin.record.models import Record
from itm_admin.record.schema import DeleteInput, Input
from itm_admin.record.schema_fields import Code, Codes

_UNSAID = ("institution_id", "case_person_id", "data_key", "index_terms", "created_by", "updated_by")
_STATES = {"closure_reason": "case_closure_reason", "deletion_reason": "deletion_reason", "age_band": "age_band",
           "hold_reason": "hold_reason", "erasure_ground": "erasure_ground"}  # fmt: skip


def _lists(schema: type[Input]) -> Mapping[str, str]:
    coded = {name: each for name, each in schema._declared_fields.items() if isinstance(each, Code | Codes)}
    return {**_STATES, **{name: each.list_name for name, each in coded.items()}}


def _revealed(name: str, of: type[Record]) -> type[Schema]:
    """What a reveal shows: the protected fields in plain text."""
    members: dict[str, Any] = {"id": fields.UUID(required=True, allow_none=True)}
    for each in kind_of(of).protected:
        known = isinstance(kind_of(of).field(each).field, SeveralCodes)
        members[each] = fields.List(fields.String(), allow_none=True) if known else fields.String(allow_none=True)
    return Schema.from_dict(members, name=name)


CaseAnswer = of_record(Case, "CaseAnswer", kind_of(Case).protected, _lists(CaseInput), _UNSAID)
PersonAnswer = of_record(Person, "PersonAnswer", kind_of(Person).protected, _lists(PersonInput), _UNSAID)
ProfileAnswer = of_record(
    VictimProfile, "ProfileAnswer", kind_of(VictimProfile).protected, _lists(VictimProfileInput), _UNSAID
)


class LinkAnswer(Schema):
    link_id = fields.UUID(required=True)
    case_id = fields.UUID(required=True)
    person_id = fields.UUID(required=True)
    role = fields.String(required=True)
    pseudonym = fields.String(required=True)


class CaseWithPeople(CaseAnswer):  # type: ignore[misc,valid-type]
    people = fields.List(fields.Nested(LinkAnswer), required=True)


class LinkWithProfile(LinkAnswer):
    profile = fields.Nested(ProfileAnswer, required=True, allow_none=True)


class CaseOpened(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True)
    row_version = fields.Integer(required=True)


class LinkMade(Schema):
    id = fields.UUID(required=True)
    person_id = fields.UUID(required=True)
    row_version = fields.Integer(required=True)


class PersonsFound(Schema):
    items = fields.List(fields.Nested(PersonAnswer), required=True)
    more = fields.Boolean(required=True)


CasePage = page_of(CaseAnswer, "CasePage")
PersonPage = page_of(PersonAnswer, "PersonPage")
CaseRevealed = _revealed("CaseRevealed", Case)
PersonRevealed = _revealed("PersonRevealed", Person)
ProfileRevealed = _revealed("ProfileRevealed", VictimProfile)

CaseChange = versioned(CaseInput, "CaseChange", partial=True)
PersonChange = versioned(PersonInput, "PersonChange", partial=True)
ProfileChange = versioned(VictimProfileInput, "ProfileChange", partial=True)
CloseChange = versioned(CloseInput, "CloseChange")
DeleteChange = versioned(DeleteInput, "DeleteChange")
LowerChange = versioned(LowerInput, "LowerChange")
