"""The box in the header, for those who work on cases: straight to the record if exactly one fits, else to a list.

A name or a number leads to the search for persons, with what was typed: sealed on the server, and in no address.
What is found is recorded as a look.
"""

from __future__ import annotations

from flask import flash, request
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.wrappers import Response

from itm_admin.cases import drafts
from itm_admin.cases.models import Case, Person
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.once import new_id
from itm_admin.foundation.quick_search import reference_in, searched_list
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, redirect_after_post, route

MOST = 200


class FindView(Page):
    """Cases by reference and persons by pseudonym."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/find"

    @route("", act="list", methods=("POST",))
    def find(self) -> Response:
        wanted = reference_in(request.form.get("q"))
        if wanted is None:
            return _to_the_search(request.form.get("q", ""))
        if request.form.get("next"):
            return searched_list(request.form["next"], wanted)
        case = db.session.scalar(select(Case.id).where(Case.reference == wanted, Case.deleted_at.is_(None)))
        if case is not None:
            record_read("record.list", "case", subjects=[case], detail={"page": "find"})
            return redirect_after_post("CaseView.show", id=case)
        like = Person.pseudonym.contains(wanted, autoescape=True)
        people = list(db.session.scalars(select(Person.id).where(like, Person.deleted_at.is_(None)).limit(2)))
        record_read("record.list", "person", subjects=people, detail={"page": "find"})
        if len(people) == 1:
            return redirect_after_post("PersonView.show", id=people[0])
        return redirect_after_post(
            "PersonView.list" if people else "CaseView.list", q=wanted, sort="-added" if people else "-opened"
        )


def _to_the_search(typed: str) -> Response:
    """Persons are searched by name or number on a page of their own; what was typed waits there, sealed."""
    typed = typed.strip()
    if not typed or len(typed) > MOST or not (me().may("search", "Person") and me().may("edit", "Draft")):
        flash(
            _("Type a case's reference or a pseudonym here. Persons are searched by name on a page of their own."),
            "info",
        )
        return redirect_after_post("CaseView.list", sort="-opened")
    field = "number" if any(sign.isdigit() for sign in typed) else "name"
    id = new_id()
    with writing() as session:
        drafts.keep(session, keyring(), f"search:{id}", [(field, typed)])
    return redirect_after_post("PersonView.search", typed=id)
