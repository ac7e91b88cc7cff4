"""A fresh second factor before an act that takes one (`Access.fresh`), in the session that goes on.

An open session alone is not enough to export, to gain rights or to erase: the person shows a code or a passkey again.
What was typed comes back afterwards and is sent by its author, as after the end of a session (returning.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import flash, make_response, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.accounts import factors, provider_register, provider_step_up, session_rows, sessions, sign_in
from itm_admin.accounts.factor_pages import BOTH, Answer, ask_passkey, prove, prove_passkey, site, synthetic_code
from itm_admin.accounts.forms import CodeForm
from itm_admin.accounts.passkeys import BadPasskey
from itm_admin.accounts.returning import go_on, interrupted
from itm_admin.foundation.access import access_of
from itm_admin.foundation.actor import Actor, Here, me
from itm_admin.foundation.audited_reads import forget_looks
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import FactorTooOld, Message
from itm_admin.foundation.roles import SUBJECTS
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, route, safe_next_url

_OWN: Mapping[str, Message] = {"SecondFactor": _l("Second factors"), "Profile": _l("Change my password")}
"""Names of what belongs to everybody, and stands in no row of the roles' table."""


def ask_for_factor(_error: FactorTooOld) -> Response:
    """The step-up page as the answer to what was asked for with an old factor; with its form, if it has one.

    Nothing was shown and nothing was refused: there is no entry.
    """
    db.session.rollback()
    forget_looks()
    back, text = interrupted()
    act = str(request.endpoint)
    if back is None or text is None:
        return redirect(url_for("StepUpView.code", next=back, act=act), 303)
    form = CodeForm(formdata=None)
    form.next.data, form.held.data = back, text
    return make_response(_page(me(), form, act), 403)


class StepUpView(Page):
    """The question for a fresh second factor."""

    subject = "Profile"
    route_base = "/profile/step-up"

    @route("/", act="show", methods=BOTH, quiet=True)
    def code(self) -> Answer:
        """A code of an app, or a recovery code."""
        actor, form = me(), CodeForm()
        if "back" in request.form:
            return go_on(form, _("Nothing was done"), "left")
        if form.submitted():
            with writing() as work:
                proof = prove(work, actor, form, signing_in=False)
                here = _renewed(work, actor, proof.method) if proof is not None else None
            if here is not None:
                return _done(here, form)
        else:
            form.next.data = request.args.get("next", "")
        return _page(actor, form, request.args.get("act", "")), form.refused_with if form.submitted() else 200

    @route("/ask", act="show", methods=("POST",), quiet=True)
    def ask(self) -> Response:
        """The question for one of the account's passkeys, which a script asks for."""
        return ask_passkey(me())

    @route("/passkey", act="show", methods=("POST",), quiet=True)
    def passkey(self) -> Answer:
        actor, form = me(), CodeForm()
        with writing() as work:
            proved = prove_passkey(work, actor, signing_in=False)
            here = _renewed(work, actor, "passkey") if proved else None
        if here is not None:
            return _done(here, form)
        flash(str(BadPasskey.default), "warning")
        back = safe_next_url(form.next.data)
        return redirect(url_for("StepUpView.code", next=back, act=request.args.get("act")), 303)


def _renewed(work: Session, actor: Actor, method: str) -> Here:
    """The session with a fresh factor, and its entry. The cookie gets the new secret after the commit."""
    here = session_rows.step_up(work, actor, method)
    sign_in.own_entry(work, actor, "success", {"factor": method, "while": "signed_in"})
    return here


def _done(here: Here, form: CodeForm) -> Response:
    sessions.go_on(session, here.secret)
    if not form.held.data:
        flash(_("Your second factor is fresh. Nothing has been done yet: do it once more."), "info")
    return go_on(form, _("Your second factor is fresh"), "factor")


def _page(actor: Actor, form: CodeForm, endpoint: str) -> str:
    with acting(actor.own_context(), db.session):
        kinds = {each.kind for each in factors.standing(db.session, actor.id)}
    return render_template(
        "accounts/step_up.html", heading=_("Show your second factor again"), form=form, kinds=kinds,
        act_name=_name_of(endpoint), act=endpoint, back=safe_next_url(form.next.data), origin=site().origin,
        synthetic_code=synthetic_code(actor), offers=_offers(actor, form),
    )  # fmt: skip


def _offers(actor: Actor, form: CodeForm) -> list[tuple[str, str]]:
    """The provider that the session came from, where its second factor counts."""
    found = provider_step_up.provider_of(db.session, actor)
    label, back = _("Show it at %(name)s", name="%(name)s"), safe_next_url(form.next.data)
    return provider_register.offers([found] if found else [], "ProviderStepUpView.begin", label, next=back)


def _name_of(endpoint: str) -> str:
    """The name of the act, as the page of all rights has it; nothing for an address that takes no fresh factor."""
    access = access_of(endpoint)
    if access is None or not access.fresh:
        return ""
    subject = SUBJECTS.get(access.subject)
    if subject is None:
        return str(_OWN.get(access.subject, ""))
    words = subject.acts.get(access.act)
    return f"{subject.label}: {words}" if words else str(subject.label)
