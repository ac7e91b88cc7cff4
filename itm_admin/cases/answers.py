"""The answers of the programming interface about cases, persons and profiles, derived from their columns."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from itm_admin.cases.models import Case, CasePerson, Person, VictimProfile
from itm_admin.cases.schemas import CloseInput, LowerInput, VictimProfileInput
from itm_admin.foundation.api_schemas import versioned
from itm_admin.record.derive import answer_schema, revealed_schema
from itm_admin.record.kind import kind_of

CaseAnswer = answer_schema(kind_of(Case), "CaseAnswer")
PersonAnswer = answer_schema(kind_of(Person), "PersonAnswer")
ProfileAnswer = answer_schema(kind_of(VictimProfile), "ProfileAnswer")


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


def link_document(link: CasePerson) -> dict[str, Any]:
    return {
        "link_id": link.id,
        "case_id": link.case_id,
        "person_id": link.person_id,
        "role": link.role,
        "pseudonym": link.person.pseudonym,
    }


ProfileRevealed = revealed_schema(kind_of(VictimProfile), "ProfileRevealed")

ProfileChange = versioned(VictimProfileInput, "ProfileChange", partial=True)
CloseChange = versioned(CloseInput, "CloseChange")
LowerChange = versioned(LowerInput, "LowerChange")
