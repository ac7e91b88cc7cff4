"""Calls of providers themselves: each carries its own signature, and no cookie counts."""

from __future__ import annotations

from flask import jsonify, make_response, request
from werkzeug.wrappers import Response

from itm_admin.accounts import provider_register, providers
from itm_admin.accounts.oidc import ProviderRefused
from itm_admin.accounts.provider_line import ProviderDown
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, NotFound
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, route


class ProviderCallView(Page):
    """Calls of providers themselves. Each carries its own signature, and no cookie."""

    subject = "SignIn"
    route_base = "/sign-in/calls"

    @route("/<provider_code>/signed-out", act="show", methods=("POST",), public=True, quiet=True)
    def signed_out(self, provider_code: str) -> Response:
        """OpenID Connect Back-Channel Logout 1.0."""
        db.session.rollback()
        try:
            issuer = provider_register.issuer(provider_code)
            told = issuer.signed_out(request.form.get("logout_token", ""))
            with writing() as work:
                providers.signed_out_there(work, issuer.provider, told)
        except (ProviderRefused, Invalid, NotFound):
            return make_response(jsonify(error="invalid_request"), 400)
        except ProviderDown:
            return make_response(jsonify(error="temporarily_unavailable"), 503)
        return make_response("", 200)
