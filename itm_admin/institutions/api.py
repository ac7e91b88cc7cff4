"""Codes, units and institutions for programs: what a case or a person may name. None of it is personal: no entry."""

from __future__ import annotations

from typing import ClassVar

from flask import Response, request
from flask_babel import lazy_gettext as _l
from marshmallow import Schema, fields
from sqlalchemy import select

from itm_admin.foundation import vocabulary
from itm_admin.foundation.api import Api, describes, route
from itm_admin.foundation.api_schemas import all_of
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION
from itm_admin.foundation.shown_list import COUNT_BOUND
from itm_admin.foundation.turkish import turkish_order
from itm_admin.institutions.models import Institution, Unit
from itm_admin.institutions.views import InstitutionView, UnitView
from itm_admin.record.api import RecordApi
from itm_admin.record.derive import answer_schema
from itm_admin.record.kind import kind_of


class CodeAnswer(Schema):
    code = fields.String(required=True)
    tr = fields.String(required=True)
    en = fields.String(required=True)


class VocabularyAnswer(Schema):
    name = fields.String(required=True)
    codes = fields.List(fields.Nested(CodeAnswer), required=True)


class Vocabularies(Schema):
    items = fields.List(fields.Nested(VocabularyAnswer), required=True)


class VocabularyApi(Api):
    """The lists of codes, with Turkish and English labels."""

    subject = "Vocabulary"
    resource_name = "vocabularies"
    openapi_spec_tag = "Codes"

    @route("/", act="list", quiet=True)
    @describes(
        "All lists of codes, or the one that is named",
        gives=Vocabularies,
        parameters=lambda: [{"in": "query", "name": "name", "schema": {"type": "string", "enum": _names()}}],
    )
    def list(self) -> Response:
        _only("name")
        wanted = request.args.get("name")
        if wanted is not None and wanted not in _names():
            raise Invalid({"name": vocabulary.NOT_A_CHOICE})
        names = [wanted] if wanted is not None else _names()
        return self.answer(items=[{"name": name, "codes": _codes(name)} for name in names])


class UnitApi(RecordApi):
    """The units that the person may see: of the own institution, or for a system administrator of all."""

    page = UnitView
    subject = "Register"
    scopes = (INSTITUTION, ACCOUNTS)
    resource_name = "units"
    openapi_spec_tag = "Codes"
    include_route_methods: ClassVar = {"list"}
    show_columns = ("id", "institution_id", "parent_id", "name", "province")

    @route("/", act="list", quiet=True)
    @describes("Units, by name", gives=all_of(answer_schema(kind_of(Unit), "UnitAnswer", show_columns), "Units"))
    def list(self) -> Response:
        _only()
        found = db.session.scalars(select(Unit).order_by(turkish_order(Unit.name), Unit.id).limit(COUNT_BOUND))
        return self.answer(items=found.all())


class InstitutionApi(RecordApi):
    """The register of institutions."""

    page = InstitutionView
    subject = "Register"
    scopes = ()
    resource_name = "institutions"
    openapi_spec_tag = "Codes"
    include_route_methods: ClassVar = {"list"}
    show_columns = ("id", "code", "name_tr", "name_en", "kind", "status")

    @route("/", act="list", quiet=True)
    @describes(
        "Institutions, by code",
        gives=all_of(answer_schema(kind_of(Institution), "InstitutionAnswer", show_columns), "Institutions"),
    )
    def list(self) -> Response:
        _only()
        return self.answer(items=db.session.scalars(select(Institution).order_by(Institution.code)).all())


def _names() -> list[str]:
    return sorted(vocabulary.names())


def _codes(name: str) -> list[dict[str, str]]:
    tr, en = (dict(vocabulary.choices(name, language)) for language in vocabulary.LANGUAGES)
    return [{"code": code, "tr": tr[code], "en": en[code]} for code in vocabulary.codes(name)]


def _only(*known: str) -> None:
    """Refuses what the address holds besides."""
    if set(request.args) - set(known) or any(len(request.args.getlist(name)) > 1 for name in known):
        raise Invalid({"": _l("The address holds something that this list does not know.")})


APIS = (VocabularyApi, UnitApi, InstitutionApi)
