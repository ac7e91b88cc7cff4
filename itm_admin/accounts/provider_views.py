"""Signing in through the institution's own provider: the way there and back, the own links, and its sign-outs.

An answer of a provider is judged, and its code is gone from the address, before any page is shown. Refusals lead to a
page with a way on: the sign-in page has the password too.
"""

from __future__ import annotations

import hashlib
import uuid

from flask import current_app, flash, make_response, request, session, url_for
from flask_babel import gettext as _
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.accounts import invitations, provider_register, provider_trips, providers, sessions, throttle
from itm_admin.accounts.factor_sign_in import after_password
from itm_admin.accounts.forms import SignInForm, WaitingForm
from itm_admin.accounts.oidc import Issuer, ProviderRefused, Vouched
from itm_admin.accounts.provider_calls import ProviderCallView
from itm_admin.accounts.provider_line import ProviderDown
from itm_admin.accounts.provider_rows import LINK_ORIGINS
from itm_admin.accounts.provider_step_up import go_on_fresh
from itm_admin.accounts.provider_trips import INVITED, LINK, SIGN_IN, STEP_UP, Brought, Trip
from itm_admin.accounts.returning import go_on, sign_in_page
from itm_admin.accounts.session_begin import begin_session
from itm_admin.accounts.sign_in import SignInRefused
from itm_admin.foundation import i18n
from itm_admin.foundation.actor import Actor, me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import DomainError, Invalid, NotFound
from itm_admin.foundation.identity_providers import Provider
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, redirect_after_post, route, safe_next_url

BOTH = ("GET", "POST")
_OPENED_LINK = "invited"
"""The place of an opened one-time link in the cookie (views.py)."""


class ProviderSignInView(Page):
    """The way to a provider and back."""

    subject = "SignIn"
    route_base = "/sign-in/with"

    @route("/<provider_code>", act="show", public=True, quiet=True)
    def begin(self, provider_code: str) -> Response:
        issuer = provider_register.issuer(provider_code)
        back = safe_next_url(request.args.get("next"))
        return _lead_there(issuer, SIGN_IN, back, url_for("SignInView.sign_in", next=back))

    @route("/<provider_code>/back", act="show", public=True, quiet=True)
    def come_back(self, provider_code: str) -> Response:
        """Takes the provider's answer. Each way from here is a redirect: the answer stays in no history."""
        issuer = provider_register.issuer(provider_code)
        trip = provider_trips.end(session, provider_code, request.args.get("state", ""))
        db.session.rollback()  # nobody's connection waits for a provider
        try:
            if trip is None or not _first_time(trip.state):
                raise ProviderRefused("provider_state")
            vouched = issuer.take(trip, _return_address(provider_code), request.args)
            return _HOME[trip.why](issuer, trip, vouched)
        except ProviderRefused as refused:
            with writing() as work:
                providers.refuse(work, provider_code, refused.reason, _key())
            return _turn_back(trip, refused)
        except DomainError as refused:
            return _turn_back(trip, refused)

    @route("/<provider_code>/out", act="show", public=True, quiet=True)
    def out(self, provider_code: str) -> Response:
        """Leads on to the provider's own sign-out, after the one here."""
        issuer = provider_register.issuer(provider_code)
        db.session.rollback()
        try:
            address = issuer.address_to_end(_origin() + url_for("SignInView.sign_in"))
        except ProviderDown:
            address = None
        if address is None:
            flash(_("You are signed out here. Sessions on other devices go on."))
            return redirect(url_for("SignInView.sign_in"), 303)
        name = issuer.provider.name(i18n.language())
        page = self.render(
            "accounts/provider_out.html", heading=_("You are signed out here"), name=name, address=address
        )
        answer = make_response(page)
        answer.headers["Refresh"] = f"3; url={address}"
        return answer

    @route("/go-on", act="show", methods=("POST",), public=True, quiet=True)
    def go_on(self) -> Response:
        """Shows a waiting form again, after its author has signed in in another tab."""
        form = WaitingForm()
        if _at_work() is not None:
            return go_on(form)
        if not form.held.data:
            return redirect_after_post("SignInView.sign_in")
        again = SignInForm(formdata=None)
        again.next.data, again.held.data = form.next.data, form.held.data
        again.told.append(_("You are not signed in yet. Sign in in the other tab first."))
        return make_response(sign_in_page(again), 401)


