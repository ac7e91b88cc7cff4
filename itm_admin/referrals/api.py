"""The programming interface of referrals: the same rules, refusals and entries as the pages."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from flask import Response
from marshmallow import Schema, fields

from itm_admin.cases.models import CasePerson
from itm_admin.foundation.api import body, describes, route, versioned
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.once import once, unless_repeated
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import keyring
from itm_admin.record.api import RecordApi
from itm_admin.record.schema import Input, RevealInput, load
from itm_admin.referrals.services import DRAFTS, REFERRALS
from itm_admin.referrals.views import ReferralDraftView, ReferralView


class FieldToSend(Schema):
    """`goes` is decided by the consents of today, or by the legal ground."""

    name = fields.String()
    scope = fields.String()
    goes = fields.Boolean()
    consent = fields.UUID(allow_none=True)


class ToSend(Schema):
    fields_ = fields.List(fields.Nested(FieldToSend), data_key="fields")
    seen = fields.String(metadata={"description": "sent back with the act: nothing else goes"})
    row_version = fields.Integer()


class SendInput(Input):
    seen = fields.String(required=True)
    row_version = fields.Integer()


class SentSides(Schema):
    items = fields.List(fields.UUID())


class OpenCaseInput(Input):
    province = fields.String()
    referral_source = fields.String(required=True)
    somebody_else = fields.Boolean()
    row_version = fields.Integer()


class OpenedCase(Schema):
    id = fields.UUID()
    case_id = fields.UUID()
    person_id = fields.UUID()


class ContentSent(Schema):
    id = fields.UUID()
    fields_ = fields.Dict(keys=fields.String(), values=fields.Raw(), data_key="fields")


class ReferralDraftApi(RecordApi):
    """Referrals that are being prepared."""

    page = ReferralDraftView
    resource_name = "referral-drafts"
    openapi_spec_tag = "Referrals"

    @route("/<uuid:id>/parcel", act="show")
    @describes("What would go with this draft now, field by field", gives=ToSend)
    def parcel(self, id: uuid.UUID) -> Response:
        draft = DRAFTS.get_open(db.session, id)
        record_read("record.read", "referral_draft", id, detail={"page": "parcel"})
        parcel = DRAFTS.parcel(db.session, keyring(), draft)
        rows = [
            {"name": each.name, "scope": each.scope, "goes": each.goes, "consent": each.way and each.way.consent}
            for each in parcel.fields
            if not each.empty
        ]
        return self.answer(fields=rows, seen=parcel.seen, row_version=draft.row_version)

    @route("/<uuid:id>/send", act="send", methods=("POST",), fresh=True)
    @describes("Sends the draft, once for each service", takes=SendInput, gives=SentSides, matching=True)
    def send(self, id: uuid.UUID) -> Response:
        DRAFTS.get_open(db.session, id)
        data, version = versioned()
        seen = load(SendInput, data)["seen"]
        with writing() as session:
            sent = unless_repeated(session, lambda: DRAFTS.send(session, keyring(), id, version, seen))
        return self.answer(items=sent if isinstance(sent, list) else [])


class ReferralApi(RecordApi):
    """Referrals that were sent to us or by us."""

    page = ReferralView
    resource_name = "referrals"
    exclude_route_methods: ClassVar = {"add", "edit", "reveal"}
    openapi_spec_tag = "Referrals"

    @route("/<uuid:id>/content", act="open", methods=("POST",))
    @describes("What was sent, for a purpose", takes=RevealInput, gives=ContentSent)
    def content(self, id: uuid.UUID) -> Response:
        record = REFERRALS.get(db.session, id)
        why = load(RevealInput, body())
        values: dict[str, Any] = REFERRALS.content(db.session, keyring(), record, (why["purpose"], why.get("words")))
        return self.told({"id": record.id, "fields": values})

    @route("/<uuid:id>/case", act="open_case", methods=("POST",))
    @describes("A case of the receiver's own, from what was sent", takes=OpenCaseInput, gives=OpenedCase, status=201)
    def open_case(self, id: uuid.UUID) -> Response:
        REFERRALS.get_open(db.session, id)
        data, version = versioned()
        values = load(OpenCaseInput, data)
        with writing() as session:
            link = once(session, CasePerson, lambda: REFERRALS.open_case(session, keyring(), id, values, version))
        return self.answer(201, id=link.id, case_id=link.case_id, person_id=link.person_id)


APIS = (ReferralDraftApi, ReferralApi)
