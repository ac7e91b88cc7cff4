"""The pages of persons, their place in cases, and victims' profiles.

A person is added from a case's page. Names and numbers are searched by POST, shown as dots, and revealed one
person at a time for a purpose; each of these is an entry in the ledger before the page leaves.
"""

from __future__ import annotations

import uuid
from typing import Any

from flask import flash, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.cases import choices, drafts, lookup, people, personal_data, services
from itm_admin.cases.draft_views import Desk, desk, finished, resumed
from itm_admin.cases.drafts import Kept
from itm_admin.cases.exporting import answer_export, how_many
from itm_admin.cases.forms import (
    ExportForm,
    LinkForm,
    NewPersonForm,
    PersonForm,
    ProfileForm,
    PurposeForm,
    ReasonForm,
    SearchForm,
    UnlinkForm,
)
from itm_admin.cases.lists import PERSONS
from itm_admin.cases.models import CasePerson, Person, VictimProfile
from itm_admin.cases.showing import compared, person_facts, profile_facts, protected_choices
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import REQUIRED, Conflict, Invalid
from itm_admin.foundation.forms import attempt, save, settled, tell, told
from itm_admin.foundation.lists import with_query
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, keyring, redirect_after_post, revealing, route

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


class PersonView(Page):
    """Persons of one's own institution's cases."""

    subject = "Person"
    scopes = (INSTITUTION,)
    route_base = "/persons"

    @route("/", act="list")
    def list(self) -> str:
        shown = PERSONS.page(db.session, lookup.list_persons(), PERSONS.read(request.args))
        record_read("record.list", "person", subjects=shown.ids)
        if me().may("export", "Person"):
            shown.exports = [(_("Export the list"), with_query("PersonView.export"))]
        return self.render("cases/persons.html", listing=shown)

    @route("/deleted", act="restore")
    def deleted(self) -> str:
        shown = PERSONS.page(db.session, lookup.list_persons(deleted=True), PERSONS.read(request.args))
        shown.empty_text = _("Nothing is deleted.")
        record_read("record.list", "person", subjects=shown.ids)
        return self.render("cases/persons_deleted.html", listing=shown)

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
        return self.render("cases/search.html", form=form, found=found), 422 if form.submitted() and not found else 200

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        record_read("record.read", "person", id)
        return self._page(id)

    @route("/<uuid:id>/edit", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        conflict: Conflict | None = None
        form = PersonForm()
        if form.submitted():
            try:
                saved = save(
                    form,
                    lambda session: finished(
                        session,
                        "person",
                        id,
                        people.change_person(
                            session, keyring(), id, form.payload(), form.expected_version(), notice=True
                        ),
                    ),
                )
            except Conflict as error:
                saved, conflict = None, error
            if saved is not None:
                tell(_("The changes are saved."))
                return redirect_after_post("PersonView.show", id=id)
        at = desk(db.session, "person", id)
        person = _living(id)
        record_read("record.read", "person", id, detail={"page": "edit"})
        if not form.submitted():
            form = resumed(PersonForm(obj=person, version=person.row_version), at)
            form.warn(people.why_locked(person))
        form.clear.choices = protected_choices(form, person)
        rows = compared(form, services.shown_values(person)) if conflict else []
        if conflict:
            form.version.data = str(person.row_version)
        status = 409 if conflict else form.refused_with if form.submitted() else 200
        return self.render("cases/person_edit.html", form=form, person=person, conflict=rows, at=at), status

    @route("/<uuid:id>/reveal", act="reveal", methods=BOTH)
    def reveal(self, id: uuid.UUID) -> Answer:
        """One person's protected values, after a purpose was chosen."""
        form = PurposeForm()
        person = _living(id)
        if form.submitted():
            try:
                values = personal_data.reveal(db.session, keyring(), person, form.purpose.data or "", form.words.data)
                return revealing(self._page(id, values), url_for("PersonView.show", id=id))
            except Invalid as error:
                form.take(error)
        record_read("record.read", "person", id, detail={"page": "reveal"})
        return self.render(
            "cases/person_reveal.html", form=form, person=person
        ), form.refused_with if form.submitted() else 200

    @route("/<uuid:id>/delete", act="delete", methods=BOTH)
    def delete(self, id: uuid.UUID) -> Answer:
        form = ReasonForm()
        if form.submitted() and settled(
            form, lambda session: people.delete_person(session, id, form.payload(), form.expected_version())
        ):
            tell(_("The person is deleted. The list of deleted persons can restore them."))
            return redirect_after_post("PersonView.list")
        person = _living(id)
        record_read("record.read", "person", id, detail={"page": "delete"})
        form.version.data = form.version.data or str(person.row_version)
        return self.render(
            "cases/person_delete.html", form=form, person=person
        ), form.refused_with if form.submitted() else 200

    @route("/<uuid:id>/restore", act="restore", methods=("POST",))
    def restore(self, id: uuid.UUID) -> Answer:
        told(ReasonForm(), lambda session: people.restore_person(session, id), _("The person is restored."))
        return redirect_after_post("PersonView.show", id=id)

    @route("/export", act="export", methods=BOTH)
    def export(self) -> Answer:
        form = ExportForm()
        statement = PERSONS.narrowed(lookup.list_persons(), PERSONS.read(request.args))
        if form.submitted():
            try:
                return answer_export(db.session, "person", statement, form)
            except Invalid as error:
                form.take(error)
        back = with_query("PersonView.list")
        return self.render(
            "cases/export.html", rows=how_many(db.session, statement), form=form, back=back
        ), form.refused_with if form.submitted() else 200

    @route("/new/<uuid:case>", act="add", methods=BOTH)
    def add(self, case: uuid.UUID) -> Answer:
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
        at = desk(db.session, "new-person", case)
        return self._about_case(case, resumed(form, at), "cases/person_add.html", at)

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
        return self._about_case(case, form, "cases/person_link.html")

    @route("/unlink/<uuid:link>", act="delete", methods=BOTH)
    def unlink(self, link: uuid.UUID) -> Answer:
        form = UnlinkForm()
        if form.submitted():
            gone = attempt(form, lambda session: once(session, CasePerson, lambda: _unlink(session, link, form)))
            if gone is not None:
                flash(_("The person is no longer in the case."))
                if form.then.data == people.ERASE:
                    return redirect_after_post("ErasureView.erase", id=gone.person_id)
                return redirect_after_post("CaseView.show", id=gone.case_id)
        found = lookup.get_link(db.session, link)
        record_read("record.read", "case_person", link)
        return self.render("cases/unlink.html", form=form, link=found), form.refused_with if form.submitted() else 200

    def _about_case(self, case_id: uuid.UUID, form: Any, template: str, at: Desk | None = None) -> Answer:
        case = lookup.get_case(db.session, case_id)
        record_read("record.read", "case", case_id, detail={"page": request.endpoint or ""})
        form.warn(services.why_locked(case))
        return self.render(template, form=form, case=case, at=at), form.refused_with if form.submitted() else 200

    def _page(self, id: uuid.UUID, revealed: dict[str, Any] | None = None) -> str:
        person = lookup.get_person(db.session, id, or_deleted=True)
        return self.render(
            "cases/person_show.html",
            person=person,
            facts=person_facts(person, revealed),
            revealed=revealed,
            locked=people.why_locked(person),
        )


class ProfileView(Page):
    """The victim's profile on a person's link to a case."""

    subject = "VictimProfile"
    scopes = (INSTITUTION,)
    route_base = "/profiles"

    @route("/<uuid:link>", act="show")
    def show(self, link: uuid.UUID) -> Answer:
        found = lookup.get_link(db.session, link)
        record_read("record.read", "victim_profile", found.profile.id if found.profile else link)
        return self._page(found)

    @route("/<uuid:link>/edit", act="edit", methods=BOTH)
    def edit(self, link: uuid.UUID) -> Answer:
        conflict: Conflict | None = None
        form = ProfileForm()
        if form.submitted():
            try:
                saved = attempt(
                    form,
                    lambda session: once(session, VictimProfile, lambda: _set_profile(session, link, form)),
                )
            except Conflict as error:
                saved, conflict = None, error
            if saved is not None:
                tell(_("The profile is saved."))
                return redirect_after_post("ProfileView.show", link=link)
        at = desk(db.session, "profile", link)
        found = lookup.get_link(db.session, link)
        record_read(
            "record.read", "victim_profile", found.profile.id if found.profile else link, detail={"page": "edit"}
        )
        rows: list[tuple[str, Any, Any]] = []
        if not form.submitted():
            form = resumed(form, at)
        if found.profile is not None:
            if not form.submitted() and not at.resumed:
                form = ProfileForm(obj=found.profile, version=found.profile.row_version)
            form.clear.choices = protected_choices(form, found.profile)
            rows = compared(form, services.shown_values(found.profile)) if conflict else []
            if conflict:
                form.version.data = str(found.profile.row_version)
        form.warn(services.why_locked(found.case))
        status = 409 if conflict else form.refused_with if form.submitted() else 200
        return self.render("cases/profile_edit.html", form=form, link=found, conflict=rows, at=at), status

    @route("/<uuid:link>/reveal", act="reveal", methods=BOTH)
    def reveal(self, link: uuid.UUID) -> Answer:
        form = PurposeForm()
        found = lookup.get_link(db.session, link)
        if form.submitted() and found.profile is not None:
            try:
                values = personal_data.reveal_profile(
                    db.session, keyring(), found, found.profile, form.purpose.data or "", form.words.data
                )
                return revealing(self._page(found, values), url_for("ProfileView.show", link=link))
            except Invalid as error:
                form.take(error)
        record_read(
            "record.read", "victim_profile", found.profile.id if found.profile else link, detail={"page": "reveal"}
        )
        return self.render(
            "cases/profile_reveal.html", form=form, link=found
        ), form.refused_with if form.submitted() else 200

    def _page(self, link: Any, revealed: dict[str, Any] | None = None) -> str:
        facts = profile_facts(link.profile, revealed) if link.profile else []
        return self.render("cases/profile_show.html", link=link, facts=facts, revealed=revealed)


def _typed_elsewhere() -> Kept | None:
    """What was typed into a list's search or the header's box and is no reference."""
    try:
        id = uuid.UUID(request.args.get("typed", ""))
    except ValueError:
        return None
    return drafts.find(db.session, keyring(), f"search:{id}") if me().may("edit", "Draft") else None


def _living(id: uuid.UUID) -> Person:
    """Locked for a person who was erased."""
    person = lookup.get_person(db.session, id)
    personal_data.refuse_erased(person)
    return person


def _add(session: Any, case: uuid.UUID, form: NewPersonForm) -> CasePerson:
    link = people.add_person_to_case(session, keyring(), case, form.payload(), notice=True)
    return finished(session, "new-person", case, link)


def _set_profile(session: Any, link: uuid.UUID, form: ProfileForm) -> VictimProfile:
    profile = people.set_profile(session, keyring(), link, form.payload(), form.seen_version())
    return finished(session, "profile", link, profile)


def _link(session: Any, case: uuid.UUID, form: LinkForm) -> Any:
    data = form.payload()
    pseudonym = data.pop("pseudonym", None)
    if not pseudonym:
        raise Invalid({name: REQUIRED for name in ("pseudonym", "role") if not data.get(name)})
    person = choices.person_called(session, pseudonym)
    return people.link_person(session, keyring(), case, {**data, "person_id": person})


def _unlink(session: Any, link: uuid.UUID, form: UnlinkForm) -> Any:
    data = form.payload()
    data["case_id"] = lookup.case_called(session, data.pop("case", None))
    return people.unlink_person(session, keyring(), link, data)
