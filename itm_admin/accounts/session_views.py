"""The present session: its time left, staying signed in, and signing out here or everywhere."""

from __future__ import annotations

from dataclasses import replace

from flask import flash, jsonify, session
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.accounts import session_rows, sessions, sign_in
from itm_admin.foundation.actor import Here, me
from itm_admin.foundation.errors import Unauthenticated
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
            sign_in.sign_out(work, me())
        sessions.end(session)
        flash(_("You are signed out here. Sessions on other devices go on."))
        return redirect_after_post("SignInView.sign_in")

    @route("/sign-out-everywhere", act="show", methods=("POST",), quiet=True)
    def sign_out_everywhere(self) -> Response:
        with writing() as work:
            sign_in.sign_out_everywhere(work, me())
        sessions.end(session)
        flash(_("All your sessions have ended, here and on every other device."))
        return redirect_after_post("SignInView.sign_in")


def _left(here: Here | None) -> Response:
    left = sessions.left(here)
    if left is None:
        raise Unauthenticated
    return jsonify(left)