class ProviderLinkView(Page):
    """One's own links with providers."""

    subject = "Profile"
    route_base = "/profile/institution-sign-in"

    @route("/", act="show")
    def show(self) -> str:
        actor = me()
        with acting(actor.own_context(), db.session):
            rows = providers.standing(db.session, actor.id)
        record_read("record.list", "external_identity", subjects=[row.id for row in rows], detail={"page": "profile"})
        linked = {row.code for row in rows}
        free = [each for each in provider_register.offered(actor.institution_code) if each.code not in linked]
        return self.render(
            "accounts/provider_links.html", heading=_("Institution sign-in"), rows=rows, origins=LINK_ORIGINS,
            offers=provider_register.offers(free, "ProviderLinkView.begin", _("Link with %(name)s")),
        )  # fmt: skip

    @route("/with/<provider_code>", act="edit", quiet=True)
    def begin(self, provider_code: str) -> Response:
        here = url_for("ProviderLinkView.show")
        issuer = provider_register.known(provider_code, me().institution_code)
        if issuer is None:
            return redirect(here, 303)
        return _lead_there(issuer, LINK, here, here, bound=str(me().id))

    @route("/confirm", act="edit", methods=BOTH, quiet=True, fresh=True)
    def confirm(self) -> str | Response:
        """The person confirms whom the provider has recognised: with a fresh factor."""
        actor = me()
        found = provider_trips.brought(session, LINK, str(actor.id))
        if found is None:
            flash(_("Nothing waits to be linked. Begin once more."), "warning")
            return redirect(url_for("ProviderLinkView.show"), 303)
        provider = provider_register.provider(found.provider)
        if request.method == "POST":
            provider_trips.forget_brought(session)
            try:
                with writing() as work:
                    providers.link(work, actor, provider, found.subject, found.shown)
            except providers.IdentityTaken as refused:
                flash(str(refused), "warning")
            else:
                flash(_("Your account is linked. From now on you can sign in through your institution."))
            return redirect_after_post("ProviderLinkView.show")
        return _confirm_page(self, found, actor.username, url_for("ProviderLinkView.confirm"), "ProviderLinkView.show")

    @route("/end", act="edit", methods=("POST",), fresh=True)
    def end(self) -> Response:
        try:
            asked = uuid.UUID(request.form.get("identity", ""))
        except ValueError:
            raise Invalid({"identity": _("This is not one of the choices.")}) from None
        try:
            with writing() as work:
                providers.unlink(work, me(), asked)
        except Invalid as refused:
            flash(str(refused), "warning")
        else:
            flash(_("The link has ended. You sign in with your password or a passkey."))
        return redirect_after_post("ProviderLinkView.show")


class ProviderInvitationView(Page):
    """A one-time link that is used with a provider in place of a password."""

    subject = "Invitation"
    route_base = "/invitation/with"

    @route("/<provider_code>", act="show", public=True, quiet=True)
    def begin(self, provider_code: str) -> Response:
        issuer, (_provider, token, _person) = provider_register.issuer(provider_code), invited_with(provider_code)
        here = url_for("InvitationView.redeem")
        return _lead_there(issuer, INVITED, here, here, bound=of_link(token))

    @route("/<provider_code>/confirm", act="show", methods=BOTH, public=True, quiet=True)
    def confirm(self, provider_code: str) -> str | Response:
        provider, token, invited = invited_with(provider_code)
        found = provider_trips.brought(session, INVITED, of_link(token))
        if found is None or found.provider != provider_code:
            return redirect(url_for("InvitationView.redeem"), 303)
        if request.method == "POST":
            try:
                with writing() as work:
                    providers.redeem(work, token, provider, found.subject, found.shown)
            except providers.IdentityTaken as refused:
                flash(str(refused), "warning")
                return redirect_after_post("InvitationView.redeem")
            session.clear()
            flash(
                _("Your account is linked. Another person has to confirm that it was you; then you can sign in.")
                if invited.waits
                else _("Your account is linked. From now on you can sign in through your institution.")
            )
            return redirect_after_post("SignInView.sign_in")
        here = url_for("ProviderInvitationView.confirm", provider_code=provider_code)
        return _confirm_page(self, found, invited.username, here, "InvitationView.redeem")


