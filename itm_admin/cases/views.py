"""The pages of cases. Persons and profiles: see person_views.py.

Pages read through lookup.py, change through services.py in one transaction, and say what they are about to
show. They hold no rule of their own.
"""

from __future__ import annotations

import uuid
from typing import Any

from flask import flash, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.cases import choices, draft_forms, erasure_views, exports, lookup, personal_data, services
from itm_admin.cases.bulk_pages import CasesTogetherView, bulk_acts
from itm_admin.cases.display import case_facts
from itm_admin.cases.finding import FindView
from itm_admin.cases.forms import AssignForm, CaseForm, CloseForm, LowerForm
from itm_admin.cases.lists import CASES
from itm_admin.cases.models import Case, CaseAssignment
from itm_admin.cases.new_case import NewCaseView
from itm_admin.cases.profile_views import ProfileView
from itm_admin.cases.timeline import course
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, Invalid
from itm_admin.foundation.forms import attempt, save, settled, tell, told
from itm_admin.foundation.lists import with_query
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, keyring, redirect_after_post, revealing, route
from itm_admin.record import versions
from itm_admin.record.display import compared, protected_choices
from itm_admin.record.draft_views import DraftView, desk, finished, resumed
from itm_admin.record.export_response import answer_export, how_many
from itm_admin.record.forms import ExportForm, PurposeForm, ReasonForm

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


