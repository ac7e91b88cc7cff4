"""Signing in and out for programs: the same check, the same throttle and the same cookie as the page's."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, session
from flask_babel import lazy_gettext as _l
from flask_wtf.csrf import generate_csrf
from marshmallow import Schema, fields

from itm_admin.accounts import factors, session_rows, sessions, sign_in
from itm_admin.accounts.actor import load_actor
from itm_admin.accounts.factor_pages import show_code
from itm_admin.accounts.factor_sign_in import whole_session
from itm_admin.accounts.factors import ShownFactor, WrongCode
from itm_admin.accounts.session_begin import begin_session
from itm_admin.accounts.sign_in import SignInRefused
from itm_admin.accounts.views import digest_key
from itm_admin.foundation.actor import Actor, me
from itm_admin.foundation.api import Api, body, describes, route
from itm_admin.foundation.api_schemas import Empty
from itm_admin.foundation.error_pages import answer
from itm_admin.foundation.errors import DomainError, TooMany
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.transaction import writing
from itm_admin.record.checks import MESSAGES
from itm_admin.record.schema import Input, load


class SignInInput(Input):
    username = fields.String(required=True, error_messages=dict(MESSAGES))  # type: ignore[arg-type]
    password = fields.String(required=True, error_messages=dict(MESSAGES))  # type: ignore[arg-type]
    code = fields.String(metadata={"description": "The authenticator app's code of the moment, or a recovery code"})


class CodeInput(Input):
    code = fields.String(required=True, error_messages=dict(MESSAGES))  # type: ignore[arg-type]


class FactorNeeded(DomainError):
    """The password was right; a second factor is missing, or has to be set up on the sign-in page first."""

    code = "factor_needed"
    default = _l("The password is correct. Send the code of the moment as well: code.")

    def __init__(self, known: bool) -> None:
        super().__init__(None if known else _l("Sign in on the page first, and set up a second factor there."))


class AccountAnswer(Schema):
    id = fields.UUID(required=True)
    username = fields.String(required=True)
    institution = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    language = fields.String(required=True)


class SessionAnswer(Schema):
    csrf_token = fields.String(required=True)
    account = fields.Nested(AccountAnswer, required=True, allow_none=True)


class SessionApi(Api):
    """The session: begin, look at, end. Every change carries the anti-forgery token in X-CSRFToken."""

    subject = "Session"
    resource_name = "session"
    openapi_spec_tag = "Session"

    @route("/", act="show", public=True, quiet=True)
    @describes("Who is signed in, if anybody, and the anti-forgery token for the next change", gives=SessionAnswer)
    def show(self) -> Response:
        actor = load_actor()
        whole = actor is not None and (actor.here is None or not actor.here.half)
        return self.answer(csrf_token=generate_csrf(), account=_facts(actor) if actor and whole else None)

    @route("/", act="add", methods=("POST",), public=True, quiet=True)
    @describes(
        "Signs in: sets the session's cookie, and gives a new anti-forgery token",
        takes=SignInInput,
        gives=SessionAnswer,
    )
    def begin(self) -> Response:
        typed = load(SignInInput, body())
        try:
            with writing() as work:
                actor = sign_in.attempt(work, typed["username"], typed["password"], key=digest_key())
            if actor.here is not None and actor.here.half:
                actor = _whole(actor, typed.get("code"))
        except TooMany as error:
            return answer(429, error)
        except (SignInRefused, FactorNeeded, WrongCode) as error:
            return answer(401, error)
        begin_session(actor)
        return self.answer(csrf_token=generate_csrf(), account=_facts(actor))

    @route("/", act="delete", methods=("DELETE",), public=True)
    @describes("Ends this session", gives=Empty)
    def end(self) -> Response:
        with writing() as work:
            sign_in.sign_out(work, me())
        sessions.end(session)
        return self.answer()


def _whole(actor: Actor, code: str | None) -> Actor:
    """The person, after a code. Without a right one the half that has begun is over."""
    refusal: DomainError | None = None
    with writing() as work:
        with acting(actor.own_context(), work):
            known = bool(factors.standing(work, actor.id))
        found = show_code(work, actor, code, signing_in=True) if known and code else FactorNeeded(known)
        if isinstance(found, ShownFactor):
            return replace(actor, here=whole_session(work, actor, found.method))
        refusal = found
        session_rows.end_by_secret(work, actor.here.secret if actor.here else b"", "signed_out")
    raise refusal


def _facts(actor: Actor) -> dict[str, object]:
    return {
        "id": actor.id,
        "username": actor.username,
        "institution": actor.institution_code,
        "roles": sorted(actor.roles),
        "language": actor.language,
    }
