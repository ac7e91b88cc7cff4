"""One's own second factors: looked at, added, renamed and removed, and new recovery codes.

Each change ends the account's other sessions; the database tells the owner by e-mail and writes the entry.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import flash, jsonify, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.accounts import factors, passkeys, recovery_codes, session_rows, sessions
from itm_admin.accounts.factor_pages import BOTH, Answer, codes_page, person_of, set_up_page, site
from itm_admin.accounts.forms import CodeForm
from itm_admin.accounts.models import Account
from itm_admin.foundation.actor import Actor, Here, me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import PanelForm, attempt
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, redirect_after_post, revealing, route

_LIST = "OwnFactorView.list"
_SET_UP = {
    "action": "OwnFactorView.app",
    "ask": "OwnFactorView.ask_to_add",
    "add": "OwnFactorView.add_passkey",
}


class OwnFactorView(Page):
    """The second factors of the person at work."""

    subject = "SecondFactor"
    route_base = "/profile/factors"

    @route("/", act="list")
    def list(self) -> Answer:
        actor = me()
        with acting(actor.own_context(), db.session):
            rows = factors.standing(db.session, actor.id)
            left = recovery_codes.left(db.session, actor.id)
        record_read("record.list", "second_factor", subjects=[each.id for each in rows], detail={"page": "profile"})
        return self.render(
            "accounts/factors.html", heading=_("Second factors"), rows=rows, left=left, origin=site().origin,
            app_name=_("Authenticator app"), passkey_name=_("Passkey"), full=len(rows) >= factors.MOST - 1,
        )  # fmt: skip

    @route("/app/new", act="edit", methods=("POST",), fresh=True)
    def begin_app(self) -> Answer:
        """A new secret, which counts once its first code is typed."""
        actor, name = me(), request.form.get("name", "")
        done = _tried(lambda work: factors.begin_app(work, keyring(), person_of(actor), name))
        return redirect_after_post("OwnFactorView.app" if done else _LIST)

    @route("/app", act="edit", methods=BOTH, quiet=True, fresh=True)
    def app(self) -> Answer:
        actor, form = me(), CodeForm()
        with acting(actor.own_context(), db.session):
            if factors.pending(db.session, actor.id) is None:
                return redirect_after_post(_LIST)
        if form.submitted():
            typed = form.code.data or ""
            done = attempt(
                form, _changing(actor, lambda work: factors.confirm_app(work, keyring(), person_of(actor), typed))
            )
            if done is not None:
                return _changed(done, _("The authenticator app is set up. Your other sessions have ended."))
        back = self.address_of_list()
        return set_up_page(actor, form, _SET_UP, back), form.refused_with if form.submitted() else 200

    @route("/passkey/ask", act="edit", methods=("POST",), quiet=True, fresh=True)
    def ask_to_add(self) -> Response:
        """The question for a new passkey, which a script asks for."""
        actor = me()
        with writing() as work, acting(actor.own_context(), work):
            asked = passkeys.ask_to_add(work, site(), person_of(actor), actor.full_name)
        return jsonify(question=str(asked.id), options=asked.options)

    @route("/passkey", act="edit", methods=("POST",), fresh=True)
    def add_passkey(self) -> Answer:
        actor, sent = me(), request.form
        name, question, credential = (
            sent.get("name", _("Passkey")),
            sent.get("question", ""),
            sent.get("credential", ""),
        )
        add = _changing(actor, lambda work: passkeys.add(work, site(), person_of(actor), name, question, credential))
        done = attempt(form := PanelForm(), add)
        return (
            _refused(form)
            if done is None
            else _changed(done, _("The passkey is set up. Your other sessions have ended."))
        )

    @route("/<uuid:id>/rename", act="edit", methods=("POST",), fresh=True)
    def rename(self, id: uuid.UUID) -> Answer:
        actor, name = me(), request.form.get("name", "")
        if _tried(lambda work: factors.rename(work, actor.id, id, name)):
            flash(_("The name is saved."))
        return redirect_after_post(_LIST)

    @route("/<uuid:id>/remove", act="edit", methods=("POST",), fresh=True)
    def remove(self, id: uuid.UUID) -> Answer:
        actor = me()
        done = attempt(form := PanelForm(), _changing(actor, lambda work: factors.remove(work, actor.id, id)))
        return (
            _refused(form)
            if done is None
            else _changed(done, _("The second factor is removed. Your other sessions have ended."))
        )

    @route("/codes", act="edit", methods=("POST",), fresh=True)
    def new_codes(self) -> Answer:
        """Ten new recovery codes, shown in this answer alone."""
        actor, codes = me(), list[str]()
        renew = _changing(actor, lambda work: codes.extend(recovery_codes.renew(work, actor.id, actor.institution_id)))
        with writing() as work:
            here = renew(work)
        sessions.go_on(session, here.secret)
        back = self.address_of_list()
        return revealing(codes_page(codes, back), back)

    @staticmethod
    def address_of_list() -> str:
        return url_for(_LIST)


def _changing(actor: Actor, work: Callable[[Session], Any]) -> Callable[[Session], Here]:
    """The work, then the end of all sessions, and a new one for this browser."""

    def change(session: Session) -> Here:
        with acting(actor.own_context(), session):
            work(session)
            session.execute(update(Account).where(Account.id == actor.id).values(epoch=Account.epoch + 1))
            session.flush()
            return session_rows.begin_again(session, actor)

    return change


def _changed(here: Here, said: str) -> Response:
    sessions.go_on(session, here.secret)
    flash(said)
    return redirect_after_post(_LIST)


def _tried(work: Callable[[Session], Any]) -> bool:
    """The work in one transaction; a refusal is said on the list."""
    try:
        with writing() as session, acting(me().own_context(), session):
            work(session)
    except Invalid as error:
        flash(str(error), "warning")
        return False
    return True


def _refused(form: PanelForm) -> Response:
    reasons = [*form.told, *(str(error) for errors in form.errors.values() for error in errors)]
    flash(" ".join(reasons), "warning")
    return redirect_after_post(_LIST)