class CaseView(Page):
    """Cases of one's own institution."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/cases"

    @route("/", act="list")
    def list(self) -> str:
        shown = CASES.page(db.session, lookup.list_cases(), CASES.read(request.args))
        record_read("record.list", "case", subjects=shown.ids)
        if me().may("add", "Case"):
            shown.add = (url_for("NewCaseView.source"), _("New case"))
        shown.bulk = bulk_acts()
        if me().may("export", "Case"):
            shown.exports = [(_("Export the list"), with_query("CaseView.export"))]
        return self.render("cases/list.html", listing=shown)

    @route("/deleted", act="restore")
    def deleted(self) -> str:
        """Deleted cases, which managers may restore."""
        shown = CASES.page(db.session, lookup.list_cases(deleted=True), CASES.read(request.args))
        shown.empty_text = _("Nothing is deleted.")
        record_read("record.list", "case", subjects=shown.ids)
        return self.render("cases/deleted.html", listing=shown)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        record_read("record.read", "case", id)
        return self._page(id)

    @route("/<uuid:id>/edit", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        conflict: Conflict | None = None
        form = CaseForm()
        if form.submitted():
            try:
                saved = save(
                    form,
                    lambda session: finished(
                        session,
                        "case",
                        id,
                        services.change_case(session, keyring(), id, form.payload(), form.expected_version()),
                    ),
                )
            except Conflict as error:
                saved, conflict = None, error
            if saved is not None:
                tell(_("The changes are saved."))
                return redirect_after_post("CaseView.show", id=id)
        at = desk(db.session, "case", id)
        case = lookup.get_case(db.session, id)
        record_read("record.read", "case", id, detail={"page": "edit"})
        if not form.submitted():
            form = resumed(CaseForm(obj=case, version=case.row_version), at)
        form.warn(services.why_locked(case))
        form = choices.offered(form, case)
        form.clear.choices = protected_choices(form, case)
        rows = compared(form, versions.shown_values(case)) if conflict else []
        if conflict:
            form.version.data = str(case.row_version)
        status = 409 if conflict else form.refused_with if form.submitted() else 200
        return self.render("cases/edit.html", form=form, case=case, conflict=rows, at=at), status

    @route("/<uuid:id>/close", act="close", methods=BOTH)
    def close(self, id: uuid.UUID) -> Answer:
        form = CloseForm()
        if form.submitted() and settled(
            form,
            lambda session: services.close_case(session, keyring(), id, form.payload(), form.expected_version()),
        ):
            tell(_("The case is closed."))
            return redirect_after_post("CaseView.show", id=id)
        return self._ask(id, form, "cases/close.html")

    @route("/<uuid:id>/confidentiality", act="lower", methods=BOTH)
    def lower(self, id: uuid.UUID) -> Answer:
        """More people may see the case: a manager's act, for a reason."""
        form = LowerForm()
        if form.submitted() and settled(
            form,
            lambda session: services.lower_confidentiality(session, id, form.payload(), form.expected_version()),
        ):
            tell(_("The confidentiality is lowered."))
            return redirect_after_post("CaseView.show", id=id)
        return self._ask(id, form, "cases/lower.html")

    @route("/<uuid:id>/reopen", act="close", methods=("POST",))
    def reopen(self, id: uuid.UUID) -> Answer:
        form = ReasonForm()
        told(
            form,
            lambda session: services.reopen_case(session, id, form.expected_version()),
            _("The case is open again."),
        )
        return redirect_after_post("CaseView.show", id=id)

    @route("/<uuid:id>/delete", act="delete", methods=BOTH)
    def delete(self, id: uuid.UUID) -> Answer:
        form = ReasonForm()
        if form.submitted() and settled(
            form, lambda session: services.delete_case(session, id, form.payload(), form.expected_version())
        ):
            tell(_("The case is deleted. It can be restored from the list of deleted cases."))
            return redirect_after_post("CaseView.list")
        return self._ask(id, form, "cases/delete.html")

    @route("/<uuid:id>/restore", act="restore", methods=("POST",))
    def restore(self, id: uuid.UUID) -> Answer:
        told(ReasonForm(), lambda session: services.restore_case(session, id), _("The case is restored."))
        return redirect_after_post("CaseView.show", id=id)

    @route("/<uuid:id>/assign", act="assign", methods=BOTH)
    def assign(self, id: uuid.UUID) -> Answer:
        form = AssignForm()
        if form.submitted() and attempt(
            form,
            lambda session: once(session, CaseAssignment, lambda: services.assign(session, id, form.payload())),
        ):
            flash(_("The person is assigned to the case."))
            return redirect_after_post("CaseView.show", id=id)
        choices.offer_colleagues(form.account_id)
        return self._ask(id, form, "cases/assign.html")

    @route("/<uuid:id>/assign/<uuid:account>/end", act="assign", methods=("POST",))
    def unassign(self, id: uuid.UUID, account: uuid.UUID) -> Answer:
        said = _("The person is no longer assigned to the case.")
        told(ReasonForm(), lambda session: services.unassign(session, id, account) or True, said)
        return redirect_after_post("CaseView.show", id=id)

    @route("/<uuid:id>/reveal", act="reveal", methods=BOTH)
    def reveal(self, id: uuid.UUID) -> Answer:
        """The narrative, after a purpose was chosen."""
        form = PurposeForm()
        if not form.submitted():
            return self._ask(id, form, "cases/reveal.html")
        case = lookup.get_case(db.session, id)
        try:
            values = personal_data.reveal_case(db.session, keyring(), case, form.purpose.data or "", form.words.data)
        except Invalid as error:
            form.take(error)
            return self._ask(id, form, "cases/reveal.html")
        return revealing(self._page(id, values), url_for("CaseView.show", id=id))

    @route("/export", act="export", methods=BOTH)
    def export(self) -> Answer:
        form = ExportForm()
        statement = CASES.narrowed(lookup.list_cases(), CASES.read(request.args))
        if form.submitted():
            try:
                return answer_export(db.session, exports.CASES, statement, form)
            except Invalid as error:
                form.take(error)
        return self.render(
            "record/export.html", rows=how_many(db.session, statement), form=form, back=with_query("CaseView.list")
        ), (form.refused_with if form.submitted() else 200)

    def _page(self, id: uuid.UUID, revealed: dict[str, Any] | None = None) -> str:
        case = lookup.get_case(db.session, id, or_deleted=True)
        people = lookup.people_of(db.session, case)
        return self.render(
            "cases/show.html",
            case=case,
            people=people,
            facts=case_facts(case, revealed),
            course=course(case, people),
            revealed=revealed,
        )

    def _ask(self, id: uuid.UUID, form: Any, template: str) -> Answer:
        case: Case = lookup.get_case(db.session, id)
        record_read("record.read", "case", id, detail={"page": request.endpoint or ""})
        if not form.submitted():
            form.version.data = str(case.row_version)
        if isinstance(form, LowerForm):
            form.confidentiality.among(services.lower_than(case.confidentiality))
        return self.render(template, form=form, case=case), form.refused_with if form.submitted() else 200


draft_forms.register_all()

VIEWS = (
    NewCaseView, DraftView, CasesTogetherView, FindView, ProfileView, *choices.VIEWS, *erasure_views.VIEWS,
)  # fmt: skip
