"""Signing in and out for programs: the same check, the same throttle and the same cookie as the page's."""

from __future__ import annotations

from flask import Response, session
from flask_wtf.csrf import generate_csrf

from itm_admin.accounts import sessions, sign_in
from itm_admin.accounts.actor import Actor, load_actor, me
from itm_admin.accounts.sign_in import SignInRefused, TooManyTries
from itm_admin.accounts.views import begin_session, digest_key
from itm_admin.foundation.api import Api, body, route
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.problems import answer
from itm_admin.foundation.writing import writing


class SessionApi(Api):
    """The session: begin, look at, end. Every change carries the anti-forgery token in X-CSRFToken."""

    subject = "Session"
    resource_name = "session"
    openapi_spec_tag = "Session"

    @route("/", act="show", public=True, quiet=True)
    def show(self) -> Response:
        """Who is signed in, if anybody, and the anti-forgery token for the next change.
        ---
        get:
          responses:
            200:
              description: The session
              content:
                application/json:
                  schema:
                    type: object
                    properties:
                      csrf_token: {type: string}
                      account: {type: object, nullable: true}
        """
        actor = load_actor()
        return self.answer(csrf_token=generate_csrf(), account=_facts(actor) if actor else None)

    @route("/", act="add", methods=("POST",), public=True, quiet=True)
    def begin(self) -> Response:
        """Signs in. The answer sets the session's cookie and has a new anti-forgery token.
        ---
        post:
          requestBody:
            required: true
            content:
              application/json:
                schema:
                  type: object
                  required: [username, password]
                  properties:
                    username: {type: string}
                    password: {type: string}
          responses:
            200:
              description: Signed in
              content:
                application/json:
                  schema: {type: object}
            400: {$ref: '#/components/responses/400'}
            401: {$ref: '#/components/responses/401'}
        """
        told = body()
        username, password = told.get("username"), told.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise Invalid
        try:
            with writing() as work:
                actor = sign_in.attempt(work, username, password, key=digest_key())
        except TooManyTries as error:
            return answer(429, error)
        except SignInRefused as error:
            return answer(401, error)
        begin_session(actor)
        return self.answer(csrf_token=generate_csrf(), account=_facts(actor))

    @route("/", act="delete", methods=("DELETE",), public=True)
    def end(self) -> Response:
        """Signs out, and ends every other session of the account.
        ---
        delete:
          responses:
            200:
              description: Signed out
              content:
                application/json:
                  schema: {type: object}
            401: {$ref: '#/components/responses/401'}
        """
        with writing() as work:
            sign_in.sign_out(work, me())
        sessions.end(session)
        return self.answer()


def _facts(actor: Actor) -> dict[str, object]:
    return {
        "id": str(actor.id),
        "username": actor.username,
        "institution": actor.institution_code,
        "roles": sorted(actor.roles),
        "language": actor.language,
    }
