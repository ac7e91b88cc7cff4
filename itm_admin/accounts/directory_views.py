"""Pages that ask for the name and the password of an institution's directory: to sign in, to link, to use a link.

An answer of the directory to the last two is confirmed as a provider's is (provider_views.py).
"""

from __future__ import annotations

from flask import current_app, g, make_response, request, session, url_for
from flask_babel import gettext as _
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.accounts import directory_sign_in, provider_register, provider_trips, providers, throttle
from itm_admin.accounts.factor_sign_in import after_password
from itm_admin.accounts.forms import SignInForm
from itm_admin.accounts.oidc import Vouched
from itm_admin.accounts.provider_line import ProviderDown
from itm_admin.accounts.provider_trips import INVITED, LINK
from itm_admin.accounts.provider_views import invited_with, of_link
from itm_admin.accounts.session_begin import begin_session
from itm_admin.accounts.sign_in import SignInRefused, TooManyTries
from itm_admin.foundation import i18n
from itm_admin.foundation.actor import me
from itm_admin.foundation.errors import DomainError
from itm_admin.foundation.identity_providers import Provider
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, route

BOTH = ("GET", "POST")
_AGAIN = 30
"""Seconds after which a directory that did not answer may be asked again."""


class DirectorySignInView(Page):
    """Signing in with a directory's name and password."""

    subject = "SignIn"
    route_base = "/sign-in/directory"

    @route("/<provider_code>", act="show", methods=BOTH, public=True, quiet=True)
    def sign_in(self, provider_code: str) -> Response:
        provider, form = provider_register.directory(provider_code), _form()
        action = url_for("DirectorySignInView.sign_in", provider_code=provider_code)
        back = url_for("SignInView.sign_in", next=form.next.data or None)
        if form.submitted() and g.get("stale"):
            form.told.append(_("This page was open for a long time. Type your password and sign in once more."))
            return _page(self, provider, form, action, back, 400)
        if not form.submitted():
            return _page(self, provider, form, action, back)
        try:
            vouched = _asked(provider, form)
            with writing() as work:
                entered = providers.enter(work, provider, vouched, _key())
            if entered.actor is None:
                raise entered.refusal or SignInRefused()
        except DomainError as refused:
            return _refused(self, provider, form, action, back, refused)
        begin_session(entered.actor)
        return make_response(after_password(entered.actor, form))


class DirectoryLinkView(Page):
    """Linking the own account with its person in the directory."""

    subject = "Profile"
    route_base = "/profile/institution-sign-in/directory"

    @route("/<provider_code>", act="edit", methods=BOTH, quiet=True)
    def ask(self, provider_code: str) -> Response:
        actor, offered = me(), provider_register.offered(me().institution_code)
        provider = next((each for each in offered if each.code == provider_code and each.kind == "ldap"), None)
        if provider is None:
            return redirect(url_for("ProviderLinkView.show"), 303)
        confirm = url_for("ProviderLinkView.confirm")
        return _brought(self, provider, LINK, str(actor.id), confirm, "ProviderLinkView.show")


class DirectoryInvitationView(Page):
    """A one-time link that is used with a directory in place of a password."""

    subject = "Invitation"
    route_base = "/invitation/directory"

    @route("/<provider_code>", act="show", methods=BOTH, public=True, quiet=True)
    def ask(self, provider_code: str) -> Response:
        provider_register.directory(provider_code)
        provider, token, _person = invited_with(provider_code)
        confirm = url_for("ProviderInvitationView.confirm", provider_code=provider_code)
        return _brought(self, provider, INVITED, of_link(token), confirm, "InvitationView.redeem")


def _brought(page: Page, provider: Provider, why: str, bound: str, confirm: str, back: str) -> Response:
    """Asks the directory, and leads on to the confirmation of the link."""
    form, action = _form(), request.path
    if not form.submitted():
        return _page(page, provider, form, action, url_for(back))
    try:
        vouched = _asked(provider, form)
    except DomainError as refused:
        return _refused(page, provider, form, action, url_for(back), refused)
    provider_trips.bring_person(session, provider.code, why, bound, vouched.subject, vouched.shown)
    return redirect(confirm, 303)


def _form() -> SignInForm:
    form = SignInForm()
    if not form.submitted():
        form.next.data = request.args.get("next", "")
    return form


def _asked(provider: Provider, form: SignInForm) -> Vouched:
    return directory_sign_in.ask(provider, form.username.data or "", form.password.data or "", _key())


def _refused(
    page: Page, provider: Provider, form: SignInForm, action: str, back: str, refused: DomainError
) -> Response:
    """The same page with the reason; the name stays, the password does not."""
    if isinstance(refused, ProviderDown):  # nothing of the form is wrong
        answer = _page(page, provider, form, action, back, 503, str(refused))
        answer.headers["Retry-After"] = str(_AGAIN)
        return answer
    form.told.append(str(refused))
    if isinstance(refused, TooManyTries):
        answer = _page(page, provider, form, action, back, 429)
        answer.headers["Retry-After"] = str(refused.retry_after)
        return answer
    return _page(page, provider, form, action, back, 401)


def _page(
    page: Page, provider: Provider, form: SignInForm, action: str, back: str, status: int = 200, down: str = ""
) -> Response:
    name = provider.name(i18n.language())
    heading = _("Sign in with %(name)s", name=name) if page.subject == "SignIn" else _("Link with %(name)s", name=name)
    shown = page.render(
        "accounts/directory.html", heading=heading, form=form, action=action, back=back, name=name, down=down
    )
    return make_response(shown, status)


def _key() -> bytes:
    return throttle.key_from(str(current_app.config["SECRET_KEY"]))


VIEWS: tuple[type, ...] = (DirectorySignInView, DirectoryLinkView, DirectoryInvitationView)
