"""The pages and the API of victims' profiles. A profile has the address of its link: there is one for each."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.cases.answers import LinkWithProfile, ProfileChange, ProfileRevealed, link_document
from itm_admin.cases.models import CasePerson, VictimProfile
from itm_admin.cases.profiles import LINKS, PROFILES
from itm_admin.foundation.actor import me
from itm_admin.foundation.api import describes, maybe_versioned, tag_of
from itm_admin.foundation.api_schemas import Changed
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.once import once
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import keyring, route
from itm_admin.record.api import RecordApi, document
from itm_admin.record.draft_views import DraftForm, register
from itm_admin.record.page_acts import BOTH
from itm_admin.record.page_columns import Columns
from itm_admin.record.pages import Answer, RecordPage, Step
from itm_admin.record.protected_values import filled
from itm_admin.record.schema import RevealInput


class ProfileView(RecordPage):
    """The victim's profile on a person's link to a case."""

    datamodel = PROFILES
    route_base = "/profiles"
    include_route_methods = {"show", "edit", "reveal"}
    draft = "profile"
    saved_text = _l("The profile is saved.")
    show_template = "cases/profile_show.html"
    edit_fieldsets = (
        (_l("Status"), {"fields": ("trafficking_status", "status_decision_maker")}),
        (
            _l("What happened"),
            {
                "fields": (
                    "recruitment_methods", "control_methods", "age_when_trafficked", "relation_to_trafficker",
                )
            },
        ),
    )  # fmt: skip

    @route("/<uuid:link>", act="show")
    def show(self, link: uuid.UUID) -> Answer:
        found = LINKS.get(db.session, link)
        record_read("record.read", "victim_profile", found.profile.id if found.profile else link)
        return self.render_record(found.profile, found)

    @route("/<uuid:link>/edit", act="edit", methods=BOTH)
    def edit(self, link: uuid.UUID) -> Answer:
        def find(session: Any) -> tuple[VictimProfile | None, CasePerson]:
            found = LINKS.get(session, link)
            return found.profile, found

        def save(session: Any, form: Any, columns: Columns) -> VictimProfile:
            def work() -> VictimProfile:
                return PROFILES.put_inside(session, keyring(), link, form.payload(), form.seen_version(), columns)

            return once(session, VictimProfile, work)

        return self.render_edit(link, find, save, self.address("edit", link=link), self.address("show", link=link))

    @route("/<uuid:link>/reveal", act="reveal", methods=BOTH)
    def reveal(self, link: uuid.UUID) -> Answer:
        found = LINKS.get(db.session, link)
        here, back = self.address("reveal", link=link), self.address("show", link=link)
        return self.render_reveal(link, found.profile, found, here, back)

    def heading(self, where: str, record: Any, parent: CasePerson) -> str:
        pseudonym = parent.person.pseudonym
        if where == "reveal":
            return str(_("Show protected values of %(pseudonym)s", pseudonym=pseudonym))
        name = _("Profile of %(pseudonym)s in %(reference)s", pseudonym=pseudonym, reference=parent.case.reference)
        return self.titled(where, str(name))

    def lead(self, where: str) -> str | None:
        if where == "show":
            return str(_("What is known of this victim's exploitation in this one case."))
        return str(_("What is known of the exploitation in this case.")) if where == "edit" else super().lead(where)

    def breadcrumbs(self, record: Any, parent: CasePerson) -> list[tuple[str, str]]:
        return [
            (_("Cases"), url_for("CaseView.list")),
            (parent.case.reference, url_for("CaseView.show", id=parent.case_id)),
            (parent.person.pseudonym, url_for("PersonView.show", id=parent.person_id)),
        ]

    def steps(self, record: VictimProfile | None, parent: CasePerson) -> list[Step]:
        found: list[Step] = []
        living, link = parent.person.erased_at is None, parent.id
        if record is not None and living and parent.case.closed_on is None and me().may("edit", "VictimProfile"):
            found.append((self.address("edit", link=link), _("Edit"), "primary"))
        if record is not None and living and filled(record) and me().may("reveal", "VictimProfile"):
            found.append((self.address("reveal", link=link), _("Show protected values"), "secondary"))
        if record is not None and me().may("history", "Person"):
            history = url_for("HistoryView.record", kind="victim_profile", id=record.id)
            found.append((history, _("Access history"), "secondary"))
        return found

    def record_url(self, record: Any, parent: CasePerson) -> str:
        return self.address("show", link=parent.id)


register("profile", DraftForm("ProfileView.edit", "link", _l("A victim's profile"), LINKS.get, LINKS.get_open))


class ProfileApi(RecordApi):
    """A victim's profile, at the link between person and case."""

    page = ProfileView
    resource_name = "profiles"
    openapi_spec_tag = "Profiles"
    document_name = "Profile"
    include_route_methods = {"show", "edit", "reveal"}

    @route("/<uuid:link>", act="show")
    @describes("The profile on a link", gives=LinkWithProfile)
    def show(self, link: uuid.UUID) -> Response:
        found = LINKS.get(db.session, link)
        record_read("record.read", "victim_profile", found.profile.id if found.profile else link)
        profile = document(found.profile) if found.profile else None
        answer = self.answer(**link_document(found), profile=profile)
        return tag_of(answer, found.profile) if found.profile else answer

    @route("/<uuid:link>", act="edit", methods=("PATCH",))
    @describes(
        "Writes the profile: whole the first time, then the named fields and a version",
        takes=ProfileChange,
        gives=Changed,
        matching=True,
    )
    def edit(self, link: uuid.UUID) -> Response:
        data, version = maybe_versioned()
        columns = self.page.writable(self.page.edit_columns)
        with writing() as session:
            profile = once(
                session,
                VictimProfile,
                lambda: PROFILES.put_inside(session, keyring(), link, data, version, columns),
            )
        return self.changed(profile)

    @route("/<uuid:link>/reveal", act="reveal", methods=("POST",))
    @describes("The profile's protected values, for a purpose", takes=RevealInput, gives=ProfileRevealed)
    def reveal(self, link: uuid.UUID) -> Response:
        found = LINKS.get(db.session, link)
        return self.revealed(found.profile, found)
