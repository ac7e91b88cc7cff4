"""The REST API's description (OpenAPI 3) and a page to try it, all from our own files.

Flask-AppBuilder collects the description from the APIs' docstrings; both routes stand behind the gate.
"""

from __future__ import annotations

from flask import Response, current_app
from flask_appbuilder.api.manager import OpenApi

from itm_admin.foundation.api import Api, route
from itm_admin.foundation.views import Page

VERSION = "v1"


class OpenApiDocument(Api):
    """The machine-readable description."""

    subject = "ApiDescription"
    route_base = "/api/v1"

    @route("/openapi.json", act="show", quiet=True)
    def show(self) -> Response:
        """The description of this API.
        ---
        get:
          responses:
            200: {description: OpenAPI 3 document, content: {application/json: {schema: {type: object}}}}
        """
        spec = OpenApi._create_api_spec(VERSION)
        for view in current_app.extensions["appbuilder"].baseviews:
            if isinstance(view, Api) and view.version == VERSION:
                view.add_api_spec(spec)
        return self.answer(200, **spec.to_dict())


class SwaggerPage(Page):
    """The page that shows it and sends requests."""

    subject = "ApiDescription"
    route_base = "/api-guide"

    @route("/", act="show", quiet=True)
    def show(self) -> str:
        return self.render("swagger.html")
