"""Pages for signing in and out, and for one's own account. Accounts of others: account_views.py."""

from __future__ import annotations

import uuid
from typing import Any

from flask import current_app, flash, g, make_response, request, session, url_for
from flask_babel import gettext as _
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.accounts import (
    access_lists,
    changes,
    history,
    invitations,
    known_devices,
    passwords,
    provider_register,
    services,
    session_rows,
    sessions,
    sign_in,
    throttle,
)
from itm_admin.accounts.directory_views import VIEWS as DIRECTORY_VIEWS
from itm_admin.accounts.factor_sign_in import PasskeySignInView, SecondStepView, after_password
from itm_admin.accounts.factor_views import OwnFactorView
from itm_admin.accounts.forms import OwnPasswordForm, PasswordForm, SignInForm, own_data_form
from itm_admin.accounts.grant_views import GrantView
from itm_admin.accounts.preference_views import PreferenceView
from itm_admin.accounts.provider_views import VIEWS as PROVIDER_VIEWS
from itm_admin.accounts.returning import sign_in_page
from itm_admin.accounts.session_begin import begin_session
from itm_admin.accounts.session_views import OwnSessionsView, OwnSessionView
from itm_admin.accounts.sign_in import SignInRefused, TooManyTries
from itm_admin.accounts.step_up import StepUpView
from itm_admin.foundation import i18n, tenancy
from itm_admin.foundation.actor import Actor, me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, NotFound
from itm_admin.foundation.forms import attempt, save, tell
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, redirect_after_post, route, safe_next_url

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")
_INVITED = "invited"
"""The place of an opened link's token in this browser's cookie, until it is redeemed."""


def digest_key() -> bytes:
    return throttle.key_from(str(current_app.config["SECRET_KEY"]))


class SignInView(Page):
    """Signing in."""

    subject = "SignIn"
    route_base = ""

    @route("/sign-in", act="show", methods=BOTH, public=True, quiet=True)
    def sign_in(self) -> Answer:
        form = SignInForm()
        status, headers = 200, {}
        if form.submitted() and g.get("stale"):
            form.told.append(_("This page was open for a long time. Type your password and sign in once more."))
            status = 400
        elif form.submitted():
            try:
                with writing() as work:
                    actor = sign_in.attempt(work, form.username.data or "", form.password.data or "", key=digest_key())
                begin_session(actor)
                return after_password(actor, form)
            except (SignInRefused, TooManyTries) as refused:
                form.told.append(str(refused))
                status = 401
                if isinstance(refused, TooManyTries):
                    status, headers = 429, {"Retry-After": str(refused.retry_after)}
        else:
            form.next.data = request.args.get("next", "")
        return make_response(sign_in_page(form), status, headers)


class LanguageView(Page):
    """The language of the pages: the session's, or the signed-in person's for good."""

    subject = "Language"
    route_base = ""

    @route("/language", act="index", methods=("POST",), public=True)
    def choose(self) -> Answer:
        code = request.form.get("language", "")
        if not i18n.remember(code):
            raise Invalid({"language": _("This is not one of the choices.")})
        actor = me() if _signed_in() else None
        if actor is not None and actor.language != code:
            with writing() as work:
                services.choose_language(work, actor, code)
        return redirect(safe_next_url(request.form.get("next")), 303)


class InvitationView(Page):
    """The one-time link by which a person chooses a password.

    Opening the link changes nothing, however often a mail scanner does it: its token goes into this browser's cookie
    and out of the address, so that no history, referer or later line of a log has it. Sending the form redeems it.
    """

    subject = "Invitation"
    route_base = "/invitation"

    @route("/<token>", act="show", public=True, quiet=True)
    def open_link(self, token: str) -> Response:
        _invited(token)
        session[_INVITED] = token
        return redirect(url_for("InvitationView.redeem"), 303)

    @route("/", act="show", methods=BOTH, public=True, quiet=True)
    def redeem(self) -> Answer:
        token = str(session.get(_INVITED, ""))
        invited = _invited(token)
        form = PasswordForm()
        done = attempt(form, lambda work: invitations.redeem(work, token, form.chosen())) if form.submitted() else None
        if done is not None:
            session.clear()
            flash(
                _("The password is saved. Another person has to confirm that it was you; then you can sign in.")
                if done.waits
                else _("The password is saved. Sign in with it now.")
            )
            return redirect_after_post("SignInView.sign_in")
        return self.render(
            "invitation.html",
            heading=_("Choose your password"),
            form=form,
            action=url_for("InvitationView.redeem"),
            username=invited.username,
            expires_at=invited.expires_at,
            minimum=passwords.SHORTEST,
            offers=provider_register.offers(
                provider_register.offered(invited.institution_code),
                "ProviderInvitationView.begin",
                _("Go on with %(name)s", name="%(name)s"),
            ),
        ), (form.refused_with if form.submitted() else 200)


