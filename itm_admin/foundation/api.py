"""The base of every REST API: Flask-AppBuilder's, described by OpenAPI, behind the same gate as the pages.

Callers sign in as people do and send the same anti-forgery token (header ``X-CSRFToken``) with every change.
Errors are problem documents (RFC 9457). Page sizes are capped.
"""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, current_app, request
from flask_appbuilder.api import BaseApi

from itm_admin.foundation.access import route
from itm_admin.foundation.errors import Invalid

__all__ = ["Api", "body", "route"]

_PROBLEM = {
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "fields": {"type": "object", "additionalProperties": {"type": "string"}},
                    "request_id": {"type": "string"},
                },
            }
        }
    }
}


class Api(BaseApi):  # type: ignore[misc]
    """A set of operations on one subject, under /api/v1/<resource_name>."""

    subject: ClassVar[str | None] = None
    scopes: ClassVar[tuple[str, ...]] = ()
    is_api: ClassVar[bool] = True
    csrf_exempt = False
    allow_browser_login = True
    responses = {
        code: {"description": text, **_PROBLEM}
        for code, text in {
            "400": "The request is malformed or has wrong values.",
            "401": "Nobody is signed in.",
            "403": "Not permitted.",
            "404": "Not found, or not for this person.",
            "409": "Somebody else has changed the record.",
            "422": "The values cannot be accepted.",
            "503": "The ledger or the database cannot be written: nothing was stored, no data is shown.",
        }.items()
    }

    def __init__(self) -> None:
        self.class_permission_name = self.subject
        super().__init__()

    def answer(self, status: int = 200, **document: Any) -> Response:
        """A JSON document; what it shows is queued with `looked_at` beforehand."""
        response = current_app.json.response(document)
        response.status_code = status
        return response


def body() -> dict[str, Any]:
    """The JSON object of the request. Invalid if it is none."""
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise Invalid
    return found
