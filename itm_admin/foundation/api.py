"""The base of every REST API: Flask-AppBuilder's, described by OpenAPI, behind the same gate as the pages.

Callers sign in as people do and send the same anti-forgery token (header ``X-CSRFToken``) with every change.
Errors are problem documents (RFC 9457). Page sizes are capped.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from flask import Response, jsonify, request
from flask_appbuilder.api import BaseApi
from marshmallow import Schema

from itm_admin.foundation.access import route
from itm_admin.foundation.errors import Invalid

__all__ = ["Api", "body", "describes", "route"]

_Method = TypeVar("_Method", bound=Callable[..., Any])

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


class Api(BaseApi):
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

    def operation_helper(
        self, path: str | None = None, operations: Any = None, methods: Any = None, func: Any = None, **_more: Any
    ) -> None:
        """Flask-AppBuilder asks for the description of one route here."""
        inside = [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string", "format": "uuid"}}
            for name in re.findall(r"{(\w+)}", path or "")
        ]
        for method in methods:
            told = copy.deepcopy(getattr(func, "_operation", {"responses": {"200": {"description": "Done"}}}))
            told["parameters"] = [*inside, *told.get("parameters", [])]
            told["security"] = [{"session": []}]
            operations[method.lower()] = told

    def changed(self, record: Any) -> Response:
        """After a change: which record, and its new version."""
        return self.answer(id=str(record.id), row_version=record.row_version)

    def answer(self, status: int = 200, /, **document: Any) -> Response:
        """A JSON document (which may have a field `status`); what it shows is queued with `looked_at` beforehand."""
        return self.told(document, status)

    def told(self, document: Mapping[str, Any], status: int = 200) -> Response:
        """As `answer`, for a document that is there already."""
        response = jsonify(dict(document))
        response.status_code = status
        return response


def describes(
    summary: str, *, takes: type[Schema] | None = None, query: Iterable[str] = (), status: int = 200
) -> Callable[[_Method], _Method]:
    """The operation's description for OpenAPI. Shapes come from the schemas that also check the input."""

    def describe(method: _Method) -> _Method:
        operation: dict[str, Any] = {
            "summary": summary,
            "responses": {
                str(status): {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
                **{code: {"$ref": f"#/components/responses/{code}"} for code in Api.responses},
            },
        }
        if query:
            operation["parameters"] = [{"in": "query", "name": name, "schema": {"type": "string"}} for name in query]
        if takes is not None:
            reference = {"$ref": f"#/components/schemas/{takes.__name__}"}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        method.__dict__["_operation"] = operation
        return method

    return describe


def body() -> dict[str, Any]:
    """The JSON object of the request. Invalid if it is none."""
    try:
        found = request.get_json(silent=True)
    except RecursionError:  # brackets within brackets without end
        raise Invalid from None
    if not isinstance(found, dict):
        raise Invalid
    return found
