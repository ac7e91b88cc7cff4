"""Where a form's script sends what is typed while it is typed, and where a draft is thrown away.

A draft belongs to one form of one record; which forms there are is written here. Keeping one also says that its author
still has the record's form open.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import jsonify, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from itm_admin.cases import drafts, editing, lookup
from itm_admin.cases.drafts import Kept
from itm_admin.cases.editing import Colleague
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Message, NotFound
from itm_admin.foundation.formats import moment
from itm_admin.foundation.forms import PanelForm
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, redirect_after_post, route

Form = TypeVar("Form", bound=PanelForm)
Record = TypeVar("Record")


@dataclass(frozen=True)
class Place:
    """A kind of form: its page, the name of the id in its address, what it is called, and how its record is found."""

    endpoint: str
    id: str
    label: Message
    find: Callable[[AnySession, uuid.UUID], object]


PLACES: Mapping[str, Place] = {
    "case": Place("CaseView.edit", "id", _l("Changes to a case"), lookup.get_case),
    "person": Place("PersonView.edit", "id", _l("Changes to a person"), lookup.get_person),
    "new-person": Place("PersonView.add", "case", _l("A new person"), lookup.get_case),
    "profile": Place("ProfileView.edit", "link", _l("A victim's profile"), lookup.get_link),
}


class DraftView(Page):
    """Nothing here shows what a draft holds."""

    subject = "Draft"
    scopes = (INSTITUTION,)
    route_base = "/drafts"

    @route("/<kind>/<uuid:id>", act="edit", methods=("POST",), quiet=True)
    def keep(self, kind: str, id: uuid.UUID) -> Response:
        """The form as it stands now. Answers with the moment, for the page to say."""
        form = _name(kind, id)
        with writing() as session:
            PLACES[kind].find(session, id)
            saved_at = drafts.keep(session, keyring(), form, request.form.items(multi=True))
        return jsonify(said=_("Kept as a draft at %(when)s", when=moment(saved_at)[-5:]))

    @route("/<kind>/<uuid:id>/discard", act="edit", methods=("POST",))
    def discard(self, kind: str, id: uuid.UUID) -> Response:
        form, place = _name(kind, id), PLACES[kind]
        with writing() as session:
            place.find(session, id)
            drafts.drop(session, form)
        return redirect_after_post(place.endpoint, **{place.id: id})


@dataclass(frozen=True)
class Desk:
    """What a form's page says beside the form: a draft that waits or is shown, and who else is at the same record."""

    keep_url: str
    discard_url: str
    resume_url: str
    waits: Kept | None
    resumed: bool
    others: tuple[Colleague, ...]


def desk(session: AnySession, kind: str, id: uuid.UUID) -> Desk:
    """For a form's page, before anything of the record is read: it commits its note that the form is open."""
    others = tuple(editing.begin(session, id))
    kept = drafts.find(session, keyring(), _name(kind, id))
    resumed = kept is not None and request.args.get("draft") == "resume" and request.method == "GET"
    if kept is not None and resumed:
        record_read("record.read", "draft", kept.id, detail={"page": kind})
    place = PLACES[kind]
    resume: dict[str, Any] = {place.id: id, "draft": "resume"}
    return Desk(
        url_for("DraftView.keep", kind=kind, id=id),
        url_for("DraftView.discard", kind=kind, id=id),
        url_for(place.endpoint, **resume),
        kept,
        resumed,
        others,
    )


def resumed(form: Form, at: Desk) -> Form:
    """The form as its draft has it, with the version that its author saw then."""
    return type(form)(formdata=at.waits.values) if at.resumed and at.waits else form


def finished(session: AnySession, kind: str, id: uuid.UUID, record: Record) -> Record:
    """The form was saved: in the same transaction its draft goes, and its author is no longer at it."""
    drafts.drop(session, _name(kind, id))
    editing.end(session, id)
    return record


def waiting(session: AnySession) -> list[tuple[str, str, datetime]]:
    """(what it is, where it goes on, moment) of the person's own drafts."""
    found: list[tuple[str, str, datetime]] = []
    for form, saved_at in drafts.waiting(session):
        kind, _colon, id = form.partition(":")
        if kind == "case.new":
            found.append((_("A new case"), url_for("NewCaseView.source", draft=id), saved_at))
        elif kind in PLACES:
            place = PLACES[kind]
            values: dict[str, Any] = {place.id: id, "draft": "resume"}
            found.append((str(place.label), url_for(place.endpoint, **values), saved_at))
    return found


def _name(kind: str, id: uuid.UUID) -> str:
    if kind not in PLACES:
        raise NotFound
    return f"{kind}:{id}"
