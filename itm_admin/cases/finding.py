"""The box in the header, for those who work on cases: straight to the record if exactly one fits, else to a list.

Names are no part of it: persons are searched by name on a page of their own. What is found is recorded as a look.
"""

from __future__ import annotations

from flask import flash, request
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.wrappers import Response

from itm_admin.cases.models import Case, Person
from itm_admin.foundation.database import db
from itm_admin.foundation.finding import reference_in
from itm_admin.foundation.reading import looked_at
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, route, see


class FindView(Page):
    """Cases by reference and persons by pseudonym."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/find"

    @route("", act="list", methods=("POST",))
    def find(self) -> Response:
        wanted = reference_in(request.form.get("q"))
        if wanted is None:
            flash(
                _("Type a case's reference or a pseudonym here. Persons are searched by name on a page of their own.")
            )
            return see("CaseView.list", sort="-opened")
        case = db.session.scalar(select(Case.id).where(Case.reference == wanted, Case.deleted_at.is_(None)))
        if case is not None:
            looked_at("record.list", "case", subjects=[case], detail={"page": "find"})
            return see("CaseView.show", id=case)
        like = Person.pseudonym.contains(wanted, autoescape=True)
        people = list(db.session.scalars(select(Person.id).where(like, Person.deleted_at.is_(None)).limit(2)))
        looked_at("record.list", "person", subjects=people, detail={"page": "find"})
        if len(people) == 1:
            return see("PersonView.show", id=people[0])
        return see("PersonView.list" if people else "CaseView.list", q=wanted, sort="-added" if people else "-opened")
