"""The REST API's OpenAPI 3 description, and a page to try it, all from our own files.

Flask-AppBuilder collects the operations; their shapes come from the schemas that validate and serialise. Both routes
are behind the gate.
"""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify
from flask_appbuilder.api.manager import OpenApi
from marshmallow import fields

from itm_admin.foundation.api import Api, describes, route
from itm_admin.foundation.api_schemas import Described, Problem
from itm_admin.foundation.views import Page

VERSION = "v1"
_SCHEMES = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "Set by POST /api/v1/session/, which signs in.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A program's API key (itm_…), made by the institution's manager. It does what its scopes name, "
        "comes without a cookie and needs no anti-forgery token; acts that take a fresh second factor stay people's.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "The csrf_token of GET or POST /api/v1/session/. Every change carries it.",
    },
}


class OpenApiDocument(Api):
    """The machine-readable description."""

    subject = "ApiDescription"
    route_base = "/api/v1"
    openapi_spec_tag = "Description"

    @route("/openapi.json", act="show", quiet=True)
    @describes("This description (OpenAPI 3)", gives=Described)
    def show(self) -> Response:
        return jsonify(described())


def described() -> dict[str, Any]:
    """The whole document. Schemas are referenced by name, so that each is in it once."""
    spec = OpenApi._create_api_spec(VERSION)
    spec.components.schema("Problem", schema=Problem)
    for name, scheme in _SCHEMES.items():
        spec.components.security_scheme(name, {**scheme, **_cookie(scheme)})
    _describe_protected_fields(spec)
    for view in current_app.extensions["appbuilder"].baseviews:
        if isinstance(view, Api) and view.version == VERSION:
            view.add_api_spec(spec)
    document: dict[str, Any] = spec.to_dict()
    document.pop("security", None)
    return document


def _cookie(scheme: dict[str, str]) -> dict[str, str]:
    return {"name": current_app.config["SESSION_COOKIE_NAME"]} if scheme.get("in") == "cookie" else {}


def _describe_protected_fields(spec: Any) -> None:
    """Adds null to each enumeration that allows it (OpenAPI 3.0.3)."""

    def with_null(self: Any, field: fields.Field, ret: dict[str, Any], **_more: Any) -> dict[str, Any]:
        listed = ret.get("enum")
        return {"enum": [*listed, None]} if field.allow_none and listed and None not in listed else {}

    next(plugin for plugin in spec.plugins if hasattr(plugin, "converter")).converter.add_attribute_function(with_null)


class SwaggerPage(Page):
    """The page that shows it and sends requests."""

    subject = "ApiDescription"
    route_base = "/api-guide"
    default_view = "show"

    @route("/", act="show", quiet=True)
    def show(self) -> str:
        return self.render("swagger.html")
