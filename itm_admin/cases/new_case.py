"""A new case, step by step: its source, a first person, what happened, and a look at all of it before it is stored.

What was typed is kept between the steps as a draft, sealed on the server, so that the way can be left and taken up
again. The last step opens the case, adds the person and writes the profile as one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import flash, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from itm_admin.cases import choices, drafts, people, services
from itm_admin.cases.drafts import Kept
from itm_admin.cases.forms import FirstPersonForm, MatchForm, RiskForm, SourceForm
from itm_admin.cases.models import Case
from itm_admin.cases.schemas import CaseInput, NewPersonInput, VictimProfileInput, load
from itm_admin.cases.showing import filled
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Message
from itm_admin.foundation.forms import PanelForm, attempt
from itm_admin.foundation.reading import looked_at
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, keyring, route, see
from itm_admin.foundation.writing import writing

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")
FORM = "case.new"
_DONE = "step"
_PROFILE = ("trafficking_status", "control_methods")
_VICTIM = "VICTIM"


@dataclass(frozen=True)
class Step:
    """One page. `check` raises Invalid for what cannot be part of a case, NotFound for a place of somebody else."""

    name: str
    title: Message
    form: type[PanelForm]
    check: Callable[[Session, Mapping[str, Any]], Any]


def _check_source(session: Session, values: Mapping[str, Any]) -> None:
    services.places(session, load(CaseInput, values))


def _check_person(_session: Session, values: Mapping[str, Any]) -> None:
    """Nothing at all is an answer too: nobody is known yet."""
    if any(values.values()):
        load(NewPersonInput, values)


def _check_risk(_session: Session, values: Mapping[str, Any]) -> None:
    case, profile = _parted(values)
    load(CaseInput, case, partial=True)
    if profile:
        load(VictimProfileInput, profile)


STEPS = (
    Step("source", _l("Source"), SourceForm, _check_source),
    Step("person", _l("First person"), FirstPersonForm, _check_person),
    Step("risk", _l("What happened"), RiskForm, _check_risk),
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
        kept = _kept()
        missing = _first_missing(kept)
        looked_at("record.read", "draft", kept.id if kept else None, detail={"page": "check"})
        if kept is None or missing is not None:
            return see(f"NewCaseView.{(missing or STEPS[0]).name}")
        forms = [_filled(step, kept) for step in STEPS]
        told = MatchForm()
        if request.method == "POST":
            case = attempt(told, lambda session: _open(session, [form.payload() for form in forms], told.payload()))
            if case is not None:
                flash(_("Case %(reference)s is open.", reference=case.reference))
                return see("CaseView.show", id=case.id)
        parts = [(step, filled(_offer(form))) for step, form in zip(STEPS, forms, strict=True)]
        return self.render("cases/new_case_check.html", steps=STEPS, parts=parts, form=told, kept=kept), (
            422 if request.method == "POST" else 200
        )

    @route("/new/discard", act="add", methods=("POST",))
    def discard(self) -> Response:
        with writing() as session:
            drafts.drop(session, FORM)
        flash(_("What was typed is thrown away."))
        return see("NewCaseView.source")

    def _step(self, place: int) -> Answer:
        step, kept = STEPS[place], _kept()
        missing = _first_missing(kept)
        looked_at("record.read", "draft", kept.id if kept else None, detail={"page": step.name})
        if missing is not None and STEPS.index(missing) < place:
            return see(f"NewCaseView.{missing.name}")
        form = step.form() if request.method == "POST" else _filled(step, kept)
        if form.submitted():
            values = form.payload()
            if attempt(form, lambda session: _keep(session, step, values, kept)):
                return see(f"NewCaseView.{STEPS[place + 1].name if place + 1 < len(STEPS) else 'check'}")
            kept = _kept()
        _offer(form)
        page = self.render(
            "cases/new_case.html",
            steps=STEPS,
            step=step,
            back=STEPS[place - 1] if place else None,
            form=form,
            kept=kept,
            victim=kept is not None and kept.values.get("role") == _VICTIM,
        )
        return page, 422 if form.submitted() else 200


def _kept() -> Kept | None:
    return drafts.find(db.session, keyring(), FORM)


def _first_missing(kept: Kept | None) -> Step | None:
    done = set(kept.values.getlist(_DONE)) if kept else set()
    return next((step for step in STEPS if step.name not in done), None)


def _filled(step: Step, kept: Kept | None) -> PanelForm:
    """The step's form as it was left, or with what a new case begins with."""
    if kept is not None and step.name in kept.values.getlist(_DONE):
        return step.form(formdata=kept.values)
    return step.form(formdata=None, confidentiality="INTERNAL")


def _keep(session: Session, step: Step, values: Mapping[str, Any], kept: Kept | None) -> bool:
    """Keeps a step that is in order, beside the others."""
    step.check(session, values)
    names = {field.name for field in step.form(formdata=None)}
    before = kept.values if kept else MultiDict[str, str]()
    pairs = [
        (name, text)
        for name, text in before.items(multi=True)
        if name not in names and (name, text) != (_DONE, step.name)
    ]
    pairs += [(name, text) for name, text in request.form.items(multi=True) if name in names]
    drafts.keep(session, keyring(), FORM, [*pairs, (_DONE, step.name)])
    return True


def _open(session: Session, values: list[dict[str, Any]], confirmed: dict[str, Any]) -> Case:
    """The case with its first person and that one's profile, all or nothing; the draft has done its work."""
    source, person, risk = values
    about, profile = _parted(risk)
    case = services.open_case(session, keyring(), {**source, **about})
    if any(person.values()):
        link = people.add_person_to_case(session, keyring(), case.id, {**person, **confirmed}, notice=True)
        if profile and person.get("role") == _VICTIM:
            people.set_profile(session, keyring(), link.id, profile)
    drafts.drop(session, FORM)
    return case


def _parted(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What belongs to the case, and what to the first person's profile if anything of it was filled in."""
    case = {name: value for name, value in values.items() if name not in _PROFILE}
    profile = {name: values[name] for name in _PROFILE if values.get(name)}
    return case, profile


def _offer(form: PanelForm) -> PanelForm:
    return choices.offered(form) if isinstance(form, SourceForm) else form
