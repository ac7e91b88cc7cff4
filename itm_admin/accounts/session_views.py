"""The present session: its time left, staying signed in, and signing out here or everywhere."""

from __future__ import annotations

from flask import flash, jsonify, session
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.accounts import sessions, sign_in
from itm_admin.foundation.actor import me
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
        return _left()

    @route("/session", act="show", methods=("POST",), quiet=True)
    def stay(self) -> Response:
        """Extends the session: the person is still there."""
        claim = sessions.read(session)
        if claim is not None:
            session["seen"] = sessions.new(claim.account, claim.institution, claim.session).seen
        return _left()

    @route("/sign-out", act="show", methods=("POST",), quiet=True)
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


def _left() -> Response:
    left = sessions.left(session)
    if left is None:
        raise Unauthenticated
    return jsonify(left)