def _lead_there(issuer: Issuer, why: str, next: str, otherwise: str, bound: str = "") -> Response:
    """A redirect to the provider, for a browser that is on one of our own pages."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return redirect(otherwise, 303)
    db.session.rollback()
    trip = provider_trips.begin(session, issuer.provider.code, why, next, bound)
    try:
        there = issuer.address_to_begin(trip, _return_address(issuer.provider.code), i18n.language())
    except ProviderDown as down:
        provider_trips.end(session, issuer.provider.code, trip.state)
        flash(str(down), "warning")
        return redirect(otherwise, 303)
    return redirect(there, 303)


def _home_signed_in(issuer: Issuer, trip: Trip, vouched: Vouched) -> Response:
    with writing() as work:
        entered = providers.enter(work, issuer.provider, vouched, _key())
    if entered.actor is None:
        raise entered.refusal or SignInRefused()
    begin_session(entered.actor)
    form = WaitingForm(formdata=None)
    form.next.data = trip.next
    return after_password(entered.actor, form)


def _home_to_link(_issuer: Issuer, trip: Trip, vouched: Vouched) -> Response:
    actor = _at_work()
    if actor is None or str(actor.id) != trip.bound:
        raise ProviderRefused("provider_state")
    provider_trips.bring(session, trip, vouched.subject, vouched.shown)
    return redirect(url_for("ProviderLinkView.confirm"), 303)


def _home_invited(_issuer: Issuer, trip: Trip, vouched: Vouched) -> Response:
    if of_link(str(session.get(_OPENED_LINK, ""))) != trip.bound:
        raise ProviderRefused("provider_state")
    provider_trips.bring(session, trip, vouched.subject, vouched.shown)
    return redirect(url_for("ProviderInvitationView.confirm", provider_code=trip.provider), 303)


def _home_fresh(issuer: Issuer, trip: Trip, vouched: Vouched) -> Response:
    actor = _at_work()
    if actor is None or str(actor.id) != trip.bound:
        raise ProviderRefused("provider_state")
    with writing() as work:
        here = go_on_fresh(work, actor, issuer.provider, vouched)
    sessions.go_on(session, here.secret)
    flash(_("Your second factor is fresh. Nothing has been done yet: do it once more."), "info")
    return redirect(safe_next_url(trip.next), 303)


_HOME = {SIGN_IN: _home_signed_in, LINK: _home_to_link, INVITED: _home_invited, STEP_UP: _home_fresh}


def _turn_back(trip: Trip | None, refused: DomainError) -> Response:
    """To the page that the trip began on, with the reason."""
    flash(str(refused), "warning")
    if trip is None:
        return redirect(url_for("HomeView.show" if _at_work() is not None else "SignInView.sign_in"), 303)
    if trip.why == LINK:
        return redirect(url_for("ProviderLinkView.show"), 303)
    if trip.why == INVITED:
        return redirect(url_for("InvitationView.redeem"), 303)
    if trip.why == STEP_UP:
        return redirect(url_for("StepUpView.code", next=safe_next_url(trip.next)), 303)
    wanted = safe_next_url(trip.next)
    named = wanted if wanted != url_for("HomeView.show") else None
    return redirect(url_for("SignInView.sign_in", next=named), 303)


def _confirm_page(page: Page, found: Brought, username: str, action: str, back: str) -> str:
    provider = provider_register.provider(found.provider)
    return page.render(
        "accounts/provider_confirm.html", heading=_("Link your account"), name=provider.name(i18n.language()),
        shown=found.shown, username=username, action=action, back=url_for(back),
    )  # fmt: skip


def invited_with(provider_code: str) -> tuple[Provider, str, invitations.Invited]:
    """The provider, and the opened link's token and person. Raises NotFound if it does not vouch for that person."""
    provider, token = provider_register.provider(provider_code), str(session.get(_OPENED_LINK, ""))
    try:
        invited = invitations.look_up(db.session, token)
    except invitations.BadInvitation as error:
        raise NotFound(error.message) from None
    if provider not in provider_register.offered(invited.institution_code):
        raise NotFound
    return provider, token, invited


def of_link(token: str) -> str:
    """Names an opened one-time link in the cookie, without its token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _first_time(state: str) -> bool:
    with writing() as work:
        return providers.first_time(work, hashlib.sha256(f"state\0{state}".encode()).digest())


def _at_work() -> Actor | None:
    """The person of a whole session in this browser: the gate asks nobody on these pages."""
    actor = current_app.extensions["itm_load_actor"]()
    return actor if isinstance(actor, Actor) and actor.here is not None and not actor.here.half else None


def _return_address(provider_code: str) -> str:
    return _origin() + url_for("ProviderSignInView.come_back", provider_code=provider_code)


def _origin() -> str:
    return str(current_app.config["ITM_ORIGIN"])


def _key() -> bytes:
    return throttle.key_from(str(current_app.config["SECRET_KEY"]))


class ProviderStepUpView(Page):
    """A fresh factor that is shown at the provider."""

    subject = "Profile"
    route_base = "/profile/step-up/with"

    @route("/<provider_code>", act="show", quiet=True)
    def begin(self, provider_code: str) -> Response:
        back = safe_next_url(request.args.get("next"))
        issuer, otherwise = (
            provider_register.known(provider_code, me().institution_code),
            url_for("StepUpView.code", next=back),
        )
        if issuer is None:
            return redirect(otherwise, 303)
        return _lead_there(issuer, STEP_UP, back, otherwise, bound=str(me().id))


VIEWS: tuple[type, ...] = (
    ProviderSignInView, ProviderCallView, ProviderLinkView, ProviderInvitationView, ProviderStepUpView
)  # fmt: skip
