"""The addresses that keep a form's text while it is typed, and that throw a draft away.

A draft belongs to one form of one record; areas register their forms here. Keeping one also says that its author
still has the record's form open.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import jsonify, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.foundation import tenancy
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Conflict, Message, NotFound
from itm_admin.foundation.formats import moment
from itm_admin.foundation.forms import PanelForm
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, redirect_after_post, route
from itm_admin.record import drafts, editing
from itm_admin.record.drafts import Kept
from itm_admin.record.editing import Colleague

Form = TypeVar("Form", bound=PanelForm)
Saved = TypeVar("Saved")
WAITS = "draft_waits"
"""Sent by a form beside which an earlier draft waits: what is typed into it must not take the draft's place."""


@dataclass(frozen=True)
class DraftForm:
    """A kind of form: its page, the name of the id in its address, what it is called, and how its record is found."""

    endpoint: str
    id: str
    label: Message
    find: Callable[[AnySession, uuid.UUID], object] | None
    """None: its own pages keep the draft, whose id is the one in the address."""
    keeps: Callable[[AnySession, uuid.UUID], object] | None = None
    """As `find`, for what is typed: refuses a record that nobody can save now. None: as `find`."""

    def address_of(self, id: uuid.UUID | str) -> dict[str, uuid.UUID | str]:
        """The id in the form's address. A form without one keeps its draft under its author's own id."""
        return {self.id: id} if self.id else {}

    def resume_url(self, id: uuid.UUID | str) -> str:
        values: dict[str, Any] = self.address_of(id)
        if self.find is not None:
            values["draft"] = "resume"
        return url_for(self.endpoint, **values)


_FORMS: dict[str, DraftForm] = {}


def register(kind: str, form: DraftForm) -> None:
    """Told by areas while they are imported."""
    _FORMS[kind] = form


class DraftView(Page):
    """Nothing here shows what a draft holds."""

    subject = "Draft"
    scopes = (INSTITUTION,)
    route_base = "/drafts"

    @route("/<kind>/<uuid:id>", act="edit", methods=("POST",), quiet=True)
    def keep(self, kind: str, id: uuid.UUID) -> Response:
        """The form as it stands now. Answers with the moment, for the page to say."""
        form = _name(kind, id)
        if WAITS in request.form:
            raise Conflict
        with writing() as session:
            (_FORMS[kind].keeps or _find_of(kind))(session, id)
            saved_at = drafts.keep(session, keyring(), form, request.form.items(multi=True))
        return jsonify(said=_("Kept as a draft at %(when)s", when=moment(saved_at)[-5:]))

    @route("/<kind>/<uuid:id>/discard", act="edit", methods=("POST",))
    def discard(self, kind: str, id: uuid.UUID) -> Response:
        form, place = _name(kind, id), _FORMS[kind]
        with writing() as session:
            _find_of(kind)(session, id)
            drafts.drop(session, form)
        return redirect_after_post(place.endpoint, **place.address_of(id))


@dataclass(frozen=True)
class Desk:
    """The texts beside a form: a draft that waits or is shown, and who else is at the same record."""

    keep_url: str
    discard_url: str
    resume_url: str
    waits: Kept | None
    resumed: bool
    going: bool
    """True if what is typed takes the place of the draft: there was none, or it was gone on with."""
    others: tuple[Colleague, ...]


def desk(session: AnySession, kind: str, id: uuid.UUID) -> Desk:
    """For a form's page, once its record was found: it commits its note that the form is open.

    A page that is refused leaves no note: colleagues would see who asked for what is not theirs.
    """
    others = tuple(editing.begin(session, id))
    kept = drafts.find(session, keyring(), _name(kind, id))
    resumed = kept is not None and request.args.get("draft") == "resume" and request.method == "GET"
    if kept is not None and resumed:
        record_read("record.read", "draft", kept.id, detail={"page": kind})
    return Desk(
        url_for("DraftView.keep", kind=kind, id=id),
        url_for("DraftView.discard", kind=kind, id=id),
        _FORMS[kind].resume_url(id),
        kept,
        resumed,
        resumed or kept is None or (request.method == "POST" and WAITS not in request.form),
        others,
    )


def maybe_desk(session: AnySession, kind: str, id: uuid.UUID) -> Desk | None:
    """As `desk`; None for those who keep no drafts."""
    return desk(session, kind, id) if drafts.are_kept() else None


def resumed(form: Form, at: Desk | None) -> Form:
    """The form as its draft has it, with the version that its author saw then."""
    return type(form)(formdata=at.waits.values) if at and at.resumed and at.waits else form


def finished(session: AnySession, kind: str, id: uuid.UUID, record: Saved) -> Saved:
    """The form was saved: in the same transaction its draft goes, and its author is no longer at it.

    A draft that waited beside the form stays: it holds something else.
    """
    if drafts.are_kept():
        if WAITS not in request.form:
            drafts.drop(session, _name(kind, id))
        editing.end(session, id)
    return record


def own_form(_session: AnySession, id: uuid.UUID) -> None:
    """Finds the place of a form that names no record: NotFound for another person's."""
    if id != tenancy.current().account:
        raise NotFound


def waiting(session: AnySession, only: str | None = None) -> list[tuple[str, str, datetime]]:
    """(what it is, where it goes on, moment) of the person's own drafts; only of one form, if it is named."""
    found: list[tuple[str, str, datetime]] = []
    for form, saved_at in drafts.waiting(session):
        kind, _colon, id = form.partition(":")
        if kind in _FORMS and only in (None, kind):
            found.append((str(_FORMS[kind].label), _FORMS[kind].resume_url(id), saved_at))
    return found


def _name(kind: str, id: uuid.UUID) -> str:
    if kind not in _FORMS or _FORMS[kind].find is None:
        raise NotFound
    return f"{kind}:{id}"


def _find_of(kind: str) -> Callable[[AnySession, uuid.UUID], object]:
    """Finds the form's record: NotFound unless the actor may see it."""
    if (find := _FORMS[kind].find) is None:
        raise NotFound
    return find
