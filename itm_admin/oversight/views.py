"""The boards: institutions with counts, and shared cases across institutions as metadata and pseudonyms."""

from __future__ import annotations

import uuid

from flask import g, request, url_for
from flask_babel import gettext as _

from itm_admin.foundation import access
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.foundation.views import Page, route
from itm_admin.institutions.names import full_name_by_code
from itm_admin.oversight import board
from itm_admin.oversight.finding import OversightFindView
from itm_admin.oversight.home import figures, presidency_home
from itm_admin.oversight.lists import CASES, PERSONS, name_of


class OversightInstitutionView(Page):
    """All institutions with their counts."""

    subject = "OversightInstitution"
    scopes = (OVERSIGHT, AUDIT)
    route_base = "/oversight/institutions"

    @route("/", act="list")
    def list(self) -> str:
        return self.render("oversight/home.html", **presidency_home(db.session))

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        row = board.find_institution(db.session, id)
        record_read("record.read", "institution", id, detail={"page": "oversight"})
        places = (
            ("OversightCaseView.list", {"institution": row.code}, _("Its shared cases")),
            ("InstitutionView.show", {"id": id}, _("Entry in the register")),
            ("LooksView.everything", {"ledger": row.code}, _("Who looked?")),
        )
        next_pages = [
            (url_for(endpoint, **values), label, "secondary")
            for endpoint, values, label in places
            if access.allowed(endpoint, g.actor)
        ]
        shown = figures(row, institution=row.code)
        return self.render("oversight/institution.html", row=row, figures=shown, next_pages=next_pages, name_of=name_of)


class OversightCaseView(Page):
    """Shared cases of all institutions, without identities."""

    subject = "OversightCase"
    scopes = (OVERSIGHT, AUDIT)
    route_base = "/oversight/cases"
    listing = CASES

    @route("/", act="list")
    def list(self) -> tuple[str, int]:
        shown = CASES.page(db.session, board.cases(), CASES.asked(request.args))
        shown.record("case", detail={"page": "oversight"})
        return self.render("oversight/cases.html", listing=shown), shown.status

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        case = board.find_case(db.session, id)
        people = board.people_of(db.session, id)
        record_read(
            "record.read", "case", id, subjects=sorted({str(row.id) for row in people}), detail={"page": "oversight"}
        )
        institution = full_name_by_code(case.institution_code)
        return self.render("oversight/case.html", case=case, institution=institution, people=PERSONS.all(people))


VIEWS: tuple[type, ...] = (OversightFindView,)
