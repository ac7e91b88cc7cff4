"""The pages of legal holds and of personal erasure, for managers: what is destroyed, what remains, and then it is done.

They hold no rule of their own: erasure.py and holds.py decide, one transaction each.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from flask import current_app, flash, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.cases import erasure, holds, lookup
from itm_admin.cases.forms import EraseForm, HoldForm, ReleaseForm
from itm_admin.cases.models import Case, Person
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.erasure_list import Erasures
from itm_admin.foundation.errors import Erased, Invalid
from itm_admin.foundation.forms import PanelForm, settled, tell
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, redirect_after_post, route

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


class ErasureView(Page):
    """A person's end in the records."""

    subject = "Person"
    scopes = (INSTITUTION,)
    route_base = "/erasures"
    shown = "PersonView.show"

    @route("/<uuid:id>", act="erase", methods=BOTH, fresh=True)
    def erase(self, id: uuid.UUID) -> Answer:
        form = EraseForm()
        if form.submitted():
            try:
                erasure.erase(_list(), id, form.payload(), _answers(), form.expected_version())
                flash(_("The person is erased. The pseudonym remains."))
                return redirect_after_post("PersonView.show", id=id)
            except Invalid as error:
                form.take(error)
        person = lookup.get_person(db.session, id, or_deleted=True)
        if person.erased_at is not None:
            raise Erased
        narratives = erasure.narratives_of(db.session, person)
        record_read("record.read", "person", id, subjects=[case.id for case in narratives], detail={"page": "erase"})
        form.version.data = form.version.data or str(person.row_version)
        given = {str(case): answer.fate for case, answer in _answers().items()}
        return (
            self.render(
                "cases/person_erase.html",
                form=form,
                person=person,
                narratives=narratives,
                given=given,
                wrong=form.wrong,
                holds=erasure.holds_of(db.session, person),
            ),
            form.refused_with if form.submitted() else 200,
        )


class _Holds(Page):
    """Setting and lifting a legal hold on one kind of record."""

    scopes = (INSTITUTION,)
    kind: ClassVar[type[Case | Person]]
    shown: ClassVar[str]

    @route("/<uuid:id>", act="hold", methods=BOTH)
    def hold(self, id: uuid.UUID) -> Answer:
        form = HoldForm()
        if form.submitted() and settled(
            form, lambda session: holds.hold(session, self.kind, id, form.payload(), form.expected_version())
        ):
            tell(_("The legal hold is set. Nothing of this record can be erased."))
            return redirect_after_post(self.shown, id=id)
        return self._ask(id, form, "cases/hold.html")

    @route("/<uuid:id>/release", act="hold", methods=BOTH)
    def release(self, id: uuid.UUID) -> Answer:
        form = ReleaseForm()
        if form.submitted() and settled(
            form, lambda session: holds.release(session, self.kind, id, form.payload(), form.expected_version())
        ):
            tell(_("The legal hold is lifted."))
            return redirect_after_post(self.shown, id=id)
        return self._ask(id, form, "cases/release.html")

    def _ask(self, id: uuid.UUID, form: PanelForm, template: str) -> Answer:
        get = lookup.get_case if self.kind is Case else lookup.get_person
        record: Any = get(db.session, id, or_deleted=True)
        record_read("record.read", self.kind.__name__.lower(), id, detail={"page": request.endpoint or ""})
        form.version.data = form.version.data or str(record.row_version)
        return self.render(template, form=form, record=record, endpoint=self.endpoint, shown=self.shown), (
            form.refused_with if form.submitted() else 200
        )


class CaseHoldView(_Holds):
    subject = "Case"
    route_base = "/holds/cases"
    kind = Case
    shown = "CaseView.show"


class PersonHoldView(_Holds):
    subject = "Person"
    route_base = "/holds/persons"
    kind = Person
    shown = "PersonView.show"


def _list() -> Erasures:
    found: Erasures = current_app.extensions["itm_erasures"]
    return found


def _answers() -> dict[uuid.UUID, erasure.Answer]:
    """The choice for each case: `case_<id>` with the version that was seen in `seen_<id>`."""
    found = {}
    for name, fate in request.form.items():
        if name.startswith("case_"):
            seen = request.form.get(f"seen_{name[5:]}", "")
            version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) <= 9 else 0
            try:
                found[uuid.UUID(name[5:])] = erasure.Answer(fate, version)
            except ValueError:
                continue
    return found


VIEWS = (ErasureView, CaseHoldView, PersonHoldView)
