"""Returns from an ended session to the same page, with the person's input.

A form that is sent after its session has ended comes back with the sign-in page, as text in that page and nowhere else;
nothing is stored. After the same person's sign-in it is shown again, and its author sends it. The page's own
anti-forgery token identifies the form's author: nobody else sees it.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import current_app, flash, make_response, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.accounts import provider_register, sessions
from itm_admin.accounts.forms import SignInForm, WaitingForm
from itm_admin.foundation.errors import Message
from itm_admin.foundation.forgery import FIELD, is_of_an_account, is_valid
from itm_admin.foundation.forms import AGAIN
from itm_admin.foundation.once import FIELD as FORM_KEY
from itm_admin.foundation.views import safe_next_url

LONGEST = 200_000
"""Characters of a form that is carried over; a longer one may exist as a draft."""
SECRETS = ("password", "current", "again", "code", "credential")
"""Beginnings of the names of fields that are never carried over."""
_NEVER = frozenset({FIELD, FORM_KEY, AGAIN})

ENDED: dict[str, Message] = {
    "idle": _l("Your session has ended because nothing was done in it for some time. Sign in to go on where you were."),
    "absolute": _l(
        "Your session has ended because the longest time of a session is over. Sign in to go on where you were."
    ),
    "signed_out": _l("You have signed out in this session. Sign in to go on."),
    "renewed": _l("Your session was replaced by a newer sign-in in this browser. Sign in to go on."),
    "elsewhere": _l("You ended this session from another one of yours. Sign in to go on."),
    "all": _l("All your sessions were ended, here or on another device. Sign in to go on."),
    "password": _l("Your session has ended because your password was changed. Sign in with the new one."),
    "factor": _l("Your session has ended because your second factor was changed. Sign in with the new one."),
    "link": _l("Your session has ended because a new one-time link was made for your account. Use it to sign in."),
    "role": _l("Your session has ended because your roles have changed. Sign in again."),
    "institution": _l("Your session has ended because your institution was suspended."),
    "provider": _l("Your session has ended because you signed out at your institution, or its sign-in ended."),
    "suspended": _l("Your session has ended because your account or your institution was suspended."),
}


def why_ended() -> Message | None:
    """The reason why this browser's last session ended, unless it was signed out here."""
    return ENDED.get(str(session.get(sessions.ENDED)))


def ask_to_sign_in() -> Response:
    """The sign-in page as the answer to a request without a session; with the form that was sent, if any."""
    if request.method == "GET":
        return redirect(url_for(_endpoint(), next=_with_query(request.path, request.query_string.decode("latin-1"))))
    back, text = interrupted()
    if back is None or text is None:
        return redirect(url_for(_endpoint(), next=back), 303)
    form = SignInForm(formdata=None)
    form.next.data, form.held.data = back, text
    return make_response(sign_in_page(form), 401)


def interrupted() -> tuple[str | None, str | None]:
    """The page of the form that was sent, and the form as text; None where there is nothing to come back to.

    Of a download, the page with its button.
    """
    if request.method in ("GET", "HEAD"):
        return _referring_page() or _with_query(request.path, request.query_string.decode("latin-1")), None
    return _page_of_form(), _carried()


def sign_in_page(form: SignInForm) -> str:
    return render_template(
        "login.html",
        heading=_("Sign in"),
        form=form,
        action=url_for(_endpoint()),
        ended=why_ended(),
        origin=current_app.config["ITM_SITE"].origin,
        offers=provider_register.offers(
            provider_register.offered(),
            "ProviderSignInView.begin",
            _("Sign in with %(name)s", name="%(name)s"),
            next=back if (back := safe_next_url(form.next.data)) != url_for("HomeView.show") else None,
        ),
    )


def go_on(form: WaitingForm, heading: Message | None = None, again: str = "yes") -> Response:
    """After a sign-in or a step-up: the requested page, or the late form, to be checked once more.

    `again` tells the form's page why it is shown: yes (signed in again), factor (shown), left (the step-up was left).
    """
    back, fields = continuing(form)
    if not fields:
        return redirect(back, 303)
    return make_response(
        render_template(
            "accounts/go_on.html",
            heading=heading or _("You are signed in again"),
            fields=fields,
            action=back,
            again=again,
        )
    )


def continuing(form: WaitingForm) -> tuple[str, list[tuple[str, str]]]:
    """The page to go on at after a sign-in, and the fields of the late form; none that is another person's."""
    back = safe_next_url(form.next.data)
    pairs = parse_qsl(form.held.data or "", keep_blank_values=True)
    if pairs and not is_valid(dict(pairs).get(FIELD)):
        flash(_("What was typed before belongs to another person's session and is not shown."), "warning")
        return back, []
    return back, [pair for pair in pairs if pair[0] not in _NEVER]


def _endpoint() -> str:
    return str(current_app.config["ITM_SIGN_IN_ENDPOINT"])


def _page_of_form() -> str | None:
    """The form's page: its own address, or the browser's referrer."""
    if request.url_rule is not None and "GET" in (request.url_rule.methods or ()):
        return _with_query(request.path, request.query_string.decode("latin-1"))
    return _referring_page()


def _referring_page() -> str | None:
    came = urlsplit(request.referrer or "")
    return _with_query(came.path, came.query) if came.path and came.netloc == request.host else None


def _with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _carried() -> str | None:
    """The form as text, if it is on a signed-in person's page and has an address to return to."""
    if request.url_rule is None or "GET" not in (request.url_rule.methods or ()):
        return None
    pairs = list(request.form.items(multi=True))
    if not is_of_an_account(request.form.get(FIELD)) or not any(name not in _NEVER and text for name, text in pairs):
        return None
    text = urlencode([(name, value) for name, value in pairs if not name.startswith(SECRETS)])
    return text if len(text) <= LONGEST else None