def _invited(token: str) -> invitations.Invited:
    """The person of a link. Raises NotFound if it does not open any more."""
    try:
        return invitations.look_up(db.session, token)
    except invitations.BadInvitation as error:
        raise NotFound(error.message) from None


class OwnProfileView(Page):
    """One's own account."""

    subject = "Profile"
    route_base = "/profile"

    @route("/", act="show")
    def show(self) -> Answer:
        actor = me()
        account = services.own(db.session, actor)
        listing = access_lists.SIGN_INS.all(history.own_sign_ins(db.session, actor))
        record_read("record.read", "account", actor.id, detail={"page": "profile"})
        with tenancy.acting(actor.own_context(), db.session):
            open_ones = session_rows.standing(db.session, actor.id, actor.session)
            devices = known_devices.standing(db.session, actor.id)
            lost = changes.lost_factors(db.session, actor.id)
        return self.render(
            "accounts/profile.html",
            heading=_("My profile"),
            account=account,
            events=listing,
            sessions=open_ones,
            known_devices=devices,
            institution_sign_in=bool(provider_register.offered(actor.institution_code)),
            lost=lost if lost is not None and lost.state == "waiting" else None,
        )

    @route("/forget-device", act="edit", methods=("POST",))
    def forget_device(self) -> Response:
        try:
            asked = uuid.UUID(request.form.get("device", ""))
        except ValueError:
            raise Invalid({"device": _("This is not one of the choices.")}) from None
        with writing() as work:
            sign_in.forget_device(work, me(), asked)
        flash(_("The device is forgotten. A sign-in from it is told to you as one from a new device."))
        return redirect_after_post("OwnProfileView.show")

    @route("/edit", act="edit", methods=BOTH)
    def edit(self) -> Answer:
        actor = me()
        form = own_data_form()()
        if form.submitted() and _may_change_address(form, actor) and _save_own(form, actor):
            tell(_("The changes are saved."))
            return redirect_after_post("OwnProfileView.show")
        account = services.own(db.session, actor)
        record_read("record.read", "account", actor.id, detail={"page": "profile.edit"})
        if not form.submitted():
            form = own_data_form()(obj=account, version=account.row_version)
        return self.render("accounts/profile_edit.html", heading=_("Change my data"), form=form), (
            form.refused_with if form.submitted() else 200
        )

    @route("/password", act="edit", methods=BOTH, quiet=True, fresh=True)
    def password(self) -> Answer:
        actor = me()
        form = OwnPasswordForm()
        if form.submitted() and _knows_password(form, actor, _("This is not your current password.")):
            renewed = attempt(form, lambda work: invitations.change_own_password(work, actor, form.chosen()))
            if renewed is not None:
                sessions.go_on(session, renewed.secret)
                flash(_("The password is changed. Your other sessions have ended."))
                return redirect_after_post("OwnProfileView.show")
        return self.render(
            "accounts/password.html", heading=_("Change my password"), form=form, minimum=passwords.SHORTEST
        ), (form.refused_with if form.submitted() else 200)


def _may_change_address(form: Any, actor: Actor) -> bool:
    """Links to a new password go to the e-mail address: somebody who finds an open session must not change it."""
    with tenancy.acting(actor.own_context(), db.session):
        stored = services.own(db.session, actor).email
    if not form.email.data or services.same_address(stored, form.email.data):
        return True
    return _knows_password(form, actor, _("Your current password is needed for another e-mail address."))


def _knows_password(form: Any, actor: Actor, otherwise: str) -> bool:
    """True if the form holds the own password; else the form says why not."""
    try:
        with writing() as work:
            known = sign_in.confirm(work, actor, form.current.data or "")
    except TooManyTries as refused:
        known, otherwise = False, str(refused)
    if not known:
        form.take(Invalid({"current": otherwise}))
    return known


def _save_own(form: Any, actor: Actor) -> bool:
    return bool(
        save(
            form,
            lambda work: services.change_own(work, actor, form.expected_version(), form.payload(("current",))),
        )
    )


def _signed_in() -> bool:
    return isinstance(g.get("actor"), Actor)


VIEWS: tuple[type, ...] = (
    SignInView,
    PasskeySignInView,
    SecondStepView,
    StepUpView,
    OwnFactorView,
    LanguageView,
    InvitationView,
    OwnProfileView,
    OwnSessionView,
    OwnSessionsView,
    PreferenceView,
    GrantView,
    *PROVIDER_VIEWS,
    *DIRECTORY_VIEWS,
)
