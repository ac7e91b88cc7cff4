"""The pages of persons, and their place in cases.

A person is added from a case's page. Names and numbers are searched by POST, shown as dots, and revealed one
person at a time for a purpose; each of these is an entry in the ledger before the page leaves.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask import flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from itm_admin.cases import choices, erasure, lookup, person_services
from itm_admin.cases.computed import CaseReference
from itm_admin.cases.forms import (
    NEW_PERSON_FIELDS,
    PERSON_FIELDS,
    PERSON_HINTS,
    LinkForm,
    MatchForm,
    NewPersonForm,
    SearchForm,
    UnlinkForm,
)
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.persons import PERSONS
from itm_admin.cases.schemas import PERSON_COLUMNS
from itm_admin.cases.services import CASES
from itm_admin.foundation import access
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import REQUIRED, Invalid
from itm_admin.foundation.forms import attempt
from itm_admin.foundation.identity_numbers import seems_mistyped
from itm_admin.foundation.list_parts import Cell
from itm_admin.foundation.once import once
from itm_admin.foundation.views import keyring, redirect_after_post, route
from itm_admin.record import drafts, parts, removals
from itm_admin.record.draft_views import DraftForm, desk, finished, register, resumed
from itm_admin.record.drafts import Kept
from itm_admin.record.kind import kind_of
from itm_admin.record.page_acts import BOTH, grouped
from itm_admin.record.pages import Answer, RecordPage, Step
from itm_admin.record.protected_values import filled


def _in_case(reference: str) -> Any:
    """Persons in the cases of this reference."""
    like = Case.reference.contains(reference, autoescape=True)
    stands = select(CasePerson.person_id).join(Case, Case.id == CasePerson.case_id)
    return Person.id.in_(stands.where(like, CasePerson.deleted_at.is_(None), Case.deleted_at.is_(None)))


def _cases(references: Sequence[CaseReference]) -> Cell:
    opens = access.allowed("CaseView.show", me())
    found = [Cell("text", str(each), url=url_for("CaseView.show", id=each.case_id) if opens else None)
             for each in references]  # fmt: skip
    return Cell("values", found) if found else Cell("text", None)


class PersonView(RecordPage):
    """Persons of one's own institution's cases."""

    datamodel = PERSONS
    route_base = "/persons"
    list_name = "persons"
    counted = 1_000
    list_columns = ("pseudonym", "gender", "age_band", "citizenships", "case_references", "created_at")
    order_columns = ("pseudonym", "gender", "age_band", "created_at")
    base_order = ("created_at", "desc")
    search_by = "pseudonym"
    search_beside = (_in_case,)
    search_columns = ("gender", "age_band", "citizenships", "is_child")
    address_names: ClassVar = {
        "age_band": "age", "citizenships": "citizenship", "case_references": "cases", "created_at": "added",
        "is_child": "child",
    }  # fmt: skip
    export_columns = (
        "pseudonym", "gender", "age_band", "is_child", "citizenships", "language", "case_references", "masked_name",
    )  # fmt: skip
    formatters_columns: ClassVar = {"case_references": _cases}
    label_columns: ClassVar = {"case_references": _l("Cases"), "masked_name": _l("Name")}
    description_columns: ClassVar = PERSON_HINTS
    show_columns = (
        "pseudonym",
        "gender",
        "age_band",
        "is_child",
        "citizenships",
        "language",
        *kind_of(Person).protected,
    )
    edit_columns = PERSON_COLUMNS
    edit_fieldsets = PERSON_FIELDS
    form_base = MatchForm
    show_template = "cases/person_show.html"
    edit_template = "cases/person_edit.html"
    empty_text = _l("There is no person that you may see. Persons are added from the page of a case.")
    deleted_title = _l("Deleted and erased persons")
    delete_label = _l("Delete the person")
    draft_label = _l("Changes to a person")
    deleted_text = _l("The person is deleted. The list of deleted persons can restore them.")
    restored_text = _l("The person is restored.")

    def heading(self, where: str, record: Any, parent: Any) -> str:
        pseudonym = record.pseudonym
        words = {
            "show": pseudonym,
            "edit": _("Edit %(pseudonym)s", pseudonym=pseudonym),
            "delete": _("Delete %(pseudonym)s", pseudonym=pseudonym),
            "reveal": _("Show protected values of %(pseudonym)s", pseudonym=pseudonym),
        }
        return str(words[where])

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("Persons in the cases that are open to you, by pseudonym. Search by name or number to find"
                      " somebody."),
            "deleted": _("Open a person to see the record. Who was deleted can be restored, who was erased cannot."),
            "show": _("One person's record, without a name. Protected values are shown for a purpose, and each look is"
                      " recorded."),
            "edit": _("Protected values are not shown here; an empty field keeps what is stored."),
            "delete": _("A deleted person disappears from lists and counts. The history stays, and the record can be"
                        " restored."),
        }  # fmt: skip
        return str(words[where]) if where in words else super().lead(where)

    def list_steps(self) -> builtins.list[Step]:
        return [(self.address("search"), _("Search by name or number"), "primary")]

    def steps(self, record: Any, parent: Any) -> builtins.list[Step]:
        """The buttons, in the order in which they are needed."""
        erased, id = record.erased_at is not None, record.id
        living = record.deleted_at is None and not erased
        is_open = living and person_services.why_locked(record) is None
        hold = ("release", _("Lift the legal hold")) if record.hold_reason else ("hold", _("Legal hold"))
        may = me().may
        erasable = not erased and may("erase", "Person") and not erasure.holds_of(db.session, record)
        offered = (
            (living and filled(record) and may("reveal", "Person"), self.address("reveal", id=id),
             _("Show protected values"), "primary"),
            (is_open and may("edit", "Person"), self.address("edit", id=id), _("Edit"), "secondary"),
            (may("history", "Person"), url_for("HistoryView.record", kind="person", id=id), _("Access history"),
             "secondary"),
            (living and may("delete", "Person"), self.address("delete", id=id), _("Delete"), "danger"),
            (not erased and may("hold", "Person"), url_for(f"PersonHoldView.{hold[0]}", id=id), hold[1], "secondary"),
            (erasable, url_for("ErasureView.erase", id=id), _("Erase for good"), "danger"),
        )  # fmt: skip
        new = parts.new_parts(self, record) if is_open else ()
        return [*((url, text, tone) for offer, url, text, tone in offered if offer), *new]

    def more(self, record: Any, parent: Any) -> Mapping[str, Any]:
        return {"erased_by": removals.name_of(db.session, record) if record.erased_at else None}

    @route("/search", act="search", methods=BOTH)
    def search(self) -> Answer:
        form, found = SearchForm(), None
        if not form.submitted() and (kept := _typed_elsewhere()) is not None:
            form = SearchForm(formdata=kept.values)
            record_read("record.read", "draft", kept.id, detail={"page": "search"})
        if form.submitted():
            try:
                found = lookup.find_persons(db.session, keyring(), form.payload())
                ids = [person.id for person in found.persons]
                record_read("record.search", "person", subjects=ids, detail={"searched": found.digest})
            except Invalid as error:
                form.take(error)
        refused = form.submitted() and not found
        mistyped = found is not None and not found.persons and seems_mistyped(form.number.data or "")
        page = self.render("cases/search.html", form=form, found=found, mistyped=mistyped)
        return page, form.refused_with if refused else 200

    @route("/new/<uuid:case>", act="add", methods=BOTH)
    def add(self, case: uuid.UUID) -> Answer:  # type: ignore[override]
        """A new person in a case."""
        form = NewPersonForm()
        if form.submitted():
            link = attempt(
                form,
                lambda session: once(session, CasePerson, lambda: _add(session, case, form)),
            )
            if link is not None:
                flash(_("%(pseudonym)s is in the case now.", pseudonym=link.person.pseudonym))
                return redirect_after_post("CaseView.show", id=case)
        found = lookup.get_case(db.session, case)
        at = desk(db.session, "new-person", case)
        form = resumed(form, at)
        groups = grouped(form, NEW_PERSON_FIELDS, without=("somebody_else",))
        return self._about_case(found, form, "cases/person_add.html", at=at, fieldsets=groups)

    @route("/link/<uuid:case>", act="add", methods=BOTH)
    def link(self, case: uuid.UUID) -> Answer:
        """A person of another case, in this one as well."""
        form = LinkForm()
        if form.submitted() and attempt(
            form, lambda session: once(session, CasePerson, lambda: _link(session, case, form))
        ):
            flash(_("The person is in the case now."))
            return redirect_after_post("CaseView.show", id=case)
        choices.offer_persons(form.pseudonym)
        return self._about_case(lookup.get_case(db.session, case), form, "cases/person_link.html")

    @route("/unlink/<uuid:link>", act="delete", methods=BOTH)
    def unlink(self, link: uuid.UUID) -> Answer:
        form = UnlinkForm()
        if form.submitted():
            gone = attempt(form, lambda session: once(session, CasePerson, lambda: _unlink(session, link, form)))
            if gone is not None:
                flash(_("The person is no longer in the case."))
                if form.then.data == person_services.ERASE:
                    return redirect_after_post("ErasureView.erase", id=gone.person_id)
                return redirect_after_post("CaseView.show", id=gone.case_id)
        found = lookup.get_link(db.session, link)
        record_read("record.read", "case_person", link, subjects=[found.person_id, found.case_id])
        form.warn(person_services.why_closed(found.case))
        return self.render("cases/unlink.html", form=form, link=found), form.refused_with if form.submitted() else 200

    def _about_case(self, case: Case, form: Any, template: str, **values: Any) -> Answer:
        record_read("record.read", "case", case.id, detail={"page": request.endpoint or ""})
        form.warn(CASES.why_locked(case))
        return self.render(template, form=form, case=case, **values), form.refused_with if form.submitted() else 200


register("new-person", DraftForm("PersonView.add", "case", _l("A new person"), lookup.get_case, CASES.get_open))


def _typed_elsewhere() -> Kept | None:
    """The text that was typed into a list's search or the header's box and is no reference."""
    try:
        id = uuid.UUID(request.args.get("typed", ""))
    except ValueError:
        return None
    return drafts.find(db.session, keyring(), f"search:{id}") if me().may("edit", "Draft") else None


def _add(session: Any, case: uuid.UUID, form: NewPersonForm) -> CasePerson:
    link = person_services.add_person_to_case(session, keyring(), case, form.payload(), notice=True)
    return finished(session, "new-person", case, link)


def _link(session: Any, case: uuid.UUID, form: LinkForm) -> Any:
    data = form.payload()
    pseudonym = data.pop("pseudonym", None)
    if not pseudonym:
        raise Invalid({name: REQUIRED for name in ("pseudonym", "role") if not data.get(name)})
    person = choices.person_called(session, pseudonym)
    return person_services.link_person(session, keyring(), case, {**data, "person_id": person})


def _unlink(session: Any, link: uuid.UUID, form: UnlinkForm) -> Any:
    data = form.payload()
    data["case_id"] = lookup.case_called(session, data.pop("case", None))
    return person_services.unlink_person(session, keyring(), link, data)
