"""The box in the header, for those who oversee: a shared case by its reference or by a person's pseudonym."""

from __future__ import annotations

from flask import flash, request
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.wrappers import Response

from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.quick_search import reference_in, searched_list
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.oversight import board


class OversightFindView(Page):
    """Shared cases of all institutions."""

    subject = "OversightCase"
    scopes = (OVERSIGHT, AUDIT)
    route_base = "/oversight/find"

    @route("", act="list", methods=("POST",))
    def find(self) -> Response:
        wanted = reference_in(request.form.get("q"))
        if wanted is None:
            flash(_("Type a case's reference or a pseudonym here. Names are not searched."), "info")
            return redirect_after_post("OversightCaseView.list", sort="-opened")
        if request.form.get("next"):
            return searched_list(request.form["next"], wanted)
        fitting = select(board.case.c.id).where(board.case.c.reference == wanted)
        cases = list(db.session.scalars(fitting.limit(2)))
        if not cases:
            named = select(board.person.c.case_id).where(board.person.c.pseudonym == wanted).distinct()
            cases = list(db.session.scalars(named.limit(2)))
        record_read("record.list", "case", subjects=cases, detail={"page": "find"})
        if len(cases) == 1:
            return redirect_after_post("OversightCaseView.show", id=cases[0])
        return redirect_after_post("OversightCaseView.list", q=wanted, sort="-opened")
