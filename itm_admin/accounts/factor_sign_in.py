"""The second step of signing in: a code, a passkey, or, at the first sign-in, setting one up.

A passkey alone signs in too, without a password. After the right password these pages alone are open. A person who has
a factor has to show it: these pages set up no other one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, jsonify, make_response, redirect, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.accounts import factors, passkeys, session_rows, sessions, sign_in
from itm_admin.accounts.factor_pages import (
    BOTH,
    Answer,
    ask_passkey,
    code_page,
    codes_page,
    person_of,
    prove,
    prove_passkey,
    set_up_page,
    site,
)
from itm_admin.accounts.factor_rows import SecondFactor
from itm_admin.accounts.forms import CodeForm, SignInForm
from itm_admin.accounts.passkeys import BadPasskey
from itm_admin.accounts.returning import continuing, go_on, sign_in_page
from itm_admin.accounts.session_begin import begin_session
from itm_admin.foundation.actor import Actor, Here, me
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Denied, Invalid
from itm_admin.foundation.forms import attempt
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, route, safe_next_url

_SET_UP = {
    "action": "SecondStepView.set_up",
    "ask": "SecondStepView.ask_to_add",
    "add": "SecondStepView.add_passkey",
}


def after_password(actor: Actor, form: Any) -> Response:
    """Leads on to the page of the second factor, with the form that waits, if one does."""
    if actor.here is None or not actor.here.half:
        return go_on(form)
    sets_up = not _has_factor(actor)
    if sets_up:
        with writing() as work, acting(actor.own_context(), work):
            if factors.pending(work, actor.id) is None:
                factors.begin_app(work, keyring(), person_of(actor), str(_("Authenticator app")))
    if form.held.data:
        code = CodeForm(formdata=None)
        code.next.data, code.held.data = form.next.data, form.held.data
        return make_response(set_up_page(actor, code, _SET_UP) if sets_up else code_page(actor, code))
    endpoint = "SecondStepView.set_up" if sets_up else "SecondStepView.code"
    return redirect(url_for(endpoint, next=_named(safe_next_url(form.next.data))), 303)


class SecondStepView(Page):
    """The pages between the password and the panel. A session without its second factor opens no others."""

    subject = "Profile"
    route_base = "/sign-in"

    @route("/factor", act="show", methods=BOTH, quiet=True, second_step=True)
    def code(self) -> Answer:
        """A code of an app, or a recovery code."""
        actor, form = me(), CodeForm()
        if not form.submitted():
            form.next.data = request.args.get("next", "")
        if (led := _elsewhere(actor, form, "SecondStepView.code")) is not None:
            return led
        if form.submitted():
            with writing() as work:
                proof = prove(work, actor, form, signing_in=True)
                here = whole_session(work, actor, proof.method) if proof is not None else None
            if here is not None:
                sessions.go_on(session, here.secret)
                return go_on(form)
        return code_page(actor, form), form.refused_with if form.submitted() else 200

    @route("/factor/passkey/ask", act="show", methods=("POST",), quiet=True, second_step=True)
    def ask_passkey(self) -> Response:
        if not _is_half(me()):
            raise Denied
        return ask_passkey(me())

    @route("/factor/passkey", act="show", methods=("POST",), quiet=True, second_step=True)
    def show_passkey(self) -> Answer:
        """Takes a passkey of the person whose password was right, and of nobody else."""
        actor, form = me(), CodeForm()
        if (led := _elsewhere(actor, form, "SecondStepView.code")) is not None:
            return led
        with writing() as work:
            proved = prove_passkey(work, actor, signing_in=True)
            here = whole_session(work, actor, "passkey") if proved else None
        if here is not None:
            sessions.go_on(session, here.secret)
            return go_on(form)
        if form.held.data:  # no redirect could carry it
            form.told.append(str(BadPasskey.default))
            return code_page(actor, form), 422
        flash(str(BadPasskey.default), "warning")
        return redirect(url_for("SecondStepView.code", next=_named(safe_next_url(form.next.data))), 303)

    @route("/set-up", act="show", methods=BOTH, quiet=True, second_step=True)
    def set_up(self) -> Answer:
        """The first factor of an account."""
        actor, form = me(), CodeForm()
        if not form.submitted():
            form.next.data = request.args.get("next", "")
        if (led := _elsewhere(actor, form, "SecondStepView.set_up")) is not None:
            return led
        if form.submitted():
            typed = form.code.data or ""
            done = _first(actor, form, lambda work: factors.confirm_app(work, keyring(), person_of(actor), typed))
            if done is not None:
                return done
        return set_up_page(actor, form, _SET_UP), form.refused_with if form.submitted() else 200

    @route("/set-up/passkey/ask", act="show", methods=("POST",), quiet=True, second_step=True)
    def ask_to_add(self) -> Response:
        """The question for a new passkey, which a script asks for."""
        actor = me()
        if not _is_half(actor) or _has_factor(actor):
            raise Denied
        with writing() as work, acting(actor.own_context(), work):
            asked = passkeys.ask_to_add(work, site(), person_of(actor), actor.full_name)
        return jsonify(question=str(asked.id), options=asked.options)

    @route("/set-up/passkey", act="show", methods=("POST",), quiet=True, second_step=True)
    def add_passkey(self) -> Answer:
        actor, form, sent = me(), CodeForm(), request.form
        if (led := _elsewhere(actor, form, "SecondStepView.set_up")) is not None:
            return led
        name, question, credential = str(_("Passkey")), sent.get("question", ""), sent.get("credential", "")
        done = _first(
            actor, form, lambda work: passkeys.add(work, site(), person_of(actor), name, question, credential)
        )
        return done if done is not None else (set_up_page(actor, form, _SET_UP), 422)


class PasskeySignInView(Page):
    """Signing in by a passkey alone: its device has verified the person."""

    subject = "SignIn"
    route_base = "/sign-in/passkey"

    @route("/ask", act="show", methods=("POST",), public=True, quiet=True)
    def ask(self) -> Response:
        """The question for a browser's passkeys, which a script asks for."""
        with writing() as work:
            asked = passkeys.ask_to_sign_in(work, site())
        return jsonify(question=str(asked.id), options=asked.options)

    @route("/", act="show", methods=("POST",), public=True, quiet=True)
    def sign_in(self) -> Answer:
        form = CodeForm()
        actor = _by_passkey(request.form.get("question", ""), request.form.get("credential", ""))
        if actor is None:
            return _back(form)
        begin_session(actor)
        return go_on(form)


