"""A new case, step by step: its source, a first person, what happened, and a look at all of it before it is stored.

What was typed is kept between the steps as a draft, sealed on the server, so that the way can be left and taken up
again. Each case that is begun has a draft of its own, named in the address, so that two tabs do not mix. The last
step opens the case, adds the person and writes the profile as one transaction: once for a draft, and only as shown.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, jsonify, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from marshmallow import Schema
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from itm_admin.cases import choices, person_services, services
from itm_admin.cases.forms import (
    EVENT_FIELDS,
    NEW_PERSON_FIELDS,
    RISK_FIELDS,
    SOURCE_FIELDS,
    FirstPersonForm,
    MatchForm,
    RiskForm,
    SourceForm,
)
from itm_admin.cases.models import Case
from itm_admin.cases.schemas import CaseInput, NewPersonInput, VictimProfileInput
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, Invalid, Message, NotFound
from itm_admin.foundation.formats import moment
from itm_admin.foundation.forms import PanelForm, attempt, shown_again
from itm_admin.foundation.once import made_before, once
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, redirect_after_post, route
from itm_admin.record import drafts
from itm_admin.record.checks import today
from itm_admin.record.display import Facts, filled
from itm_admin.record.draft_views import DraftForm, register, waiting
from itm_admin.record.drafts import Kept
from itm_admin.record.page_acts import grouped
from itm_admin.record.page_columns import Fieldset
from itm_admin.record.schema import load

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")
FORM = "case.new"
DRAFT = "draft"
_BACK = "back"
_DONE = "step"
_BEGUN = "begun"
"""A step that was typed into and is not in order yet."""
_PROFILE = ("trafficking_status", "control_methods")
_VICTIM = "VICTIM"


@dataclass(frozen=True)
class Step:
    """One page. `check` raises Invalid for what cannot be part of a case, NotFound for a place of somebody else.

    It gives the values that it settled.
    """

    name: str
    title: Message
    form: type[PanelForm]
    check: Callable[[Session, Mapping[str, Any]], dict[str, str]]
    schemas: tuple[type[Schema], ...]
    fieldsets: Sequence[Fieldset] = ()


Settled = dict[str, str]


def _check_source(session: Session, values: Mapping[str, Any]) -> Settled:
    """If no unit is chosen, the province decides, and the last page shows which one it is."""
    unit, _lead = services.places(session, load(CaseInput, values))
    return {"unit_id": str(unit)}


def _check_person(_session: Session, values: Mapping[str, Any]) -> Settled:
    """Nothing at all is an answer too: nobody is known yet."""
    if any(values.values()):
        load(NewPersonInput, values)
    return {}


def _check_risk(_session: Session, values: Mapping[str, Any]) -> Settled:
    case, profile = _parted(values)
    load(CaseInput, case, partial=True)
    if profile:
        load(VictimProfileInput, profile)
    return {}


STEPS = (
    Step("source", _l("Source"), SourceForm, _check_source, (CaseInput,), SOURCE_FIELDS),
    Step("person", _l("First person"), FirstPersonForm, _check_person, (NewPersonInput,), NEW_PERSON_FIELDS),
    Step(
        "risk",
        _l("What happened"),
        RiskForm,
        _check_risk,
        (CaseInput, VictimProfileInput),
        (*EVENT_FIELDS, *RISK_FIELDS),
    ),
)


class NewCaseView(Page):
    """The way to a new case."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/cases"

    @route("/new", act="add", methods=BOTH)
    def source(self) -> Answer:
        return self._step(0)

    @route("/new/person", act="add", methods=BOTH)
    def person(self) -> Answer:
        return self._step(1)

    @route("/new/risk", act="add", methods=BOTH)
    def risk(self) -> Answer:
        return self._step(2)

    @route("/new/check", act="add", methods=BOTH)
    def check(self) -> Answer:
        """Everything once more; sent, it becomes a case."""
        id = _asked()
        told, changed = MatchForm(), False
        if request.method == "POST" and id is not None and not shown_again():
            seen = request.form.get("seen", "")
            try:
                case = attempt(
                    told,
                    lambda session: once(
                        session, Case, lambda: _open(session, id, seen, told.payload()), key=f"{FORM}:{id}"
                    ),
                )
            except Conflict as error:
                case, changed = None, True
                told.told.append(str(error))
            if case is not None:
                flash(_("Case %(reference)s is open.", reference=case.reference))
                return redirect_after_post("CaseView.show", id=case.id)
        kept = _kept(id)
        if kept is None and id is not None and (made := made_before(db.session, Case, f"{FORM}:{id}")):
            return redirect_after_post("CaseView.show", id=made.id)
        missing = _first_missing(kept)
        record_read("record.read", "draft", kept.id if kept else None, detail={"page": "check"})
        if kept is None or missing is not None:
            if changed:
                flash(" ".join(told.told), "warning")
            return _go((missing or STEPS[0]).name, id if kept else None)
        parts = [(step, _facts(step, kept)) for step in STEPS]
        page = self.render("cases/new_case_check.html", steps=STEPS, parts=parts, form=told, kept=kept, draft=id)
        return page, 409 if changed else told.refused_with if told.submitted() else 200

    @route("/new/discard", act="add", methods=("POST",))
    def discard(self) -> Response:
        id = _asked()
        if id is not None:
            with writing() as session:
                drafts.drop(session, _name(id))
            flash(_("What was typed is thrown away."))
        return redirect_after_post("NewCaseView.source")

    @route("/new/keep", act="add", methods=("POST",))
    def keep(self) -> Response:
        """A step as it stands now, in order or not. Answers with the moment, for the page to say."""
        id, step = _asked(), next((each for each in STEPS if each.name == request.form.get("at")), None)
        if id is None or step is None:
            raise Invalid
        with writing() as session:
            if made_before(session, Case, f"{FORM}:{id}") is not None:
                raise Conflict
            saved_at = _keep(session, step, id, done=False)
        return jsonify(said=_("Kept as a draft at %(when)s", when=moment(saved_at)[-5:]))

    def _step(self, place: int) -> Answer:
        step, id = STEPS[place], _asked()
        kept = _kept(id)
        if kept is None and id is not None and (made := made_before(db.session, Case, f"{FORM}:{id}")):
            return redirect_after_post("CaseView.show", id=made.id)
        missing = _first_missing(kept)
        record_read("record.read", "draft", kept.id if kept else None, detail={"page": step.name})
        if missing is not None and STEPS.index(missing) < place:
            return _go(missing.name, id if kept else None)
        id = id or uuid.uuid4()
        form = step.form() if request.method == "POST" else _filled(step, kept)
        if form.submitted():
            if _BACK in request.form:
                with writing() as session:
                    _keep(session, step, id, done=False)
                return _go(STEPS[max(place - 1, 0)].name, id)
            values = form.payload()
            if attempt(form, lambda session: _checked(session, step, id, values)):
                return _go(STEPS[place + 1].name if place + 1 < len(STEPS) else "check", id)
            if any(values.values()):  # refused: what was typed waits in the draft as well
                with writing() as session:
                    _keep(session, step, id, done=False)
                kept = _kept(id)
        _offer(form)
        page = self.render(
            "cases/new_case.html",
            steps=STEPS,
            step=step,
            back=STEPS[place - 1] if place else None,
            form=form,
            kept=kept,
            draft=id,
            unfinished=waiting(db.session, FORM) if _asked() is None and not form.submitted() else [],
            fieldsets=grouped(form, step.fieldsets, without=_not_asked(kept)),
        )
        return page, form.refused_with if form.submitted() else 200


