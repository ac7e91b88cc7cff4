"""The pages of cases. Persons: person_views.py, profiles: profile_views.py, the way to a new case: new_case.py."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import flash, url_for
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import select

from itm_admin.cases import choices, conditions, erasure_views, lookup, services
from itm_admin.cases.finding import FindView
from itm_admin.cases.forms import (
    CASE_HINTS,
    CASE_LABELS,
    EVENT_FIELDS,
    SOURCE_FIELDS,
    AssignForm,
    CloseForm,
    CloseSeveralForm,
    LowerForm,
)
from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person
from itm_admin.cases.new_case import NewCaseView
from itm_admin.cases.people_list import people_list
from itm_admin.cases.profile_views import ProfileView
from itm_admin.cases.schemas import CASE_COLUMNS, AssignInput, CloseInput
from itm_admin.cases.services import CASES
from itm_admin.cases.timeline import course
from itm_admin.cases.turns import turns_of
from itm_admin.foundation.actor import me
from itm_admin.foundation.bulk import Chosen
from itm_admin.foundation.database import db
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.forms import attempt, settled, tell, told
from itm_admin.foundation.lists import Cell, Filter
from itm_admin.foundation.once import once
from itm_admin.foundation.views import keyring, redirect_after_post, route
from itm_admin.record import parts, protected_values
from itm_admin.record.draft_views import DraftView
from itm_admin.record.forms import ReasonForm
from itm_admin.record.page_acts import BOTH
from itm_admin.record.page_columns import Columns
from itm_admin.record.pages import Answer, RecordPage, Step
from itm_admin.record.schema import DeleteInput
from itm_admin.record.versions import expect


def _of_person(pseudonym: str) -> Any:
    """Cases in which a person of this pseudonym stands."""
    like = Person.pseudonym.contains(pseudonym, autoescape=True)
    stands = select(CasePerson.case_id).join(Person, Person.id == CasePerson.person_id)
    return Case.id.in_(stands.where(like, CasePerson.deleted_at.is_(None), Person.deleted_at.is_(None)))


class CaseView(RecordPage):
    """Cases of one's own institution."""

    datamodel = CASES
    route_base = "/cases"
    exclude_route_methods: ClassVar = {"add"}  # a case is opened step by step (new_case.py)
    list_name = "cases"
    list_columns = (
        "reference", "status", "opened_on", "province", "exploitation_types", "people_count", "confidentiality",
        "updated_at",
    )  # fmt: skip
    order_columns = ("reference", "status", "opened_on", "province", "confidentiality", "updated_at")
    order_by: ClassVar = {"confidentiality": (Case.sensitivity,)}
    base_order = ("opened_on", "desc")
    search_by = "reference"
    search_beside = (_of_person,)
    search_columns = (
        "status", "mine", "open", "assigned", "province", "exploitation_types", "referral_source", "confidentiality",
        "from", "to", "worker", "unit_id", "without_profile", "empty", "quiet",
    )  # fmt: skip
    search_filters = (
        Filter("mine", _l("Assigned to me"), "flag", conditions.mine),
        Filter("open", _l("Open"), "flag", conditions.is_open),
        Filter("assigned", _l("Assigned to somebody"), "flag", conditions.assigned),
        Filter("worker", _l("Assigned person"), "choice", conditions.assigned_to, conditions.assigned_people, True),
        Filter("empty", _l("Nobody in it yet"), "flag", conditions.empty),
        Filter("without_profile", _l("A victim without a profile"), "flag", conditions.without_profile),
        Filter("quiet", _l("Not touched for 30 days"), "flag", conditions.quiet),
        Filter("from", _l("Opened from"), "day", lambda day: Case.opened_on >= day),
        Filter("to", _l("Opened until"), "day", lambda day: Case.opened_on <= day),
    )
    address_names: ClassVar = {
        "opened_on": "opened", "exploitation_types": "exploitation", "people_count": "people", "updated_at": "updated",
        "referral_source": "source", "unit_id": "unit",
    }  # fmt: skip
    formatters_columns: ClassVar = {
        "people_count": lambda count: Cell("number", count),
        "updated_at": lambda moment: Cell("day", moment),
    }
    export_columns = (
        "reference", "status", "opened_on", "closed_on", "closure_reason", "province", "unit_id", "referral_source",
        "exploitation_types", "industry", "confidentiality", "pseudonyms", "narrative",
    )  # fmt: skip
    show_fieldsets = (
        (
            _l("About the case"),
            {
                "fields": (
                    "reference", "status", "opened_on", "referral_source", "province", "unit_id", "lead_institution_id",
                    "exploitation_types", "industry", "confidentiality", "shared", "updated_at", "closed_on",
                    "closure_reason", "narrative", "closure_note",
                )
            },
        ),
    )  # fmt: skip
    add_columns = edit_columns = CASE_COLUMNS
    edit_fieldsets = (*SOURCE_FIELDS, *EVENT_FIELDS)
    label_columns: ClassVar = {**CASE_LABELS, "people_count": _l("Persons"), "pseudonyms": _l("People")}
    description_columns: ClassVar = {
        **CASE_HINTS,
        "narrative": _l("Stored encrypted. Leave empty to keep the stored text; what you write replaces it."),
    }
    action_forms: ClassVar = {
        "assign": (AssignForm, AssignInput),
        "close": (CloseSeveralForm, CloseInput),
        "delete": (ReasonForm, DeleteInput),
    }
    show_template = "cases/show.html"
    deleted_title = _l("Deleted cases")
    empty_text = _l("There is no case that you may see.")
    deleted_text = _l("The case is deleted. It can be restored from the list of deleted cases.")
    restored_text = _l("The case is restored.")
    delete_label = _l("Delete the case")
    draft_label = _l("Changes to a case")

    def heading(self, where: str, record: Any, parent: Any) -> str:
        reference = record.reference
        words = {
            "show": reference,
            "edit": _("Edit %(reference)s", reference=reference),
            "close": _("Close %(reference)s", reference=reference),
            "lower": _("Lower the confidentiality of %(reference)s", reference=reference),
            "delete": _("Delete %(reference)s", reference=reference),
            "assign": _("Assign somebody to %(reference)s", reference=reference),
            "reveal": _("Show the narrative of %(reference)s", reference=reference),
        }
        return str(words[where])

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("The cases of your institution that are open to you."),
            "deleted": _("Open a case to see it and to restore it."),
            "show": _("The case, its people and its course. The narrative is shown for a purpose, and each look is"
                      " recorded."),
            "edit": _("Change what is known now. What you type is kept as a draft until you save."),
            "close": _("A closed case can be read and reopened, but not changed."),
            "lower": _("More people may see the case afterwards. The reason stays in the ledger."),
            "delete": _("A deleted case disappears from lists and counts. Its history stays, and it can be restored."),
            "assign": _("Assigned persons see the case and work on it."),
            "reveal": _("Choose why you need it. Your name, the time and the purpose are entered in the ledger."),
        }  # fmt: skip
        return str(words[where])

    def steps(self, record: Case, parent: Any) -> builtins.list[Step]:
        """The buttons, in the order in which they are needed."""
        living, id, may = record.deleted_at is None, record.id, me().may
        is_open = living and record.closed_on is None
        hold = ("release", _("Lift the legal hold")) if record.hold_reason else ("hold", _("Legal hold"))
        lower = living and record.confidentiality != "OPEN" and may("lower", "Case")
        offered = (
            (is_open and may("edit", "Case"), self.address("edit", id=id), _("Edit"), "primary"),
            (living and protected_values.filled(record) and may("reveal", "Case"), self.address("reveal", id=id),
             _("Show the narrative"), "secondary"),
            (may("history", "Case"), url_for("HistoryView.record", kind="case", id=id), _("Access history"),
             "secondary"),
            (is_open and may("close", "Case"), self.address("close", id=id), _("Close"), "secondary"),
            (living and may("delete", "Case"), self.address("delete", id=id), _("Delete"), "danger"),
            (lower, self.address("lower", id=id), _("Lower the confidentiality"), "secondary"),
            (may("hold", "Case"), url_for(f"CaseHoldView.{hold[0]}", id=id), hold[1], "secondary"),
        )  # fmt: skip
        new = parts.new_parts(self, record) if is_open else ()
        return [*((url, text, tone) for offer, url, text, tone in offered if offer), *new]

    def adding(self) -> tuple[str, str] | None:
        return (url_for("NewCaseView.source"), _("New case")) if me().may("add", "Case") else None

    def not_shown(self, record: Case) -> Columns:
        return () if record.closed_on else ("closed_on", "closure_reason")

    def offer(self, form: Any, parent: Any, record: Any) -> None:
        if "unit_id" in form:
            choices.offer_places(form, record)
        if "account_id" in form:
            choices.offer_colleagues(form.account_id)
        if isinstance(form, LowerForm):
            form.confidentiality.among(services.lower_than(record.confidentiality))

    def more(self, record: Case, parent: Any) -> Mapping[str, Any]:
        """The people, the colleagues and the course, and what may be done with each."""
        people, may = lookup.people_of(db.session, record), me().may
        living, id = record.deleted_at is None, record.id
        add: builtins.list[Step] = []
        if living and not record.closed_on and may("add", "Person"):
            add = [
                (url_for("PersonView.add", case=id), _("Add a person"), "primary"),
                (url_for("PersonView.link", case=id), _("Add a person of another case"), "secondary"),
            ]
        reopen = living and record.closed_on and may("close", "Case")
        return {
            "people": people_list(
                people,
                profiles=living and may("show", "VictimProfile"),
                unlinks=living and may("delete", "Person"),
            ),
            "add_people": add,
            "assigns": living and may("assign", "Case"),
            "assign": self.address("assign", id=id),
            "reopen": self.address("reopen", id=id) if reopen else None,
            "course": course(record, people, turns_of(db.session, id), lookup.assignments_of(db.session, record)),
        }

    @action("assign", _l("Assign"), _l("Assign somebody to the chosen cases"), single=False)
    def assign_each(self, session: AnySession, each: Chosen, data: Mapping[str, Any]) -> None:
        expect(lookup.get_case(session, each.id), each.version)
        services.assign(session, each.id, data)

    @action("close", _l("Close"), _l("Close the chosen cases"), single=False)
    def close_each(self, session: AnySession, each: Chosen, data: Mapping[str, Any]) -> None:
        services.close_case(session, keyring(), each.id, data, each.version)

    @action("delete", _l("Delete"), _l("Delete the chosen cases"), single=False)
    def delete_each(self, session: AnySession, each: Chosen, data: Mapping[str, Any]) -> None:
        CASES.delete(session, each.id, data, each.version)

    def done_words(self, action: str, count: int) -> str:
        if action == "assign":
            words = ngettext(
                "The person is assigned to %(num)s case.", "The person is assigned to %(num)s cases.", count
            )
        elif action == "close":
            words = ngettext("%(num)s case is closed.", "%(num)s cases are closed.", count)
        else:
            words = ngettext("%(num)s case is deleted.", "%(num)s cases are deleted.", count)
        return str(words)

    @route("/<uuid:id>/close", act="close", methods=BOTH)
    def close(self, id: uuid.UUID) -> Answer:
        form = CloseForm()
        if form.submitted() and settled(
            form, lambda s: services.close_case(s, keyring(), id, form.payload(), form.expected_version())
        ):
            tell(_("The case is closed."))
            return redirect_after_post("CaseView.show", id=id)
        return self.render_act("close", id, form, _("Close the case"))

    @route("/<uuid:id>/confidentiality", act="lower", methods=BOTH)
    def lower(self, id: uuid.UUID) -> Answer:
        """More people may see the case: a manager's act, for a reason."""
        form = LowerForm()
        if form.submitted() and settled(
            form, lambda s: services.lower_confidentiality(s, id, form.payload(), form.expected_version())
        ):
            tell(_("The confidentiality is lowered."))
            return redirect_after_post("CaseView.show", id=id)
        return self.render_act("lower", id, form, _("Lower the confidentiality"))

    @route("/<uuid:id>/reopen", act="close", methods=("POST",))
    def reopen(self, id: uuid.UUID) -> Answer:
        form = ReasonForm()
        told(form, lambda s: services.reopen_case(s, id, form.expected_version()), _("The case is open again."))
        return redirect_after_post("CaseView.show", id=id)

    @route("/<uuid:id>/assign", act="assign", methods=BOTH)
    def assign(self, id: uuid.UUID) -> Answer:
        form = AssignForm()
        if form.submitted() and attempt(
            form, lambda s: once(s, CaseAssignment, lambda: services.assign(s, id, form.payload()))
        ):
            flash(_("The person is assigned to the case."))
            return redirect_after_post("CaseView.show", id=id)
        return self.render_act("assign", id, form, _("Assign"))

    @route("/<uuid:id>/assign/<uuid:account>/end", act="assign", methods=("POST",))
    def unassign(self, id: uuid.UUID, account: uuid.UUID) -> Answer:
        said = _("The person is no longer assigned to the case.")
        told(ReasonForm(), lambda session: services.unassign(session, id, account) or True, said)
        return redirect_after_post("CaseView.show", id=id)


VIEWS = (
    NewCaseView, DraftView, FindView, ProfileView, *choices.VIEWS, *erasure_views.VIEWS,
)  # fmt: skip