def _back(form: CodeForm) -> Response:
    """The page that a refused passkey came from, with the form that waits: a redirect could not carry it."""
    if form.held.data:
        again = SignInForm(formdata=None)
        again.next.data, again.held.data = form.next.data, form.held.data
        again.told.append(str(BadPasskey.default))
        return make_response(sign_in_page(again), 401)
    flash(str(BadPasskey.default), "warning")
    return redirect(url_for("SignInView.sign_in", next=_named(safe_next_url(form.next.data))), 303)


def _by_passkey(question: str, credential: str) -> Actor | None:
    """The person, signed in; None after the refusal's entry."""
    with writing() as work:
        try:
            known = passkeys.prove_alone(work, site(), question, credential)
        except BadPasskey:
            sign_in.passkey_refused(work)
            return None
        actor = sign_in.by_claim(work, known.account, ("passkey",), factor=True)
        if actor is None:
            return None
        with acting(actor.own_context(), work):
            factors.shown(work, actor.id, known.factor, signs=known.sign_count)
        sign_in.finished(work, actor, "passkey")
    return actor


def _first(actor: Actor, form: CodeForm, set_up: Callable[[Session], SecondFactor]) -> Response | None:
    """The whole session begins with the account's first factor, and its recovery codes are shown. None: refused."""

    def work(session: Session) -> tuple[Here, list[str]]:
        with acting(actor.own_context(), session):
            factors.make_room(session, actor.id)
            if factors.standing(session, actor.id):  # another browser was faster: that factor has to be shown
                raise Invalid({"": _("This account has a second factor already. Sign in with it.")})
            made = set_up(session)
            codes = factors.codes_if_none(session, person_of(actor))
        return whole_session(session, actor, made.kind), codes

    done = attempt(form, work)
    if done is None:
        return None
    here, codes = done
    sessions.go_on(session, here.secret)
    back, fields = continuing(form)
    return make_response(codes_page(codes, back, fields)) if codes else go_on(form)


def whole_session(work: Session, actor: Actor, method: str) -> Here:
    """Half a session becomes a whole one, with its entry. The cookie gets the new secret after the commit."""
    with acting(actor.own_context(), work):
        here = session_rows.promote(work, actor, method)
    sign_in.finished(work, actor, method)
    return here


def _elsewhere(actor: Actor, form: CodeForm, wanted: str) -> Response | None:
    """A redirect to the page that is due; None if this is it. No step is skipped or repeated."""
    if not _is_half(actor):
        return redirect(safe_next_url(form.next.data), 303)
    right = "SecondStepView.code" if _has_factor(actor) else "SecondStepView.set_up"
    return None if right == wanted else redirect(url_for(right, next=_named(safe_next_url(form.next.data))), 303)


def _is_half(actor: Actor) -> bool:
    return actor.here is not None and actor.here.half


def _has_factor(actor: Actor) -> bool:
    with acting(actor.own_context(), db.session):
        return bool(factors.standing(db.session, actor.id))


def _named(address: str) -> str | None:
    """An address for `next`; none for the first page, which needs no name."""
    return address if address != url_for("HomeView.show") else None