def _asked() -> uuid.UUID | None:
    """The draft that the address names; NotFound for what is no id."""
    text = request.args.get(DRAFT)
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise NotFound from None


def _name(id: uuid.UUID) -> str:
    return f"{FORM}:{id}"


def _kept(id: uuid.UUID | None) -> Kept | None:
    return drafts.find(db.session, keyring(), _name(id)) if id else None


def _go(step: str, id: uuid.UUID | None) -> Response:
    return redirect_after_post(f"NewCaseView.{step}", **({DRAFT: id} if id else {}))


def _first_missing(kept: Kept | None) -> Step | None:
    done = set(kept.values.getlist(_DONE)) if kept else set()
    return next((step for step in STEPS if step.name not in done), None)


def _filled(step: Step, kept: Kept | None) -> PanelForm:
    """The step's form as it was left, or with what a new case begins with."""
    if kept is not None and step.name in (*kept.values.getlist(_DONE), *kept.values.getlist(_BEGUN)):
        return step.form(formdata=kept.values)
    if step.name == "source":
        return step.form(formdata=None, confidentiality="INTERNAL", opened_on=today(), shared=True)
    return step.form(formdata=None)


def _facts(step: Step, kept: Kept) -> Facts:
    """A step as it will be stored: names and dates in the form that they are kept in."""
    form = _offer(_filled(step, kept))
    values, stored = form.payload(), dict[str, Any]()
    for schema in step.schemas:
        known = {name: value for name, value in values.items() if name in schema().fields}
        with suppress(Invalid):  # refused when the case is opened
            stored |= load(schema, known, partial=True)
    return filled(form, stored)


