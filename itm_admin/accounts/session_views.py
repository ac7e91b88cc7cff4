"""Own sessions: the time left, staying signed in, signing out here or everywhere, and the list of them."""

from __future__ import annotations

import uuid
from dataclasses import replace

from flask import flash, jsonify, request, session
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.accounts import provider_register, providers, session_lists, session_rows, sessions, sign_in
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Here, me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, Unauthenticated
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, redirect_after_post, route


class OwnSessionView(Page):
    """One's own session."""

    subject = "Profile"
    route_base = "/profile"

    @route("/session", act="show", quiet=True)
    def left(self) -> Response:
        """Seconds until the session ends. This request does not extend it (`sessions.PEEK`)."""
        return _left(me().here)

    @route("/session", act="show", methods=("POST",), quiet=True)
    def stay(self) -> Response:
        """Extends the session: the person is still there."""
        here = me().here
        if here is None:
            raise Unauthenticated
        with writing() as work:
            session_rows.seen(work, here.secret, at_once=True)
        return _left(replace(here, seen=0, idle=here.seen + here.idle))

    @route("/sign-out", act="show", methods=("POST",), quiet=True, second_step=True)
    def sign_out(self) -> Response:
        with writing() as work:
            came_from = providers.subject_here(work, me())
            sign_in.sign_out(work, me())
        sessions.end(session)
        if came_from is not None and came_from[0] in provider_register.register().issuers:
            return redirect_after_post("ProviderSignInView.out", provider_code=came_from[0])
        flash(_("You are signed out here. Sessions on other devices go on."))
        return redirect_after_post("SignInView.sign_in")

    @route("/sign-out-everywhere", act="show", methods=("POST",), quiet=True)
    def sign_out_everywhere(self) -> Response:
        with writing() as work:
            sign_in.sign_out_everywhere(work, me())
        sessions.end(session)
        flash(_("All your sessions have ended, here and on every other device."))
        return redirect_after_post("SignInView.sign_in")


class OwnSessionsView(Page):
    """One's own open sessions."""

    subject = "Profile"
    route_base = "/profile/sessions"

    @route("/", act="show")
    def show(self) -> str:
        actor = me()
        record_read("record.read", "account", actor.id, detail={"page": "sessions"})
        with tenancy.acting(actor.own_context(), db.session):
            rows = session_rows.standing(db.session, actor.id, actor.session)
        listing, others = session_lists.sessions(rows), any(not row.here for row in rows)
        return self.render("accounts/sessions.html", heading=_("My sessions"), sessions=listing, others=others)

    @route("/end", act="edit", methods=("POST",))
    def end(self) -> Response:
        try:
            asked = uuid.UUID(request.form.get("session", ""))
        except ValueError:
            raise Invalid({"session": _("This is not one of the choices.")}) from None
        with writing() as work:
            done = sign_in.end_elsewhere(work, me(), asked)
        flash(_("The session has ended.") if done else _("This session had ended already."))
        return redirect_after_post("OwnSessionsView.show")

    @route("/end-others", act="edit", methods=("POST",))
    def end_others(self) -> Response:
        with writing() as work:
            done = sign_in.end_elsewhere(work, me())
        flash(_("All other sessions have ended.") if done else _("There was no other session."))
        return redirect_after_post("OwnSessionsView.show")


def _left(here: Here | None) -> Response:
    left = sessions.left(here)
    if left is None:
        raise Unauthenticated
    return jsonify(left)