def _checked(session: Session, step: Step, id: uuid.UUID, values: Mapping[str, Any]) -> bool:
    """Keeps a step that is in order, beside the others."""
    _keep(session, step, id, done=True, settled=step.check(session, values))
    return True


def _keep(
    session: Session, step: Step, id: uuid.UUID, done: bool, settled: Mapping[str, str] | None = None
) -> datetime:
    kept = drafts.find(session, keyring(), _name(id))
    names = {field.name for field in step.form(formdata=None)}
    marks = {(_DONE, step.name), (_BEGUN, step.name)}
    before = kept.values if kept else MultiDict[str, str]()
    pairs = [pair for pair in before.items(multi=True) if pair[0] not in names and pair not in marks]
    pairs += [(name, text) for name, text in request.form.items(multi=True) if name in names - set(settled or ())]
    pairs += (settled or {}).items()
    return drafts.keep(session, keyring(), _name(id), [*pairs, (_DONE if done else _BEGUN, step.name)])


def _open(session: Session, id: uuid.UUID, seen: str, confirmed: dict[str, Any]) -> Case:
    """The case with its first person and that one's profile, all or nothing; the draft has done its work.

    Conflict if the draft is not the one that was shown.
    """
    kept = drafts.find(session, keyring(), _name(id))
    if kept is None or _first_missing(kept) is not None or kept.version != seen:
        raise Conflict(message=_l("This was changed in another tab since. Check it again: below is what is kept now."))
    source, person, risk = (_filled(step, kept).payload() for step in STEPS)
    about, profile = _parted(risk)
    case = services.open_case(session, keyring(), {**source, **about})
    if any(person.values()):
        link = person_services.add_person_to_case(session, keyring(), case.id, {**person, **confirmed}, notice=True)
        if profile and person.get("role") == _VICTIM:
            person_services.set_profile(session, keyring(), link.id, profile)
    drafts.drop(session, _name(id))
    return case


def _parted(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits the values into those of the case and those of the first person's profile, if one was filled in."""
    case = {name: value for name, value in values.items() if name not in _PROFILE}
    profile = {name: values[name] for name in _PROFILE if values.get(name)}
    return case, profile


def _not_asked(kept: Kept | None) -> tuple[str, ...]:
    """The profile's fields, while the first person is no victim."""
    return () if kept is not None and kept.values.get("role") == _VICTIM else _PROFILE


def _offer(form: PanelForm) -> PanelForm:
    if "unit_id" in form:
        choices.offer_places(form)
    return form


register(FORM, DraftForm("NewCaseView.source", DRAFT, _l("A new case"), None))
